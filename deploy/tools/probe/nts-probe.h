/* nts-probe asks an NTS server for time the way a client would, and explains what it saw.
 * nts-probe.c reads the options, nts-probe-run.c asks and judges, the two others print. */
#ifndef NTS_PROBE_H
#define NTS_PROBE_H

#include "client/ke_client.h"
#include "client/ntp_client.h"

#include <stdio.h>

/* The monitoring plugin convention: these are the exit statuses. */
enum probe_state { PROBE_OK, PROBE_WARNING, PROBE_CRITICAL, PROBE_UNKNOWN };

struct probe_options {
    char host[HOST_TEXT_LEN];
    uint16_t port;
    int family;
    const char *ca_file;
    const char *server_name; /* for the certificate; NULL: host */
    uint16_t aeads[CLIENT_MAX_AEADS];
    size_t num_aeads;             /* 0: the library's choice */
    char ntp_host[HOST_TEXT_LEN]; /* "": what NTS-KE names */
    uint16_t ntp_port;
    size_t count;
    double interval_s;
    double timeout_s; /* for NTS-KE, and again for each answer */
    double warn_offset_s;
    double crit_offset_s;
    int64_t warn_cert_days;
    bool json;
};

struct probe_exchange {
    enum nts_status status;
    struct error error; /* if the status is not NTS_OK */
    struct ntp_reply reply;
    struct ntp_sample sample;
};

struct probe_range {
    double min;
    double median;
    double max;
};

#define PROBE_MAX_PROBLEMS 8

struct probe_result {
    enum probe_state state;
    struct error problems[PROBE_MAX_PROBLEMS]; /* what keeps the state from being OK */
    size_t num_problems;

    enum nts_status ke_status;
    struct ke_session session;

    char server_host[HOST_TEXT_LEN]; /* the time server asked; "": it never came to that */
    char server_address[ADDRESS_TEXT_LEN];
    uint16_t server_port;
    bool used_legacy_keys;

    struct probe_exchange *exchanges;
    size_t num_exchanges;
    size_t num_answered;      /* time, a kiss or a NAK */
    size_t num_authenticated; /* time */
    struct probe_range offset_s;
    struct probe_range delay_s;
    const struct probe_exchange *best; /* the one with the least delay; NULL: none brought time */
};

/* probe_run does everything and fills `*result`; probe_result_free is due afterwards. */
void probe_run(struct probe_result *result, const struct probe_options *options);
void probe_result_free(struct probe_result *result);

/* probe_cert_days returns the whole days until the certificate expires, negative if it has. */
int64_t probe_cert_days(const struct ke_session *session);

/* probe_unsynchronised tells whether a server says that it has no time to give. */
bool probe_unsynchronised(const struct ntp_header *header);

/* probe_state_name returns "OK", "WARNING", "CRITICAL" or "UNKNOWN". */
const char *probe_state_name(enum probe_state state);

/* probe_reference_id writes the reference id as text: letters below stratum 2 if it
 * is that, else dotted. */
#define REFERENCE_ID_LEN 16
void probe_reference_id(char text[REFERENCE_ID_LEN], const struct ntp_header *header);

/* probe_exporter_context returns the algorithm number in the exporter's context that worked. */
uint16_t probe_exporter_context(const struct probe_result *result);

/* probe_message writes the text behind "NTS STATE - " and before the performance data. */
#define PROBE_MESSAGE_LEN 1024
void probe_message(char text[PROBE_MESSAGE_LEN], const struct probe_result *result);

/* probe_print_text writes the plugin's line, then the details. */
void probe_print_text(FILE *out, const struct probe_result *result,
                      const struct probe_options *options);

/* probe_print_json writes one JSON object, schema "nts-probe/1". */
void probe_print_json(FILE *out, const struct probe_result *result,
                      const struct probe_options *options);

#endif
