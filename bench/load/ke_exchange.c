#include "load/ke_exchange.h"

#include "client/ke_tls.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

/* --- the plan --- */

static int verify_leaf_once(X509_STORE_CTX *store, void *arg)
{
    struct ke_exchange_plan *plan = arg;
    X509 *leaf = X509_STORE_CTX_get0_cert(store);
    if (plan->trusted_leaf != NULL && X509_cmp(plan->trusted_leaf, leaf) == 0) {
        X509_STORE_CTX_set_error(store, X509_V_OK);
        return 1;
    }
    int result = X509_verify_cert(store);
    if (result == 1) {
        X509_free(plan->trusted_leaf);
        X509_up_ref(leaf);
        plan->trusted_leaf = leaf;
    }
    return result;
}

enum nts_status ke_exchange_plan_open(struct ke_exchange_plan *plan, struct error *error)
{
    enum nts_status status = ke_tls_context_create(&plan->tls.context, &plan->tls, error);
    if (status != NTS_OK) {
        return status;
    }
    if (!plan->tls.insecure) {
        SSL_CTX_set_cert_verify_callback(plan->tls.context, verify_leaf_once, plan);
    }
    struct writer w = writer_over(plan->request_octets, sizeof(plan->request_octets));
    ke_request_write(&w, &plan->request);
    plan->request_len = writer_len(&w);
    if (writer_status(&w) != NTS_OK) {
        ke_exchange_plan_close(plan);
        return error_set(error, NTS_ERR_NO_SPACE, "the request does not fit");
    }
    if (plan->is_light) {
        union net_address address;
        const char *name = plan->tls.server_name != NULL ? plan->tls.server_name : plan->tls.host;
        light_shared_init(&plan->light);
        /* RFC 6066, section 3: names only. */
        plan->light.server_name = address_parse(&address, name, 1) ? NULL : name;
        plan->light.request = plan->request_octets;
        plan->light.request_len = plan->request_len;
    }
    return NTS_OK;
}

void ke_exchange_plan_close(struct ke_exchange_plan *plan)
{
    X509_free(plan->trusted_leaf);
    plan->trusted_leaf = NULL;
    SSL_CTX_free(plan->tls.context);
    plan->tls.context = NULL;
}

/* --- beginning and end --- */

static bool connect_socket(int fd, const union net_address *server, const union net_address *source)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (source != NULL) {
        /* The port is chosen when the destination is known: the same one serves many sources. */
        setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on));
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
        if (bind(fd, &source->sa, address_len(source)) != 0) {
            return false;
        }
    }
    return connect(fd, &server->sa, address_len(server)) == 0 || errno == EINPROGRESS;
}

enum nts_status ke_exchange_start(struct ke_exchange *exchange, const struct ke_exchange_plan *plan,
                                  const union net_address *source, struct error *error)
{
    struct ke_connection *connection = &exchange->connection;
    *connection = (struct ke_connection){.fd = -1, .alert_received = -1};
    exchange->len = 0;
    connection->fd =
        socket(plan->server.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connection->fd < 0 || !connect_socket(connection->fd, &plan->server, source)) {
        error_set(error, NTS_ERR_SYSTEM, "cannot connect: %s", strerror(errno));
        ke_exchange_abort(exchange);
        return NTS_ERR_SYSTEM;
    }
    exchange->state = KE_EXCHANGE_CONNECTING;
    return NTS_OK;
}

static void free_tls(struct ke_exchange *exchange)
{
    SSL_free(exchange->connection.ssl);
    exchange->connection.ssl = NULL;
    if (exchange->light != NULL) {
        light_tls_close(exchange->light);
    }
}

void ke_exchange_abort(struct ke_exchange *exchange)
{
    struct ke_connection *connection = &exchange->connection;
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    free_tls(exchange);
    if (connection->fd >= 0) {
        setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
        close(connection->fd);
        connection->fd = -1;
    }
    exchange->state = KE_EXCHANGE_CLOSED;
    ERR_clear_error();
}

/* --- the steps: each says whether the next one can be tried --- */

enum step { STEP_ON, STEP_WAIT, STEP_FAILED };

