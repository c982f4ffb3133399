/* From a keyring to chrony's four keys and back. */
#include "keys/chrony_keys.h"

#include "crypto/secret_mem.h"

#include <assert.h>
#include <inttypes.h>
#include <openssl/rand.h>
#include <string.h>

#define CHRONY_NEXT (CHRONY_CURRENT + 1)

/* --- from a keyring --- */

/* The line that a key of this id is on in a file whose current key is `current_id`. */
static size_t position_of(uint32_t id, uint32_t current_id)
{
    return (id - current_id + CHRONY_CURRENT) % CHRONY_NUM_KEYS;
}

static void take_key(struct chrony_keys *keys, bool is_taken[CHRONY_NUM_KEYS], size_t position,
                     const struct master_key_spec *spec)
{
    struct chrony_key *key = &keys->keys[position];
    if (!is_taken[position]) {
        is_taken[position] = true;
        key->id = spec->id;
        key->layout = spec->layout;
        memcpy(key->secret, spec->secret, key_layout_secret_len(spec->layout));
    }
}

/* A key that seals nothing, where chrony needs one. */
static void fill_key(struct chrony_keys *keys, size_t position,
                     const struct keyring_document *document)
{
    const struct chrony_key *current = &keys->keys[CHRONY_CURRENT];
    struct chrony_key *key = &keys->keys[position];
    do {
        RAND_bytes((uint8_t *)&key->id, sizeof(key->id));
        uint32_t slot = (current->id + (uint32_t)position - CHRONY_CURRENT) % CHRONY_NUM_KEYS;
        key->id = key->id - key->id % CHRONY_NUM_KEYS + slot;
    } while (keyring_document_find(document, key->id) < document->num_keys);
    key->layout = current->layout;
    RAND_bytes(key->secret, key_layout_secret_len(key->layout));
}

enum nts_status chrony_keys_export(struct chrony_keys *keys, size_t *num_filled,
                                   const struct keyring_document *document, int64_t now_s,
                                   struct error *error)
{
    secret_wipe(keys, sizeof(*keys));
    *num_filled = 0;
    size_t active = keyring_document_active(document, now_s);
    if (active == document->num_keys) {
        return error_set(error, NTS_ERR_KEYRING_FORM, "no key is active now");
    }
    const struct master_key_spec *current = &document->keys[active];
    if (!chrony_has_layout(current->layout)) {
        return error_set(error, NTS_ERR_KEYRING_FORM,
                         "the active key %08" PRIx32 " is of layout %s, which chrony does not have",
                         current->id, key_layout_name(current->layout));
    }

    bool is_taken[CHRONY_NUM_KEYS] = {false};
    keys->age_s = (double)(now_s - current->activate_at_s);
    take_key(keys, is_taken, CHRONY_CURRENT, current);
    for (size_t i = active + 1; i < document->num_keys; i++) {
        const struct master_key_spec *spec = &document->keys[i];
        size_t position = position_of(spec->id, current->id);
        if (now_s < spec->expire_at_s && chrony_has_layout(spec->layout) &&
            position == CHRONY_NEXT) {
            take_key(keys, is_taken, position, spec);
        }
    }
    for (size_t i = active; i-- > 0;) {
        const struct master_key_spec *spec = &document->keys[i];
        size_t position = position_of(spec->id, current->id);
        if (now_s < spec->expire_at_s && chrony_has_layout(spec->layout) &&
            position < CHRONY_CURRENT) {
            take_key(keys, is_taken, position, spec);
        }
    }
    for (size_t i = 0; i < CHRONY_NUM_KEYS; i++) {
        if (!is_taken[i]) {
            fill_key(keys, i, document);
            ++*num_filled;
        }
    }
    return NTS_OK;
}

/* --- into a keyring --- */

struct import {
    const struct chrony_keys *keys;
    struct keyring_document *draft;
    const struct key_policy *policy;
    int64_t now_s;
    int64_t current_at_s;                           /* when the current key took over, in chrony */
    struct master_key_spec *specs[CHRONY_NUM_KEYS]; /* in the draft */
    bool is_new[CHRONY_NUM_KEYS];
};

