/* Section 1 of the conformance matrix: the TLS layer of NTS-KE. What only shows in the messages of
 * the handshake is in ke_handshake.c. */
#include "client/ke_tls.h"
#include "ke_support.h"

#include "support/octets.h"

#include <openssl/bio.h>
#include <sys/socket.h>
#include <unistd.h>

#define ALPN_NTSKE_EXTENSION "0010000a0008076e74736b652f31"

static SSL_CTX *context_of(const struct ke_connection_options *options)
{
    SSL_CTX *context;
    struct error error;
    cr_assert_eq(ke_tls_context_create(&context, options, &error), NTS_OK, "%s", error.text);
    return context;
}

/* The ClientHello that a client of `context` sends, as a TLS record; returns its length. */
static size_t client_hello(uint8_t *hello, size_t capacity, SSL_CTX *context)
{
    SSL *ssl = SSL_new(context);
    BIO *input = BIO_new(BIO_s_mem());
    BIO *output = BIO_new(BIO_s_mem());
    cr_assert(ssl != NULL && input != NULL && output != NULL);
    SSL_set_bio(ssl, input, output);
    SSL_set_connect_state(ssl);
    cr_assert_eq(SSL_get_error(ssl, SSL_do_handshake(ssl)), SSL_ERROR_WANT_READ);
    int len = BIO_read(output, hello, (int)capacity);
    cr_assert(len > 0 && (size_t)len < capacity);
    SSL_free(ssl);
    return (size_t)len;
}

/* A fatal alert of that description in the clear is all that a client with these options gets. */
static void assert_alert(const struct ke_connection_options *options, uint8_t description)
{
    uint8_t octets[4096];
    SSL_CTX *context = context_of(options);
    size_t hello_len = client_hello(octets, sizeof(octets), context);
    SSL_CTX_free(context);
    int fd = ke_tcp_open();
    cr_assert_eq(send(fd, octets, hello_len, MSG_NOSIGNAL), (ssize_t)hello_len);
    size_t len = ke_tcp_read_to_end(fd, octets, sizeof(octets));
    close(fd);

    const uint8_t alert[] = {0x15, 0x03, 0, 0x00, 0x02, 0x02, description};
    cr_assert_eq(len, sizeof(alert), "%zu octets", len);
    octets[2] = 0; /* the minor version of the record is free */
    cr_assert_arr_eq(octets, alert, sizeof(alert));
}

KE_TEST(TLS_01_tls_1_2_gets_alert_70)
{
    struct ke_connection_options options = ke_options();
    options.min_version = TLS1_2_VERSION;
    options.max_version = TLS1_2_VERSION;
    assert_alert(&options, 70);

    options.max_version = TLS1_3_VERSION;
    struct ke_dialog dialog;
    ke_dialog_open(&dialog, &options);
    cr_assert_eq(SSL_version(dialog.connection.ssl), TLS1_3_VERSION);
    ke_dialog_send(&dialog, NP AE EOM);
    ke_dialog_agree(&dialog, OK15);
}

/* One exchange with these protocols offered; ntske/1 must be what the server selects. */
static void assert_ntske_selected(const char *const *protocols)
{
    struct ke_connection_options options = ke_options();
    options.alpn = protocols;
    struct ke_dialog dialog;
    const uint8_t *selected;
    unsigned selected_len;
    ke_dialog_open(&dialog, &options);
    SSL_get0_alpn_selected(dialog.connection.ssl, &selected, &selected_len);
    cr_assert_eq(selected_len, 7);
    cr_assert_arr_eq(selected, "ntske/1", 7);
    ke_dialog_send(&dialog, NP AE EOM);
    ke_dialog_agree(&dialog, OK15);
}

KE_TEST(TLS_02_alpn_ntske_is_selected_also_from_a_list)
{
    struct ke_connection_options options = ke_options();
    struct octets extension = octets_of(ALPN_NTSKE_EXTENSION);
    uint8_t hello[4096];
    SSL_CTX *context = context_of(&options);
    size_t hello_len = client_hello(hello, sizeof(hello), context);
    SSL_CTX_free(context);
    cr_assert_not_null(memmem(hello, hello_len, extension.data, extension.len));

    assert_ntske_selected((const char *const[]){"ntske/1", NULL});
    assert_ntske_selected((const char *const[]){"h2", "ntske/1", NULL});
    assert_ntske_selected((const char *const[]){"ntske/1", "h2", NULL});
}

KE_TEST(TLS_03_alpn_without_ntske_gets_alert_120)
{
    static const char *const lists[][3] = {
        {"h2"}, {"ntske/2"}, {"ntske/"}, {"ntske/1x"}, {"h2", "NTSKE/1"}};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        struct ke_connection_options options = ke_options();
        options.alpn = lists[i];
        assert_alert(&options, 120);
    }
    ke_expect_ok15(NP AE EOM);
}