/* Judges the result of a call on the TLS connection. */
static enum step judge(struct ke_exchange *exchange, int result, struct error *error)
{
    if (result > 0) {
        return STEP_ON;
    }
    int saved_errno = errno;
    int ssl_error = SSL_get_error(exchange->connection.ssl, result);
    if (ssl_error == SSL_ERROR_WANT_READ || ssl_error == SSL_ERROR_WANT_WRITE) {
        return STEP_WAIT;
    }
    errno = saved_errno;
    ke_tls_error(&exchange->connection, ssl_error, error);
    return STEP_FAILED;
}

static enum step finish_connecting(struct ke_exchange *exchange,
                                   const struct ke_exchange_plan *plan, struct error *error)
{
    int code = 0;
    socklen_t code_len = sizeof(code);
    union net_address peer;
    socklen_t peer_len = sizeof(peer);
    int fd = exchange->connection.fd;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &code_len) != 0 || code != 0) {
        error_set(error, NTS_ERR_SYSTEM, "cannot connect: %s", strerror(code));
        return STEP_FAILED;
    }
    if (getpeername(fd, &peer.sa, &peer_len) != 0) {
        return STEP_WAIT; /* not there yet */
    }
    if (plan->is_light) {
        light_tls_open(exchange->light, &plan->light);
        exchange->state = KE_EXCHANGE_LIGHT;
        return STEP_ON;
    }
    if (ke_tls_attach(&exchange->connection, plan->tls.context, &plan->tls, error) != NTS_OK) {
        return STEP_FAILED;
    }
    exchange->state = KE_EXCHANGE_HANDSHAKING;
    return STEP_ON;
}

static enum step do_handshake(struct ke_exchange *exchange, struct error *error)
{
    const uint8_t *selected = NULL;
    unsigned selected_len = 0;
    enum step step = judge(exchange, SSL_do_handshake(exchange->connection.ssl), error);
    if (step != STEP_ON) {
        return step;
    }
    SSL_get0_alpn_selected(exchange->connection.ssl, &selected, &selected_len);
    if (selected_len != strlen(KE_ALPN) || memcmp(selected, KE_ALPN, selected_len) != 0) {
        error_set(error, NTS_ERR_TLS, "the server did not select ALPN " KE_ALPN);
        return STEP_FAILED;
    }
    exchange->state = KE_EXCHANGE_WRITING;
    return STEP_ON;
}

static enum step write_request(struct ke_exchange *exchange, const struct ke_exchange_plan *plan,
                               struct error *error)
{
    enum step step = judge(
        exchange, SSL_write(exchange->connection.ssl, plan->request_octets, (int)plan->request_len),
        error);
    if (step == STEP_ON) {
        exchange->state = KE_EXCHANGE_READING;
    }
    return step;
}

/* STEP_WAIT: there is more to come. */
static enum step judge_response(const uint8_t *data, size_t len,
                                const struct ke_exchange_plan *plan, struct ke_response *response,
                                struct error *error)
{
    switch (ke_message_framing(data, len, KE_EXCHANGE_MAX_RESPONSE)) {
    case KE_FRAMING_INCOMPLETE:
        return STEP_WAIT;
    case KE_FRAMING_TOO_LONG:
        error_set(error, NTS_ERR_NO_SPACE, "the response is too long");
        return STEP_FAILED;
    case KE_FRAMING_COMPLETE:
        break;
    }
    return ke_response_parse(response, data, len, &plan->request, error) == NTS_OK ? STEP_ON
                                                                                   : STEP_FAILED;
}

static enum step read_response(struct ke_exchange *exchange, const struct ke_exchange_plan *plan,
                               struct ke_response *response, struct error *error)
{
    size_t room = KE_EXCHANGE_MAX_RESPONSE - exchange->len;
    int result = SSL_read(exchange->connection.ssl, exchange->response + exchange->len, (int)room);
    enum step step = judge(exchange, result, error);
    if (step != STEP_ON) {
        return step;
    }
    exchange->len += (size_t)result;
    step = judge_response(exchange->response, exchange->len, plan, response, error);
    if (step == STEP_WAIT) {
        return STEP_ON; /* the rest may be there already */
    }
    if (step == STEP_ON) {
        ke_connection_send_close_notify(&exchange->connection);
        exchange->state = KE_EXCHANGE_ENDING;
    }
    return step;
}

