/* nts-time-server: answers NTP and NTS-protected NTP; holds no certificate and no client state. */
#include "time-server/server.h"

#include "base/clock_time.h"
#include "crypto/boringssl.h"
#include "crypto/secret_mem.h"
#include "log/log.h"
#include "process/command_line.h"
#include "process/control.h"
#include "process/sandbox.h"
#include "process/service_manager.h"
#include "time-server/config/time_check.h"

#include <unistd.h>

static const struct server_program program = {
    .name = "nts-time-server",
    .purpose = "answers NTP and NTS-protected NTP (RFC 5905, RFC 8915)",
    .options = &time_config_table,
};

/* The control thread's life: signals, the keyring file, the clock, once a second a tick. */
static void control(struct time_server *server, int signal_fd)
{
    int64_t next_tick_ns = mono_time_ns() + NS_PER_S; /* the first one was before the start */
    for (;;) {
        const int fds[] = {keyring_watch_fd(&server->keyring.watch),
                           clock_source_fd(&server->clock_source), handover_fd(&server->handover)};
        int64_t wait_ns = next_tick_ns - mono_time_ns();
        unsigned events =
            control_wait(signal_fd, fds, 3, wait_ns > 0 ? (int)(wait_ns / NS_PER_MS) + 1 : 0);
        if ((events & CONTROL_STOP) != 0) {
            return;
        }
        if ((events & CONTROL_RELOAD) != 0) {
            service_manager_reloading();
            time_server_reload(server);
            time_server_reload_keyring(server);
            service_manager_ready();
        }
        if ((events & CONTROL_DUMP) != 0) {
            time_server_log_counters(server);
        }
        if ((events & CONTROL_FD_BASE) != 0 && keyring_watch_changed(&server->keyring.watch)) {
            time_server_reload_keyring(server);
        }
        if ((events & CONTROL_FD_BASE << 1) != 0) {
            clock_source_receive(&server->clock_source);
            time_server_post_clock(server);
        }
        if ((events & CONTROL_FD_BASE << 2) != 0 && time_server_look_at_handover(server)) {
            return;
        }
        if (mono_time_ns() >= next_tick_ns) {
            time_server_tick(server);
            next_tick_ns = mono_time_ns() + NS_PER_S;
        }
    }
}

static void log_ready(const struct time_server *server)
{
    const union net_address *addresses = server->config.listen.items;
    for (size_t i = 0; i < server->config.listen.num; i++) {
        char text[ADDRESS_TEXT_LEN];
        address_format(text, &addresses[i]);
        log_info("time.listening", "address=%s", text);
    }
    if (server->config.metrics.sa.sa_family != AF_UNSPEC) {
        char text[ADDRESS_TEXT_LEN];
        address_format(text, &server->config.metrics);
        log_info("metrics.listening", "address=%s", text);
    }
    if (!secret_memory_is_locked()) {
        log_warning("secrets.not_locked",
                    "reason=\"keys may be swapped out: raise RLIMIT_MEMLOCK\"");
    }
    log_info("time.ready", "version=%s workers=%zu transport=%s crypto=%s plain_ntp=%s",
             NTS_VERSION, server->num_workers, server->transport->name,
             aead_path_name(aead_path_current()), server->config.plain_ntp ? "true" : "false");
}

static int run(struct time_server *server)
{
    struct error error;
    int signal_fd = -1;
    sandbox_hide_memory();
    enum nts_status status = control_open(&signal_fd, &error);
    if (status == NTS_OK) {
        status = time_server_open(server, &error);
    }
    if (status == NTS_OK) {
        time_server_tick(server);
        status = time_server_start(server, &error);
    }
    if (status != NTS_OK) {
        log_error("time.failed", "reason=\"%s\"", error.text);
        time_server_close(server);
        return 1;
    }
    log_ready(server);
    service_manager_ready();
    handover_commit(&server->handover);
    control(server, signal_fd);
    service_manager_stopping();
    time_server_stopping(server);
    time_server_log_counters(server);
    time_server_close(server);
    close(signal_fd);
    log_info("time.stopped", "status=clean");
    return 0;
}

int main(int argc, char **argv)
{
    struct server_command command;
    struct time_server server = {
        .clock_source = {.fd = -1},
        .metrics = {.fd = -1},
    };
    struct error error;
    struct server_program self = program;
    self.library_version = boringssl_version();
    int exit_status = command_line_parse(&command, &self, argc, argv);
    if (exit_status >= 0) {
        return exit_status;
    }
    if (command.check) {
        return time_check(command.config_path);
    }
    server.config_path = command.config_path;
    if (config_load(&server.config, &server.config_memory, &time_config_table, command.config_path,
                    &error) != NTS_OK) {
        log_error("config.refused", "reason=\"%s\"", error.text);
        return 1;
    }
    log_set_level((enum log_level)server.config.log_level);
    log_set_format((enum log_format)server.config.log_format);
    return run(&server);
}
