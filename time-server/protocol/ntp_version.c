#include "time-server/protocol/ntp_version.h"

const struct ntp_versions ntp_versions = {{
#define NTP_VERSION_ROW(number, row) [number] = &row,
    NTP_VERSION_TABLE(NTP_VERSION_ROW)
#undef NTP_VERSION_ROW
}};
