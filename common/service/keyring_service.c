#include "service/keyring_service.h"

#include "base/clock_time.h"
#include "log/log.h"
#include "log/reminder.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

static const char *const load_labels[] = {"ok", KEYRING_LOAD_TABLE(STATUS_SET_LABEL)};

static const uint8_t load_places[NTS_NUM_STATUS] = {[NTS_OK] = KEYRING_LOAD_OK + 1,
#define LOAD_PLACE(name, label, text) [NTS_ERR_##name] = KEYRING_LOAD_##name + 1,
                                                    KEYRING_LOAD_TABLE(LOAD_PLACE)
#undef LOAD_PLACE
};

const struct status_set keyring_loads = {KEYRING_NUM_LOADS, load_labels, load_places};

static int64_t now_s(void)
{
    return real_time_ns() / NS_PER_S;
}

/* Fills `*state` for the moment `now`, and the report. */
static void look_at_ring(struct keyring_service *service, struct keyring_state *state, int64_t now)
{
    const struct keyring *ring = service->ring;
    keyring_state_at(state, ring, now);
    struct keyring_report *report = &service->report;
    report->generation = ring->generation;
    report->num_keys = ring->num_keys;
    report->has_active = state->active != NULL;
    report->has_next = state->next != NULL;
    report->active_since_s = state->active != NULL ? state->active->activate_at_s : 0;
    report->next_activation_s = now + state->next_activation_s;
    report->last_expiry_s = now + state->last_expiry_s;
}

void keyring_service_report(const struct keyring_service *service, struct keyring_report *report)
{
    *report = service->report;
}

static enum nts_status load(struct keyring_service *service, struct error *error)
{
    struct keyring *fresh;
    enum nts_status status = keyring_watch_load(&service->watch, &fresh, error);
    service->report.loads[status_place(&keyring_loads, status)]++;
    if (status != NTS_OK) {
        return status;
    }
    if (service->ring != NULL) {
        snapshot_unref(&service->ring->snapshot);
    }
    service->ring = fresh;
    struct keyring_state state;
    look_at_ring(service, &state, now_s());
    return NTS_OK;
}

enum nts_status keyring_service_open(struct keyring_service *service,
                                     const struct keyring_options *options,
                                     const char *without_active_key, struct error *error)
{
    const struct keyring_access access = {options->signer, options->node_key};
    *service = (struct keyring_service){.without_active_key = without_active_key};
    enum nts_status status = keyring_watch_open(&service->watch, options->path, &access, error);
    if (status != NTS_OK) {
        service->watch.path = NULL;
        return status;
    }
    return load(service, error);
}

void keyring_service_close(struct keyring_service *service)
{
    if (service->watch.path != NULL) {
        keyring_watch_close(&service->watch);
        service->watch.path = NULL;
    }
    if (service->ring != NULL) {
        snapshot_unref(&service->ring->snapshot);
        service->ring = NULL;
    }
}

void keyring_service_warn_if_unreadable(const struct keyring_service *service)
{
    const struct keyring_watch *watch = &service->watch;
    const char *const files[] = {watch->path, watch->access.signer, watch->access.node_key};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        if (files[i] != NULL && access(files[i], R_OK) != 0) {
            log_warning("config.not_readable", "file=\"%s\" reason=\"not readable by this user\"",
                        files[i]);
        }
    }
}

bool keyring_service_reload(struct keyring_service *service)
{
    struct error error;
    enum nts_status status = load(service, &error);
    if (status != NTS_OK) {
        log_error("keyring.refused", "cause=%s reason=\"%s\" kept_generation=%" PRIu64,
                  status_label(status), error.text, service->ring->generation);
    }
    return status == NTS_OK;
}

/* A moment from now, or "none". */
struct seconds_text {
    char text[24];
};

static struct seconds_text seconds_or_none(bool is_there, int64_t seconds)
{
    struct seconds_text out = {"none"};
    if (is_there) {
        snprintf(out.text, sizeof(out.text), "%" PRId64, seconds);
    }
    return out;
}

/* Generations and key ids are no secrets: every cookie carries its id. */
static void log_state(const struct keyring_service *service, const char *event)
{
    const struct keyring *ring = service->ring;
    struct keyring_state state;
    keyring_state_at(&state, ring, now_s());
    const struct seconds_text next = seconds_or_none(state.next != NULL, state.next_activation_s);
    const struct seconds_text end = seconds_or_none(ring->num_keys > 0, state.last_expiry_s);
    if (state.active == NULL) {
        log_info(event,
                 "generation=%" PRIu64 " keys=%zu active=none next_activation_s=%s "
                 "last_expiry_s=%s",
                 ring->generation, ring->num_keys, next.text, end.text);
        return;
    }
    log_info(event,
             "generation=%" PRIu64 " keys=%zu active=%08" PRIx32 " layout=%s next_activation_s=%s "
             "last_expiry_s=%s",
             ring->generation, ring->num_keys, state.active->id,
             key_layout_name(state.active->layout), next.text, end.text);
}

void keyring_service_log_loaded(const struct keyring_service *service)
{
    log_state(service, "keyring.loaded");
}

void keyring_service_log_status(const struct keyring_service *service)
{
    log_state(service, "keyring.status");
    log_counters("counters.keyring_loads", keyring_loads.labels, service->report.loads,
                 keyring_loads.num);
}

static void log_active_key(struct keyring_service *service, const struct keyring_state *state)
{
    const struct master_key *active = state->active;
    if (active == NULL || (service->said_active && service->active_id == active->id)) {
        return;
    }
    if (service->said_active) {
        log_info("keyring.active_key", "id=%08" PRIx32 " layout=%s before=%08" PRIx32, active->id,
                 key_layout_name(active->layout), service->active_id);
    } else if (service->said_no_active_s != 0) {
        log_info("keyring.active_key", "id=%08" PRIx32 " layout=%s before=none", active->id,
                 key_layout_name(active->layout));
    }
    service->said_active = true;
    service->active_id = active->id;
}

void keyring_service_tick(struct keyring_service *service)
{
    struct keyring_state state;
    int64_t now = now_s();
    const char *path = service->watch.path;
    look_at_ring(service, &state, now);

    log_active_key(service, &state);
    if (reminder_is_due(&service->said_no_active_s, state.active == NULL, now,
                        KEYRING_WARN_AGAIN_S)) {
        service->said_active = false;
        log_error("keyring.no_active_key",
                  "file=\"%s\" generation=%" PRIu64 " effect=\"%s\" advice=\"nts-keys rotate\"",
                  path, service->ring->generation, service->without_active_key);
    }
    /* Without an active key it is worse than this. */
    if (reminder_is_due(&service->said_no_upcoming_s, state.active != NULL && state.next == NULL,
                        now, KEYRING_WARN_AGAIN_S)) {
        log_warning("keyring.no_upcoming_key",
                    "file=\"%s\" last_expiry_s=%" PRId64 " advice=\"nts-keys rotate\"", path,
                    state.last_expiry_s);
    }
    if (reminder_is_due(&service->said_near_end_s, state.active != NULL && state.is_near_end, now,
                        KEYRING_WARN_AGAIN_S)) {
        log_warning("keyring.near_end",
                    "file=\"%s\" last_expiry_s=%" PRId64
                    " advice=\"after that no cookie is opened\"",
                    path, state.last_expiry_s);
    }
}
