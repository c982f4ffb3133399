/* The claim that the schedule is made for, second by second in farms made at random: as long as
 * every node has a new file within the lead time less what the clocks are apart, no cookie meets a
 * node that lacks its key, and none that is younger than open_after_s less what the clocks are
 * apart is refused. Revoked keys aside. */
#include "keys/key_schedule.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUM_FARMS    400
#define NUM_SECONDS  600
#define MAX_NODES    4
#define NUM_HOSTS    2 /* that rotate the keys: clocks of their own, one file */
#define MAX_VERSIONS 512
#define MAX_KEYS     96 /* of a version */
#define MAX_EVER     2048
#define EPOCH_S      INT64_C(1795305600)

/* A file as it was published, and when each node gets it. */
struct version {
    size_t num_keys;
    struct {
        uint32_t id;
        int64_t activate_at_s;
        int64_t expire_at_s;
    } keys[MAX_KEYS];
    int64_t arrives_at_s[MAX_NODES];
};

struct key_record {
    uint32_t id;
    int64_t published_at_s;
    int64_t sealed_at_s; /* its youngest cookie, which every node must open longest; 0: none */
    bool is_revoked;
};

/* All times are true ones; a clock adds its offset. */
struct farm {
    unsigned seed;
    uint64_t random;
    struct key_policy policy;
    int64_t apart_s;     /* clocks are, at most */
    int64_t max_delay_s; /* of a file */
    size_t num_nodes;
    int64_t node_offset_s[MAX_NODES];
    int64_t host_offset_s[NUM_HOSTS];
    struct keyring_document *document;
    struct key_change change;
    size_t num_versions;
    struct version versions[MAX_VERSIONS];
    const struct version *held[MAX_NODES]; /* by each node */
    size_t num_ever;
    struct key_record ever[MAX_EVER];
    size_t num_opened;
    size_t num_revoked;
};

/* splitmix64: the same farms on every machine. */
static int64_t random_in(struct farm *farm, int64_t low, int64_t high)
{
    uint64_t z = farm->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    z ^= z >> 31;
    return low + (int64_t)(z % (uint64_t)(high - low + 1));
}

static struct key_record *find_record(struct farm *farm, uint32_t id)
{
    for (size_t i = farm->num_ever; i-- > 0;) {
        if (farm->ever[i].id == id) {
            return &farm->ever[i];
        }
    }
    return NULL;
}

/* Sends the document on its way if it was changed. */
static void publish(struct farm *farm, int64_t time_s)
{
    if (key_change_is_none(&farm->change)) {
        return;
    }
    cr_assert_lt(farm->num_versions, (size_t)MAX_VERSIONS, "seed %u", farm->seed);
    struct version *version = &farm->versions[farm->num_versions++];
    cr_assert_eq(farm->document->generation, farm->num_versions, "seed %u", farm->seed);
    cr_assert_leq(farm->document->num_keys, (size_t)MAX_KEYS, "seed %u", farm->seed);
    version->num_keys = farm->document->num_keys;
    for (size_t i = 0; i < version->num_keys; i++) {
        const struct master_key_spec *spec = &farm->document->keys[i];
        version->keys[i].id = spec->id;
        version->keys[i].activate_at_s = spec->activate_at_s;
        version->keys[i].expire_at_s = spec->expire_at_s;
    }
    for (size_t i = 0; i < farm->num_nodes; i++) {
        version->arrives_at_s[i] = time_s + random_in(farm, 0, farm->max_delay_s);
    }
    for (size_t i = 0; i < farm->change.num_added; i++) {
        cr_assert_lt(farm->num_ever, (size_t)MAX_EVER, "seed %u", farm->seed);
        cr_assert_null(find_record(farm, farm->change.added[i]), "seed %u: id reused", farm->seed);
        farm->ever[farm->num_ever++] =
            (struct key_record){.id = farm->change.added[i], .published_at_s = time_s};
    }
}

static int64_t some_host_clock_s(struct farm *farm, int64_t time_s)
{
    return time_s + farm->host_offset_s[random_in(farm, 0, NUM_HOSTS - 1)];
}

