/* nts-load: puts a measured load on an NTS server. */
#include "load/echo.h"
#include "load/load_modes.h"
#include "load/load_target.h"
#include "load/run_control.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define ECHO_SOCKET_BUFFER_LEN (4 << 20)

static int fail(const struct error *error)
{
    fprintf(stderr, "nts-load: %s\n", error->text);
    return LOAD_EXIT_FAILED;
}

/* --- echo --- */

static enum nts_status open_echo_socket(int *fd, const union net_address *address,
                                        struct error *error)
{
    int buffer_len = ECHO_SOCKET_BUFFER_LEN;
    *fd = socket(address->sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (*fd < 0 || bind(*fd, &address->sa, address_len(address)) != 0) {
        char text[ADDRESS_TEXT_LEN];
        address_format(text, address);
        return error_set(error, NTS_ERR_SYSTEM, "cannot listen on udp %s: %s", text,
                         strerror(errno));
    }
    if (setsockopt(*fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer_len, sizeof(buffer_len)) != 0) {
        setsockopt(*fd, SOL_SOCKET, SO_RCVBUF, &buffer_len, sizeof(buffer_len));
    }
    return NTS_OK;
}

static int serve_echo(const struct load_options *options)
{
    struct error error;
    union net_address address;
    struct echo_counts counts = {0};
    int fd = -1;
    enum nts_status status =
        load_target_resolve(&address, options->host, options->port, options, &error);
    if (status == NTS_ERR_CONFIG) {
        fail(&error);
        return LOAD_EXIT_USAGE;
    }
    if (status == NTS_OK) {
        status = open_echo_socket(&fd, &address, &error);
    }
    if (status == NTS_OK) {
        int64_t end_ns = options->duration_s > 0
                             ? mono_time_ns() + (int64_t)(options->duration_s * (double)NS_PER_S)
                             : INT64_MAX;
        fprintf(stderr, "nts-load: echo is ready, %s\n", echo_transport_name(options->transport));
        status = options->transport == ECHO_RECVMMSG ? echo_recvmmsg(&counts, fd, end_ns, &error)
                                                     : echo_io_uring(&counts, fd, end_ns, &error);
    }
    if (fd >= 0) {
        close(fd);
    }
    if (status != NTS_OK) {
        return fail(&error);
    }
    if (options->json) {
        printf("{\"schema\": \"nts-load/1\", \"mode\": \"echo\", \"transport\": \"%s\", "
               "\"received\": %" PRIu64 ", \"echoed\": %" PRIu64 "}\n",
               echo_transport_name(options->transport), counts.received, counts.echoed);
    } else {
        printf("echo: received %" PRIu64 ", echoed %" PRIu64 "\n", counts.received, counts.echoed);
    }
    return LOAD_EXIT_OK;
}

/* --- load --- */

static bool draw(const struct load_report *report)
{
    char title[256];
    const struct load_options *options = report->options;
    snprintf(title, sizeof(title), "nts-load %s %s%s", load_mode_name(options->mode),
             report->target, options->plain ? " (plain NTP)" : "");
    if (!plot_save(options->plot_file, title, report->points, report->num_points)) {
        fprintf(stderr, "nts-load: cannot write %s: %s\n", options->plot_file, strerror(errno));
        return false;
    }
    return true;
}

static int put_load(const struct load_options *options)
{
    static struct load_report report;
    struct error error;
    report.options = options;
    enum nts_status status =
        options->mode == LOAD_KE ? load_ke(&report, &error) : load_udp(&report, &error);
    if (status != NTS_OK) {
        fail(&error);
        return status == NTS_ERR_CONFIG ? LOAD_EXIT_USAGE : LOAD_EXIT_FAILED;
    }
    if (options->json) {
        load_report_print_json(&report);
    } else {
        load_report_print_text(&report);
    }
    bool is_drawn = options->plot_file == NULL || draw(&report);
    bool is_told = fflush(stdout) == 0;
    bool is_load = load_result_answer_rate(&report.result) > 0;
    return is_drawn && is_told && is_load && load_result_is_clean(&report.result)
               ? LOAD_EXIT_OK
               : LOAD_EXIT_FAILED;
}

int main(int argc, char **argv)
{
    struct load_options options;
    struct error error;
    int exit_status = load_options_parse(&options, argc, argv);
    if (exit_status >= 0) {
        return exit_status;
    }
    if (options.cpu >= 0 && run_control_pin(options.cpu, &error) != NTS_OK) {
        return fail(&error);
    }
    run_control_catch_signals();
    run_control_raise_limits();
    prctl(PR_SET_TIMERSLACK, 1); /* naps end when they should */
    return options.mode == LOAD_ECHO ? serve_echo(&options) : put_load(&options);
}