/* Finds the four keys in the draft, or adds them, as yet without times. */
static enum nts_status place_keys(struct import *import, struct error *error)
{
    struct keyring_document *draft = import->draft;
    for (size_t i = 0; i < CHRONY_NUM_KEYS; i++) {
        const struct chrony_key *key = &import->keys->keys[i];
        struct master_key_spec *spec = &draft->keys[keyring_document_find(draft, key->id)];
        import->specs[i] = spec;
        import->is_new[i] = spec == &draft->keys[draft->num_keys];
        if (!import->is_new[i]) {
            if (spec->layout != key->layout ||
                memcmp(spec->secret, key->secret, key_layout_secret_len(key->layout)) != 0) {
                return error_set(
                    error, NTS_ERR_KEYRING_FORM,
                    "key %08" PRIx32 " is in the keyring with another secret or layout", key->id);
            }
            continue;
        }
        if (draft->num_keys == KEYRING_MAX_KEYS) {
            return error_set(error, NTS_ERR_KEYRING_FORM, "the keyring is full with %d keys",
                             KEYRING_MAX_KEYS);
        }
        *spec = (struct master_key_spec){key->id, key->layout, INT64_MIN, INT64_MIN, {0}};
        memcpy(spec->secret, key->secret, key_layout_secret_len(key->layout));
        draft->num_keys++;
    }
    return NTS_OK;
}

/* No two keys of a layout activate at once: looks for a free second from `at_s` on, in steps. */
static void activate_near(struct import *import, struct master_key_spec *spec, int64_t at_s,
                          int step)
{
    const struct keyring_document *draft = import->draft;
    size_t i = 0;
    while (i < draft->num_keys) {
        const struct master_key_spec *other = &draft->keys[i];
        i++;
        if (other != spec && other->layout == spec->layout && other->activate_at_s == at_s) {
            at_s += step;
            i = 0;
        }
    }
    spec->activate_at_s = at_s;
}

static enum nts_status set_activations(struct import *import, struct error *error)
{
    struct master_key_spec **specs = import->specs;
    int64_t at_s = import->current_at_s;
    for (size_t i = CHRONY_NEXT; i-- > 0;) {
        if (import->is_new[i] || specs[i]->activate_at_s > import->now_s) {
            activate_near(import, specs[i], at_s, -1);
        }
        if (specs[i]->activate_at_s < 0) {
            return error_set(error, NTS_ERR_KEYRING_FORM,
                             "key %08" PRIx32 " would be from before 1970", specs[i]->id);
        }
        /* An old key must not come after the one that took over from it. */
        if (specs[i]->activate_at_s < at_s) {
            at_s = specs[i]->activate_at_s;
        }
        at_s -= import->policy->interval_s;
    }
    if (import->is_new[CHRONY_NEXT]) {
        at_s = specs[CHRONY_CURRENT]->activate_at_s + import->policy->interval_s;
        if (at_s < import->now_s + import->policy->lead_s) {
            at_s = import->now_s + import->policy->lead_s;
        }
        activate_near(import, specs[CHRONY_NEXT], at_s, 1);
    }
    return NTS_OK;
}

static void set_expiries(struct import *import)
{
    const struct key_policy *policy = import->policy;
    for (size_t i = 0; i < CHRONY_NUM_KEYS; i++) {
        struct master_key_spec *spec = import->specs[i];
        int64_t seals_until_s = i < CHRONY_NEXT ? import->specs[i + 1]->activate_at_s
                                                : spec->activate_at_s + policy->interval_s;
        /* chrony may have sealed with it for longer than our schedule did. */
        if (i + 1 == CHRONY_CURRENT && seals_until_s < import->current_at_s) {
            seals_until_s = import->current_at_s;
        }
        if (import->is_new[i] && seals_until_s < import->now_s) {
            seals_until_s = import->now_s;
        }
        if (spec->expire_at_s < seals_until_s + policy->open_after_s) {
            spec->expire_at_s = seals_until_s + policy->open_after_s;
        }
        if (spec->expire_at_s <= spec->activate_at_s) {
            spec->expire_at_s = spec->activate_at_s + 1;
        }
    }
}

enum nts_status chrony_keys_import(struct keyring_document *document, struct key_change *change,
                                   const struct chrony_keys *keys, const struct key_policy *policy,
                                   int64_t now_s, struct error *error)
{
    assert(key_policy_is_valid(policy));
    memset(change, 0, sizeof(*change));
    struct import import = {.keys = keys, .policy = policy, .now_s = now_s};
    import.draft = keyring_document_create();
    if (import.draft == NULL) {
        return error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
    }
    *import.draft = *document;
    import.current_at_s = keys->written_at_s - (int64_t)keys->age_s;
    if (import.current_at_s > now_s) {
        import.current_at_s = now_s;
    }
    enum nts_status status = place_keys(&import, error);
    if (status == NTS_OK) {
        status = set_activations(&import, error);
    }
    if (status == NTS_OK) {
        set_expiries(&import);
        status = key_change_apply(document, change, import.draft);
        if (status != NTS_OK) {
            error_set(error, NTS_ERR_KEYRING_FORM, "the keyring has no generation left");
            status = NTS_ERR_KEYRING_FORM;
        }
    }
    keyring_document_free(import.draft);
    return status;
}
