/* Status of every fallible verb of the farm. One row is the enum value, the label that counters and
 * logs use, and the text. Input can cause any of these; only our own bug can trip an assertion.
 *
 * There is a table for each concern. A counter counts the tables that concern it (status_set.h), so
 * that a new row has its place in the metrics and in the log with nothing else to add. */
#ifndef NTS_BASE_STATUS_H
#define NTS_BASE_STATUS_H

#define NTS_MUST_CHECK                 __attribute__((warn_unused_result))
#define NTS_PRINTF(format_at, args_at) __attribute__((format(printf, format_at, args_at)))

/* The bounded cursor over octets. */
#define NTS_STATUS_WIRE_TABLE(X)                                                                   \
    X(TRUNCATED, "truncated", "a length field passes the end")                                     \
    X(NO_SPACE, "no_space", "the output does not fit its buffer")

/* Why an NTP request gets silence: header, source, extension fields, the clock. */
#define NTS_STATUS_REQUEST_TABLE(X)                                                                \
    X(TOO_SHORT, "too_short", "shorter than an NTP header")                                        \
    X(NOT_ALIGNED, "not_aligned", "length is not a multiple of four")                              \
    X(VERSION, "version", "NTP version is not 1 to 4")                                             \
    X(MODE, "mode", "NTP mode is not client")                                                      \
    X(LEGACY_MAC, "legacy_mac", "a legacy MAC, for which there are no keys")                       \
    X(PLAIN_REFUSED, "plain_refused", "plain NTP is switched off")                                 \
    X(RATE_LIMITED, "rate_limited", "the source is over its budget")                               \
    X(SOURCE_REFUSED, "source_refused", "the source is in a network that is refused")              \
    X(EF_LENGTH, "ef_length", "extension field length is out of range")                            \
    X(NTS_INCOMPLETE, "nts_incomplete", "unique id, cookie or authenticator is missing")           \
    X(NTS_DUPLICATE, "nts_duplicate", "a field that may come once came twice")                     \
    X(UNIQUE_ID_SHORT, "unique_id_short", "unique identifier below 32 octets")                     \
    X(PLACEHOLDER_LENGTH, "placeholder_length", "placeholder length differs from the cookie's")    \
    X(AUTHENTICATOR_FORM, "authenticator_form", "authenticator field is malformed")                \
    X(NONCE, "nonce", "nonce and padding do not suit the algorithm")                               \
    X(ENCRYPTED_FORM, "encrypted_form", "an encrypted extension field is malformed")               \
    X(AMPLIFIES, "amplifies", "the reply would be longer than the request")                        \
    X(UNSYNCHRONISED, "unsynchronised", "the clock is not fit and silence is configured")

/* Why a cookie or an authenticator is not good. */
#define NTS_STATUS_COOKIE_TABLE(X)                                                                 \
    X(COOKIE_FORM, "cookie_form", "cookie length fits no algorithm")                               \
    X(KEY_UNKNOWN, "key_unknown", "cookie names a master key that is not in the keyring")          \
    X(KEY_EXPIRED, "key_expired", "cookie names a master key that has expired")                    \
    X(FORGED, "forged", "authentication failed")

/* Why a session of NTS-KE ends without cookies, on either side. */
#define NTS_STATUS_SESSION_TABLE(X)                                                                \
    X(TOO_LONG, "too_long", "longer than the receive buffer")                                      \
    X(NO_SEALING_KEY, "no_sealing_key", "no master key can seal a cookie now")                     \
    X(BAD_REQUEST, "bad_request", "the NTS-KE message breaks a rule")                              \
    X(UNKNOWN_CRITICAL, "unknown_critical", "an unknown record is marked critical")                \
    X(INCOMPLETE, "incomplete", "the message has not ended")                                       \
    X(TLS, "tls", "TLS failed")                                                                    \
    X(TIMEOUT, "timeout", "no answer in time")                                                     \
    X(NO_AGREEMENT, "no_agreement", "no common protocol or algorithm")

/* What a client meets besides. */
#define NTS_STATUS_CLIENT_TABLE(X)                                                                 \
    X(NAK, "nak", "the server answered with an NTS NAK")                                           \
    X(KISS, "kiss", "the server answered with a kiss of death")                                    \
    X(MISMATCH, "mismatch", "the reply does not belong to the request")                            \
    X(PEER_ERROR, "peer_error", "the server answered with an Error record")

