/* The keyring as a server lives with it: loaded at the start, followed, and watched as time goes
 * by, for keys activate and expire with no reload. Everything that an operator wants to know of it
 * is logged when it changes. Control thread only. */
#ifndef NTS_SERVICE_KEYRING_SERVICE_H
#define NTS_SERVICE_KEYRING_SERVICE_H

#include "base/counter.h"
#include "base/status_set.h"
#include "service/keyring_options.h"
#include "service/keyring_watch.h"

/* How often a warning is repeated while its cause lasts. */
#define KEYRING_WARN_AGAIN_S 3600

/* What a load of the keyring's file comes to: OK first. */
#define KEYRING_LOAD_TABLE(X)                                                                      \
    NTS_STATUS_FILE_TABLE(X)                                                                       \
    NTS_STATUS_KEYRING_TABLE(X)                                                                    \
    NTS_STATUS_MEMORY_TABLE(X)                                                                     \
    NTS_STATUS_INTERNAL_TABLE(X)

enum keyring_load {
    KEYRING_LOAD_OK,
#define KEYRING_LOAD_ENUM(name, label, text) KEYRING_LOAD_##name,
    KEYRING_LOAD_TABLE(KEYRING_LOAD_ENUM)
#undef KEYRING_LOAD_ENUM
        KEYRING_NUM_LOADS
};

extern const struct status_set keyring_loads;

/* What others may know of the keyring: no key, and all times since 1970: it does not age. */
struct keyring_report {
    uint64_t generation;
    size_t num_keys;
    bool has_active; /* as of the last tick */
    bool has_next;
    int64_t active_since_s;
    int64_t next_activation_s;
    int64_t last_expiry_s;             /* of the last key that opens; meaningless without keys */
    uint64_t loads[KEYRING_NUM_LOADS]; /* of the file, by result */
};

struct keyring_service {
    struct keyring *ring; /* one reference; NULL before the first load */
    struct keyring_watch watch;
    const char *without_active_key; /* what clients meet when no key seals, for the log */
    struct keyring_report report;

    /* What the log has said last. */
    bool said_active;
    uint32_t active_id;
    int64_t said_no_active_s; /* 0: not said */
    int64_t said_no_upcoming_s;
    int64_t said_near_end_s;
};

/* keyring_service_open starts to follow the file and loads it. The strings must outlive the
 * service, which must not move. Errors of keyring_watch_open and keyring_watch_load;
 * keyring_service_close is due in any case, on a service that was zero before. */
NTS_MUST_CHECK enum nts_status keyring_service_open(struct keyring_service *service,
                                                    const struct keyring_options *options,
                                                    const char *without_active_key,
                                                    struct error *error);
void keyring_service_close(struct keyring_service *service);

/* keyring_service_warn_if_unreadable warns of files that a reload will not be able to read: to be
 * asked when the privileges of the start are gone. */
void keyring_service_warn_if_unreadable(const struct keyring_service *service);

/* keyring_service_reload loads the file again. True if `ring` is a new one, to be published; else
 * what was there stays, and why is logged and counted. */
bool keyring_service_reload(struct keyring_service *service);

/* keyring_service_log_loaded logs what is in use: to be called when the workers have it, because
 * the reader of the line may count on it. */
void keyring_service_log_loaded(const struct keyring_service *service);

/* keyring_service_tick logs what time has changed, and warns while no key is active, no key is
 * upcoming, or the last key nears its end. Renews the report. Once a second is often enough. */
void keyring_service_tick(struct keyring_service *service);

/* keyring_service_log_status logs where the keyring is in its life, and how reloads went. */
void keyring_service_log_status(const struct keyring_service *service);

/* keyring_service_report tells where the keyring is, as of the last load or tick. */
void keyring_service_report(const struct keyring_service *service, struct keyring_report *report);

#endif
