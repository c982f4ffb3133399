#include "load/load_options.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Parses the words of one line. */
static int parse(struct load_options *options, const char *line)
{
    static char copy[512];
    static char name[] = "nts-load";
    char *argv[32] = {name};
    int argc = 1;
    snprintf(copy, sizeof(copy), "%s", line);
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " ")) {
        argv[argc++] = word;
    }
    return load_options_parse(options, argc, argv);
}

Test(load_options, fills_in_what_is_left_open)
{
    struct load_options options;
    cr_assert_eq(parse(&options, "time 127.0.0.1 --plain"), -1);
    cr_assert_eq(options.mode, LOAD_TIME);
    cr_assert_eq(options.port, 123);
    cr_assert_eq(options.window, 128);
    cr_assert_eq(options.sockets, 64);
    cr_assert_float_eq(options.duration_s, 10, 0);
    cr_assert_float_eq(options.timeout_s, 1, 0);

    cr_assert_eq(parse(&options, "time [::1]:4123 --ke h:4461 --rate 5 --clients 1000"), -1);
    cr_assert_eq(options.port, 4123);
    cr_assert_str_eq(options.host, "::1");
    cr_assert_eq(options.ke_port, 4461);
    cr_assert_eq(options.window, 0);
    cr_assert_eq(options.sockets, 256);

    cr_assert_eq(parse(&options, "ke h --ramp"), -1);
    cr_assert_eq(options.port, 4460);
    cr_assert_eq(options.window, 0);
    cr_assert_float_eq(options.rate, 100, 0);
    cr_assert_eq(options.concurrency, 1024);

    cr_assert_eq(parse(&options, "limit h:9 --source-net fd00::/64 --loss 0.5"), -1);
    cr_assert_eq(options.family, AF_INET6);
    cr_assert_float_eq(options.loss, 0.005, 1e-12);
}

Test(load_options, refuses_what_makes_no_sense)
{
    static const char *const lines[] = {
        "",
        "hover h",
        "time",
        "time h",
        "time h g --plain",
        "time h:0 --plain",
        "limit h",
        "echo h",
        "time h --plain --window 0",
        "time h --plain --window",
        "time h --plain --rate fast",
        "time h --plain --rate 0",
        "time h --plain --window 3 --rate 3",
        "time h --plain --window 3 --ramp",
        "time h --plain --mix bad-cookie=1",
        "time h --plain --mix good",
        "time h --plain --aead 14",
        "time h --plain --clients 100001",
        "time h --plain --duration 0",
        "time h --plain --source-net 10.1.0.1/16",
        "time h --plain -6 --source-net 10.1.0.0/16",
        "time h --plain --transport io_uring",
        "time h --plain --nonsense",
        "limit h:9 --transport epoll",
        "limit h:9 --size 47",
        "limit h:9 --ke h",
        "ke h --window 4",
        "ke h --plain",
    };
    cr_assert_not_null(freopen("/dev/null", "w", stderr));
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct load_options options;
        cr_assert_eq(parse(&options, lines[i]), LOAD_EXIT_USAGE, "%s", lines[i]);
    }
}