static void rotate(struct farm *farm, int64_t time_s)
{
    enum nts_status status =
        key_schedule_rotate(farm->document, &farm->change, KEY_LAYOUT_CHRONY_SIV, &farm->policy,
                            some_host_clock_s(farm, time_s));
    cr_assert_eq(status, NTS_OK, "seed %u", farm->seed);
    publish(farm, time_s);
}

/* Whether `at` may be revoked without a key that some node lacks having to seal: not if it may be
 * sealing by the clock of some node, unless all nodes have the key that takes over. */
static bool may_revoke(struct farm *farm, size_t at, int64_t host_s, int64_t time_s)
{
    const struct keyring_document *document = farm->document;
    size_t active = keyring_document_active(document, host_s);
    int64_t activate_at_s = document->keys[at].activate_at_s;
    if (at != active) {
        return active < document->num_keys && llabs(activate_at_s - host_s) > farm->apart_s &&
               llabs(document->keys[active].activate_at_s - host_s) > farm->apart_s;
    }
    return at + 1 < document->num_keys &&
           find_record(farm, document->keys[at + 1].id)->published_at_s + farm->max_delay_s <
               time_s;
}

static void revoke(struct farm *farm, int64_t time_s)
{
    int64_t host_s = some_host_clock_s(farm, time_s);
    size_t at = (size_t)random_in(farm, 0, (int64_t)farm->document->num_keys - 1);
    if (!may_revoke(farm, at, host_s, time_s)) {
        return;
    }
    uint32_t id = farm->document->keys[at].id;
    find_record(farm, id)->is_revoked = true;
    farm->num_revoked++;
    enum nts_status status =
        key_schedule_revoke(farm->document, &farm->change, id, &farm->policy, host_s);
    cr_assert_eq(status, NTS_OK, "seed %u", farm->seed);
    publish(farm, time_s);
}

/* Calls by timers that come twice, or not for long; but the last moment at which the result still
 * is everywhere before the last key expires is not missed. */
static void administrate(struct farm *farm, int64_t time_s)
{
    const struct keyring_document *document = farm->document;
    int64_t last_expires_s = document->keys[document->num_keys - 1].expire_at_s;
    if (time_s + farm->max_delay_s + 2 * farm->apart_s + 1 >= last_expires_s) {
        rotate(farm, time_s);
    } else if (random_in(farm, 0, 2 * farm->policy.interval_s) == 0) {
        for (int64_t i = random_in(farm, 1, 3); i > 0; i--) {
            rotate(farm, time_s);
        }
    }
    if (random_in(farm, 0, 6 * farm->policy.interval_s) == 0) {
        revoke(farm, time_s);
    }
}

/* A node takes what has arrived unless it has a later generation. */
static void deliver(struct farm *farm, size_t node, int64_t time_s)
{
    for (size_t i = farm->num_versions; i-- > 0;) {
        const struct version *version = &farm->versions[i];
        if (version == farm->held[node]) {
            return;
        }
        if (version->arrives_at_s[node] <= time_s) {
            farm->held[node] = version;
            return;
        }
    }
}

static void seal(struct farm *farm, size_t node, int64_t time_s)
{
    const struct version *version = farm->held[node];
    int64_t clock_s = time_s + farm->node_offset_s[node];
    for (size_t i = version->num_keys; i-- > 0;) {
        if (version->keys[i].activate_at_s <= clock_s && clock_s < version->keys[i].expire_at_s) {
            find_record(farm, version->keys[i].id)->sealed_at_s = time_s;
            return;
        }
    }
    cr_assert(false, "seed %u: node %zu has no key to seal with at %+d s", farm->seed, node,
              (int)(time_s - EPOCH_S));
}

static bool opens(const struct version *version, uint32_t id, int64_t clock_s)
{
    for (size_t i = 0; i < version->num_keys; i++) {
        if (version->keys[i].id == id) {
            return clock_s < version->keys[i].expire_at_s;
        }
    }
    return false;
}

