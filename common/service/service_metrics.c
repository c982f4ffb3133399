#include "service/service_metrics.h"

#include "base/clock_time.h"
#include "crypto/aead.h"
#include "crypto/boringssl.h"

static int64_t now_s(void)
{
    return real_time_ns() / NS_PER_S;
}

void service_metrics_build(struct metrics_page *page, const char *transport, int64_t started_at_s)
{
    metrics_family(page, &(struct metric_family){"nts_build", METRIC_INFO, NULL,
                                                 "What runs: version, TLS library, how packets "
                                                 "are moved, how AES is done"});
    metrics_count(page,
                  METRIC_LABELS({"version", NTS_VERSION}, {"tls", boringssl_version()},
                                {"transport", transport},
                                {"crypto", aead_path_name(aead_path_current())}),
                  1);
    metrics_gauge(page, "nts_start_time_seconds", "seconds", "When the process started, since 1970",
                  (double)started_at_s);
}

/* A gauge in seconds, without a sample when there is nothing to tell. */
static void optional_seconds(struct metrics_page *page, const char *name, const char *help,
                             bool is_there, int64_t seconds)
{
    metrics_family(page, &(struct metric_family){name, METRIC_GAUGE, "seconds", help});
    if (is_there) {
        metrics_value(page, METRIC_NO_LABELS, (double)seconds);
    }
}

void service_metrics_keyring(struct metrics_page *page, const struct keyring_report *report)
{
    int64_t now = now_s();
    metrics_gauge(page, "nts_keyring_generation", NULL, "Generation of the keyring in use",
                  (double)report->generation);
    metrics_gauge(page, "nts_keyring_keys", NULL, "Master keys in the keyring in use",
                  (double)report->num_keys);
    metrics_gauge(page, "nts_keyring_active", NULL, "1 if a master key is active: it can seal",
                  report->has_active ? 1 : 0);
    optional_seconds(page, "nts_keyring_active_age_seconds",
                     "How long the active key has been active", report->has_active,
                     now - report->active_since_s);
    optional_seconds(page, "nts_keyring_next_activation_seconds",
                     "Time until the next key becomes active; absent: no key is upcoming",
                     report->has_next, report->next_activation_s - now);
    optional_seconds(page, "nts_keyring_last_expiry_seconds",
                     "Time until no key opens any cookie; negative: since then",
                     report->num_keys > 0, report->last_expiry_s - now);
    metrics_counters_by_status(
        page,
        &(struct metric_split){"nts_keyring_loads",
                               "Loads of the keyring file, by result: ok, or why it was refused",
                               "result"},
        &keyring_loads, report->loads);
}

void service_health_keyring(struct health *health, const struct keyring_report *report)
{
    if (!report->has_active) {
        health_add(health, "keyring: no key is active");
    }
}

void service_health_workers(struct health *health, size_t num_workers, size_t num_alive)
{
    if (num_alive < num_workers) {
        health_add(health, "workers: %zu of %zu hang", num_workers - num_alive, num_workers);
    }
}
