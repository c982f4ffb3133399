#include "ke-server/watch/watch_log.h"

#include "log/log.h"

#include <inttypes.h>
#include <stdio.h>

struct place_text {
    char server[TIME_SERVER_TEXT_LEN];
    char address[ADDRESS_TEXT_LEN];
};

static struct place_text format_place(const struct watch_log_place *place)
{
    struct place_text text;
    time_server_format(text.server, place->server->name, place->server->port);
    address_format(text.address, place->address);
    return text;
}

void watch_log_up(const struct watch_log_place *place, const struct watch_sample *sample)
{
    struct place_text text = format_place(place);
    log_info("time_server.up", "server=%s address=%s rtt_us=%" PRId64 " offset_us=%" PRId64,
             text.server, text.address, sample->delay_ns / 1000, sample->offset_ns / 1000);
}

void watch_log_down(const struct watch_log_place *place, const struct watch_verdict *verdict,
                    const struct watch_sample *sample)
{
    struct place_text text = format_place(place);
    char offset[40] = "";
    if (verdict->outcome == WATCH_OFFSET) {
        snprintf(offset, sizeof(offset), " offset_us=%" PRId64, sample->offset_ns / 1000);
    }
    log_warning("time_server.down", "server=%s address=%s key=%08" PRIx32 " reason=%s%s",
                text.server, text.address, verdict->key_id, watch_outcome_label(verdict->outcome),
                offset);
}

void watch_log_key(const struct watch_log_place *place, const struct watch_verdict *verdict)
{
    struct place_text text = format_place(place);
    bool is_missing = verdict->outcome == WATCH_NAK;
    log_event(is_missing ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO,
              is_missing ? "time_server.key_missing" : "time_server.key_present",
              "server=%s address=%s key=%08" PRIx32 " role=%s", text.server, text.address,
              verdict->key_id, watch_role_label(verdict->role));
}

void watch_log_unresolved(const struct time_server *server, const char *reason)
{
    char text[TIME_SERVER_TEXT_LEN];
    time_server_format(text, server->name, server->port);
    log_warning("time_server.down", "server=%s address=none key=none reason=%s detail=\"%s\"", text,
                watch_outcome_label(WATCH_UNRESOLVED), reason);
}

void watch_log_resolved(const struct time_server *server, size_t num_addresses)
{
    char text[TIME_SERVER_TEXT_LEN];
    time_server_format(text, server->name, server->port);
    log_info("time_server.resolved", "server=%s addresses=%zu", text, num_addresses);
}

void watch_log_all_down(uint8_t before, uint8_t now)
{
    static const struct {
        uint8_t bit;
        const char *name;
    } families[] = {{TIME_SERVER_UP_IPV4, "ipv4"}, {TIME_SERVER_UP_IPV6, "ipv6"}};
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        bool was_down = (before & families[i].bit) != 0;
        bool is_down = (now & families[i].bit) != 0;
        if (is_down && !was_down) {
            log_error("time_server.all_down",
                      "family=%s effect=\"clients are sent to them all the same\" advice=\"see "
                      "whether this host can reach them by UDP\"",
                      families[i].name);
        } else if (was_down && !is_down) {
            log_info("time_server.some_up", "family=%s", families[i].name);
        }
    }
}

static const char *reach_text(uint8_t reach)
{
    static const char *const texts[] = {
        [TIME_SERVER_DOWN] = "none",
        [TIME_SERVER_UP_IPV4] = "ipv4",
        [TIME_SERVER_UP_IPV6] = "ipv6",
        [TIME_SERVER_UP] = "ipv4,ipv6",
    };
    return texts[reach];
}

void watch_log_status(const struct watch_report *report)
{
    char text[TIME_SERVER_TEXT_LEN];
    char line[1000];
    time_server_format(text, report->name, report->port);
    int len = snprintf(line, sizeof(line), "server=%s up=%s addresses=%zu addresses_up=%zu", text,
                       reach_text(report->reach), report->num_addresses, report->num_up);
    if (report->num_missing_keys > 0) {
        len += snprintf(line + len, sizeof(line) - (size_t)len, " keys_missing=%zu",
                        report->num_missing_keys);
    }
    if (report->has_sample) {
        len += snprintf(line + len, sizeof(line) - (size_t)len,
                        " rtt_us=%" PRId64 " offset_us=%" PRId64, report->sample.delay_ns / 1000,
                        report->sample.offset_ns / 1000);
    }
    for (int i = 0; i < WATCH_NUM_OUTCOMES; i++) {
        if (report->num_rounds[i] > 0) {
            len += snprintf(line + len, sizeof(line) - (size_t)len, " %s=%" PRIu64,
                            watch_outcome_label((enum watch_outcome)i), report->num_rounds[i]);
        }
    }
    log_info("time_server.status", "%s", line);
}
