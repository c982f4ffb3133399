#include "time-server/clock/clock_source.h"

#include "base/clock_time.h"
#include "base/cursor.h"

#include <errno.h>
#include <openssl/md5.h>
#include <poll.h>
#include <sys/timex.h>

/* While a hand-over waits for the clock: this many requests at once, then one a second. */
#define NUM_QUICK_QUESTIONS 4
#define QUICK_QUESTION_NS   (NS_PER_S / 5)

static void set_unusable(struct clock_source *source, const char *trouble)
{
    source->status.is_usable = false;
    source->status.trouble = trouble;
}

/* The reference id of a server one stratum below another: its IPv4 address, or the first four
 * octets of the MD5 of its IPv6 address (RFC 5905, section 7.3). */
static uint32_t reference_id_of(const union net_address *address)
{
    if (address->sa.sa_family == AF_INET) {
        return ntohl(address->in.sin_addr.s_addr);
    }
    uint8_t digest[MD5_DIGEST_LENGTH];
    MD5(address->in6.sin6_addr.s6_addr, 16, digest);
    return load_u32(digest);
}

enum nts_status clock_source_open(struct clock_source *source, const struct clock_config *config,
                                  struct error *error)
{
    *source = (struct clock_source){.config = *config, .upstream = {.fd = -1, .wake_fd = -1}};
    source->config.server = NULL;
    source->config.reference_id = NULL;
    source->status.precision = clock_precision();
    set_unusable(source, "nothing heard from the source yet");
    if (config->source == CLOCK_UPSTREAM) {
        enum nts_status status = clock_upstream_open(&source->upstream, config->server, error);
        if (status != NTS_OK) {
            error_prefix(error, "clock.server");
        }
        return status;
    }
    source->status.stratum = (uint8_t)config->stratum;
    source->status.root_delay_ns = config->root_delay_us * 1000;
    source->status.root_dispersion_ns = config->root_dispersion_us * 1000;
    if (!reference_id_parse(&source->status.reference_id, config->reference_id)) {
        return error_set(error, NTS_ERR_CONFIG, "clock.reference_id: not a reference id");
    }
    return NTS_OK;
}

void clock_source_close(struct clock_source *source)
{
    clock_upstream_close(&source->upstream);
}

enum nts_status clock_source_change(struct clock_source *source, const struct clock_config *config,
                                    struct error *error)
{
    struct clock_source fresh;
    enum nts_status status = clock_source_open(&fresh, config, error);
    if (status != NTS_OK) {
        clock_source_close(&fresh);
        return status;
    }
    if (config->source == CLOCK_UPSTREAM) {
        fresh.status = source->status;
    }
    clock_source_close(source);
    *source = fresh;
    return NTS_OK;
}

void clock_source_renew(struct clock_source *source)
{
    if (source->config.source == CLOCK_UPSTREAM) {
        clock_upstream_renew(&source->upstream);
    }
}

void clock_source_list_fds(const struct clock_source *source, int fds[CLOCK_SOURCE_FDS])
{
    fds[0] = source->upstream.fd;
    fds[1] = source->upstream.wake_fd;
}

bool clock_source_wait(const struct clock_source *source, int64_t wait_ns)
{
    int fds[CLOCK_SOURCE_FDS];
    clock_source_list_fds(source, fds);
    struct pollfd polled[CLOCK_SOURCE_FDS] = {{.fd = fds[0], .events = POLLIN},
                                              {.fd = fds[1], .events = POLLIN}};
    return poll(polled, CLOCK_SOURCE_FDS, wait_ns > 0 ? (int)(wait_ns / NS_PER_MS) + 1 : 0) > 0;
}

bool clock_source_is_asking(const struct clock_source *source)
{
    return source->upstream.question.transmit_time != 0;
}

bool clock_source_is_resolving(const struct clock_source *source)
{
    return source->upstream.is_resolving;
}

static void set_usable(struct clock_source *source, int64_t now_ns)
{
    source->status.is_usable = true;
    source->status.updated_at_ns = now_ns;
    source->status.trouble = NULL;
}

static void tick_fixed(struct clock_source *source, int64_t now_ns)
{
    source->status.leap = (uint8_t)source->config.leap;
    source->status.reference_ns = now_ns;
    set_usable(source, now_ns);
    if (source->config.leap == NTP_LEAP_UNSYNCHRONISED) {
        set_unusable(source, "configured as unsynchronised");
    }
}

