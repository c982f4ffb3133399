/* --check of both servers: addresses, what the host permits, and the user. */
#include "check_support.h"

#include <stdio.h>
#include <sys/personality.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- addresses --- */

static void assert_taken(const char *protocol, unsigned port)
{
    char text[256];
    snprintf(text, sizeof(text),
             "finding=port_taken reason=\"%s %s:%u is bound by conformance-tes, process %d\" "
             "advice=\"stop that process, or listen on another address or port\"\n",
             protocol, fixture_ip, port, (int)getpid());
    assert_said(text);
}

CHECK_TEST(port_that_is_taken_is_an_error_that_names_who_has_it)
{
    int fd = check_take_port(SOCK_DGRAM, FIXTURE_NTP_PORT);
    check_time("", 1);
    assert_taken("udp", FIXTURE_NTP_PORT);
    close(fd);
    check_time("", 0);
    fd = check_take_port(SOCK_STREAM, FIXTURE_KE_PORT);
    check_ke("", 1);
    assert_taken("tcp", FIXTURE_KE_PORT);
    close(fd);
    check_ke("", 0);
}

CHECK_TEST(port_of_the_server_that_runs_is_a_warning)
{
    char text[256];
    ke_start_time_server();
    ke_start("");
    check_time("", 0);
    snprintf(text, sizeof(text),
             "finding=port_shared reason=\"udp %s:%d is bound by nts-time-server, process "
             "%d\" advice=\"nothing if that is this server; else stop one of the two\"\n",
             fixture_ip, FIXTURE_NTP_PORT, (int)ke_time_server.pid);
    assert_said(text);
    check_ke("", 0);
    snprintf(text, sizeof(text), "reason=\"tcp %s:%d is bound by nts-ke-server, process %d\"",
             fixture_ip, FIXTURE_KE_PORT, (int)ke_server.pid);
    assert_said(text);
}

CHECK_TEST(address_of_another_host_is_an_error)
{
    char config[512];
    snprintf(config, sizeof(config),
             "{\"listen\":[\"192.0.2.1:4123\"],\"keyring\":\"keyring.json\",\"clock\":" FIXED_CLOCK
             "}");
    fixture_write("c.json", config);
    check_run("", "nts-time-server", 1);
    assert_said("finding=address reason=\"udp 192.0.2.1:4123 cannot be bound: Cannot assign "
                "requested address\" advice=\"give this host the address, or take it out of "
                "listen\"\n");
}

/* --- what the host permits --- */

CHECK_TEST(io_uring_that_is_forbidden_matters_where_it_is_needed)
{
    fixture_forbid_io_uring();
    check_time(",\"transport\":\"recvmmsg\"", 0);
    assert_not_said("io_uring");
    check_time(",\"transport\":\"auto\"", 0);
    assert_said("warning check.warning finding=io_uring reason=\"io_uring is not permitted here");
    check_time(",\"transport\":\"io_uring\"", 1);
    assert_said("error check.error finding=io_uring reason=\"io_uring is not permitted here");
    check_ke("", 1);
    assert_said("error check.error finding=io_uring");
    assert_said("advice=\"set sysctl kernel.io_uring_disabled to 0, and permit io_uring_setup, ");
}

/* uname(2) says 2.6.something from here on. */
CHECK_TEST(kernel_that_is_too_old_is_found)
{
    check_ke("", 0);
    assert_not_said("finding=kernel");
    cr_assert_geq(personality(UNAME26), 0);
    check_ke("", 1);
    assert_said("error check.error finding=kernel reason=\"Linux 2.6.");
    assert_said(" is older than 6.1\" advice=\"run Linux 6.1 or newer\"\n");
    check_time("", 0);
    assert_said("warning check.warning finding=kernel");
}

CHECK_TEST(limit_of_descriptors_must_do)
{
    check_ke_behind("ulimit -n 1000 &&", ",\"max_connections\":853", 0);
    assert_not_said("descriptors");
    check_ke_behind("ulimit -n 1000 &&", ",\"max_connections\":854", 0);
    assert_said("warning check.warning finding=descriptors reason=\"1001 descriptors are needed, "
                "RLIMIT_NOFILE grants 1000\"");
    check_ke_behind("ulimit -n 1000 &&", ",\"max_connections\":853,\"metrics\":\"127.0.0.1:50124\"",
                    0);
    assert_said("\"1040 descriptors are needed");
    check_time_behind("ulimit -n 30 &&", FIXED_CLOCK, "", 1);
    assert_said("error check.error finding=descriptors reason=\"35 descriptors are needed");
}

