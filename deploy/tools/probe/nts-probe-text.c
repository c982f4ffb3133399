#include "nts-probe.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

static double seconds(int64_t ns)
{
    return (double)ns / (double)NS_PER_S;
}

/* --- the first line --- */

static bool has_certificate(const struct probe_result *result)
{
    return result->session.cert_left_s != INT64_MIN && result->session.subject[0] != '\0';
}

NTS_PRINTF(3, 4)
static void append(char *text, size_t capacity, const char *format, ...)
{
    size_t len = strlen(text);
    va_list args;
    va_start(args, format);
    vsnprintf(text + len, capacity - len, format, args);
    va_end(args);
}

void probe_message(char text[PROBE_MESSAGE_LEN], const struct probe_result *result)
{
    const char *separator = "";
    text[0] = '\0';
    for (size_t i = 0; i < result->num_problems; i++) {
        append(text, PROBE_MESSAGE_LEN, "%s%s", separator, result->problems[i].text);
        separator = "; ";
    }
    if (result->best != NULL) {
        append(text, PROBE_MESSAGE_LEN, "%soffset %+.6f s, delay %.6f s, stratum %u", separator,
               seconds(result->best->sample.offset_ns), seconds(result->best->sample.delay_ns),
               result->best->reply.header.stratum);
        separator = ", ";
    }
    if (has_certificate(result)) {
        append(text, PROBE_MESSAGE_LEN, "%scertificate %" PRId64 " days", separator,
               probe_cert_days(&result->session));
    }
    /* What ends the message for monitoring must not stand in it. */
    for (char *at = text; *at != '\0'; at++) {
        if (*at == '|' || (unsigned char)*at < ' ') {
            *at = '/';
        }
    }
}

static void print_performance(FILE *out, const struct probe_result *result,
                              const struct probe_options *options)
{
    fprintf(out, " | ");
    if (result->best != NULL) {
        fprintf(out, "offset=%.6fs;%g;%g delay=%.6fs ", seconds(result->best->sample.offset_ns),
                options->warn_offset_s, options->crit_offset_s,
                seconds(result->best->sample.delay_ns));
    }
    if (has_certificate(result)) {
        fprintf(out, "cert_days=%" PRId64 ";%" PRId64 ": ", probe_cert_days(&result->session),
                options->warn_cert_days);
    }
    fprintf(out, "ke_time=%.6fs answered=%zu;;;0;%zu authenticated=%zu;;;0;%zu\n",
            seconds(result->session.elapsed_ns), result->num_answered, options->count,
            result->num_authenticated, options->count);
}

/* --- the details --- */

static bool is_alike(const struct ke_record_seen *a, const struct ke_record_seen *b)
{
    return a->type == b->type && a->critical == b->critical && a->body_len == b->body_len;
}

static void print_records(FILE *out, const struct ke_response *response)
{
    size_t num =
        response->num_records < CLIENT_MAX_RECORDS ? response->num_records : CLIENT_MAX_RECORDS;
    const char *label = "records";
    for (size_t i = 0; i < num;) {
        const struct ke_record_seen *record = &response->records[i];
        size_t num_alike = 1;
        while (i + num_alike < num && is_alike(record, record + num_alike)) {
            num_alike++;
        }
        fprintf(out, "  %-12s %zu x type %u (%s), %u octets%s\n", label, num_alike, record->type,
                ke_record_type_name(record->type), record->body_len,
                record->critical ? ", critical" : "");
        label = "";
        i += num_alike;
    }
    if (response->num_records > num) {
        fprintf(out, "  %-12s and %zu more\n", label, response->num_records - num);
    }
}

static void print_cookies(FILE *out, const struct ke_response *response)
{
    size_t min_len = SIZE_MAX;
    size_t max_len = 0;
    for (size_t i = 0; i < response->num_records && i < CLIENT_MAX_RECORDS; i++) {
        const struct ke_record_seen *record = &response->records[i];
        if (record->type == KE_NEW_COOKIE) {
            min_len = record->body_len < min_len ? record->body_len : min_len;
            max_len = record->body_len > max_len ? record->body_len : max_len;
        }
    }
    if (min_len == max_len) {
        fprintf(out, "  %-12s %zu of %zu octets\n", "cookies", response->num_cookies, min_len);
    } else if (response->num_cookies > 0) {
        fprintf(out, "  %-12s %zu of %zu to %zu octets\n", "cookies", response->num_cookies,
                min_len, max_len);
    }
}

