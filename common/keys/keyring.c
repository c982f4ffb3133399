#include "keys/keyring.h"

#include "crypto/secret_mem.h"

#include <stdlib.h>
#include <string.h>

static void keyring_destroy(struct snapshot *snapshot)
{
    struct keyring *ring = (struct keyring *)snapshot;
    for (size_t i = 0; i < ring->num_keys; i++) {
        aead_expanded_cleanup(&ring->keys[i].expanded);
    }
    secret_free(ring->keys);
    free(ring->index);
    free(ring);
}

/* Ids are random, but for chrony's two low bits; the multiplication spreads any other choice. */
static size_t index_slot(const struct keyring *ring, uint32_t id)
{
    return (size_t)((id * UINT32_C(0x9e3779b1)) >> ring->index_shift);
}

static void index_build(struct keyring *ring)
{
    size_t mask = ((size_t)1 << (32 - ring->index_shift)) - 1;
    for (size_t i = 0; i < ring->num_keys; i++) {
        size_t slot = index_slot(ring, ring->keys[i].id);
        while (ring->index[slot] != 0) {
            slot = (slot + 1) & mask;
        }
        ring->index[slot] = (uint16_t)(i + 1);
    }
}

static int compare_activation(const void *a, const void *b)
{
    const struct master_key *left = a;
    const struct master_key *right = b;
    if (left->activate_at_s != right->activate_at_s) {
        return left->activate_at_s < right->activate_at_s ? -1 : 1;
    }
    return left->id < right->id ? -1 : left->id > right->id;
}

struct keyring *keyring_create(uint64_t generation, const struct master_key_spec *specs, size_t num)
{
    /* Whatever lists the keys of a ring has room for no more. */
    struct keyring *ring = num <= KEYRING_MAX_KEYS ? calloc(1, sizeof(*ring)) : NULL;
    if (ring == NULL) {
        return NULL;
    }
    snapshot_init(&ring->snapshot, keyring_destroy);
    ring->generation = generation;
    ring->index_shift = 28;
    while (((size_t)1 << (32 - ring->index_shift)) < 2 * num) {
        ring->index_shift--;
    }
    ring->index = calloc((size_t)1 << (32 - ring->index_shift), sizeof(*ring->index));
    ring->keys = secret_alloc((num > 0 ? num : 1) * sizeof(*ring->keys));
    if (ring->index == NULL || ring->keys == NULL) {
        goto fail;
    }
    for (size_t i = 0; i < num; i++) {
        struct master_key *key = &ring->keys[i];
        key->id = specs[i].id;
        key->layout = specs[i].layout;
        key->activate_at_s = specs[i].activate_at_s;
        key->expire_at_s = specs[i].expire_at_s;
        memcpy(key->secret, specs[i].secret, key_layout_secret_len(key->layout));
    }
    /* Keys are expanded in their final place: what they become need not be relocatable. */
    qsort(ring->keys, num, sizeof(*ring->keys), compare_activation);
    for (; ring->num_keys < num; ring->num_keys++) {
        struct master_key *key = &ring->keys[ring->num_keys];
        if (!aead_expand(&key->expanded, key_layout_aead(key->layout), key->secret,
                         key_layout_omits_ad(key->layout))) {
            goto fail;
        }
    }
    index_build(ring);
    return ring;

fail:
    snapshot_unref(&ring->snapshot);
    return NULL;
}

const struct master_key *keyring_find(const struct keyring *ring, uint32_t id)
{
    size_t mask = ((size_t)1 << (32 - ring->index_shift)) - 1;
    size_t slot = index_slot(ring, id);
    while (ring->index[slot] != 0) {
        const struct master_key *key = &ring->keys[ring->index[slot] - 1];
        if (key->id == id) {
            return key;
        }
        slot = (slot + 1) & mask;
    }
    return NULL;
}

/* The number of keys that have been activated at `now_s`, by bisection. */
static size_t num_activated(const struct keyring *ring, int64_t now_s)
{
    size_t low = 0;
    size_t high = ring->num_keys;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ring->keys[middle].activate_at_s <= now_s) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

const struct master_key *keyring_active_key(const struct keyring *ring, int64_t now_s)
{
    for (size_t i = num_activated(ring, now_s); i-- > 0;) {
        if (master_key_opens(&ring->keys[i], now_s)) {
            return &ring->keys[i];
        }
    }
    return NULL;
}

const struct master_key *keyring_sealing_key(const struct keyring *ring,
                                             const struct aead_algorithm *aead, int64_t now_s)
{
    for (size_t i = num_activated(ring, now_s); i-- > 0;) {
        const struct master_key *key = &ring->keys[i];
        if (master_key_opens(key, now_s) && key_layout_cookie_len(key->layout, aead) > 0) {
            return key;
        }
    }
    return NULL;
}

enum key_age keyring_key_age(const struct master_key *key, const struct master_key *active,
                             int64_t now_s)
{
    if (key == active) {
        return KEY_AGE_ACTIVE;
    }
    if (key->activate_at_s > now_s) {
        return KEY_AGE_UPCOMING;
    }
    return key + 1 == active ? KEY_AGE_PREVIOUS : KEY_AGE_OLDER;
}

void keyring_state_at(struct keyring_state *state, const struct keyring *ring, int64_t now_s)
{
    const struct master_key *last = NULL;
    size_t num = num_activated(ring, now_s);
    *state = (struct keyring_state){.active = keyring_active_key(ring, now_s)};
    if (num < ring->num_keys) {
        state->next = &ring->keys[num];
        state->next_activation_s = state->next->activate_at_s - now_s;
    }
    for (size_t i = 0; i < ring->num_keys; i++) {
        if (last == NULL || ring->keys[i].expire_at_s > last->expire_at_s) {
            last = &ring->keys[i];
        }
    }
    if (last != NULL) {
        state->last_expiry_s = last->expire_at_s - now_s;
        state->is_near_end = state->last_expiry_s < (last->expire_at_s - last->activate_at_s) / 5;
    }
}
