#ifndef NTS_CLIENT_NTP_CLIENT_H
#define NTS_CLIENT_NTP_CLIENT_H
#include "client/ke_client.h"
#endif
