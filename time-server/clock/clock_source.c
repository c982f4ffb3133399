#include "time-server/clock/clock_source.h"

#include "base/clock_time.h"
#include "base/cursor.h"
#include "time-server/transport/udp_socket.h"

#include <errno.h>
#include <openssl/md5.h>
#include <openssl/rand.h>
#include <string.h>
#include <sys/timex.h>
#include <unistd.h>

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

static enum nts_status open_upstream(struct clock_source *source, const struct clock_config *config,
                                     struct error *error)
{
    char host[HOST_TEXT_LEN];
    uint16_t port;
    if (!host_port_split(host, &port, config->server, NTP_PORT)) {
        return error_set(error, NTS_ERR_CONFIG, "clock.server: not HOST[:PORT]");
    }
    enum nts_status status = address_resolve(&source->server, host, port, AF_UNSPEC, error);
    if (status != NTS_OK) {
        error_prefix(error, "clock.server");
        return status;
    }
    source->reference_id = reference_id_of(&source->server);
    source->fd = socket(source->server.sa.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (source->fd < 0 || !udp_socket_timestamps(source->fd) ||
        connect(source->fd, &source->server.sa, address_len(&source->server)) != 0) {
        return error_set(error, NTS_ERR_SYSTEM, "clock.server: %s: %s", config->server,
                         strerror(errno));
    }
    return NTS_OK;
}

enum nts_status clock_source_open(struct clock_source *source, const struct clock_config *config,
                                  struct error *error)
{
    *source = (struct clock_source){.config = *config, .fd = -1};
    source->config.server = NULL;
    source->config.reference_id = NULL;
    source->status.precision = clock_precision();
    set_unusable(source, "nothing heard from the source yet");
    if (config->source == CLOCK_UPSTREAM) {
        return open_upstream(source, config, error);
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
    if (source->fd >= 0) {
        close(source->fd);
        source->fd = -1;
    }
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

int clock_source_fd(const struct clock_source *source)
{
    return source->fd;
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

static void ask_upstream(struct clock_source *source)
{
    uint8_t packet[NTP_HEADER_LEN];
    struct ntp_header header = {.version = 4, .mode = NTP_MODE_CLIENT};
    /* A random transmit timestamp tells nothing about us and cannot be guessed. */
    RAND_bytes((uint8_t *)&header.transmit_time, sizeof(header.transmit_time));
    ntp_header_write(packet, &header);
    source->asked_transmit_time = header.transmit_time;
    source->asked_at_ns = real_time_ns();
    if (send(source->fd, packet, sizeof(packet), 0) < 0) {
        source->asked_transmit_time = 0; /* the next tick asks again; silence is what counts */
    }
}

void clock_source_tick(struct clock_source *source)
{
    int64_t now_ns = real_time_ns();
    switch (source->config.source) {
    case CLOCK_UPSTREAM:
        ask_upstream(source);
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
                        int64_t received_ns)
{
    const struct clock_config *config = &source->config;
    if (header->leap == NTP_LEAP_UNSYNCHRONISED || header->stratum < 1 ||
        header->stratum > NTP_MAX_STRATUM) {
        set_unusable(source, "the upstream server says that it is not synchronised");
        return;
    }
    int64_t offset_ns;
    int64_t delay_ns;
    ntp_measure(&offset_ns, &delay_ns, header, source->asked_at_ns, received_ns);
    source->status.offset_ns = offset_ns;
    int64_t distance_ns = offset_ns < 0 ? -offset_ns : offset_ns;
    delay_ns = delay_ns > 0 ? delay_ns : 0;
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
    status->reference_id = below ? source->reference_id : header->reference_id;
    status->reference_ns =
        below ? received_ns : ntp_time_to_unix_ns(header->reference_time, received_ns);
    if (status->reference_ns > received_ns) {
        status->reference_ns = received_ns;
    }
    status->root_delay_ns = ntp_short_to_ns(header->root_delay) + delay_ns;
    status->root_dispersion_ns = ntp_short_to_ns(header->root_dispersion) + distance_ns;
    set_usable(source, received_ns);
}

void clock_source_receive(struct clock_source *source)
{
    uint8_t packet[512];
    int64_t received_ns;
    ssize_t len;
    while ((len = udp_socket_receive(source->fd, packet, sizeof(packet), &received_ns)) >= 0) {
        if (len < NTP_HEADER_LEN) {
            continue;
        }
        struct ntp_header header;
        ntp_header_read(&header, packet);
        if (header.mode != NTP_MODE_SERVER || source->asked_transmit_time == 0 ||
            header.origin_time != source->asked_transmit_time) {
            continue; /* not the answer to our question */
        }
        source->asked_transmit_time = 0;
        take_answer(source, &header, received_ns);
    }
}
