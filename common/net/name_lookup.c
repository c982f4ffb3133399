#include "net/name_lookup.h"

#include "base/event_fd.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum lookup_state { LOOKUP_IDLE, LOOKUP_ASKED, LOOKUP_ANSWERED };

/* Shared by the owner and the thread of a look-up; the last of them frees it. */
struct name_lookup {
    pthread_mutex_t mutex;
    unsigned num_users;
    enum lookup_state state;
    int wake_fd;
    char host[HOST_TEXT_LEN]; /* of the look-up under way: constant meanwhile */
    uint16_t port;
    int family;
    struct name_answer answer;
};

static void release(struct name_lookup *lookup)
{
    pthread_mutex_lock(&lookup->mutex);
    bool is_last = --lookup->num_users == 0;
    pthread_mutex_unlock(&lookup->mutex);
    if (is_last) {
        close(lookup->wake_fd);
        pthread_mutex_destroy(&lookup->mutex);
        free(lookup);
    }
}

static void resolve_name(struct name_answer *answer, const struct name_lookup *lookup)
{
    struct error error = {0};
    memset(answer, 0, sizeof(*answer));
    answer->num = address_resolve_all(answer->addresses, NAME_MAX_ADDRESSES, lookup->host,
                                      lookup->port, lookup->family, &error);
    if (answer->num == 0) {
        snprintf(answer->reason, sizeof(answer->reason), "%.127s", error.text);
    }
}

static void give_answer(struct name_lookup *lookup, const struct name_answer *answer)
{
    pthread_mutex_lock(&lookup->mutex);
    lookup->answer = *answer;
    lookup->state = LOOKUP_ANSWERED;
    event_fd_signal(lookup->wake_fd);
    pthread_mutex_unlock(&lookup->mutex);
}

static void *lookup_main(void *argument)
{
    struct name_lookup *lookup = argument;
    struct name_answer answer;
    pthread_setname_np(pthread_self(), "name-lookup");
    resolve_name(&answer, lookup);
    give_answer(lookup, &answer);
    release(lookup);
    return NULL;
}

struct name_lookup *name_lookup_open(int wake_fd, struct error *error)
{
    struct name_lookup *lookup = calloc(1, sizeof(*lookup));
    int own_fd = fcntl(wake_fd, F_DUPFD_CLOEXEC, 0);
    if (lookup == NULL || own_fd < 0) {
        (void)error_set(error, NTS_ERR_SYSTEM, "cannot prepare name look-ups: %s", strerror(errno));
        if (own_fd >= 0) {
            close(own_fd);
        }
        free(lookup);
        return NULL;
    }
    pthread_mutex_init(&lookup->mutex, NULL);
    lookup->wake_fd = own_fd;
    lookup->num_users = 1;
    return lookup;
}

static int start_detached(struct name_lookup *lookup)
{
    pthread_attr_t detached;
    pthread_t thread;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    int result = pthread_create(&thread, &detached, lookup_main, lookup);
    pthread_attr_destroy(&detached);
    return result;
}

bool name_lookup_ask(struct name_lookup *lookup, const char *host, uint16_t port, int family)
{
    union net_address literal;
    struct name_answer answer;
    pthread_mutex_lock(&lookup->mutex);
    bool is_idle = lookup->state == LOOKUP_IDLE;
    if (is_idle) {
        lookup->state = LOOKUP_ASKED;
        lookup->num_users++; /* for the thread */
    }
    pthread_mutex_unlock(&lookup->mutex);
    if (!is_idle) {
        return false;
    }
    snprintf(lookup->host, sizeof(lookup->host), "%s", host);
    lookup->port = port;
    lookup->family = family;
    if (address_parse(&literal, host, port)) {
        resolve_name(&answer, lookup);
    } else {
        int result = start_detached(lookup);
        if (result == 0) {
            return true;
        }
        memset(&answer, 0, sizeof(answer));
        snprintf(answer.reason, sizeof(answer.reason), "cannot start a thread: %s",
                 strerror(result));
    }
    give_answer(lookup, &answer);
    release(lookup);
    return true;
}

bool name_lookup_take(struct name_lookup *lookup, struct name_answer *answer)
{
    pthread_mutex_lock(&lookup->mutex);
    bool is_there = lookup->state == LOOKUP_ANSWERED;
    if (is_there) {
        *answer = lookup->answer;
        lookup->state = LOOKUP_IDLE;
    }
    pthread_mutex_unlock(&lookup->mutex);
    return is_there;
}

void name_lookup_close(struct name_lookup *lookup)
{
    if (lookup != NULL) {
        release(lookup);
    }
}
