/* Where load may go without further questions. Pure. */
#ifndef NTS_LOAD_DESTINATION_H
#define NTS_LOAD_DESTINATION_H

#include "base/address.h"

/* destination_is_own tells whether an address is loopback, private (RFC 1918, RFC 4193) or
 * link-local, IPv4 addresses in IPv6 form included: none that belongs to somebody on the
 * Internet. */
bool destination_is_own(const union net_address *address);

/* destination_check refuses, with a text, what is not. NTS_OK also if `is_allowed`, the user's word
 * that the server is theirs; NTS_ERR_CONFIG. */
NTS_MUST_CHECK enum nts_status destination_check(const union net_address *address, bool is_allowed,
                                                 struct error *error);

#endif
