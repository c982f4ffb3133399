#include "time-server/clock/clock_upstream.h"

#include "base/event_fd.h"
#include "log/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define KISS_RATE UINT32_C(0x52415445)

/* Ticks come a little early or late. */
#define POLL_SLACK_NS (NS_PER_S / 2)

/* In one turn: what a flood brings beyond that waits for the next. */
#define MAX_DATAGRAMS 64

/* --- opening, and opening anew --- */

static void close_socket(struct clock_upstream *upstream)
{
    if (upstream->fd >= 0) {
        close(upstream->fd);
        upstream->fd = -1;
    }
    upstream->question.transmit_time = 0;
}

/* Whether a network that comes up, or changes, can mend it. */
static bool may_pass(int errno_value)
{
    return errno_value == ENETUNREACH || errno_value == EHOSTUNREACH || errno_value == ENETDOWN ||
           errno_value == EADDRNOTAVAIL;
}

/* Puts a socket to `server` in the place of the one there is, which stays if there is none. */
static bool connect_to(struct clock_upstream *upstream, const union net_address *server,
                       struct error *error)
{
    int fd;
    if (ntp_socket_open(&fd, server, error) != NTS_OK) {
        return false;
    }
    close_socket(upstream);
    upstream->fd = fd;
    upstream->server = *server;
    return true;
}

/* No attempt to open it anew before the next is due; each waits twice as long as the last. */
static void schedule_retry(struct clock_upstream *upstream, int64_t now_ns)
{
    upstream->num_silent = 0;
    upstream->renew_at_ns = now_ns + upstream->retry_ns;
    upstream->retry_ns *= 2;
    if (upstream->retry_ns > CLOCK_RETRY_MAX_NS) {
        upstream->retry_ns = CLOCK_RETRY_MAX_NS;
    }
}

static void open_anew(struct clock_upstream *upstream, int64_t now_ns, bool wants_other)
{
    if (upstream->is_resolving) {
        return;
    }
    schedule_retry(upstream, now_ns);
    upstream->is_denied = false;
    upstream->wants_other = wants_other;
    if (upstream->lookup != NULL) {
        upstream->is_resolving =
            name_lookup_ask(upstream->lookup, upstream->host, upstream->port, AF_UNSPEC);
        return;
    }
    struct error error;
    (void)connect_to(upstream, &upstream->server, &error); /* else again at renew_at_ns */
}

/* Takes the first address, or the one behind the address in use if that is silent or refuses. */
static void connect_next(struct clock_upstream *upstream, const struct name_answer *answer)
{
    size_t first = 0;
    for (size_t i = 0; upstream->wants_other && i < answer->num; i++) {
        if (address_equal(&answer->addresses[i], &upstream->server)) {
            first = i + 1;
        }
    }
    for (size_t i = 0; i < answer->num; i++) {
        struct error error;
        if (connect_to(upstream, &answer->addresses[(first + i) % answer->num], &error)) {
            return;
        }
    }
}

/* While the name does not resolve, the address that was known is asked on. */
static bool take_name(struct clock_upstream *upstream)
{
    struct name_answer answer;
    if (!upstream->is_resolving || !name_lookup_take(upstream->lookup, &answer)) {
        return false;
    }
    upstream->is_resolving = false;
    memcpy(upstream->reason, answer.reason, sizeof(upstream->reason));
    if (!upstream->is_denied) {
        connect_next(upstream, &answer);
    }
    return true;
}

static enum nts_status open_name(struct clock_upstream *upstream, struct error *error)
{
    upstream->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (upstream->wake_fd < 0) {
        return error_set(error, NTS_ERR_SYSTEM, "no eventfd: %s", strerror(errno));
    }
    upstream->lookup = name_lookup_open(upstream->wake_fd, error);
    return upstream->lookup != NULL ? NTS_OK : NTS_ERR_SYSTEM;
}

enum nts_status clock_upstream_open(struct clock_upstream *upstream, const char *text,
                                    struct error *error)
{
    *upstream = (struct clock_upstream){
        .fd = -1,
        .wake_fd = -1,
        .retry_ns = CLOCK_RETRY_MIN_NS,
        .poll_ns = CLOCK_POLL_MIN_NS,
    };
    if (!host_port_split(upstream->host, &upstream->port, text, NTP_PORT)) {
        return error_set(error, NTS_ERR_CONFIG, "not HOST[:PORT]");
    }
    if (!address_parse(&upstream->server, upstream->host, upstream->port)) {
        return open_name(upstream, error);
    }
    if (!connect_to(upstream, &upstream->server, error) && !may_pass(errno)) {
        return error_set(error, NTS_ERR_SYSTEM, "%s: %s", text, strerror(errno));
    }
    return NTS_OK;
}

void clock_upstream_close(struct clock_upstream *upstream)
{
    close_socket(upstream);
    name_lookup_close(upstream->lookup);
    upstream->lookup = NULL;
    if (upstream->wake_fd >= 0) {
        close(upstream->wake_fd);
        upstream->wake_fd = -1;
    }
}

void clock_upstream_renew(struct clock_upstream *upstream)
{
    upstream->retry_ns = CLOCK_RETRY_MIN_NS;
    upstream->poll_ns = CLOCK_POLL_MIN_NS;
    upstream->kiss = 0;
    open_anew(upstream, mono_time_ns(), false);
}

/* --- asking --- */

