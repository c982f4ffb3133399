#include "process/handover.h"

#include "log/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define PROTOCOL        "nts-handover/1"
#define MAX_MESSAGE_FDS 128 /* the kernel takes 253 */
#define OLD_PATIENCE_S  1   /* it has clients to see to */
#define NEW_PATIENCE_S  10

enum message_kind { MESSAGE_OFFER, MESSAGE_TAKEN };

struct message {
    char protocol[16];
    char program[HANDOVER_PROGRAM_LEN];
    uint32_t kind;
    uint32_t num_left; /* OFFER: descriptors that come with later messages */
    uint32_t is_fit;   /* OFFER */
};

struct message_fds {
    _Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(MAX_MESSAGE_FDS * sizeof(int))];
};

const char *handover_check_path(const void *field)
{
    struct sockaddr_un address;
    return strlen(*(const char *const *)field) < sizeof(address.sun_path)
               ? NULL
               : "a name that fits into the address of a Unix socket, 107 octets with its "
                 "directory";
}

static struct message message_of(const struct handover *handover, enum message_kind kind)
{
    struct message message = {.protocol = PROTOCOL, .kind = (uint32_t)kind};
    memcpy(message.program, handover->program, sizeof(message.program));
    return message;
}

static bool is_same_kind(const struct message *a, const struct message *b)
{
    return memcmp(a->protocol, b->protocol, sizeof(a->protocol)) == 0 &&
           memcmp(a->program, b->program, sizeof(a->program)) == 0 && a->kind == b->kind;
}

/* --- the old server --- */

static bool send_message(int fd, const struct message *message, const int *fds, size_t num)
{
    struct message_fds room = {{0}};
    struct iovec iov = {.iov_base = (void *)message, .iov_len = sizeof(*message)};
    struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
    if (num > 0) {
        header.msg_control = room.control;
        header.msg_controllen = CMSG_SPACE(num * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&header);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(num * sizeof(int));
        memcpy(CMSG_DATA(c), fds, num * sizeof(int));
    }
    return sendmsg(fd, &header, MSG_NOSIGNAL) == (ssize_t)sizeof(*message);
}

/* The Unix socket first, then the others. */
static bool send_offer(const struct handover *handover, const struct handover_offer *offer)
{
    struct message message = message_of(handover, MESSAGE_OFFER);
    int fds[MAX_MESSAGE_FDS] = {handover->listen_fd};
    size_t num = 1;
    if (offer->metrics_fd >= 0) {
        fds[num++] = offer->metrics_fd;
    }
    size_t num_sent = 0;
    message.is_fit = offer->is_fit ? 1 : 0;
    do {
        while (num < MAX_MESSAGE_FDS && num_sent < offer->num) {
            fds[num++] = offer->fds[num_sent++];
        }
        message.num_left = (uint32_t)(offer->num - num_sent);
        if (!send_message(handover->peer_fd, &message, fds, num)) {
            return false;
        }
        num = 0;
    } while (message.num_left > 0);
    return true;
}

static void set_patience(int fd, int option, int seconds)
{
    struct timeval timeout = {.tv_sec = seconds};
    setsockopt(fd, SOL_SOCKET, option, &timeout, sizeof(timeout));
}

static void drop_peer(struct handover *handover)
{
    close(handover->peer_fd);
    handover->peer_fd = -1;
    handover->state = HANDOVER_IDLE;
}

static void meet_new_server(struct handover *handover, const struct handover_offer *offer)
{
    struct ucred peer = {0};
    socklen_t len = sizeof(peer);
    int fd = accept4(handover->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) {
        return; /* it went away again */
    }
    handover->peer_fd = fd;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0 ||
        (peer.uid != geteuid() && peer.uid != 0)) {
        log_warning("handover.refused", "pid=%d uid=%u reason=\"neither this user nor root\"",
                    (int)peer.pid, (unsigned)peer.uid);
        drop_peer(handover);
        return;
    }
    set_patience(fd, SO_SNDTIMEO, OLD_PATIENCE_S);
    if (!send_offer(handover, offer)) {
        log_warning("handover.failed", "pid=%d reason=\"cannot hand over the sockets: %s\"",
                    (int)peer.pid, strerror(errno));
        drop_peer(handover);
        return;
    }
    handover->state = HANDOVER_GIVING;
    log_info("handover.offered", "pid=%d sockets=%zu", (int)peer.pid, offer->num);
}

