#include "ke-server/tls/certificate_service.h"

#include "base/clock_time.h"
#include "log/log.h"
#include "log/reminder.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const load_labels[] = {"ok", CERTIFICATE_LOAD_TABLE(STATUS_SET_LABEL)};

static const uint8_t load_places[NTS_NUM_STATUS] = {[NTS_OK] = CERTIFICATE_LOAD_OK + 1,
#define LOAD_PLACE(name, label, text) [NTS_ERR_##name] = CERTIFICATE_LOAD_##name + 1,
                                                    CERTIFICATE_LOAD_TABLE(LOAD_PLACE)
#undef LOAD_PLACE
};

const struct status_set certificate_loads = {CERTIFICATE_NUM_LOADS, load_labels, load_places};

static int64_t now_s(void)
{
    return real_time_ns() / NS_PER_S;
}

static struct watched_file *files_of(const struct certificate_service *service, size_t index)
{
    return &service->files[2 * index];
}

/* --- all of them --- */

static bool allocate(struct certificate_service *service, const struct certificate_files *files,
                     size_t num)
{
    service->pairs = calloc(num, sizeof(*service->pairs));
    service->files = calloc(2 * num, sizeof(*service->files));
    if (service->pairs == NULL || service->files == NULL) {
        return false;
    }
    service->num = num;
    for (size_t i = 0; i < num; i++) {
        struct certificate_files *own = &service->pairs[i].files;
        own->certificate = strdup(files[i].certificate);
        own->private_key = strdup(files[i].private_key);
        if (own->certificate == NULL || own->private_key == NULL) {
            return false;
        }
        files_of(service, i)[0].path = own->certificate;
        files_of(service, i)[1].path = own->private_key;
    }
    return true;
}

/* What was read is what was seen: a change since then is not missed. */
static void mark_seen(struct certificate_service *service, size_t index)
{
    const struct certificate *certificate = service->pairs[index].certificate;
    watched_file_see(&files_of(service, index)[0], &certificate->file_seen);
    watched_file_see(&files_of(service, index)[1], &certificate->key_seen);
}

static enum nts_status make_contexts(struct certificate_service *service, struct error *error)
{
    struct tls_contexts *fresh;
    struct certificate **certificates = calloc(service->num, sizeof(struct certificate *));
    if (certificates == NULL) {
        return error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < service->num; i++) {
        certificates[i] = service->pairs[i].certificate;
    }
    enum nts_status status = tls_contexts_create(&fresh, certificates, service->num, error);
    free((void *)certificates);
    if (status != NTS_OK) {
        return status;
    }
    if (service->contexts != NULL) {
        snapshot_unref(&service->contexts->snapshot);
    }
    service->contexts = fresh;
    return NTS_OK;
}

static void free_all(struct certificate_service *service)
{
    for (size_t i = 0; i < service->num; i++) {
        struct certificate_pair *pair = &service->pairs[i];
        free((void *)pair->files.certificate);
        free((void *)pair->files.private_key);
        if (pair->certificate != NULL) {
            snapshot_unref(&pair->certificate->snapshot);
        }
    }
    free(service->pairs);
    free(service->files);
    if (service->contexts != NULL) {
        snapshot_unref(&service->contexts->snapshot);
    }
    *service = (struct certificate_service){0};
}

enum nts_status certificate_service_open(struct certificate_service *service,
                                         const struct certificate_files *files, size_t num,
                                         struct error *error)
{
    enum nts_status status = NTS_OK;
    if (!allocate(service, files, num)) {
        status = error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
    }
    for (size_t i = 0; status == NTS_OK && i < num; i++) {
        struct certificate_pair *pair = &service->pairs[i];
        status = certificate_load(&pair->certificate, &pair->files, now_s(), error);
        pair->is_news = true;
    }
    if (status == NTS_OK) {
        status = make_contexts(service, error);
    }
    if (status == NTS_OK) {
        status = file_watch_open(&service->watch, service->files, 2 * num, error);
    }
    if (status != NTS_OK) {
        free_all(service);
        return status;
    }
    for (size_t i = 0; i < num; i++) {
        mark_seen(service, i);
    }
    service->loads[CERTIFICATE_LOAD_OK] = num;
    return NTS_OK;
}

void certificate_service_close(struct certificate_service *service)
{
    if (service->contexts != NULL) {
        file_watch_close(&service->watch);
    }
    free_all(service);
}

enum nts_status certificate_service_reload(struct certificate_service *service,
                                           const struct certificate_files *files, size_t num,
                                           struct error *error)
{
    struct certificate_service fresh = {0};
    enum nts_status status = certificate_service_open(&fresh, files, num, error);
    if (status != NTS_OK) {
        service->loads[status_place(&certificate_loads, status)]++;
        return status;
    }
    for (size_t i = 0; i < CERTIFICATE_NUM_LOADS; i++) {
        fresh.loads[i] += service->loads[i];
    }
    certificate_service_close(service);
    *service = fresh;
    return NTS_OK;
}

/* --- one of them --- */

static enum nts_status replace(struct certificate_service *service, size_t index,
                               struct error *error)
{
    struct certificate_pair *pair = &service->pairs[index];
    struct certificate *old = pair->certificate;
    struct certificate *fresh;
    enum nts_status status = certificate_load(&fresh, &pair->files, now_s(), error);
    if (status != NTS_OK) {
        return status;
    }
    pair->certificate = fresh;
    status = make_contexts(service, error);
    if (status != NTS_OK) {
        pair->certificate = old;
        snapshot_unref(&fresh->snapshot);
        return status;
    }
    snapshot_unref(&old->snapshot);
    mark_seen(service, index);
    return NTS_OK;
}

