#include "client/ke_client.h"
