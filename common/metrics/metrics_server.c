#include "metrics/metrics_server.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#define CONNECTION_MEMORY 8192
#define IDLE_TIMEOUT_S    10

#define TEXT_PLAIN "text/plain; charset=utf-8"

static bool open_socket(int *fd, const union net_address *address)
{
    int on = 1;
    *fd = socket(address->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*fd < 0 || setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0) {
        return false;
    }
    if (address->sa.sa_family == AF_INET6 &&
        setsockopt(*fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0) {
        return false;
    }
    return bind(*fd, &address->sa, address_len(address)) == 0 &&
           listen(*fd, METRICS_MAX_CONNECTIONS) == 0;
}

enum nts_status metrics_server_open(struct metrics_server *server, const union net_address *address,
                                    int fd, struct error *error)
{
    *server = (struct metrics_server){.fd = fd, .listen_fd = -1};
    if (address->sa.sa_family == AF_UNSPEC || fd >= 0 || open_socket(&server->fd, address)) {
        server->listen_fd = server->fd;
        return NTS_OK;
    }
    char text[ADDRESS_TEXT_LEN];
    address_format(text, address);
    error_set(error, NTS_ERR_SYSTEM, "metrics: cannot listen on tcp %s: %s", text, strerror(errno));
    metrics_server_close(server);
    return NTS_ERR_SYSTEM;
}

/* --- answers --- */

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status,
                              const char *content_type, const char *text, size_t len)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(len, (void *)text, MHD_RESPMEM_MUST_COPY);
    if (response == NULL) {
        return MHD_NO;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    }
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer_text(struct MHD_Connection *connection, unsigned status,
                                   const char *text)
{
    return answer(connection, status, TEXT_PLAIN, text, strlen(text));
}

typedef enum MHD_Result page_function(struct metrics_server *server,
                                      struct MHD_Connection *connection, enum metrics_phase phase);

/* What there is to say in a phase in which nothing is served; NULL if it is another one. */
static const char *phase_text(enum metrics_phase phase)
{
    return phase == METRICS_STARTING   ? "starting\n"
           : phase == METRICS_STOPPING ? "stopping\n"
                                       : NULL;
}

static enum MHD_Result answer_metrics(struct metrics_server *server,
                                      struct MHD_Connection *connection, enum metrics_phase phase)
{
    if (phase == METRICS_STARTING) {
        return answer_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE, phase_text(phase));
    }
    struct metrics_page page;
    metrics_page_init(&page, metrics_format_choose(MHD_lookup_connection_value(
                                 connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT)));
    server->source.write(&page, server->source.context);
    enum nts_status status = metrics_page_end(&page);
    enum MHD_Result result =
        status == NTS_OK
            ? answer(connection, MHD_HTTP_OK, metrics_content_type(page.format), page.data,
                     page.len)
            : answer_text(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, status_text(status));
    metrics_page_free(&page);
    return result;
}

static enum MHD_Result answer_ready(struct metrics_server *server,
                                    struct MHD_Connection *connection, enum metrics_phase phase)
{
    (void)server;
    const char *text = phase_text(phase);
    return text == NULL ? answer_text(connection, MHD_HTTP_OK, "ok\n")
                        : answer_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE, text);
}

static enum MHD_Result answer_health(struct metrics_server *server,
                                     struct MHD_Connection *connection, enum metrics_phase phase)
{
    if (phase != METRICS_SERVING) {
        return answer_ready(server, connection, phase);
    }
    struct health health = {0};
    server->source.judge(&health, server->source.context);
    return health_is_good(&health)
               ? answer_text(connection, MHD_HTTP_OK, "ok\n")
               : answer_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE, health.reasons);
}

static enum MHD_Result answer_request(void *context, struct MHD_Connection *connection,
                                      const char *url, const char *method, const char *version,
                                      const char *upload, size_t *upload_len, void **request)
{
    static const struct {
        const char *url;
        page_function *answer;
    } pages[] = {
        {"/metrics", answer_metrics}, {"/healthz", answer_health}, {"/readyz", answer_ready}};
    (void)version;
    (void)upload;
    struct metrics_server *server = context;
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
        return answer_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET or HEAD only\n");
    }
    /* Called once with the header, then as long as a body comes, which is ignored, then once
     * more. An answer before that would cost the connection. */
    if (*request == NULL || *upload_len > 0) {
        *request = server;
        *upload_len = 0;
        return MHD_YES;
    }
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        if (strcmp(url, pages[i].url) == 0) {
            int phase = atomic_load_explicit(&server->phase, memory_order_acquire);
            return pages[i].answer(server, connection, (enum metrics_phase)phase);
        }
    }
    return answer_text(connection, MHD_HTTP_NOT_FOUND, "/metrics, /healthz or /readyz\n");
}

/* --- life --- */

enum nts_status metrics_server_start(struct metrics_server *server,
                                     const struct metrics_source *source, struct error *error)
{
    if (server->fd < 0) {
        return NTS_OK;
    }
    server->source = *source;
    server->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC, 0, NULL, NULL, answer_request, server,
        MHD_OPTION_LISTEN_SOCKET, server->fd, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)METRICS_MAX_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_TIMEOUT_S,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY, MHD_OPTION_END);
    if (server->daemon == NULL) {
        return error_set(error, NTS_ERR_SYSTEM, "metrics: cannot start the HTTP server: %s",
                         strerror(errno));
    }
    server->fd = -1; /* the daemon's now */
    return NTS_OK;
}

void metrics_server_enter(struct metrics_server *server, enum metrics_phase phase)
{
    atomic_store_explicit(&server->phase, (int)phase, memory_order_release);
}

void metrics_server_leave(struct metrics_server *server)
{
    if (server->daemon != NULL) {
        int fd = MHD_quiesce_daemon(server->daemon);
        if (fd >= 0) {
            close(fd);
        }
        server->listen_fd = -1;
    }
}

void metrics_server_close(struct metrics_server *server)
{
    server->listen_fd = -1;
    if (server->daemon != NULL) {
        MHD_stop_daemon(server->daemon);
        server->daemon = NULL;
    }
    if (server->fd >= 0) {
        close(server->fd);
        server->fd = -1;
    }
}