/* Files of any kind. */
#define NTS_STATUS_FILE_TABLE(X) X(FILE, "file", "the file cannot be used")

/* Why a keyring is not taken. */
#define NTS_STATUS_KEYRING_TABLE(X)                                                                \
    X(KEYRING_FORM, "keyring_form", "the keyring breaks a rule of its format")                     \
    X(STALE, "stale", "the file is older than what is loaded")                                     \
    X(UNSIGNED, "unsigned", "the keyring carries no signature")                                    \
    X(BAD_SIGNATURE, "bad_signature", "the keyring is not signed by a key that is trusted")        \
    X(SIGNATURE_EXPIRED, "signature_expired", "the signature is past its time, or before it")      \
    X(ENVELOPE_FORM, "envelope_form", "the sealed envelope is malformed")                          \
    X(NOT_RECIPIENT, "not_recipient", "the envelope is not sealed to this node")                   \
    X(ENVELOPE_FORGED, "envelope_forged", "the envelope was altered, or spliced from others")

/* Why a certificate is not taken. */
#define NTS_STATUS_CERTIFICATE_TABLE(X)                                                            \
    X(CERTIFICATE_FORM, "certificate_form", "not a certificate that TLS can be served with")       \
    X(CERTIFICATE_EXPIRED, "certificate_expired", "the certificate has expired")                   \
    X(CERTIFICATE_EARLY, "certificate_early", "the certificate is not valid yet")                  \
    X(PRIVATE_KEY_FORM, "private_key_form", "not a private key that can be read")                  \
    X(PRIVATE_KEY_KIND, "private_key_kind", "a private key of a kind that is not used")            \
    X(PRIVATE_KEY_MISMATCH, "private_key_mismatch", "the key belongs to another certificate")

/* The configuration. */
#define NTS_STATUS_CONFIG_TABLE(X) X(CONFIG, "config", "the configuration is wrong")

/* The kernel. */
#define NTS_STATUS_SYSTEM_TABLE(X) X(SYSTEM, "system", "a system call failed")

/* Memory. */
#define NTS_STATUS_MEMORY_TABLE(X) X(NO_MEMORY, "no_memory", "out of memory")

/* Libraries, and mistakes of ours. */
#define NTS_STATUS_INTERNAL_TABLE(X) X(INTERNAL, "internal", "a library refused what must not fail")

#define NTS_STATUS_TABLE(X)                                                                        \
    NTS_STATUS_WIRE_TABLE(X)                                                                       \
    NTS_STATUS_REQUEST_TABLE(X)                                                                    \
    NTS_STATUS_COOKIE_TABLE(X)                                                                     \
    NTS_STATUS_SESSION_TABLE(X)                                                                    \
    NTS_STATUS_CLIENT_TABLE(X)                                                                     \
    NTS_STATUS_FILE_TABLE(X)                                                                       \
    NTS_STATUS_KEYRING_TABLE(X)                                                                    \
    NTS_STATUS_CERTIFICATE_TABLE(X)                                                                \
    NTS_STATUS_CONFIG_TABLE(X)                                                                     \
    NTS_STATUS_SYSTEM_TABLE(X)                                                                     \
    NTS_STATUS_MEMORY_TABLE(X)                                                                     \
    NTS_STATUS_INTERNAL_TABLE(X)

enum nts_status {
    NTS_OK = 0,
#define NTS_STATUS_ENUM(name, label, text) NTS_ERR_##name,
    NTS_STATUS_TABLE(NTS_STATUS_ENUM)
#undef NTS_STATUS_ENUM
        NTS_NUM_STATUS
};

/* status_label returns the short, stable name used in counters and logs, "ok" for NTS_OK. */
const char *status_label(enum nts_status status);

/* status_text returns one line for people. */
const char *status_text(enum nts_status status);

/* An error for people: filled where something fails for a reason that a status cannot carry. */
struct error {
    char text[512];
};

/* error_set formats the text (cut to fit) and returns `status`, so that a failure is one line. */
enum nts_status error_set(struct error *error, enum nts_status status, const char *format, ...)
    NTS_PRINTF(3, 4);

/* error_prefix puts `prefix` and ": " before the text that is there. */
void error_prefix(struct error *error, const char *prefix);

#endif
