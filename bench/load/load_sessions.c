#include "load/load_sessions.h"

#include "client/ke_client.h"
#include "client/ke_tls.h"
#include "client/ntp_client.h"
#include "crypto/secret_mem.h"
#include "load/load_target.h"
#include "load/run_control.h"

#include <stdlib.h>
#include <string.h>

#define MAX_ATTEMPTS 3 /* of a request that brings cookies */

/* Fetching the cookies of one session. */
struct fetch {
    struct ke_session session;
    struct ke_connection_options tls;
    struct ke_client_options ke;
    const struct load_options *options;
    const union net_address *server;
    union net_address ke_address;
    char ke_ip[INET6_ADDRSTRLEN];
};

static enum nts_status prepare(struct fetch *fetch, struct error *error)
{
    const struct load_options *options = fetch->options;
    enum nts_status status =
        load_target_resolve(&fetch->ke_address, options->ke_host, options->ke_port, options, error);
    if (status != NTS_OK) {
        return status;
    }
    address_format_ip(fetch->ke_ip, &fetch->ke_address);
    fetch->tls = (struct ke_connection_options){
        .ca_file = options->ca_file, .insecure = options->insecure, .groups = options->groups};
    SSL_CTX *context;
    status = ke_tls_context_create(&context, &fetch->tls, error);
    if (status != NTS_OK) {
        return status;
    }
    fetch->ke = (struct ke_client_options){
        .host = fetch->ke_ip, /* the address that was checked */
        .port = options->ke_port,
        .server_name = options->server_name != NULL ? options->server_name : options->ke_host,
        .insecure = options->insecure,
        .context = context,
        .aeads = {options->aead},
        .num_aeads = 1,
    };
    return NTS_OK;
}

/* Asks the time server for as many cookies as the jar has room for. */
static enum nts_status refill(struct fetch *fetch, struct error *error)
{
    struct ntp_reply reply;
    struct ntp_sample sample;
    struct ke_session *session = &fetch->session;
    const struct ntp_exchange_options exchange = {
        .server = fetch->server,
        .keys = &session->keys,
        .jar = &session->response.jar,
        .timeout_ms = 500,
    };
    enum nts_status status = ntp_exchange(&reply, &sample, &exchange, error);
    if (status == NTS_ERR_NAK && session->legacy_keys.aead != NULL) {
        /* chrony 4.4 to 4.6.0 export the keys of AEAD 30 in a way of their own. */
        session->keys = session->legacy_keys;
        session->legacy_keys.aead = NULL;
        status = ntp_exchange(&reply, &sample, &exchange, error);
    }
    return status;
}

/* Takes cookies out of the jar, all but the one that brings the next. */
static enum nts_status fetch_cookies(struct fetch *fetch, struct pool_cookie *cookies, size_t first,
                                     size_t stride, size_t end, struct error *error)
{
    struct cookie_jar *jar = &fetch->session.response.jar;
    unsigned num_attempts = 0;
    /* One exchange at least: so it is known at once whether the keys are right. */
    enum nts_status status = refill(fetch, error);
    size_t at = first;
    while (at < end) {
        struct client_cookie cookie;
        if (run_control_is_stopped()) {
            return error_set(error, NTS_ERR_TIMEOUT, "stopped by a signal");
        }
        if (status == NTS_OK && (jar->num > 1 || (jar->num == 1 && at + stride >= end))) {
            (void)cookie_jar_take(jar, &cookie);
            if (cookie.len > sizeof(cookies[at].octets)) {
                return error_set(error, NTS_ERR_NO_SPACE, "a cookie of %zu octets", cookie.len);
            }
            cookies[at].session = (uint32_t)first;
            cookies[at].len = (uint32_t)cookie.len;
            memcpy(cookies[at].octets, cookie.octets, cookie.len);
            at += stride;
            num_attempts = 0;
            continue;
        }
        if (num_attempts++ == MAX_ATTEMPTS || jar->num == 0) {
            return status != NTS_OK ? status
                                    : error_set(error, NTS_ERR_NTS_INCOMPLETE,
                                                "the time server gives too few cookies");
        }
        status = refill(fetch, error);
    }
    return NTS_OK;
}

/* Client c belongs to session c modulo the number of sessions. */
static enum nts_status fetch_all(struct load_sessions *sessions, struct fetch *fetch,
                                 struct error *error)
{
    enum nts_status status = NTS_OK;
    for (size_t i = 0; i < sessions->num && status == NTS_OK; i++) {
        status = ke_client_run(&fetch->session, &fetch->ke, error);
        if (status != NTS_OK) {
            error_prefix(error, "NTS-KE");
        } else {
            status = fetch_cookies(fetch, sessions->cookies, i, sessions->num,
                                   fetch->options->clients, error);
            sessions->keys[i] = fetch->session.keys;
            if (status != NTS_OK) {
                error_prefix(error, "cannot get cookies from the time server");
            }
        }
        ke_session_wipe(&fetch->session);
    }
    return status;
}

enum nts_status load_sessions_open(struct load_sessions *sessions,
                                   const struct load_options *options,
                                   const union net_address *server, struct error *error)
{
    *sessions = (struct load_sessions){.num = options->sessions};
    sessions->keys = calloc(options->sessions, sizeof(*sessions->keys));
    sessions->cookies = calloc(options->clients, sizeof(*sessions->cookies));
    struct fetch *fetch = calloc(1, sizeof(*fetch));
    enum nts_status status;
    if (sessions->keys == NULL || sessions->cookies == NULL || fetch == NULL) {
        status = error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
    } else {
        fetch->options = options;
        fetch->server = server;
        status = prepare(fetch, error);
    }
    if (status == NTS_OK) {
        status = fetch_all(sessions, fetch, error);
    }
    if (fetch != NULL) {
        SSL_CTX_free(fetch->ke.context);
    }
    free(fetch);
    if (status != NTS_OK) {
        load_sessions_close(sessions);
    }
    return status;
}

void load_sessions_close(struct load_sessions *sessions)
{
    if (sessions->keys != NULL) {
        secret_wipe(sessions->keys, sessions->num * sizeof(*sessions->keys));
    }
    free(sessions->keys);
    free(sessions->cookies);
    sessions->keys = NULL;
    sessions->cookies = NULL;
}
