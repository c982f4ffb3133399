#include "check_support.h"

#include <pwd.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

const char *check_keyring_name = "keyring.json";

const char *check_said;

void check_open(void)
{
    const struct master_key_spec specs[] = {
        fixture_spec(FIXTURE_OLD_KEY, KEY_LAYOUT_CHRONY_SIV, -DAY_S, 14 * DAY_S),
        fixture_spec(FIXTURE_NEW_KEY, KEY_LAYOUT_CHRONY_SIV, DAY_S, 15 * DAY_S),
    };
    fixture_open();
    fixture_write_certificate_as(
        "server",
        &(struct certificate_recipe){.names = "DNS:ntp.example,DNS:*.wild.example,IP:192.0.2.1",
                                     .not_after_s = 90 * DAY_S});
    ke_write_keyring(1, specs, 2);
}

void check_run(const char *before, const char *program, int exit_status)
{
    static char output[16384];
    char command[1024];
    snprintf(command, sizeof(command), "cd '%s' && %s '%s/%s' --check --config c.json 2>&1",
             fixture_directory, before, fixture_bin_directory(), program);
    FILE *pipe = popen(command, "r");
    cr_assert_not_null(pipe);
    output[fread(output, 1, sizeof(output) - 1, pipe)] = '\0';
    int status = pclose(pipe);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == exit_status, "%s: status %#x: %s",
              program, status, output);
    check_said = output;
}

void check_time_behind(const char *before, const char *clock, const char *more, int exit_status)
{
    char config[1024];
    snprintf(config, sizeof(config),
             "{\"listen\":[\"%s:%d\"],\"keyring\":\"keyring.json\",\"workers\":1,"
             "\"receive_buffer_kib\":64,\"clock\":%s%s}",
             fixture_ip, FIXTURE_NTP_PORT, clock, more);
    fixture_write("c.json", config);
    check_run(before, "nts-time-server", exit_status);
}

void check_time(const char *more, int exit_status)
{
    check_time_behind("", FIXED_CLOCK, more, exit_status);
}

void check_ke_behind(const char *before, const char *more, int exit_status)
{
    char config[1024];
    snprintf(config, sizeof(config),
             "{\"listen\":[\"%s:%d\"],\"certificate\":\"server.crt\",\"private_key\":"
             "\"server.key\",\"keyring\":\"%s\",\"workers\":1%s}",
             fixture_ip, FIXTURE_KE_PORT, check_keyring_name, more);
    fixture_write("c.json", config);
    check_run(before, "nts-ke-server", exit_status);
}

void check_ke(const char *more, int exit_status)
{
    check_ke_behind("", more, exit_status);
}

void assert_said(const char *text)
{
    cr_assert_not_null(strstr(check_said, text), "no '%s' in: %s", text, check_said);
}

void assert_not_said(const char *text)
{
    cr_assert_null(strstr(check_said, text), "'%s' in: %s", text, check_said);
}

const char *check_sent_to(unsigned port)
{
    static char text[128];
    snprintf(text, sizeof(text), ",\"time_servers\":[{\"name\":\"%s\",\"port\":%u}]", fixture_ip,
             port);
    return text;
}

int check_take_port(int type, uint16_t port)
{
    union net_address address;
    cr_assert(address_parse(&address, fixture_ip, port));
    int fd = socket(AF_INET, type, 0);
    cr_assert_eq(bind(fd, &address.sa, address_len(&address)), 0);
    cr_assert(type == SOCK_DGRAM || listen(fd, 1) == 0);
    return fd;
}

void check_give_to_nobody(void)
{
    static const char *const files[] = {"server.crt", "server.key"};
    fixture_give_to_nobody();
    const struct passwd *nobody = getpwnam("nobody");
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        cr_assert_eq(chown(fixture_path(files[i]), nobody->pw_uid, nobody->pw_gid), 0);
    }
}