/* --- the same with light_tls --- */

/* Sends what light_tls has written: little enough for any socket's buffer. */
static enum step send_light(struct ke_exchange *exchange, struct error *error)
{
    struct light_tls *light = exchange->light;
    ssize_t num_sent = light->out_len > 0
                           ? send(exchange->connection.fd, light->out, light->out_len, MSG_NOSIGNAL)
                           : 0;
    if (num_sent != (ssize_t)light->out_len) {
        error_set(error, NTS_ERR_TLS, "connection broken: %s",
                  num_sent < 0 ? strerror(errno) : "cannot send");
        return STEP_FAILED;
    }
    light->out_len = 0;
    return STEP_ON;
}

static enum step talk_light(struct ke_exchange *exchange, const struct ke_exchange_plan *plan,
                            struct ke_response *response, struct error *error)
{
    struct light_tls *light = exchange->light;
    if (send_light(exchange, error) == STEP_FAILED) {
        return STEP_FAILED;
    }
    ssize_t len = recv(exchange->connection.fd, light->in + light->in_len,
                       sizeof(light->in) - light->in_len, 0);
    if (len < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
        return STEP_WAIT;
    }
    if (len <= 0) {
        error_set(error, NTS_ERR_TLS, "connection broken: %s",
                  len < 0 ? strerror(errno) : "the server closed it");
        return STEP_FAILED;
    }
    if (light_tls_take(light, (size_t)len, error) != NTS_OK) {
        return STEP_FAILED;
    }
    enum step step = judge_response(light->data, light->data_len, plan, response, error);
    if (step == STEP_WAIT) {
        return STEP_ON;
    }
    if (step == STEP_ON) {
        light_tls_end(light);
        (void)send_light(exchange, error); /* the server may be gone already */
        exchange->state = KE_EXCHANGE_ENDING;
    }
    return step;
}

/* Nothing that still comes is of interest. */
static enum ke_exchange_event await_end(struct ke_exchange *exchange)
{
    uint8_t rest[256];
    ssize_t len;
    do {
        len = recv(exchange->connection.fd, rest, sizeof(rest), 0);
    } while (len > 0);
    if (len < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
        return KE_EXCHANGE_NOTHING;
    }
    /* The server has closed first, and close() completes it without TIME_WAIT. */
    free_tls(exchange);
    close(exchange->connection.fd);
    exchange->connection.fd = -1;
    exchange->state = KE_EXCHANGE_CLOSED;
    return KE_EXCHANGE_ENDED;
}

enum ke_exchange_event ke_exchange_drive(struct ke_exchange *exchange,
                                         const struct ke_exchange_plan *plan,
                                         struct ke_response *response, struct error *error)
{
    if (exchange->state == KE_EXCHANGE_ENDING) {
        return await_end(exchange);
    }
    enum step step = STEP_ON;
    while (step == STEP_ON && exchange->state != KE_EXCHANGE_ENDING) {
        errno = 0;
        switch (exchange->state) {
        case KE_EXCHANGE_CONNECTING:
            step = finish_connecting(exchange, plan, error);
            break;
        case KE_EXCHANGE_HANDSHAKING:
            step = do_handshake(exchange, error);
            break;
        case KE_EXCHANGE_WRITING:
            step = write_request(exchange, plan, error);
            break;
        case KE_EXCHANGE_LIGHT:
            step = talk_light(exchange, plan, response, error);
            break;
        default: /* KE_EXCHANGE_READING */
            step = read_response(exchange, plan, response, error);
            break;
        }
    }
    if (step == STEP_FAILED) {
        ke_exchange_abort(exchange);
        return KE_EXCHANGE_FAILED;
    }
    return step == STEP_ON ? KE_EXCHANGE_ANSWERED : KE_EXCHANGE_NOTHING;
}