static void print_ke(FILE *out, const struct probe_result *result,
                     const struct probe_options *options)
{
    const struct ke_session *session = &result->session;
    char peer[ADDRESS_TEXT_LEN] = "no address";
    if (session->peer.sa.sa_family != AF_UNSPEC) {
        address_format(peer, &session->peer);
    }
    fprintf(out, "\nNTS-KE with %s, port %u (%s), %.3f ms\n", options->host, options->port, peer,
            seconds(session->elapsed_ns) * 1e3);
    if (session->tls_version[0] != '\0') {
        fprintf(out, "  %-12s %s, %s, group %s\n", "TLS", session->tls_version, session->cipher,
                session->group);
    }
    if (has_certificate(result)) {
        fprintf(out, "  %-12s subject %s\n  %-12s issuer %s\n  %-12s %" PRId64 " days left\n",
                "certificate", session->subject, "", session->issuer, "", probe_cert_days(session));
    }
    print_records(out, &session->response);
    print_cookies(out, &session->response);
    if (session->keys.aead != NULL) {
        fprintf(out, "  %-12s %u (%s)\n", "AEAD", session->keys.aead->id, session->keys.aead->name);
        fprintf(out, "  %-12s context 0000%04x%s\n", "exporter", probe_exporter_context(result),
                !result->used_legacy_keys ? ""
                                          : ": the keys of RFC 8915 got a NAK, those of chrony "
                                            "4.4 to 4.6.0 work");
    }
    if (result->server_host[0] != '\0') {
        fprintf(out, "  %-12s %s, port %u (%s)%s\n", "time server", result->server_host,
                result->server_port,
                result->server_address[0] != '\0' ? result->server_address : "no address",
                options->ntp_host[0] != '\0' ? ", of --ntp-server" : "");
    }
}

static void print_exchange(FILE *out, size_t number, const struct probe_exchange *exchange)
{
    const struct ntp_header *header = &exchange->reply.header;
    if (exchange->status != NTS_OK) {
        fprintf(out, "  %-3zu failed: %s\n", number, exchange->error.text);
        return;
    }
    char reference_id[REFERENCE_ID_LEN];
    probe_reference_id(reference_id, header);
    fprintf(out,
            "  %-3zu offset %+.6f s, delay %.6f s, stratum %u, reference %s, leap %u, "
            "%zu cookie%s\n",
            number, seconds(exchange->sample.offset_ns), seconds(exchange->sample.delay_ns),
            header->stratum, reference_id, header->leap, exchange->reply.num_cookies,
            exchange->reply.num_cookies == 1 ? "" : "s");
}

void probe_print_text(FILE *out, const struct probe_result *result,
                      const struct probe_options *options)
{
    char message[PROBE_MESSAGE_LEN];
    probe_message(message, result);
    fprintf(out, "NTS %s - %s", probe_state_name(result->state), message);
    print_performance(out, result, options);

    print_ke(out, result, options);
    if (result->num_exchanges == 0) {
        return;
    }
    fprintf(out, "\nNTP exchanges\n");
    for (size_t i = 0; i < result->num_exchanges; i++) {
        print_exchange(out, i + 1, &result->exchanges[i]);
    }
    fprintf(out, "\nSummary: %zu sent, %zu answered, %zu authenticated\n", result->num_exchanges,
            result->num_answered, result->num_authenticated);
    if (result->num_authenticated > 0) {
        fprintf(out, "  %-12s min %+.6f s, median %+.6f s, max %+.6f s\n", "offset",
                result->offset_s.min, result->offset_s.median, result->offset_s.max);
        fprintf(out, "  %-12s min %.6f s, median %.6f s, max %.6f s\n", "delay",
                result->delay_s.min, result->delay_s.median, result->delay_s.max);
    }
}
