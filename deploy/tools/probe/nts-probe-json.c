#include "nts-probe.h"

#include <jansson.h>
#include <math.h>

/* Rounded to nanoseconds: the rest would be noise of the conversion. */
static json_t *seconds(double value)
{
    return json_real(round(value * 1e9) / 1e9);
}

static json_t *seconds_of_ns(int64_t ns)
{
    return json_real((double)ns / (double)NS_PER_S);
}

/* A string, or null where nothing was seen. */
static json_t *text_or_null(const char *text)
{
    return text[0] != '\0' ? json_string(text) : json_null();
}

static json_t *code_or_null(int code)
{
    return code >= 0 ? json_integer(code) : json_null();
}

static json_t *records_json(const struct ke_response *response)
{
    json_t *records = json_array();
    for (size_t i = 0; i < response->num_records && i < CLIENT_MAX_RECORDS; i++) {
        const struct ke_record_seen *record = &response->records[i];
        json_array_append_new(records,
                              json_pack("{s:i, s:s, s:b, s:i}", "type", record->type, "name",
                                        ke_record_type_name(record->type), "critical",
                                        (int)record->critical, "octets", record->body_len));
    }
    return records;
}

static json_t *cookies_json(const struct ke_response *response)
{
    json_t *lengths = json_array();
    for (size_t i = 0; i < response->num_records && i < CLIENT_MAX_RECORDS; i++) {
        const struct ke_record_seen *record = &response->records[i];
        if (record->type == KE_NEW_COOKIE) {
            json_array_append_new(lengths, json_integer(record->body_len));
        }
    }
    return json_pack("{s:I, s:o}", "count", (json_int_t)response->num_cookies, "octets", lengths);
}

static json_t *certificate_json(const struct ke_session *session)
{
    if (session->cert_left_s == INT64_MIN) {
        return json_null();
    }
    return json_pack("{s:s, s:s, s:I}", "subject", session->subject, "issuer", session->issuer,
                     "days_left", (json_int_t)probe_cert_days(session));
}

static json_t *aead_json(const struct probe_result *result)
{
    const struct aead_algorithm *aead = result->session.keys.aead;
    if (aead == NULL) {
        return json_null();
    }
    char context[9];
    snprintf(context, sizeof(context), "0000%04x", probe_exporter_context(result));
    return json_pack("{s:i, s:s, s:s, s:b}", "id", aead->id, "name", aead->name, "exporter_context",
                     context, "legacy_keys", (int)result->used_legacy_keys);
}

static json_t *ke_json(const struct probe_result *result, const struct probe_options *options)
{
    const struct ke_session *session = &result->session;
    char peer[ADDRESS_TEXT_LEN] = "";
    if (session->peer.sa.sa_family != AF_UNSPEC) {
        address_format(peer, &session->peer);
    }
    json_t *tls = session->tls_version[0] == '\0'
                      ? json_null()
                      : json_pack("{s:s, s:s, s:s}", "version", session->tls_version, "cipher",
                                  session->cipher, "group", session->group);
    return json_pack("{s:s, s:i, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "host",
                     options->host, "port", options->port, "address", text_or_null(peer), "status",
                     status_label(result->ke_status), "elapsed_s",
                     seconds_of_ns(session->elapsed_ns), "tls", tls, "certificate",
                     certificate_json(session), "records", records_json(&session->response),
                     "cookies", cookies_json(&session->response), "aead", aead_json(result),
                     "error_code", code_or_null(session->response.error_code), "warning_code",
                     code_or_null(session->response.warning_code));
}

static json_t *time_server_json(const struct probe_result *result,
                                const struct probe_options *options)
{
    if (result->server_host[0] == '\0') {
        return json_null();
    }
    return json_pack("{s:s, s:i, s:o, s:b}", "host", result->server_host, "port",
                     result->server_port, "address", text_or_null(result->server_address),
                     "overridden", options->ntp_host[0] != '\0');
}

static json_t *exchange_json(const struct probe_exchange *exchange)
{
    const struct ntp_header *header = &exchange->reply.header;
    if (exchange->status != NTS_OK) {
        return json_pack("{s:s, s:s}", "status", status_label(exchange->status), "error",
                         exchange->error.text);
    }
    char reference_id[REFERENCE_ID_LEN];
    probe_reference_id(reference_id, header);
    return json_pack(
        "{s:s, s:o, s:o, s:i, s:s, s:i, s:o, s:o, s:I, s:I, s:I, s:b}", "status",
        status_label(exchange->status), "offset_s", seconds_of_ns(exchange->sample.offset_ns),
        "delay_s", seconds_of_ns(exchange->sample.delay_ns), "stratum", header->stratum,
        "reference_id", reference_id, "leap", header->leap, "root_delay_s",
        seconds_of_ns(ntp_short_to_ns(header->root_delay)), "root_dispersion_s",
        seconds_of_ns(ntp_short_to_ns(header->root_dispersion)), "cookies",
        (json_int_t)exchange->reply.num_cookies, "request_octets",
        (json_int_t)exchange->sample.request_len, "reply_octets", (json_int_t)exchange->reply.len,
        "authenticated", (int)exchange->reply.authenticated);
}

static json_t *range_json(const struct probe_result *result, const struct probe_range *range)
{
    if (result->num_authenticated == 0) {
        return json_null();
    }
    return json_pack("{s:o, s:o, s:o}", "min", seconds(range->min), "median",
                     seconds(range->median), "max", seconds(range->max));
}

static json_t *summary_json(const struct probe_result *result)
{
    return json_pack("{s:I, s:I, s:I, s:o, s:o}", "sent", (json_int_t)result->num_exchanges,
                     "answered", (json_int_t)result->num_answered, "authenticated",
                     (json_int_t)result->num_authenticated, "offset_s",
                     range_json(result, &result->offset_s), "delay_s",
                     range_json(result, &result->delay_s));
}

void probe_print_json(FILE *out, const struct probe_result *result,
                      const struct probe_options *options)
{
    char message[PROBE_MESSAGE_LEN];
    json_t *problems = json_array();
    json_t *exchanges = json_array();
    probe_message(message, result);
    for (size_t i = 0; i < result->num_problems; i++) {
        json_array_append_new(problems, json_string(result->problems[i].text));
    }
    for (size_t i = 0; i < result->num_exchanges; i++) {
        json_array_append_new(exchanges, exchange_json(&result->exchanges[i]));
    }
    json_t *thresholds = json_pack(
        "{s:o, s:o, s:I}", "warn_offset_s", seconds(options->warn_offset_s), "crit_offset_s",
        seconds(options->crit_offset_s), "warn_cert_days", (json_int_t)options->warn_cert_days);
    json_t *root =
        json_pack("{s:s, s:s, s:i, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "schema", "nts-probe/1",
                  "status", probe_state_name(result->state), "exit_code", (int)result->state,
                  "message", message, "problems", problems, "thresholds", thresholds, "ke",
                  ke_json(result, options), "time_server", time_server_json(result, options),
                  "exchanges", exchanges, "summary", summary_json(result));
    if (root == NULL || json_dumpf(root, out, JSON_INDENT(2) | JSON_REAL_PRECISION(12)) != 0) {
        fputs("nts-probe: the result is no JSON\n", stderr);
    }
    fputc('\n', out);
    json_decref(root);
}
