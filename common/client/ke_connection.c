#include "client/ke_connection.h"

#include "client/ke_tls.h"
#include "wire/ke_record.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- TCP --- */

/* Connects to one address. Returns the socket, or -1 with errno. */
static int connect_address(const union net_address *address, int64_t deadline_ns)
{
    int fd = socket(address->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    int code = 0;
    if (connect(fd, &address->sa, address_len(address)) != 0) {
        code = errno;
    }
    if (code == EINPROGRESS) {
        socklen_t code_len = sizeof(code);
        if (!deadline_wait(fd, POLLOUT, deadline_ns)) {
            code = ETIMEDOUT;
        } else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &code_len) != 0) {
            code = errno;
        }
    }
    if (code != 0) {
        close(fd);
        errno = code;
        return -1;
    }
    /* One small request and its answer: nothing is gained by waiting for more. */
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

enum nts_status ke_tcp_connect(int *fd, union net_address *peer, const struct ke_endpoint *endpoint,
                               int64_t deadline_ns, struct error *error)
{
    union net_address addresses[KE_MAX_ADDRESSES];
    *fd = -1;
    memset(peer, 0, sizeof(*peer));
    size_t num = address_resolve_all(addresses, KE_MAX_ADDRESSES, endpoint->host, endpoint->port,
                                     endpoint->family, error);
    if (num == 0) {
        error_prefix(error, "cannot resolve");
        return NTS_ERR_SYSTEM;
    }
    for (size_t i = 0; i < num; i++) {
        /* Share what is left, so that an address that swallows packets leaves time for the rest. */
        int64_t now_ns = mono_time_ns();
        int64_t share_ns = (deadline_ns - now_ns) / (int64_t)(num - i);
        *peer = addresses[i];
        *fd = connect_address(peer, now_ns + share_ns);
        if (*fd >= 0) {
            return NTS_OK;
        }
    }
    enum nts_status status = errno == ETIMEDOUT ? NTS_ERR_TIMEOUT : NTS_ERR_SYSTEM;
    int saved_errno = errno;
    char peer_text[ADDRESS_TEXT_LEN];
    address_format(peer_text, peer);
    return error_set(error, status, "cannot connect to %s: %s", peer_text, strerror(saved_errno));
}

/* --- TLS --- */

/* What to do about the result of a call on connection->ssl. */
enum step { STEP_DONE, STEP_AGAIN, STEP_TIMEOUT, STEP_FAILED };

/* Judges `result`, waits for the socket if that is what it takes, and tells SSL_get_error. */
static enum step next_step(struct ke_connection *connection, int result, int64_t deadline_ns,
                           int *ssl_error)
{
    *ssl_error = SSL_ERROR_NONE;
    if (result > 0) {
        return STEP_DONE;
    }
    int saved_errno = errno;
    *ssl_error = SSL_get_error(connection->ssl, result);
    if (*ssl_error != SSL_ERROR_WANT_READ && *ssl_error != SSL_ERROR_WANT_WRITE) {
        errno = saved_errno;
        return STEP_FAILED;
    }
    short events = *ssl_error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
    return deadline_wait(connection->fd, events, deadline_ns) ? STEP_AGAIN : STEP_TIMEOUT;
}

static enum nts_status handshake(struct ke_connection *connection, int64_t deadline_ns,
                                 struct error *error)
{
    for (;;) {
        int ssl_error;
        ERR_clear_error();
        errno = 0;
        int result = SSL_do_handshake(connection->ssl);
        switch (next_step(connection, result, deadline_ns, &ssl_error)) {
        case STEP_DONE:
            return NTS_OK;
        case STEP_AGAIN:
            break;
        case STEP_TIMEOUT:
            return error_set(error, NTS_ERR_TIMEOUT, "no end of the TLS handshake in time");
        case STEP_FAILED:
            return ke_tls_error(connection, ssl_error, error);
        }
    }
}

/* RFC 8915, section 3: without "ntske/1" selected there is no NTS-KE to speak. */
static enum nts_status check_alpn(const struct ke_connection *connection, struct error *error)
{
    const uint8_t *selected = NULL;
    unsigned selected_len = 0;
    SSL_get0_alpn_selected(connection->ssl, &selected, &selected_len);
    if (selected_len != strlen(KE_ALPN) || memcmp(selected, KE_ALPN, selected_len) != 0) {
        return error_set(error, NTS_ERR_TLS, "the server did not select ALPN " KE_ALPN);
    }
    return NTS_OK;
}

static enum nts_status start_tls(struct ke_connection *connection,
                                 const struct ke_connection_options *options, int64_t deadline_ns,
                                 struct error *error)
{
    SSL_CTX *context = options->context;
    enum nts_status status = NTS_OK;
    if (context == NULL) {
        status = ke_tls_context_create(&context, options, error);
    }
    if (status == NTS_OK) {
        status = ke_tls_attach(connection, context, options, error);
    }
    if (options->context == NULL) {
        SSL_CTX_free(context); /* the SSL holds a reference of its own */
    }
    if (status == NTS_OK) {
        status = handshake(connection, deadline_ns, error);
    }
    if (status == NTS_OK && options->alpn == NULL) {
        status = check_alpn(connection, error);
    }
    return status;
}

