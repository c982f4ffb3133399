/* Section 2 of the conformance matrix: deadlines and slots. No test looks at how long something
 * took, only that it ended. */
#include "ke_support.h"

#include <sys/socket.h>
#include <unistd.h>

/* Short, for the tests wait for it. The server lingers for as long as the client may take to read.
 */
#define DEADLINE ", \"deadline_ms\": 1000, \"linger_ms\": 60000"

KE_FILES_TEST(KE_13_incomplete_request_at_the_deadline_gets_error_1)
{
    ke_start(DEADLINE);
    struct ke_dialog dialog;
    ke_dialog_open_in_time(&dialog);
    ke_dialog_send(&dialog, NP AE);
    ke_dialog_expect(&dialog, ERR1);
    ke_await_service();
}

KE_FILES_TEST(KE_15_body_that_never_comes_gets_error_1_at_the_deadline)
{
    ke_start(DEADLINE);
    struct ke_dialog dialog;
    ke_dialog_open_in_time(&dialog);
    ke_dialog_send(&dialog, "80010006000080000000");
    ke_dialog_expect(&dialog, ERR1);
}

KE_FILES_TEST(KE_16_deadline_is_absolute)
{
    /* An octet every 50 ms: the request would take 51 s, with never a pause near the deadline. */
    ke_start(DEADLINE);
    struct ke_dialog dialog;
    int num_sent = 0;
    ke_dialog_open_in_time(&dialog);
    ke_dialog_send(&dialog, NP AE "400103ec");
    do {
        ke_dialog_send(&dialog, "00");
        num_sent++;
    } while (num_sent < 1004 && !deadline_wait(dialog.connection.fd, POLLIN, deadline_in_ms(50)));
    cr_assert_lt(num_sent, 1004);
    ke_dialog_expect(&dialog, ERR1);
}

KE_FILES_TEST(KE_17_silence_after_the_handshake_gets_error_1)
{
    ke_start(DEADLINE);
    struct ke_dialog dialog;
    ke_dialog_open_in_time(&dialog);
    ke_dialog_expect(&dialog, ERR1);
}

/* A TLS record header that promises a ClientHello, and 11 octets of it. */
static const uint8_t half_hello[] = {0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01,
                                     0xfc, 0x03, 0x03, 0x00, 0x01, 0x02, 0x03, 0x04};

/* Connects, and sends that if `talks`. */
static int open_half(bool talks)
{
    int fd = ke_tcp_open();
    if (talks) {
        cr_assert_eq(send(fd, half_hello, sizeof(half_hello), MSG_NOSIGNAL),
                     (ssize_t)sizeof(half_hello));
    }
    return fd;
}

KE_FILES_TEST(KE_18_silence_before_client_hello_is_closed_and_frees_its_slot)
{
    enum { NUM_SLOTS = 4 };
    int fds[NUM_SLOTS];
    uint8_t octets[64];
    ke_start(", \"deadline_ms\": 1000, \"max_connections\": 4");
    for (int i = 0; i < NUM_SLOTS; i++) {
        fds[i] = open_half(i % 2 == 1);
    }
    for (int i = 0; i < NUM_SLOTS; i++) {
        cr_assert_eq(ke_tcp_read_to_end(fds[i], octets, sizeof(octets)), 0);
    }
    ke_await_service();
    for (int i = 0; i < NUM_SLOTS; i++) {
        close(fds[i]);
    }
}

KE_FILES_TEST(KE_18_client_beyond_the_last_slot_is_closed_at_once)
{
    uint8_t octets[64];
    ke_start(", \"deadline_ms\": 60000, \"max_connections\": 2");
    int first = open_half(false);
    int second = open_half(true);
    int third = open_half(false);
    cr_assert_eq(ke_tcp_read_to_end(third, octets, sizeof(octets)), 0);
    close(third);
    close(first); /* a slot is free when its client goes, too */
    ke_await_service();
    close(second);
}

KE_FILES_TEST(KE_18_slow_clients_do_not_block_others)
{
    enum { NUM_SLOW = 50 };
    static struct ke_dialog dialogs[NUM_SLOW];
    int fds[NUM_SLOW];
    ke_start(", \"deadline_ms\": 60000");
    for (int i = 0; i < NUM_SLOW; i++) {
        if (i % 4 < 2) {
            fds[i] = open_half(i % 4 == 1);
            continue;
        }
        ke_dialog_open(&dialogs[i], NULL);
        if (i % 4 == 3) {
            ke_dialog_send(&dialogs[i], NP AE "8000");
        }
    }
    for (int i = 0; i < 3; i++) {
        ke_expect_ok15(NP AE EOM);
    }
    for (int i = 0; i < NUM_SLOW; i++) {
        if (i % 4 < 2) {
            close(fds[i]);
            continue;
        }
        /* They were slow, not forgotten. */
        ke_dialog_send(&dialogs[i], i % 4 == 3 ? "0000" : NP AE EOM);
        ke_dialog_agree(&dialogs[i], OK15);
    }
}
