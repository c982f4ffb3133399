/* The certificates as nts-ke-server lives with them: loaded at the start, and followed as the
 * clients of a CA write them, which is certificate and key one after the other, in place, by rename
 * or by swapping symbolic links. A pair is taken when both files are there, belong together and are
 * valid; until then what was there stays. What an operator wants to know is logged when it happens,
 * and the end of a certificate from two weeks before. Control thread only. */
#ifndef NTS_KE_CERTIFICATE_SERVICE_H
#define NTS_KE_CERTIFICATE_SERVICE_H

#include "base/status_set.h"
#include "ke-server/tls/tls_context.h"
#include "process/file_watch.h"

/* A file that has just changed may be changing still. */
#define CERTIFICATE_SETTLE_MS 500

/* How long a pair that cannot be used may be one that is only half there. */
#define CERTIFICATE_PATIENCE_MS 3000

/* How often what was refused is tried again, in silence unless the reason is another one. */
#define CERTIFICATE_RETRY_MS 60000

/* When the end of a certificate is near, and how often that is said. */
#define CERTIFICATE_NEAR_END_S   (INT64_C(14) * 86400)
#define CERTIFICATE_WARN_AGAIN_S INT64_C(86400)

/* One certificate with its files. */
struct certificate_pair {
    struct certificate_files files; /* its own copies */
    struct certificate *certificate;
    bool is_news; /* not logged yet */
    int64_t changed_at_ns;
    int64_t try_at_ns; /* 0: nothing is waited for */
    struct error refused;
    int64_t said_near_end_s;
};

/* What a load of certificates comes to: OK first. */
#define CERTIFICATE_LOAD_TABLE(X)                                                                  \
    NTS_STATUS_FILE_TABLE(X)                                                                       \
    NTS_STATUS_CERTIFICATE_TABLE(X)                                                                \
    NTS_STATUS_SYSTEM_TABLE(X)                                                                     \
    NTS_STATUS_MEMORY_TABLE(X)                                                                     \
    NTS_STATUS_INTERNAL_TABLE(X)

enum certificate_load_result {
    CERTIFICATE_LOAD_OK,
#define CERTIFICATE_LOAD_ENUM(name, label, text) CERTIFICATE_LOAD_##name,
    CERTIFICATE_LOAD_TABLE(CERTIFICATE_LOAD_ENUM)
#undef CERTIFICATE_LOAD_ENUM
        CERTIFICATE_NUM_LOADS
};

extern const struct status_set certificate_loads;

struct certificate_service {
    struct tls_contexts *contexts; /* one reference; NULL before the first load */
    size_t num;
    struct certificate_pair *pairs;
    struct watched_file *files; /* two for each pair */
    struct file_watch watch;
    uint64_t loads[CERTIFICATE_NUM_LOADS]; /* of certificates, by result */
};

/* certificate_service_open loads `num` certificates, one at least, and starts to follow their
 * files. Needs a service that is zero, and leaves it so on error: as of certificate_load,
 * tls_contexts_create and file_watch_open. */
NTS_MUST_CHECK enum nts_status certificate_service_open(struct certificate_service *service,
                                                        const struct certificate_files *files,
                                                        size_t num, struct error *error);
void certificate_service_close(struct certificate_service *service);

/* certificate_service_reload loads everything again, from other files perhaps. All or nothing: on
 * error, which is counted, the service is as it was. */
NTS_MUST_CHECK enum nts_status certificate_service_reload(struct certificate_service *service,
                                                          const struct certificate_files *files,
                                                          size_t num, struct error *error);

/* certificate_service_fd returns the descriptor that is readable when certificate_service_follow
 * should be called; another one after a reload. */
int certificate_service_fd(const struct certificate_service *service);

/* certificate_service_follow takes what has changed and settled. True if `contexts` are new ones,
 * to be published. A pair that is still refused when patience is over is logged and counted, once
 * for each reason. To be called every second too: time is part of it. */
bool certificate_service_follow(struct certificate_service *service);

/* certificate_service_log_loaded logs the certificates that are new: to be called when the workers
 * have them, because the reader of the line may count on it. */
void certificate_service_log_loaded(struct certificate_service *service);

/* certificate_service_tick warns of certificates that near their end, or are past it, once a day.
 * Once a second is often enough. */
void certificate_service_tick(struct certificate_service *service);

/* certificate_service_warn_if_unreadable warns of files that a reload will not be able to read: to
 * be asked when the privileges of the start are gone. */
void certificate_service_warn_if_unreadable(const struct certificate_service *service);

/* certificate_service_log_status logs when the first certificate ends, and how loads went. */
void certificate_service_log_status(const struct certificate_service *service);

#endif