/* The kernel's own account of its clock discipline, as ntpd and chronyd keep it. */
static void tick_kernel(struct clock_source *source, int64_t now_ns)
{
    struct timex timex = {.modes = 0};
    int state = ntp_adjtime(&timex);
    if (state < 0 && errno == EPERM) {
        set_unusable(source,
                     "the kernel's clock must not be read here: ProtectClock=no in the unit "
                     "permits it");
        return;
    }
    if (state < 0 || state == TIME_ERROR || (timex.status & STA_UNSYNC) != 0) {
        set_unusable(source, "the kernel says that its clock is not synchronised");
        return;
    }
    source->status.leap = state == TIME_INS   ? NTP_LEAP_INSERT
                          : state == TIME_DEL ? NTP_LEAP_DELETE
                                              : NTP_LEAP_NONE;
    source->status.root_dispersion_ns = timex.maxerror * INT64_C(1000);
    source->status.reference_ns = now_ns;
    set_usable(source, now_ns);
}

void clock_source_tick(struct clock_source *source)
{
    int64_t now_ns = real_time_ns();
    switch (source->config.source) {
    case CLOCK_UPSTREAM:
        clock_upstream_ask(&source->upstream);
        break;
    case CLOCK_KERNEL:
        tick_kernel(source, now_ns);
        break;
    default:
        tick_fixed(source, now_ns);
        break;
    }
}

/* Takes one answer in (RFC 5905, section 8), as this host's view of its own clock. */
static void take_answer(struct clock_source *source, const struct ntp_header *header,
                        const struct ntp_sample *sample)
{
    const struct clock_config *config = &source->config;
    if (header->leap == NTP_LEAP_UNSYNCHRONISED || header->stratum < 1 ||
        header->stratum > NTP_MAX_STRATUM) {
        set_unusable(source, "the upstream server says that it is not synchronised");
        return;
    }
    const int64_t offset_ns = sample->offset_ns;
    const int64_t received_ns = sample->received_ns;
    source->status.offset_ns = offset_ns;
    int64_t distance_ns = offset_ns < 0 ? -offset_ns : offset_ns;
    int64_t delay_ns = sample->delay_ns > 0 ? sample->delay_ns : 0;
    /* The true offset is within half the delay of the measured one: a slow network alone does not
     * prove the clock wrong. It shows in the root delay. */
    if (distance_ns - delay_ns / 2 > config->max_offset_ms * NS_PER_MS) {
        set_unusable(source, "this host's clock is too far from the upstream server's");
        return;
    }
    struct clock_status *status = &source->status;
    bool below = config->mirror == CLOCK_MIRROR_BELOW;
    status->leap = header->leap;
    status->stratum = (uint8_t)(header->stratum + (below ? 1 : 0));
    status->reference_id = below ? reference_id_of(&source->upstream.server) : header->reference_id;
    status->reference_ns =
        below ? received_ns : ntp_time_to_unix_ns(header->reference_time, received_ns);
    if (status->reference_ns > received_ns) {
        status->reference_ns = received_ns;
    }
    status->root_delay_ns = ntp_short_to_ns(header->root_delay) + delay_ns;
    status->root_dispersion_ns = ntp_short_to_ns(header->root_dispersion) + distance_ns;
    set_usable(source, received_ns);
}

const char *clock_source_name_trouble(const struct clock_source *source)
{
    const struct clock_upstream *upstream = &source->upstream;
    return upstream->fd < 0 && upstream->reason[0] != '\0' ? upstream->reason : NULL;
}

void clock_source_receive(struct clock_source *source)
{
    struct clock_upstream *upstream = &source->upstream;
    struct ntp_reply reply;
    struct ntp_sample sample;
    enum clock_event event;
    while ((event = clock_upstream_receive(upstream, &reply, &sample)) != CLOCK_EVENT_NONE) {
        if (event == CLOCK_EVENT_ANSWER) {
            take_answer(source, &reply.header, &sample);
        } else {
            set_unusable(source, "the upstream server refuses to serve this host");
        }
    }
    if (!source->status.is_usable && clock_source_name_trouble(source) != NULL) {
        set_unusable(source, "the name of the upstream server does not resolve, trying again");
    }
}

const char *clock_source_await_fit(struct clock_source *source, const struct clock_limits *limits,
                                   int64_t patience_ns)
{
    const int64_t give_up_ns = mono_time_ns() + patience_ns;
    int64_t next_ns = 0;
    for (int num_asked = 0;;) {
        int64_t now_ns = mono_time_ns();
        if (now_ns >= next_ns) {
            clock_source_tick(source);
            next_ns = now_ns + (++num_asked < NUM_QUICK_QUESTIONS ? QUICK_QUESTION_NS : NS_PER_S);
        }
        const char *trouble = clock_trouble(&source->status, limits, real_time_ns());
        if (trouble == NULL || source->config.source != CLOCK_UPSTREAM || now_ns >= give_up_ns) {
            return trouble;
        }
        if (clock_source_wait(source, (next_ns < give_up_ns ? next_ns : give_up_ns) - now_ns)) {
            clock_source_receive(source);
        }
    }
}