/* False with errno. */
static bool try_to_send(struct clock_upstream *upstream)
{
    struct ntp_request request;
    ntp_request_init(&request);
    if (ntp_question_make(&upstream->question, &request) != NTS_OK) {
        return false; /* a plain request fits */
    }
    return ntp_question_send(&upstream->question, upstream->fd, &request) ||
           (errno == ECONNREFUSED &&
            ntp_question_send(&upstream->question, upstream->fd, &request));
}

static void send_question(struct clock_upstream *upstream, int64_t now_ns)
{
    upstream->next_ask_ns = now_ns + upstream->poll_ns - POLL_SLACK_NS;
    upstream->num_silent++;
    if (try_to_send(upstream)) {
        return;
    }
    upstream->question.transmit_time = 0;
    /* With the kernel's buffers full, the next tick asks again. What else keeps a datagram from
     * being sent can be for ever: a connected socket keeps its own address and route. */
    if (errno != EAGAIN && errno != EWOULDBLOCK && errno != ENOBUFS &&
        now_ns >= upstream->renew_at_ns) {
        open_anew(upstream, now_ns, true);
    }
}

void clock_upstream_ask(struct clock_upstream *upstream)
{
    int64_t now_ns = mono_time_ns();
    bool is_lost = upstream->fd < 0 || upstream->num_silent >= CLOCK_MAX_SILENT;
    if (is_lost && now_ns >= upstream->renew_at_ns) {
        open_anew(upstream, now_ns, true);
    }
    if (upstream->fd >= 0 &&
        (upstream->poll_ns == CLOCK_POLL_MIN_NS || now_ns >= upstream->next_ask_ns)) {
        send_question(upstream, now_ns);
    }
}

/* --- answers --- */

static void log_kiss(struct clock_upstream *upstream, uint32_t code)
{
    char text[5];
    char address[ADDRESS_TEXT_LEN];
    if (code == upstream->kiss) {
        return;
    }
    upstream->kiss = code;
    ntp_kiss_text(text, code);
    address_format(address, &upstream->server);
    log_warning("clock.kiss", "code=%s server=%s effect=\"%s\"", text, address,
                code == KISS_RATE ? "asked less often" : "not asked for an hour");
}

/* RFC 5905, section 7.4: RATE: reduce the polling rate at once, and further with each; DENY, RSTR:
 * stop sending to that server. */
static enum clock_event take_kiss(struct clock_upstream *upstream, uint32_t code)
{
    log_kiss(upstream, code);
    upstream->num_silent = 0;
    upstream->num_answers = 0;
    if (code == KISS_RATE) {
        upstream->poll_ns *= 2;
        if (upstream->poll_ns > CLOCK_POLL_MAX_NS) {
            upstream->poll_ns = CLOCK_POLL_MAX_NS;
        }
        upstream->next_ask_ns = mono_time_ns() + upstream->poll_ns - POLL_SLACK_NS;
        return CLOCK_EVENT_NONE;
    }
    close_socket(upstream);
    upstream->is_denied = true;
    upstream->renew_at_ns = mono_time_ns() + CLOCK_DENIED_NS;
    return CLOCK_EVENT_DENIED;
}

static enum clock_event note_answer(struct clock_upstream *upstream)
{
    upstream->num_silent = 0;
    upstream->retry_ns = CLOCK_RETRY_MIN_NS;
    upstream->reason[0] = '\0';
    if (upstream->poll_ns > CLOCK_POLL_MIN_NS &&
        ++upstream->num_answers >= CLOCK_ANSWERS_PER_STEP) {
        upstream->num_answers = 0;
        upstream->poll_ns /= 2;
    } else if (upstream->poll_ns == CLOCK_POLL_MIN_NS) {
        upstream->kiss = 0;
    }
    return CLOCK_EVENT_ANSWER;
}

static enum clock_event judge_datagram(struct clock_upstream *upstream, struct ntp_reply *reply,
                                       struct ntp_sample *sample, const uint8_t *packet, size_t len)
{
    if (upstream->question.transmit_time == 0) {
        return CLOCK_EVENT_NONE;
    }
    enum nts_status status = ntp_question_judge(&upstream->question, reply, NULL, packet, len);
    if (status != NTS_OK && status != NTS_ERR_KISS) {
        return CLOCK_EVENT_NONE; /* not the answer to our question */
    }
    upstream->question.transmit_time = 0;
    if (status == NTS_ERR_KISS) {
        return take_kiss(upstream, reply->header.reference_id);
    }
    sample->sent_ns = upstream->question.sent_ns;
    ntp_sample_measure(sample, &reply->header);
    return note_answer(upstream);
}

enum clock_event clock_upstream_receive(struct clock_upstream *upstream, struct ntp_reply *reply,
                                        struct ntp_sample *sample)
{
    uint8_t packet[NTP_CLIENT_MAX_PACKET];
    size_t len;
    if (upstream->wake_fd >= 0 && event_fd_clear(upstream->wake_fd) && take_name(upstream) &&
        upstream->fd >= 0) {
        send_question(upstream, mono_time_ns());
    }
    for (int i = 0; i < MAX_DATAGRAMS && upstream->fd >= 0; i++) {
        enum nts_status status =
            ntp_socket_receive(upstream->fd, packet, &len, sizeof(packet), &sample->received_ns, 0);
        if (status != NTS_OK) {
            break; /* nothing more; an error (no socket listens there) counts as silence */
        }
        enum clock_event event = judge_datagram(upstream, reply, sample, packet, len);
        if (event != CLOCK_EVENT_NONE) {
            return event;
        }
    }
    return CLOCK_EVENT_NONE;
}