enum nts_status ke_connection_open(struct ke_connection *connection,
                                   const struct ke_connection_options *options, int64_t deadline_ns,
                                   struct error *error)
{
    *connection = (struct ke_connection){
        .fd = -1, .alert_received = -1, .max_write_len = options->max_write_len};
    const struct ke_endpoint endpoint = {
        .host = options->host,
        .port = options->port != 0 ? options->port : KE_PORT,
        .family = options->family,
    };
    enum nts_status status =
        ke_tcp_connect(&connection->fd, &connection->peer, &endpoint, deadline_ns, error);
    if (status == NTS_OK) {
        status = start_tls(connection, options, deadline_ns, error);
    }
    return status;
}

enum nts_status ke_connection_write(struct ke_connection *connection, const void *data, size_t len,
                                    int64_t deadline_ns, struct error *error)
{
    for (;;) {
        int ssl_error;
        ERR_clear_error();
        errno = 0;
        int result = SSL_write(connection->ssl, data, (int)len);
        switch (next_step(connection, result, deadline_ns, &ssl_error)) {
        case STEP_DONE:
            return NTS_OK; /* all of it: partial writes are not enabled */
        case STEP_AGAIN:
            break;
        case STEP_TIMEOUT:
            return error_set(error, NTS_ERR_TIMEOUT, "the request could not be sent in time");
        case STEP_FAILED:
            return ke_tls_error(connection, ssl_error, error);
        }
    }
}

/* Why a read gave nothing. */
static enum ke_read_end judge_read(struct ke_connection *connection, int ssl_error,
                                   struct error *error)
{
    int saved_errno = errno;
    if (ssl_error == SSL_ERROR_ZERO_RETURN) {
        error_set(error, NTS_ERR_TLS, "the server closed the connection");
        return KE_READ_CLOSE_NOTIFY;
    }
    ke_tls_error(connection, ssl_error, error);
    bool is_eof = ssl_error == SSL_ERROR_SYSCALL && saved_errno == 0;
    return is_eof && connection->alert_received <= 0 ? KE_READ_EOF : KE_READ_FAILED;
}

/* Where what is read goes to, and when it is enough. */
struct ke_reading {
    uint8_t *data;
    size_t capacity;
    bool stop_at_message;
};

static enum ke_read_end read_until(struct ke_connection *connection, size_t *len,
                                   const struct ke_reading *reading, int64_t deadline_ns,
                                   struct error *error)
{
    uint8_t *data = reading->data;
    const size_t capacity = reading->capacity;
    *len = 0;
    while (*len < capacity) {
        int ssl_error;
        ERR_clear_error();
        errno = 0;
        /* One call returns octets of one TLS record at most. */
        int result = SSL_read(connection->ssl, data + *len, (int)(capacity - *len));
        switch (next_step(connection, result, deadline_ns, &ssl_error)) {
        case STEP_DONE:
            *len += (size_t)result;
            connection->num_data_records++;
            break;
        case STEP_AGAIN:
            continue;
        case STEP_TIMEOUT:
            error_set(error, NTS_ERR_TIMEOUT, "no whole response in time");
            return KE_READ_TIMEOUT;
        case STEP_FAILED:
            return judge_read(connection, ssl_error, error);
        }
        enum ke_framing framing = reading->stop_at_message
                                      ? ke_message_framing(data, *len, capacity)
                                      : KE_FRAMING_INCOMPLETE;
        if (framing == KE_FRAMING_COMPLETE) {
            return KE_READ_MESSAGE;
        }
        if (framing == KE_FRAMING_TOO_LONG) {
            break;
        }
    }
    error_set(error, NTS_ERR_NO_SPACE, "the response is longer than %zu octets", capacity);
    return KE_READ_FULL;
}

enum ke_read_end ke_connection_read_message(struct ke_connection *connection, uint8_t *data,
                                            size_t *len, size_t capacity, int64_t deadline_ns,
                                            struct error *error)
{
    const struct ke_reading reading = {data, capacity, true};
    return read_until(connection, len, &reading, deadline_ns, error);
}

enum ke_read_end ke_connection_read_all(struct ke_connection *connection, uint8_t *data,
                                        size_t *len, size_t capacity, int64_t deadline_ns,
                                        struct error *error)
{
    const struct ke_reading reading = {data, capacity, false};
    return read_until(connection, len, &reading, deadline_ns, error);
}

void ke_connection_send_close_notify(struct ke_connection *connection)
{
    if (connection->ssl != NULL && !SSL_in_init(connection->ssl)) {
        SSL_shutdown(connection->ssl);
    }
    ERR_clear_error();
}

void ke_connection_close(struct ke_connection *connection)
{
    ke_connection_send_close_notify(connection);
    SSL_free(connection->ssl);
    connection->ssl = NULL;
    if (connection->fd >= 0) {
        close(connection->fd);
        connection->fd = -1;
    }
}
