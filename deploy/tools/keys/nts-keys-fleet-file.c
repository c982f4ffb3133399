#include "nts-keys-fleet.h"

#include "wire/ntp_packet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- the file as a whole --- */

static enum nts_status check_identity(const struct stat *st, const char *path, struct error *error)
{
    if (!S_ISREG(st->st_mode)) {
        return error_set(error, NTS_ERR_FILE, "%s: not a regular file", path);
    }
    if (st->st_size > FLEET_FILE_MAX_LEN) {
        return error_set(error, NTS_ERR_FILE, "%s: %jd octets, expected at most %d", path,
                         (intmax_t)st->st_size, FLEET_FILE_MAX_LEN);
    }
    return NTS_OK;
}

/* Reads all there is of a file that says it has `expected_len` octets. The caller frees `*text`. */
static enum nts_status read_text(char **text, size_t *len, int fd, size_t expected_len,
                                 const char *path, struct error *error)
{
    size_t capacity = expected_len + 1; /* one more, to see the end */
    *len = 0;
    *text = malloc(capacity);
    if (*text == NULL) {
        return error_set(error, NTS_ERR_NO_MEMORY, "%s: out of memory", path);
    }
    while (*len < capacity) {
        ssize_t got = read(fd, *text + *len, capacity - *len);
        if (got == 0) {
            return NTS_OK;
        }
        if (got < 0 && errno != EINTR) {
            return error_set(error, NTS_ERR_FILE, "%s: cannot read: %s", path, strerror(errno));
        }
        *len += got > 0 ? (size_t)got : 0;
    }
    return error_set(error, NTS_ERR_FILE, "%s: grew while it was read", path);
}

static enum nts_status read_file(char **text, size_t *len, const char *path, struct error *error)
{
    struct stat st;
    /* O_NONBLOCK: opening a FIFO must not wait for its writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return error_set(error, NTS_ERR_FILE, "%s: cannot open: %s", path, strerror(errno));
    }
    enum nts_status status =
        fstat(fd, &st) == 0
            ? check_identity(&st, path, error)
            : error_set(error, NTS_ERR_FILE, "%s: cannot read: %s", path, strerror(errno));
    if (status == NTS_OK) {
        status = read_text(text, len, fd, (size_t)st.st_size, path, error);
    }
    close(fd);
    return status;
}

/* --- its lines --- */

struct place {
    const char *path;
    size_t line; /* from 1 */
    struct error *error;
};

/* The longest host, an IPv6 zone among it, with brackets and port. */
#define MAX_VALUE_LEN (HOST_TEXT_LEN + 8)
#define SHOWN_LEN     60

static enum nts_status value_error(const struct place *place, const char *value, size_t len)
{
    char shown[SHOWN_LEN + 1];
    size_t shown_len = len < SHOWN_LEN ? len : SHOWN_LEN;
    for (size_t i = 0; i < shown_len; i++) {
        shown[i] = value[i] >= ' ' && value[i] <= '~' ? value[i] : '?';
    }
    shown[shown_len] = '\0';
    return error_set(place->error, NTS_ERR_FILE,
                     "%s:%zu: got '%s'%s, expected HOST[:PORT] or [IPV6][:PORT], port 1 to 65535",
                     place->path, place->line, shown, shown_len < len ? " and so on" : "");
}

/* Names are for the resolver to judge; what looks like an IPv6 address must be one. */
static bool is_host(const char *host, bool is_bracketed)
{
    char literal[HOST_TEXT_LEN];
    struct in6_addr address;
    if (!is_bracketed && strchr(host, ':') == NULL) {
        return true;
    }
    strcpy(literal, host);
    literal[strcspn(literal, "%")] = '\0'; /* the zone */
    return inet_pton(AF_INET6, literal, &address) == 1;
}

static bool parse_server(struct fleet_server *server, const char *value, size_t len)
{
    char text[MAX_VALUE_LEN];
    if (len >= sizeof(text)) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        /* White space within, control characters, and what is not ASCII: IDNA wants A-labels. */
        if (value[i] <= ' ' || value[i] > '~') {
            return false;
        }
    }
    memcpy(text, value, len);
    text[len] = '\0';
    return host_port_split(server->host, &server->port, text, NTP_PORT) &&
           is_host(server->host, text[0] == '[');
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Takes one line without its end. `fleet->servers` has room for one more. */
static enum nts_status take_line(struct fleet *fleet, const struct place *place, const char *line,
                                 size_t len)
{
    const char *comment = memchr(line, '#', len);
    if (comment != NULL) {
        len = (size_t)(comment - line);
    }
    while (len > 0 && is_blank(line[len - 1])) {
        len--;
    }
    while (len > 0 && is_blank(line[0])) {
        line++;
        len--;
    }
    if (len == 0) {
        return NTS_OK;
    }
    if (fleet->num_servers == FLEET_MAX_SERVERS) {
        return error_set(place->error, NTS_ERR_FILE, "%s:%zu: expected at most %d servers",
                         place->path, place->line, FLEET_MAX_SERVERS);
    }
    if (!parse_server(&fleet->servers[fleet->num_servers], line, len)) {
        return value_error(place, line, len);
    }
    fleet->num_servers++;
    return NTS_OK;
}

/* Makes room for as many servers as there can be in the text. */
static bool make_room(struct fleet *fleet, const char *text, size_t len)
{
    size_t num_lines = 1;
    for (size_t i = 0; i < len; i++) {
        num_lines += text[i] == '\n';
    }
    fleet->servers = calloc(num_lines < FLEET_MAX_SERVERS ? num_lines : FLEET_MAX_SERVERS,
                            sizeof(*fleet->servers));
    return fleet->servers != NULL;
}

static enum nts_status take_text(struct fleet *fleet, struct place *place, const char *text,
                                 size_t len)
{
    if (!make_room(fleet, text, len)) {
        return error_set(place->error, NTS_ERR_NO_MEMORY, "%s: out of memory", place->path);
    }
    for (const char *at = text, *end = text + len; at < end;) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        size_t line_len = (size_t)((line_end != NULL ? line_end : end) - at);
        place->line++;
        enum nts_status status = take_line(fleet, place, at, line_len);
        if (status != NTS_OK) {
            return status;
        }
        at += line_len + (line_end != NULL);
    }
    if (fleet->num_servers == 0) {
        return error_set(place->error, NTS_ERR_FILE,
                         "%s: no server in it, expected lines of HOST[:PORT]", place->path);
    }
    return NTS_OK;
}

enum nts_status fleet_read(struct fleet *fleet, const char *path, struct error *error)
{
    struct place place = {.path = path, .error = error};
    char *text = NULL;
    size_t len = 0;
    *fleet = (struct fleet){0};
    enum nts_status status = read_file(&text, &len, path, error);
    if (status == NTS_OK) {
        status = take_text(fleet, &place, text, len);
    }
    free(text);
    return status;
}