static void refuse(struct certificate_service *service, struct certificate_pair *pair,
                   enum nts_status status, const struct error *error)
{
    if (strcmp(pair->refused.text, error->text) == 0) {
        return;
    }
    pair->refused = *error;
    service->loads[status_place(&certificate_loads, status)]++;
    log_error("certificate.refused", "file=\"%s\" cause=%s kept=true reason=\"%s\"",
              pair->files.certificate, status_label(status), error->text);
}

/* Tries to take what is there now; true if that is what is used from now on. */
static bool renew(struct certificate_service *service, size_t index, int64_t now_ns)
{
    struct certificate_pair *pair = &service->pairs[index];
    struct error error;
    enum nts_status status = replace(service, index, &error);
    if (status == NTS_OK) {
        pair->try_at_ns = 0;
        pair->is_news = true;
        pair->refused.text[0] = '\0';
        pair->said_near_end_s = 0;
        service->loads[CERTIFICATE_LOAD_OK]++;
        return true;
    }
    if (now_ns - pair->changed_at_ns < CERTIFICATE_PATIENCE_MS * NS_PER_MS) {
        pair->try_at_ns = now_ns + CERTIFICATE_SETTLE_MS * NS_PER_MS;
        return false;
    }
    refuse(service, pair, status, &error);
    pair->try_at_ns = now_ns + CERTIFICATE_RETRY_MS * NS_PER_MS;
    return false;
}

int certificate_service_fd(const struct certificate_service *service)
{
    return file_watch_fd(&service->watch);
}

bool certificate_service_follow(struct certificate_service *service)
{
    bool is_new = false;
    int64_t now_ns = mono_time_ns();
    file_watch_update(&service->watch);
    for (size_t i = 0; i < service->num; i++) {
        struct certificate_pair *pair = &service->pairs[i];
        struct watched_file *files = files_of(service, i);
        if (watched_file_changed(&files[0]) || watched_file_changed(&files[1])) {
            watched_file_see(&files[0], NULL);
            watched_file_see(&files[1], NULL);
            pair->changed_at_ns = now_ns;
            pair->try_at_ns = now_ns + CERTIFICATE_SETTLE_MS * NS_PER_MS;
        } else if (pair->try_at_ns != 0 && pair->try_at_ns <= now_ns) {
            is_new = renew(service, i, now_ns) || is_new;
        }
    }
    return is_new;
}

/* --- the log --- */

static void log_loaded(const struct certificate *certificate)
{
    char names[CERTIFICATE_NAMES_TEXT_LEN];
    char not_after[RFC3339_LEN + 1];
    certificate_format_names(names, certificate);
    rfc3339_format(not_after, certificate->identity.not_after_s);
    log_info("certificate.loaded",
             "file=\"%s\" key=\"%s\" names=\"%s\" issuer=\"%s\" not_after=%s "
             "expires_in_days=%" PRId64,
             certificate->path, certificate_key_text(certificate->identity.key), names,
             certificate->issuer, not_after, (certificate->identity.not_after_s - now_s()) / 86400);
    if (certificate->weakness != NULL) {
        log_warning("certificate.weak", "file=\"%s\" reason=\"%s\"", certificate->path,
                    certificate->weakness);
    }
}

void certificate_service_log_loaded(struct certificate_service *service)
{
    for (size_t i = 0; i < service->num; i++) {
        if (service->pairs[i].is_news) {
            service->pairs[i].is_news = false;
            log_loaded(service->pairs[i].certificate);
        }
    }
}

void certificate_service_tick(struct certificate_service *service)
{
    int64_t now = now_s();
    for (size_t i = 0; i < service->num; i++) {
        struct certificate_pair *pair = &service->pairs[i];
        const struct certificate *certificate = pair->certificate;
        int64_t left_s = certificate->identity.not_after_s - now;
        char names[CERTIFICATE_NAMES_TEXT_LEN];
        char not_after[RFC3339_LEN + 1];
        if (!reminder_is_due(&pair->said_near_end_s, left_s < CERTIFICATE_NEAR_END_S, now,
                             CERTIFICATE_WARN_AGAIN_S)) {
            continue;
        }
        certificate_format_names(names, certificate);
        rfc3339_format(not_after, certificate->identity.not_after_s);
        if (left_s > 0) {
            log_warning("certificate.near_end",
                        "file=\"%s\" names=\"%s\" not_after=%s expires_in_days=%" PRId64,
                        certificate->path, names, not_after, left_s / 86400);
        } else {
            log_error("certificate.expired",
                      "file=\"%s\" names=\"%s\" not_after=%s effect=\"clients turn away\"",
                      certificate->path, names, not_after);
        }
    }
}

void certificate_service_warn_if_unreadable(const struct certificate_service *service)
{
    for (size_t i = 0; i < 2 * service->num; i++) {
        if (access(service->files[i].path, R_OK) != 0) {
            log_warning("config.not_readable", "file=\"%s\" reason=\"not readable by this user\"",
                        service->files[i].path);
        }
    }
}

void certificate_service_log_status(const struct certificate_service *service)
{
    char not_after[RFC3339_LEN + 1];
    rfc3339_format(not_after, tls_contexts_first_not_after_s(service->contexts));
    log_info("certificate.status", "certificates=%zu first_not_after=%s", service->num, not_after);
    log_counters("counters.certificate_loads", certificate_loads.labels, service->loads,
                 certificate_loads.num);
}