KE_TEST(TLS_04_no_alpn_gets_alert_120)
{
    struct ke_connection_options options = ke_options();
    options.alpn = (const char *const[]){NULL};
    assert_alert(&options, 120);
    ke_expect_ok15(NP AE EOM);
}

/* One exchange with a context that offers ntske/1 and `num` other protocols of 200 octets each. */
static void exchange_with_long_hello(size_t num, size_t max_write_len)
{
    static uint8_t list[16384];
    static uint8_t hello[32768];
    struct ke_connection_options options = ke_options();
    SSL_CTX *context = context_of(&options);
    size_t len = 0;
    for (size_t i = 0; i < num; i++, len += 201) {
        list[len] = 200;
        memset(list + len + 1, 'x', 200);
    }
    memcpy(list + len, "\7ntske/1", 8);
    cr_assert_eq(SSL_CTX_set_alpn_protos(context, list, (unsigned)len + 8), 0);
    cr_assert_gt(client_hello(hello, sizeof(hello), context), 200 * num);

    options.context = context;
    options.max_write_len = max_write_len;
    struct ke_dialog dialog;
    ke_dialog_open(&dialog, &options);
    ke_dialog_send(&dialog, NP AE EOM);
    ke_dialog_agree(&dialog, OK15);
    SSL_CTX_free(context);
}

KE_TEST(TLS_07_client_hello_in_pieces_and_longer_than_a_packet)
{
    exchange_with_long_hello(0, 1);  /* TCP segments of one octet */
    exchange_with_long_hello(8, 0);  /* more than 1500 octets */
    exchange_with_long_hello(8, 1);  /* both */
    exchange_with_long_hello(60, 0); /* more than 12000: several reads of any server */
}

KE_TEST(TLS_08_server_name_does_not_matter)
{
    static const char *const names[] = {"", "localhost", "foo.invalid", "127.0.0.1", "::1"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct ke_connection_options options = ke_options();
        options.sni = names[i];
        struct ke_dialog dialog;
        ke_dialog_open(&dialog, &options);
        cr_assert_eq(dialog.connection.alert_received, -1, "SNI '%s'", names[i]);
        ke_dialog_send(&dialog, NP AE EOM);
        ke_dialog_agree(&dialog, OK15);
    }
}

/* Nothing but the end of the stream can be read, and no reset came. */
static void assert_no_reset(int fd)
{
    int code = 0;
    socklen_t code_len = sizeof(code);
    uint8_t octet;
    usleep(100000);
    cr_assert_eq(getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &code_len), 0);
    cr_assert_eq(code, 0, "%s", strerror(code));
    cr_assert_eq(recv(fd, &octet, 1, 0), 0);
}

KE_FILES_TEST(TLS_09_close_notify_then_fin_and_a_late_close_notify_meets_no_reset)
{
    ke_start(", \"linger_ms\": 60000");
    struct ke_dialog dialog;
    ke_dialog_open(&dialog, NULL);
    ke_dialog_send(&dialog, NP AE EOM);
    ke_dialog_finish(&dialog);
    cr_assert_eq(dialog.connection.alert_received, 0); /* 01 00: a warning, close_notify */
    usleep(100000);
    ke_connection_send_close_notify(&dialog.connection);
    assert_no_reset(dialog.connection.fd);
    ke_connection_close(&dialog.connection);
}

KE_FILES_TEST(TLS_09_unread_input_does_not_destroy_the_response)
{
    ke_start(", \"linger_ms\": 60000");
    struct ke_dialog dialog;
    ke_dialog_open(&dialog, NULL);
    ke_dialog_send(&dialog, NP AE EOM);
    usleep(100000); /* the response is on its way: what follows is not part of the request */
    ke_dialog_send(&dialog, ke_zeros("4001ffff", 40000, ""));
    usleep(100000);
    ke_dialog_agree(&dialog, OK15);
}

KE_FILES_TEST(TLS_09_client_that_never_closes_loses_its_slot)
{
    ke_start(", \"linger_ms\": 100, \"max_connections\": 1");
    struct ke_dialog dialog;
    ke_dialog_open(&dialog, NULL);
    ke_dialog_send(&dialog, NP AE EOM);
    ke_dialog_finish(&dialog);
    ke_await_service(); /* although the first client is still connected */
    ke_connection_close(&dialog.connection);
}

KE_TEST(TLS_14_every_response_is_one_tls_record)
{
    /* ke_agree and ke_expect count the records; here are all kinds of responses. */
    ke_agree(NP AE EOM, OK15);
    ke_agree(NP "800400020011" EOM, OK_AEAD("0011"));
    ke_expect(NP AE "c0010000" EOM, ERR0);
    ke_expect(AE EOM, ERR1);
    ke_expect("800100028001" EOM, NO_PROTOCOL);
    ke_expect(NP "800400020001" EOM, NO_AEAD);
}