static enum handover_event hear_new_server(struct handover *handover)
{
    const struct message expected = message_of(handover, MESSAGE_TAKEN);
    struct message message;
    if (recv(handover->peer_fd, &message, sizeof(message), MSG_DONTWAIT) ==
            (ssize_t)sizeof(message) &&
        is_same_kind(&message, &expected)) {
        handover->state = HANDOVER_GIVEN;
        log_info("handover.given", "effect=\"the new server has the sockets, this one ends\"");
        return HANDOVER_END;
    }
    log_warning("handover.abandoned", "reason=\"the new server did not get ready\" kept=true");
    drop_peer(handover);
    return HANDOVER_NOTHING;
}

/* --- the new server --- */

static enum nts_status make_listener(struct handover *handover, const struct sockaddr_un *address,
                                     struct error *error)
{
    const struct sockaddr *name = (const struct sockaddr *)address;
    struct stat info;
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    handover->listen_fd = fd;
    /* The file gets the mode that the socket has. */
    bool is_bound =
        fd >= 0 && fchmod(fd, S_IRUSR | S_IWUSR) == 0 && bind(fd, name, sizeof(*address)) == 0;
    /* Nobody listens at what is there: it was left by one that has ended. */
    if (!is_bound && fd >= 0 && errno == EADDRINUSE && lstat(address->sun_path, &info) == 0 &&
        S_ISSOCK(info.st_mode) && unlink(address->sun_path) == 0) {
        is_bound = bind(fd, name, sizeof(*address)) == 0;
    }
    if (!is_bound || listen(fd, 8) != 0) {
        return error_set(error, NTS_ERR_SYSTEM, "handover: cannot make the socket %s: %s",
                         address->sun_path, strerror(errno));
    }
    return NTS_OK;
}

/* Receives one message of the offer, and adds its descriptors to `pool`. */
static enum nts_status receive_offer(struct handover *handover, struct socket_pool *pool,
                                     struct message *message, struct error *error)
{
    const struct message expected = message_of(handover, MESSAGE_OFFER);
    struct message_fds room;
    struct iovec iov = {.iov_base = message, .iov_len = sizeof(*message)};
    struct msghdr header = {.msg_iov = &iov,
                            .msg_iovlen = 1,
                            .msg_control = room.control,
                            .msg_controllen = sizeof(room.control)};
    ssize_t len = recvmsg(handover->peer_fd, &header, MSG_CMSG_CLOEXEC);
    if (len <= 0) {
        return error_set(error, NTS_ERR_SYSTEM, "handover: the server that runs %s%s",
                         len == 0 ? "refuses to be replaced: its log says why"
                                  : "does not answer: ",
                         len == 0 ? "" : strerror(errno));
    }
    enum nts_status status = NTS_OK;
    struct cmsghdr *c = CMSG_FIRSTHDR(&header);
    if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
        int fds[MAX_MESSAGE_FDS];
        size_t num = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(fds, CMSG_DATA(c), num * sizeof(int));
        size_t num_own = handover->listen_fd < 0 && num > 0 ? 1 : 0;
        if (num_own > 0) {
            handover->listen_fd = fds[0];
        }
        status = socket_pool_add(pool, fds + num_own, num - num_own, error);
    }
    if (len != (ssize_t)sizeof(*message) || !is_same_kind(message, &expected)) {
        return error_set(error, NTS_ERR_MISMATCH,
                         "handover: who listens there is not a %s that speaks " PROTOCOL,
                         handover->program);
    }
    if ((header.msg_flags & MSG_CTRUNC) != 0) {
        return error_set(error, NTS_ERR_SYSTEM,
                         "handover: not all sockets could be received: raise RLIMIT_NOFILE");
    }
    return status;
}

