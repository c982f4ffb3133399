/* How the service goes about changes, refusals and time. That it hears of changes by itself is for
 * the conformance tests: here its clocks are set instead of waited for. */
#include "base/clock_time.h"
#include "ke-server/tls/certificate_service.h"
#include "support/make_certificate.h"
#include "support/scratch.h"
#include "support/status_sets.h"

#define SERVICE_TEST(name)                                                                         \
    Test(certificate_service, name, .init = scratch_make, .fini = scratch_remove)

#define DAY_S 86400

static void write_pair(const char *name, const struct certificate_recipe *recipe)
{
    char file_name[64];
    struct made_certificate made = make_certificate(recipe);
    snprintf(file_name, sizeof(file_name), "%s.crt", name);
    write_chain(scratch_path(file_name), &made.certificate, 1);
    snprintf(file_name, sizeof(file_name), "%s.key", name);
    write_private_key(scratch_path(file_name), made.key);
    free_certificate(&made);
}

/* The files of certificates "a" and "b". */
static const struct certificate_files *both(void)
{
    static char paths[4][128];
    static const char *const names[] = {"a.crt", "a.key", "b.crt", "b.key"};
    static const struct certificate_files files[] = {{paths[0], paths[1]}, {paths[2], paths[3]}};
    for (size_t i = 0; i < 4; i++) {
        snprintf(paths[i], sizeof(paths[i]), "%s", scratch_path(names[i]));
    }
    return files;
}

static void open_service(struct certificate_service *service)
{
    struct error error;
    *service = (struct certificate_service){0};
    cr_assert_eq(certificate_service_open(service, both(), 2, &error), NTS_OK, "%s", error.text);
    cr_assert_eq(service->loads[CERTIFICATE_LOAD_OK], 2);
    cr_assert_not(certificate_service_follow(service), "nothing has changed");
    cr_assert_eq(service->pairs[0].try_at_ns, 0);
}

/* Time has come for what is waited for; `patience` says whether it is over. */
static bool follow_later(struct certificate_service *service, size_t index, bool patience)
{
    struct certificate_pair *pair = &service->pairs[index];
    cr_assert_neq(pair->try_at_ns, 0, "nothing is waited for");
    pair->try_at_ns = 1;
    pair->changed_at_ns = mono_time_ns() - (patience ? 0 : CERTIFICATE_PATIENCE_MS * NS_PER_MS);
    return certificate_service_follow(service);
}

SERVICE_TEST(takes_a_pair_when_it_has_settled_and_matches)
{
    struct certificate_service service;
    write_pair("a", &(struct certificate_recipe){0});
    write_pair("b", &(struct certificate_recipe){0});
    open_service(&service);
    const struct tls_contexts *contexts = service.contexts;
    const struct certificate *b = service.pairs[1].certificate;

    cr_assert_eq(scratch_run("mv a.key old.key"), 0);
    cr_assert_not(certificate_service_follow(&service));
    cr_assert_not(follow_later(&service, 0, true), "there is no key");
    write_pair("a", &(struct certificate_recipe){.common_name = "new"});
    cr_assert_not(certificate_service_follow(&service), "it has changed just now");
    cr_assert_eq(service.contexts, contexts);
    cr_assert(follow_later(&service, 0, true));
    cr_assert_neq(service.contexts, contexts);
    cr_assert_str_eq(service.contexts->list[0].certificate->issuer, "new");
    cr_assert_eq(service.contexts->list[1].certificate, b, "the other one has not moved");
    cr_assert_eq(service.loads[CERTIFICATE_LOAD_OK], 3);
    cr_assert_eq(service.loads[CERTIFICATE_LOAD_FILE], 0, "nobody had lost patience");
    cr_assert_eq(service.pairs[0].try_at_ns, 0);
    certificate_service_close(&service);
}

