/* Runs --check of the servers on a farm in which something has been made to go wrong. */
#ifndef NTS_CONFORMANCE_CHECK_SUPPORT_H
#define NTS_CONFORMANCE_CHECK_SUPPORT_H

#include "ke_support.h"
#include "ntp_support.h"

#define DAY_S 86400

/* The keyring of the ke-server's configuration; a test may name another file. */
extern const char *check_keyring_name;

/* What the last check has logged. */
extern const char *check_said;

/* check_open makes the files of a farm in good order: an active and an upcoming key, a certificate
 * of 90 days for ntp.example, *.wild.example and 192.0.2.1. */
void check_open(void);

/* check_run runs `program` --check on c.json, and fails the test unless it exits with that status.
 * `before` is the start of a shell command that goes on with the program. */
void check_run(const char *before, const char *program, int exit_status);

/* check_time and check_ke do so with a configuration of one address on fixture_ip, one worker, and
 * `more`: JSON members, each with a comma in front. */
void check_time(const char *more, int exit_status);
void check_time_behind(const char *before, const char *clock, const char *more, int exit_status);
void check_ke(const char *more, int exit_status);
void check_ke_behind(const char *before, const char *more, int exit_status);

/* check_sent_to returns the member that sends clients to that port of fixture_ip; valid until the
 * next call. */
const char *check_sent_to(unsigned port);

/* check_take_port binds a socket that shares the port of fixture_ip with nobody, and says nothing.
 */
int check_take_port(int type, uint16_t port);

/* check_give_to_nobody gives all files of the farm to the user nobody; skips the test when it does
 * not run as root. */
void check_give_to_nobody(void);

void assert_said(const char *text);
void assert_not_said(const char *text);

#define CHECK_TEST(name)                                                                           \
    Test(check, name, .init = check_open, .fini = ke_close, .timeout = TEST_TIMEOUT_S)

#endif
