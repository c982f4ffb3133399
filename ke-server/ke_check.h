/* --check of nts-ke-server: what would go wrong if it were started now. */
#ifndef NTS_KE_CHECK_H
#define NTS_KE_CHECK_H

/* ke_check examines the configuration and all that it points to, and what this host permits, and
 * asks each time server for time as a client does. It logs each finding with what to do, and
 * returns the exit status: 0 if the server would start and serve. */
int ke_check(const char *config_path);

#endif
