#include "ke-server/watch/name_resolver.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum resolver_state { IDLE, ASKED, ANSWERED };

/* Shared by the thread and its owner; the last of them frees it. */
struct name_resolver {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    unsigned num_users;
    bool is_closing;
    enum resolver_state state;
    int wake_fd;
    char host[HOST_TEXT_LEN];
    uint16_t port;
    int family;
    struct name_answer answer;
};

static void release(struct name_resolver *resolver)
{
    pthread_mutex_lock(&resolver->mutex);
    bool is_last = --resolver->num_users == 0;
    pthread_mutex_unlock(&resolver->mutex);
    if (is_last) {
        close(resolver->wake_fd);
        pthread_cond_destroy(&resolver->changed);
        pthread_mutex_destroy(&resolver->mutex);
        free(resolver);
    }
}

static void look_up(struct name_answer *answer, const char *host, uint16_t port, int family)
{
    char service[8];
    snprintf(service, sizeof(service), "%u", port);
    struct addrinfo hints = {
        .ai_family = family, .ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    memset(answer, 0, sizeof(*answer));
    int code = getaddrinfo(host, service, &hints, &found);
    if (code != 0) {
        snprintf(answer->reason, sizeof(answer->reason), "%s", gai_strerror(code));
        return;
    }
    for (const struct addrinfo *at = found; at != NULL && answer->num < NAME_MAX_ADDRESSES;
         at = at->ai_next) {
        if (at->ai_addrlen <= sizeof(answer->addresses[0])) {
            memcpy(&answer->addresses[answer->num++], at->ai_addr, at->ai_addrlen);
        }
    }
    freeaddrinfo(found);
}

/* Waits until there is a question; false if there will be none. */
static bool await_question(struct name_resolver *resolver)
{
    while (!resolver->is_closing && resolver->state != ASKED) {
        pthread_cond_wait(&resolver->changed, &resolver->mutex);
    }
    return !resolver->is_closing;
}

static void *run(void *arg)
{
    struct name_resolver *resolver = arg;
    pthread_mutex_lock(&resolver->mutex);
    while (await_question(resolver)) {
        char host[HOST_TEXT_LEN];
        struct name_answer answer;
        uint16_t port = resolver->port;
        int family = resolver->family;
        memcpy(host, resolver->host, sizeof(host));
        pthread_mutex_unlock(&resolver->mutex);
        look_up(&answer, host, port, family);
        pthread_mutex_lock(&resolver->mutex);
        resolver->answer = answer;
        resolver->state = ANSWERED;
        uint64_t one = 1;
        if (write(resolver->wake_fd, &one, sizeof(one)) < 0) {
            continue; /* an eventfd takes 2^64 - 2 wake-ups before that */
        }
    }
    pthread_mutex_unlock(&resolver->mutex);
    release(resolver);
    return NULL;
}

struct name_resolver *name_resolver_open(int wake_fd, struct error *error)
{
    struct name_resolver *resolver = calloc(1, sizeof(*resolver));
    int own_fd = fcntl(wake_fd, F_DUPFD_CLOEXEC, 0);
    if (resolver == NULL || own_fd < 0) {
        (void)error_set(error, NTS_ERR_SYSTEM, "cannot prepare the resolver: %s", strerror(errno));
        goto fail;
    }
    pthread_mutex_init(&resolver->mutex, NULL);
    pthread_cond_init(&resolver->changed, NULL);
    resolver->wake_fd = own_fd;
    resolver->num_users = 2;
    pthread_attr_t detached;
    pthread_t thread;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    int result = pthread_create(&thread, &detached, run, resolver);
    pthread_attr_destroy(&detached);
    if (result == 0) {
        return resolver;
    }
    (void)error_set(error, NTS_ERR_SYSTEM, "cannot start a thread: %s", strerror(result));

fail:
    if (own_fd >= 0) {
        close(own_fd);
    }
    free(resolver);
    return NULL;
}

bool name_resolver_ask(struct name_resolver *resolver, const char *host, uint16_t port, int family)
{
    pthread_mutex_lock(&resolver->mutex);
    bool is_idle = resolver->state == IDLE;
    if (is_idle) {
        snprintf(resolver->host, sizeof(resolver->host), "%s", host);
        resolver->port = port;
        resolver->family = family;
        resolver->state = ASKED;
        pthread_cond_signal(&resolver->changed);
    }
    pthread_mutex_unlock(&resolver->mutex);
    return is_idle;
}

bool name_resolver_take(struct name_resolver *resolver, struct name_answer *answer)
{
    pthread_mutex_lock(&resolver->mutex);
    bool is_there = resolver->state == ANSWERED;
    if (is_there) {
        *answer = resolver->answer;
        resolver->state = IDLE;
    }
    pthread_mutex_unlock(&resolver->mutex);
    return is_there;
}

void name_resolver_close(struct name_resolver *resolver)
{
    if (resolver == NULL) {
        return;
    }
    pthread_mutex_lock(&resolver->mutex);
    resolver->is_closing = true;
    pthread_cond_signal(&resolver->changed);
    pthread_mutex_unlock(&resolver->mutex);
    release(resolver);
}
