#include "client/ntp_client.h"
