#include "http_support.h"

#include "base/clock_time.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int http_connect(const char *ip, uint16_t port)
{
    union net_address address;
    struct timeval limit = {.tv_sec = PATIENCE_MS / 1000};
    cr_assert(address_parse(&address, ip, port));
    int fd = socket(address.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_geq(fd, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    cr_assert_eq(connect(fd, &address.sa, address_len(&address)), 0, "no metrics at %s", ip);
    return fd;
}

void http_ask_on(struct http_answer *answer, int fd, const char *method_and_path, const char *more)
{
    char request[1024];
    int len =
        snprintf(request, sizeof(request),
                 "%s HTTP/1.1\r\nHost: test\r\nConnection: close\r\n%s\r\n", method_and_path, more);
    cr_assert_eq(send(fd, request, (size_t)len, MSG_NOSIGNAL), len);
    answer->len = 0;
    ssize_t got;
    while ((got = recv(fd, answer->text + answer->len, sizeof(answer->text) - 1 - answer->len, 0)) >
           0) {
        answer->len += (size_t)got;
    }
    cr_assert_eq(got, 0, "the answer to %s does not end", method_and_path);
    close(fd);
    answer->text[answer->len] = '\0';
    char *end = strstr(answer->text, "\r\n\r\n");
    cr_assert(sscanf(answer->text, "HTTP/1.1 %d ", &answer->status) == 1 && end != NULL, "%s: %s",
              method_and_path, answer->text);
    end[2] = '\0';
    answer->header = answer->text;
    answer->body = end + 4;
}

void http_ask(struct http_answer *answer, const char *method_and_path, const char *more)
{
    http_ask_on(answer, http_connect(fixture_ip, FIXTURE_METRICS_PORT), method_and_path, more);
}

void http_get(struct http_answer *answer, const char *path)
{
    char line[256];
    snprintf(line, sizeof(line), "GET %s", path);
    http_ask(answer, line, "");
}

void http_await(const char *path, int status, const char *body)
{
    static struct http_answer answer;
    AWAIT((http_get(&answer, path), answer.status == status && strstr(answer.body, body) != NULL),
          "no %d with '%s' from %s, but: %s", status, body, path, answer.body);
}

double http_metric(const char *name)
{
    static struct http_answer answer;
    char line[256];
    snprintf(line, sizeof(line), "\n%s ", name);
    http_get(&answer, "/metrics");
    cr_assert_eq(answer.status, 200);
    const char *at = strstr(answer.body, line);
    cr_assert_not_null(at, "no %s in %s", name, answer.body);
    return strtod(at + strlen(line), NULL);
}

bool http_metric_is_there(const char *name)
{
    static struct http_answer answer;
    char line[256];
    snprintf(line, sizeof(line), "\n%s ", name);
    http_get(&answer, "/metrics");
    cr_assert_eq(answer.status, 200);
    return strstr(answer.body, line) != NULL;
}

const char *metrics_option(void)
{
    static char text[64];
    snprintf(text, sizeof(text), ", \"metrics\": \"%s:%d\"", fixture_ip, FIXTURE_METRICS_PORT);
    return text;
}