/* Every node is asked with the youngest cookie under every key. */
static void ask(struct farm *farm, int64_t time_s)
{
    int64_t cookies_last_s = farm->policy.open_after_s - farm->apart_s;
    for (size_t i = 0; i < farm->num_ever; i++) {
        const struct key_record *key = &farm->ever[i];
        if (key->is_revoked || key->sealed_at_s == 0 ||
            time_s > key->sealed_at_s + cookies_last_s) {
            continue;
        }
        for (size_t node = 0; node < farm->num_nodes; node++) {
            int64_t clock_s = time_s + farm->node_offset_s[node];
            cr_assert(opens(farm->held[node], key->id, clock_s),
                      "seed %u: node %zu refuses %08x at %+d s, sealed %d s ago; lead %d, clocks "
                      "apart %d, delay %d",
                      farm->seed, node, key->id, (int)(time_s - EPOCH_S),
                      (int)(time_s - key->sealed_at_s), (int)farm->policy.lead_s,
                      (int)farm->apart_s, (int)farm->max_delay_s);
            farm->num_opened++;
        }
    }
}

static void make_farm(struct farm *farm, unsigned seed)
{
    struct keyring_document *document = farm->document;
    memset(farm, 0, sizeof(*farm));
    memset(document, 0, sizeof(*document));
    farm->document = document;
    farm->seed = seed;
    farm->random = seed;
    struct key_policy *policy = &farm->policy;
    policy->interval_s = random_in(farm, 2, 40);
    policy->lead_s = random_in(farm, 1, 2 * policy->interval_s);
    policy->ahead_s = policy->lead_s + random_in(farm, 0, 3 * policy->interval_s);
    policy->open_after_s = policy->lead_s + random_in(farm, 0, 5 * policy->interval_s);
    farm->apart_s = random_in(farm, 0, policy->lead_s);
    farm->max_delay_s = policy->lead_s - farm->apart_s;
    farm->num_nodes = (size_t)random_in(farm, 2, MAX_NODES);
    for (size_t i = 0; i < farm->num_nodes; i++) {
        farm->node_offset_s[i] = random_in(farm, 0, farm->apart_s);
    }
    for (size_t i = 0; i < NUM_HOSTS; i++) {
        farm->host_offset_s[i] = random_in(farm, 0, farm->apart_s);
    }
    /* The nodes start with the first file, when its key is active by every clock. */
    cr_assert_eq(key_schedule_init(document, &farm->change, KEY_LAYOUT_CHRONY_SIV, policy, EPOCH_S),
                 NTS_OK);
    publish(farm, EPOCH_S - farm->max_delay_s);
    for (size_t i = 0; i < farm->num_nodes; i++) {
        farm->held[i] = &farm->versions[0];
    }
}

Test(key_simulation, no_cookie_meets_a_node_that_lacks_its_key)
{
    struct farm *farm = calloc(1, sizeof(*farm));
    cr_assert_not_null(farm);
    farm->document = keyring_document_create();
    cr_assert_not_null(farm->document);
    size_t num_opened = 0;
    size_t num_revoked = 0;
    size_t num_versions = 0;
    for (unsigned seed = 1; seed <= NUM_FARMS; seed++) {
        make_farm(farm, seed);
        for (int64_t time_s = EPOCH_S; time_s < EPOCH_S + NUM_SECONDS; time_s++) {
            administrate(farm, time_s);
            for (size_t node = 0; node < farm->num_nodes; node++) {
                deliver(farm, node, time_s);
                seal(farm, node, time_s);
            }
            ask(farm, time_s);
        }
        num_opened += farm->num_opened;
        num_revoked += farm->num_revoked;
        num_versions += farm->num_versions;
    }
    /* Not a test of nothing. */
    cr_assert_gt(num_opened, (size_t)NUM_FARMS * NUM_SECONDS);
    cr_assert_gt(num_revoked, (size_t)NUM_FARMS);
    cr_assert_gt(num_versions, (size_t)NUM_FARMS * 10);
    keyring_document_free(farm->document);
    free(farm);
}