/* What follows is about privileges that are given up: it takes root. */

#define AS_NOBODY "exec setpriv --reuid=nobody --clear-groups --inh-caps=-all"

/* Under a sanitizer mlock does nothing, and cannot fail. */
#if defined(__SANITIZE_ADDRESS__)
#define LOCKS_MEMORY false
#elif defined(__has_feature)
#define LOCKS_MEMORY !__has_feature(address_sanitizer)
#else
#define LOCKS_MEMORY true
#endif

CHECK_TEST(limit_of_locked_memory_is_that_of_the_user)
{
    if (!LOCKS_MEMORY) {
        cr_skip_test("needs a build without sanitizers");
    }
    check_give_to_nobody();
    check_time_behind("ulimit -l 0 &&", FIXED_CLOCK, ",\"user\":\"nobody\"", 0);
    assert_said("warning check.warning finding=not_locked reason=\"nobody may not lock the memory "
                "of two keyrings: keys could be swapped out\" advice=\"raise RLIMIT_MEMLOCK: "
                "LimitMEMLOCK= of the unit, or ulimit -l\"\n");
    check_time_behind("ulimit -l 8192 &&", FIXED_CLOCK, ",\"user\":\"nobody\"", 0);
    assert_not_said("not_locked");
}

CHECK_TEST(user_must_be_able_to_follow_the_keyring)
{
    fixture_give_to_nobody();
    cr_assert_eq(chown(fixture_path("keyring.json"), 0, 0), 0);
    check_time(",\"user\":\"nobody\"", 1);
    assert_said("error check.error finding=not_readable reason=\"nobody cannot follow the keyring: "
                "keyring.json: cannot open: Permission denied\"");
    assert_said("warning check.warning finding=not_readable reason=\"nobody cannot read c.json: a "
                "reload would be refused\"");
    check_ke(",\"user\":\"nobody\"", 1);
    assert_said("nobody cannot read server.key: a reload would be refused");
    check_time("", 0);
    assert_said("warning check.warning finding=root");
}

/* Skips the test where that user cannot run the server, which may be in somebody's home. */
static void need_server_for_nobody(void)
{
    char command[512];
    snprintf(command, sizeof(command), "(" AS_NOBODY " test -x '%s/nts-time-server')",
             fixture_bin_directory());
    if (system(command) != 0) {
        cr_skip_test("nobody cannot run the servers here");
    }
}

CHECK_TEST(server_of_another_user_is_a_guess)
{
    ke_start_time_server();
    check_give_to_nobody();
    need_server_for_nobody();
    check_time_behind("chown nobody c.json && " AS_NOBODY, FIXED_CLOCK, "", 0);
    assert_said("warning check.warning finding=port_shared reason=\"udp ");
    assert_said(" is bound by a process that this user may not see, perhaps nts-time-server, ");
}

CHECK_TEST(user_without_privileges_is_told_what_it_lacks)
{
    check_give_to_nobody();
    need_server_for_nobody();
    fixture_write("c.json",
                  "{\"listen\":[\"127.0.0.1:1\"],\"keyring\":\"keyring.json\","
                  "\"receive_buffer_kib\":524288,\"user\":\"root\",\"clock\":" FIXED_CLOCK "}");
    cr_assert_eq(chmod(fixture_path("c.json"), 0644), 0);
    check_run(AS_NOBODY, "nts-time-server", 1);
    assert_said("finding=user reason=\"user: cannot become \"root\": Operation not permitted\"");
    assert_said("warning check.warning finding=receive_buffer reason=\"receive_buffer_kib is "
                "524288, the kernel grants ");
    FILE *file = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "r");
    int first_port = 1024;
    cr_assert(file == NULL || fscanf(file, "%d", &first_port) == 1);
    if (first_port > 1) {
        assert_said("finding=port_forbidden reason=\"udp 127.0.0.1:1 may not be bound by this "
                    "user\" advice=\"start as root, or with CAP_NET_BIND_SERVICE\"\n");
    }
}