static enum nts_status take_over(struct handover *handover, struct socket_pool *pool,
                                 struct error *error)
{
    struct message message;
    enum nts_status status;
    handover->state = HANDOVER_TAKING;
    set_patience(handover->peer_fd, SO_RCVTIMEO, NEW_PATIENCE_S);
    do {
        status = receive_offer(handover, pool, &message, error);
    } while (status == NTS_OK && message.num_left > 0);
    if (status != NTS_OK) {
        return status;
    }
    handover->old_was_fit = message.is_fit != 0;
    log_info("handover.taking", "sockets=%zu", pool->num);
    return NTS_OK;
}

enum nts_status handover_open(struct handover *handover, struct socket_pool *pool, const char *path,
                              const char *program, struct error *error)
{
    *handover = (struct handover){.state = HANDOVER_OFF, .listen_fd = -1, .peer_fd = -1};
    snprintf(handover->program, sizeof(handover->program), "%s", program);
    if (path == NULL) {
        return NTS_OK;
    }
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    handover->peer_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (handover->peer_fd >= 0 &&
        connect(handover->peer_fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
        return take_over(handover, pool, error);
    }
    int cause = errno;
    if (handover->peer_fd >= 0) {
        drop_peer(handover);
    }
    handover->state = HANDOVER_IDLE;
    if (cause != ENOENT && cause != ECONNREFUSED) {
        return error_set(error, NTS_ERR_SYSTEM, "handover: cannot ask at %s: %s", path,
                         strerror(cause));
    }
    return make_listener(handover, &address, error);
}

void handover_drop_unused(struct socket_pool *pool)
{
    size_t num = socket_pool_close(pool);
    if (num > 0) {
        log_info("handover.unused", "sockets=%zu reason=\"not asked for by this configuration\"",
                 num);
    }
}

void handover_commit(struct handover *handover)
{
    if (handover->state != HANDOVER_TAKING) {
        return;
    }
    const struct message message = message_of(handover, MESSAGE_TAKEN);
    handover->state = HANDOVER_TAKEN;
    /* If it cannot be told it has ended already, as its side of the connection says. */
    if (send_message(handover->peer_fd, &message, NULL, 0)) {
        log_info("handover.taken", "effect=\"the old server ends\"");
    }
}

/* --- either of them --- */

int handover_fd(const struct handover *handover)
{
    switch (handover->state) {
    case HANDOVER_IDLE:
        return handover->listen_fd;
    case HANDOVER_GIVING:
    case HANDOVER_TAKEN:
        return handover->peer_fd;
    default:
        return -1;
    }
}

enum handover_event handover_look(struct handover *handover, const struct handover_offer *offer)
{
    switch (handover->state) {
    case HANDOVER_IDLE:
        meet_new_server(handover, offer);
        return HANDOVER_NOTHING;
    case HANDOVER_GIVING:
        return hear_new_server(handover);
    case HANDOVER_TAKEN: /* it says nothing any more: it has closed its side */
        log_info("handover.released", "effect=\"the sockets are this server's alone\"");
        drop_peer(handover);
        return HANDOVER_RELEASED;
    default:
        return HANDOVER_NOTHING;
    }
}

void handover_close(struct handover *handover)
{
    if (handover->state == HANDOVER_OFF) {
        return;
    }
    if (handover->peer_fd >= 0) {
        close(handover->peer_fd);
    }
    if (handover->listen_fd >= 0) {
        close(handover->listen_fd);
    }
    *handover = (struct handover){.state = HANDOVER_OFF, .listen_fd = -1, .peer_fd = -1};
}
