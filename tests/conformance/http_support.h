/* What a server tells those who watch it, asked over HTTP. */
#ifndef NTS_CONFORMANCE_HTTP_SUPPORT_H
#define NTS_CONFORMANCE_HTTP_SUPPORT_H

#include "fixture.h"

#define FIXTURE_METRICS_PORT 9123

struct http_answer {
    int status;
    size_t len;
    char text[131072];  /* all of it, NUL-terminated */
    const char *header; /* both point into it */
    const char *body;
};

/* http_connect connects to the metrics port of `ip`. */
int http_connect(const char *ip, uint16_t port);

/* http_ask sends "METHOD /path" with more header lines (each ended by CRLF) to fixture_ip and reads
 * the answer to the end. http_get is a GET without more. */
void http_ask(struct http_answer *answer, const char *method_and_path, const char *more);
void http_get(struct http_answer *answer, const char *path);
void http_ask_on(struct http_answer *answer, int fd, const char *method_and_path, const char *more);

/* http_await repeats GET `path` until the answer has this status and `body` in it. */
void http_await(const char *path, int status, const char *body);

/* http_metric returns a sample of /metrics by its name with labels, as it stands there; fails the
 * test if it is not there. */
double http_metric(const char *name);

/* http_metric_is_there tells whether /metrics has that sample. */
bool http_metric_is_there(const char *name);

/* metrics_option returns `, "metrics": "fixture_ip:FIXTURE_METRICS_PORT"`. */
const char *metrics_option(void);

#endif