SERVICE_TEST(refuses_once_for_each_reason_and_goes_on_trying)
{
    struct certificate_service service;
    write_pair("a", &(struct certificate_recipe){0});
    write_pair("b", &(struct certificate_recipe){0});
    open_service(&service);
    const struct tls_contexts *contexts = service.contexts;

    cr_assert_eq(scratch_run("cp b.key a.key"), 0);
    cr_assert_not(certificate_service_follow(&service));
    for (int i = 0; i < 3; i++) {
        cr_assert_not(follow_later(&service, 0, false));
        cr_assert_eq(service.loads[CERTIFICATE_LOAD_PRIVATE_KEY_MISMATCH], 1, "once");
    }
    write_pair("a", &(struct certificate_recipe){.not_before_s = 600});
    cr_assert_not(certificate_service_follow(&service));
    cr_assert_not(follow_later(&service, 0, false));
    cr_assert_eq(service.loads[CERTIFICATE_LOAD_CERTIFICATE_EARLY], 1, "another reason");
    cr_assert_eq(service.contexts, contexts);

    /* Better without a change that could be seen, as when its time has come. */
    write_pair("a", &(struct certificate_recipe){0});
    watched_file_see(&service.files[0], NULL);
    watched_file_see(&service.files[1], NULL);
    cr_assert(follow_later(&service, 0, false));
    cr_assert_neq(service.contexts, contexts);
    cr_assert_eq(service.loads[CERTIFICATE_LOAD_OK], 3);
    certificate_service_close(&service);
}

SERVICE_TEST(reload_is_all_or_nothing)
{
    struct certificate_service service;
    struct error error;
    write_pair("a", &(struct certificate_recipe){0});
    write_pair("b", &(struct certificate_recipe){0});
    open_service(&service);
    const struct tls_contexts *contexts = service.contexts;
    write_pair("a", &(struct certificate_recipe){.common_name = "new"});
    write_pair("b", &(struct certificate_recipe){.not_before_s = -2 * DAY_S, .not_after_s = -60});
    cr_assert_eq(certificate_service_reload(&service, both(), 2, &error),
                 NTS_ERR_CERTIFICATE_EXPIRED);
    cr_assert_not_null(strstr(error.text, "b.crt: the certificate expired at "));
    cr_assert_eq(service.contexts, contexts);
    cr_assert_eq(service.loads[CERTIFICATE_LOAD_CERTIFICATE_EXPIRED], 1);

    cr_assert_eq(certificate_service_reload(&service, both(), 1, &error), NTS_OK, "%s", error.text);
    cr_assert_eq(service.contexts->num, 1);
    cr_assert_str_eq(service.contexts->list[0].certificate->issuer, "new");
    cr_assert_eq(service.loads[CERTIFICATE_LOAD_OK], 3, "counters go on");
    cr_assert_eq(service.loads[CERTIFICATE_LOAD_CERTIFICATE_EXPIRED], 1);
    certificate_service_close(&service);
}

SERVICE_TEST(tells_the_first_end_and_warns_of_it_once_a_day)
{
    struct certificate_service service;
    int64_t now_s = real_time_ns() / NS_PER_S;
    write_pair("a", &(struct certificate_recipe){.not_after_s = 14 * DAY_S + 600});
    write_pair("b", &(struct certificate_recipe){.not_after_s = 14 * DAY_S - 600});
    open_service(&service);
    cr_assert_eq(tls_contexts_first_not_after_s(service.contexts),
                 service.pairs[1].certificate->identity.not_after_s);
    certificate_service_tick(&service);
    cr_assert_eq(service.pairs[0].said_near_end_s, 0);
    cr_assert_geq(service.pairs[1].said_near_end_s, now_s);

    int64_t said_s = now_s - CERTIFICATE_WARN_AGAIN_S + 60;
    service.pairs[1].said_near_end_s = said_s;
    certificate_service_tick(&service);
    cr_assert_eq(service.pairs[1].said_near_end_s, said_s, "not within a day");
    service.pairs[1].said_near_end_s = said_s - 120;
    certificate_service_tick(&service);
    cr_assert_geq(service.pairs[1].said_near_end_s, now_s, "again after a day");
    certificate_service_close(&service);
}

Test(certificate_service, results_are_those_that_a_load_can_have)
{
    assert_status_set(&certificate_loads);
    cr_expect_eq(status_place(&certificate_loads, NTS_OK), CERTIFICATE_LOAD_OK);
    cr_expect_eq(status_place(&certificate_loads, NTS_ERR_FORGED), CERTIFICATE_LOAD_INTERNAL);
}
