/* Look-ups of names on a thread of their own; the test is the resolver. */
#include "net/name_lookup.h"

#include "base/event_fd.h"
#include "support/patience.h"

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <netdb.h>
#include <poll.h>
#include <semaphore.h>
#include <string.h>
#include <sys/eventfd.h>

static sem_t has_begun; /* a look-up of "slow.test" */
static sem_t may_end;
static int wake_fd;
static struct name_lookup *lookup;

/* In the place of the C library's, which answers for all other names. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **found)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    if (node != NULL && strcmp(node, "none.test") == 0) {
        return EAI_NONAME;
    }
    if (node != NULL && strcmp(node, "slow.test") == 0) {
        sem_post(&has_begun);
        sem_wait(&may_end);
        node = "192.0.2.1";
    }
    return real(node, service, hints, found);
}

static void open_lookup(void)
{
    struct error error;
    sem_init(&has_begun, 0, 0);
    sem_init(&may_end, 0, 0);
    wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    lookup = name_lookup_open(wake_fd, &error);
    cr_assert_not_null(lookup, "%s", error.text);
}

static void close_lookup(void)
{
    name_lookup_close(lookup);
    close(wake_fd);
}

#define LOOKUP_TEST(name)                                                                          \
    Test(name_lookup, name, .init = open_lookup, .fini = close_lookup, .timeout = TEST_TIMEOUT_S)

static struct name_answer await_answer(void)
{
    struct name_answer answer;
    struct pollfd polled = {.fd = wake_fd, .events = POLLIN};
    cr_assert_eq(poll(&polled, 1, -1), 1);
    cr_assert(event_fd_clear(wake_fd));
    cr_assert(name_lookup_take(lookup, &answer));
    return answer;
}

LOOKUP_TEST(one_name_at_a_time_is_looked_up_in_the_background)
{
    struct name_answer answer;
    union net_address expected;
    cr_assert(address_parse(&expected, "192.0.2.1", 123));
    for (int i = 0; i < 3; i++) {
        cr_assert(name_lookup_ask(lookup, "slow.test", 123, AF_UNSPEC));
        cr_assert_not(name_lookup_take(lookup, &answer), "it hangs, and holds up nobody");
        cr_assert_not(name_lookup_ask(lookup, "slow.test", 123, AF_UNSPEC));
        sem_post(&may_end);
        answer = await_answer();
        cr_assert_eq(answer.num, 1);
        cr_assert(address_equal(&answer.addresses[0], &expected));
        cr_assert_not(name_lookup_take(lookup, &answer));
    }
}

LOOKUP_TEST(a_name_that_does_not_resolve_says_why)
{
    cr_assert(name_lookup_ask(lookup, "none.test", 123, AF_UNSPEC));
    struct name_answer answer = await_answer();
    cr_assert_eq(answer.num, 0);
    cr_assert_str_eq(answer.reason, gai_strerror(EAI_NONAME));
}

LOOKUP_TEST(an_address_in_text_is_answered_at_once)
{
    struct name_answer answer;
    cr_assert(name_lookup_ask(lookup, "2001:db8::1", 123, AF_UNSPEC));
    cr_assert(event_fd_clear(wake_fd));
    cr_assert(name_lookup_take(lookup, &answer));
    cr_assert_eq(answer.num, 1);
    cr_assert_eq(answer.addresses[0].sa.sa_family, AF_INET6);
    cr_assert_eq(address_port(&answer.addresses[0]), 123);
}

/* The thread uses what it needs until it returns, and frees it: the sanitizers watch. */
LOOKUP_TEST(closing_does_not_wait_for_a_look_up_that_hangs)
{
    cr_assert(name_lookup_ask(lookup, "slow.test", 123, AF_UNSPEC));
    sem_wait(&has_begun);
    name_lookup_close(lookup);
    lookup = NULL;
    sem_post(&may_end);
}

Test(address, equality_is_of_family_address_port_and_scope)
{
    static const char *const texts[] = {"192.0.2.1:1",     "192.0.2.1:2",     "192.0.2.2:1",
                                        "[2001:db8::1]:1", "[2001:db8::1]:2", "[2001:db8::2]:1"};
    union net_address addresses[6];
    for (size_t i = 0; i < 6; i++) {
        cr_assert(address_parse(&addresses[i], texts[i], 9));
    }
    for (size_t i = 0; i < 6; i++) {
        for (size_t j = 0; j < 6; j++) {
            cr_assert_eq(address_equal(&addresses[i], &addresses[j]), i == j, "%zu %zu", i, j);
        }
    }
    union net_address scoped = addresses[3];
    scoped.in6.sin6_scope_id = 1;
    cr_assert_not(address_equal(&scoped, &addresses[3]));
    scoped.in6.sin6_scope_id = 0;
    scoped.in6.sin6_flowinfo = 1; /* no part of the address */
    cr_assert(address_equal(&scoped, &addresses[3]));
}
