/* Section 2 of the conformance matrix: NTS-KE framing. Its deadlines are in ke_timing.c. */
#include "ke_support.h"

#include "support/octets.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

KE_TEST(KE_01_basic_exchange)
{
    ke_expect_ok15("80010002000080040002000f80000000");
}

KE_TEST(KE_02_records_may_be_split_anywhere)
{
    struct octets request = octets_of(NP AE EOM);
    struct ke_dialog dialog;
    ke_dialog_open(&dialog, NULL);
    for (size_t i = 0; i < request.len; i++) {
        char octet[3];
        hex_encode(octet, request.data + i, 1);
        ke_dialog_send(&dialog, octet);
    }
    ke_dialog_agree(&dialog, OK15);

    for (size_t cut = 1; cut < request.len; cut++) {
        char hex[65];
        ke_dialog_open(&dialog, NULL);
        hex_encode(hex, request.data, cut);
        ke_dialog_send(&dialog, hex);
        hex_encode(hex, request.data + cut, request.len - cut);
        ke_dialog_send(&dialog, hex);
        ke_dialog_agree(&dialog, OK15);
    }
}

KE_TEST(KE_03_request_of_1024_octets_is_accepted)
{
    ke_expect_ok15(ke_zeros(NP AE "400103ec", 1004, EOM));
}

KE_TEST(KE_04_request_over_4096_octets_gets_error_1)
{
    ke_expect_ok15(ke_zeros(NP AE "40010fec", 4096 - 20, EOM)); /* 4096 octets */
    ke_expect(ke_zeros(NP AE "40010fed", 4096 - 19, EOM), ERR1);
    ke_expect(ke_zeros("40019c40", 40000, EOM), ERR1);
}

/* Resident memory of the server, in kilobytes. */
static long server_memory_kb(void)
{
    char line[256];
    long kb = -1;
    snprintf(line, sizeof(line), "/proc/%d/status", (int)ke_server.pid);
    FILE *file = fopen(line, "r");
    cr_assert_not_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "VmRSS: %ld", &kb) == 1) {
            break;
        }
    }
    fclose(file);
    cr_assert_gt(kb, 0);
    return kb;
}

KE_FILES_TEST(KE_04_oversized_requests_cost_no_memory)
{
    /* A sanitizer keeps freed memory for a while; what it keeps must not look like a leak. */
    setenv("ASAN_OPTIONS", "quarantine_size_mb=1:thread_local_quarantine_size_kb=64", 1);
    ke_start("");
    long before_kb = 0;
    for (int i = 0; i < 300; i++) {
        if (i == 100) {
            before_kb = server_memory_kb();
        }
        ke_expect(ke_zeros("40019c40", 40000, EOM), ERR1);
    }
    /* 200 requests that were kept would be 8000 kB. */
    cr_assert_lt(server_memory_kb() - before_kb, 4000);
}

KE_TEST(KE_05_unknown_record_is_ignored)
{
    ke_expect_ok15(NP AE "40010004deadbeef" EOM);
    ke_expect_ok15("40010004deadbeef" NP "7fff0000" AE "00080000" EOM);
    ke_expect(NP AE "c0010004deadbeef" EOM, ERR0);
}

KE_TEST(KE_06_unknown_critical_record_gets_error_0)
{
    ke_expect(NP AE "c0010004deadbeef" EOM, ERR0);
    ke_expect("ffff0000" NP AE EOM, ERR0);
    ke_expect_ok15(NP AE "40010004deadbeef" EOM);
}

KE_TEST(KE_07_first_error_in_record_order_wins)
{
    ke_expect("c0010000" EOM, ERR0);         /* and no Next Protocol */
    ke_expect("c001000080010000" EOM, ERR0); /* then an empty one */
    ke_expect("80010000c0010000" EOM, ERR1); /* the other way round */
    ke_expect(NP "c0010000" NP AE EOM, ERR0);
    ke_expect(NP NP "c0010000" AE EOM, ERR1);
}

KE_TEST(KE_08_end_of_message_must_be_critical)
{
    ke_expect(NP AE "00000000", ERR1);
    ke_expect_ok15(NP AE "80000000");
}

KE_TEST(KE_09_end_of_message_must_be_empty)
{
    ke_expect(NP AE "800000020000", ERR1);
    ke_expect(NP AE "8000000400000000", ERR1);
}

KE_TEST(KE_10_octets_behind_end_of_message_get_error_1)
{
    ke_expect(NP AE EOM EOM, ERR1);
    ke_expect(NP AE EOM "40010000", ERR1);
    ke_expect(NP AE EOM "ffff", ERR1);
    ke_expect(NP AE EOM "00", ERR1);
}

KE_TEST(KE_11_two_requests_get_error_1_and_one_response)
{
    ke_expect(NP AE EOM NP AE EOM, ERR1);
    ke_expect(ke_zeros(NP AE "40010fec", 4096 - 20, EOM NP AE EOM), ERR1);
}

KE_TEST(KE_12_octets_behind_the_response_are_discarded)
{
    struct ke_dialog dialog;
    ke_dialog_open(&dialog, NULL);
    ke_dialog_send(&dialog, NP AE EOM);
    /* The matrix waits 50 ms; that the response is there is the same, and certain. */
    cr_assert(deadline_wait(dialog.connection.fd, POLLIN, deadline_in_ms(PATIENCE_MS)));
    ke_dialog_send(&dialog, "40010000");
    ke_dialog_agree(&dialog, OK15);
}

/* The servers of what follows have a deadline that no test reaches: it is the end of the request
 * that is answered. */
#define NO_DEADLINE ", \"deadline_ms\": 60000"

/* Sends a part of a request, says close_notify, and expects ERR1. */
static void expect_error_after_close(const char *hex)
{
    struct ke_dialog dialog;
    ke_dialog_open(&dialog, NULL);
    ke_dialog_send(&dialog, hex);
    ke_connection_send_close_notify(&dialog.connection);
    ke_dialog_expect(&dialog, ERR1);
}

KE_FILES_TEST(KE_14_incomplete_request_then_close_notify_gets_error_1)
{
    ke_start(NO_DEADLINE);
    expect_error_after_close(NP AE);
    expect_error_after_close(NP AE "8000");

    /* The same when TCP alone is closed. */
    struct ke_dialog dialog;
    ke_dialog_open(&dialog, NULL);
    ke_dialog_send(&dialog, NP AE);
    cr_assert_eq(shutdown(dialog.connection.fd, SHUT_WR), 0);
    ke_dialog_expect(&dialog, ERR1);

    /* And a complete request is answered although the client closes at once. */
    ke_dialog_open(&dialog, NULL);
    ke_dialog_send(&dialog, NP AE EOM);
    ke_connection_send_close_notify(&dialog.connection);
    ke_dialog_agree(&dialog, OK15);
}

KE_FILES_TEST(KE_15_body_longer_than_the_data_gets_error_1)
{
    ke_start(NO_DEADLINE);
    long before_kb = server_memory_kb();
    expect_error_after_close("80010006000080000000");
    struct ke_dialog dialog;
    ke_dialog_open(&dialog, NULL);
    ke_dialog_send(&dialog, "8001ffff"); /* more than any request may have: no need to wait */
    ke_dialog_expect(&dialog, ERR1);
    cr_assert_lt(server_memory_kb() - before_kb, 16000);
}

KE_TEST(KE_19_order_of_records_is_free)
{
    ke_expect_ok15(AE NP EOM);
    ke_expect_ok15("00070002007b" AE "40010000" NP EOM);
    ke_expect(AE EOM NP, ERR1); /* but for End of Message */
}
