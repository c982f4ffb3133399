#include "keys/key_schedule.h"

#include <assert.h>
#include <openssl/rand.h>
#include <string.h>

/* Ids count up in these bits: chrony's slots. */
#define SLOT_MASK UINT32_C(3)

/* 9999-12-31T23:59:59Z, the last second that RFC 3339 can tell. */
#define LATEST_S INT64_C(253402300799)

/* One change of one layout, made on a copy so that a failure leaves the document as it was. */
struct edit {
    const struct keyring_document *before;
    struct keyring_document *draft;
    enum key_layout layout;
    const struct key_policy *policy;
    int64_t now_s;
};

static bool in_policy_range(int64_t value_s)
{
    return value_s >= 0 && value_s <= KEY_POLICY_MAX_S;
}

bool key_policy_is_valid(const struct key_policy *policy)
{
    return in_policy_range(policy->interval_s) && policy->interval_s > 0 &&
           in_policy_range(policy->lead_s) && in_policy_range(policy->ahead_s) &&
           policy->ahead_s >= policy->lead_s && in_policy_range(policy->open_after_s);
}

/* --- what a change did --- */

bool key_change_is_none(const struct key_change *change)
{
    return change->num_added == 0 && change->num_removed == 0 && change->num_extended == 0 &&
           !change->has_promoted;
}

static bool is_in(const struct keyring_document *document, uint32_t id)
{
    return keyring_document_find(document, id) < document->num_keys;
}

/* Both are in order. Of a key that is in both, only the times may differ. */
static void compare_documents(struct key_change *change, const struct keyring_document *before,
                              const struct keyring_document *after)
{
    memset(change, 0, sizeof(*change));
    for (size_t i = 0; i < before->num_keys; i++) {
        if (!is_in(after, before->keys[i].id)) {
            change->removed[change->num_removed++] = before->keys[i].id;
        }
    }
    for (size_t i = 0; i < after->num_keys; i++) {
        const struct master_key_spec *key = &after->keys[i];
        size_t at = keyring_document_find(before, key->id);
        if (at == before->num_keys) {
            change->added[change->num_added++] = key->id;
            continue;
        }
        if (key->expire_at_s > before->keys[at].expire_at_s) {
            change->extended[change->num_extended++] = key->id;
        }
        if (key->activate_at_s < before->keys[at].activate_at_s) {
            change->has_promoted = true;
            change->promoted = key->id;
        }
    }
}

enum nts_status key_change_apply(struct keyring_document *document, struct key_change *change,
                                 struct keyring_document *draft)
{
    keyring_document_sort(draft);
    compare_documents(change, document, draft);
    if (key_change_is_none(change)) {
        return NTS_OK;
    }
    if (document->generation >= KEYRING_MAX_GENERATION) {
        memset(change, 0, sizeof(*change));
        return NTS_ERR_NO_SPACE;
    }
    draft->generation = document->generation + 1;
    memset(&draft->signature, 0, sizeof(draft->signature));
    *document = *draft;
    return NTS_OK;
}

/* --- the keys of one layout, in the order of activation --- */

/* The three return a position in `document`, or num_keys. */

static size_t last_of(const struct keyring_document *document, enum key_layout layout)
{
    for (size_t i = document->num_keys; i-- > 0;) {
        if (document->keys[i].layout == layout) {
            return i;
        }
    }
    return document->num_keys;
}

static size_t active_of(const struct keyring_document *document, enum key_layout layout,
                        int64_t now_s)
{
    for (size_t i = document->num_keys; i-- > 0;) {
        const struct master_key_spec *key = &document->keys[i];
        if (key->layout == layout && key->activate_at_s <= now_s && now_s < key->expire_at_s) {
            return i;
        }
    }
    return document->num_keys;
}

static size_t upcoming_of(const struct keyring_document *document, enum key_layout layout,
                          int64_t now_s)
{
    for (size_t i = 0; i < document->num_keys; i++) {
        if (document->keys[i].layout == layout && document->keys[i].activate_at_s > now_s) {
            return i;
        }
    }
    return document->num_keys;
}

/* --- steps of a change --- */

static void remove_at(struct keyring_document *draft, size_t at)
{
    draft->num_keys--;
    memmove(&draft->keys[at], &draft->keys[at + 1],
            (draft->num_keys - at) * sizeof(draft->keys[0]));
    memset(&draft->keys[draft->num_keys], 0, sizeof(draft->keys[0]));
}

static void remove_expired(struct keyring_document *draft, int64_t now_s)
{
    for (size_t i = draft->num_keys; i-- > 0;) {
        if (draft->keys[i].expire_at_s <= now_s) {
            remove_at(draft, i);
        }
    }
}

/* The slot after that of the layout's last key, or of the last one that this change removes, or, of
 * a layout that is new, of the last key of another: chrony takes four keys only if their ids are
 * consecutive modulo four. */
static uint32_t next_id(const struct edit *edit)
{
    const struct keyring_document *from = edit->draft;
    size_t last = last_of(from, edit->layout);
    if (last == from->num_keys) {
        from = edit->before;
        last = last_of(from, edit->layout);
    }
    if (last == from->num_keys && last > 0) {
        last--;
    }
    uint32_t id;
    do {
        RAND_bytes((uint8_t *)&id, sizeof(id));
        if (last < from->num_keys) {
            id = (id & ~SLOT_MASK) | ((from->keys[last].id + 1) & SLOT_MASK);
        }
    } while (is_in(edit->before, id) || is_in(edit->draft, id));
    return id;
}

/* Adds the layout's new last key. It expires when extend_keys says so. */
static enum nts_status add_key(const struct edit *edit, int64_t activate_at_s)
{
    struct keyring_document *draft = edit->draft;
    if (draft->num_keys == KEYRING_MAX_KEYS || activate_at_s >= LATEST_S) {
        return NTS_ERR_NO_SPACE;
    }
    struct master_key_spec *key = &draft->keys[draft->num_keys];
    memset(key, 0, sizeof(*key));
    key->id = next_id(edit);
    key->layout = edit->layout;
    key->activate_at_s = activate_at_s;
    key->expire_at_s = activate_at_s + 1;
    RAND_bytes(key->secret, key_layout_secret_len(edit->layout));
    draft->num_keys++;
    return NTS_OK;
}

/* A key seals until its successor activates, which may be later than it was when the key was made.
 * Expiry is only ever raised: other nodes may have acted on what was published. */
static void extend_keys(const struct edit *edit)
{
    struct keyring_document *draft = edit->draft;
    size_t successor = draft->num_keys;
    for (size_t i = draft->num_keys; i-- > 0;) {
        struct master_key_spec *key = &draft->keys[i];
        if (key->layout != edit->layout) {
            continue;
        }
        int64_t seals_until_s = successor < draft->num_keys
                                    ? draft->keys[successor].activate_at_s
                                    : key->activate_at_s + edit->policy->interval_s;
        int64_t expire_at_s = seals_until_s + edit->policy->open_after_s;
        if (expire_at_s > LATEST_S) {
            expire_at_s = LATEST_S;
        }
        if (expire_at_s > key->expire_at_s) {
            key->expire_at_s = expire_at_s;
        }
        successor = i;
    }
}

/* Adds keys until the last one activates at `reach_s` or later. */
static enum nts_status bring_up_to_date(const struct edit *edit, int64_t reach_s)
{
    const struct keyring_document *draft = edit->draft;
    const struct key_policy *policy = edit->policy;
    size_t last = last_of(draft, edit->layout);
    while (last == draft->num_keys || draft->keys[last].activate_at_s < reach_s) {
        int64_t activate_at_s = edit->now_s + policy->lead_s;
        if (last < draft->num_keys &&
            draft->keys[last].activate_at_s + policy->interval_s > activate_at_s) {
            activate_at_s = draft->keys[last].activate_at_s + policy->interval_s;
        }
        enum nts_status status = add_key(edit, activate_at_s);
        if (status != NTS_OK) {
            return status;
        }
        last = draft->num_keys - 1;
    }
    extend_keys(edit);
    return NTS_OK;
}

/* Lets a key other than the revoked one seal from `place_s` on. No other key of the layout
 * activates then: it is when the revoked one did, or now, and none that activates now needs a
 * successor. */
static enum nts_status fill_place(const struct edit *edit, int64_t place_s)
{
    struct keyring_document *draft = edit->draft;
    size_t upcoming = upcoming_of(draft, edit->layout, edit->now_s);
    if (upcoming < draft->num_keys) {
        draft->keys[upcoming].activate_at_s = place_s;
        return NTS_OK;
    }
    if (active_of(draft, edit->layout, edit->now_s) < draft->num_keys) {
        return NTS_OK;
    }
    return add_key(edit, place_s);
}

/* --- the verbs --- */

/* Prepares the copy that is edited; keyring_document_free(edit->draft) ends it. */
static enum nts_status edit_open(struct edit *edit, const struct keyring_document *document,
                                 enum key_layout layout, const struct key_policy *policy,
                                 int64_t now_s)
{
    assert(key_policy_is_valid(policy));
    *edit = (struct edit){document, keyring_document_create(), layout, policy, now_s};
    if (edit->draft == NULL) {
        return NTS_ERR_NO_MEMORY;
    }
    *edit->draft = *document;
    return NTS_OK;
}

static enum nts_status rotate_to(struct keyring_document *document, struct key_change *change,
                                 enum key_layout layout, const struct key_policy *policy,
                                 int64_t now_s, int64_t reach_s)
{
    struct edit edit;
    memset(change, 0, sizeof(*change));
    enum nts_status status = edit_open(&edit, document, layout, policy, now_s);
    if (status != NTS_OK) {
        return status;
    }
    remove_expired(edit.draft, now_s);
    if (edit.draft->num_keys == 0) {
        status = add_key(&edit, now_s);
    }
    if (status == NTS_OK) {
        status = bring_up_to_date(&edit, reach_s);
    }
    if (status == NTS_OK) {
        status = key_change_apply(document, change, edit.draft);
    }
    keyring_document_free(edit.draft);
    return status;
}

enum nts_status key_schedule_init(struct keyring_document *document, struct key_change *change,
                                  enum key_layout layout, const struct key_policy *policy,
                                  int64_t now_s)
{
    assert(document->num_keys == 0 && document->generation == 0);
    return rotate_to(document, change, layout, policy, now_s, now_s + policy->ahead_s);
}

/* Beyond ahead_s, not just up to it: or the next second would find another key due. */
static int64_t rotation_reach_s(const struct key_policy *policy, int64_t now_s)
{
    return now_s + policy->ahead_s + 1;
}

enum nts_status key_schedule_rotate(struct keyring_document *document, struct key_change *change,
                                    enum key_layout layout, const struct key_policy *policy,
                                    int64_t now_s)
{
    return rotate_to(document, change, layout, policy, now_s, rotation_reach_s(policy, now_s));
}

enum nts_status key_schedule_revoke(struct keyring_document *document, struct key_change *change,
                                    uint32_t id, const struct key_policy *policy, int64_t now_s)
{
    struct edit edit;
    memset(change, 0, sizeof(*change));
    size_t at = keyring_document_find(document, id);
    if (at == document->num_keys) {
        return NTS_ERR_KEY_UNKNOWN;
    }
    enum key_layout layout = document->keys[at].layout;
    size_t active = keyring_document_active(document, now_s);
    bool can_seal = active < document->num_keys;
    bool is_rotated = upcoming_of(document, layout, now_s) < document->num_keys || !can_seal ||
                      document->keys[active].layout == layout;
    bool was_active = active_of(document, layout, now_s) == at;

    enum nts_status status = edit_open(&edit, document, layout, policy, now_s);
    if (status != NTS_OK) {
        return status;
    }
    remove_at(edit.draft, at);
    remove_expired(edit.draft, now_s);
    if (is_rotated && (was_active || !can_seal)) {
        status = fill_place(&edit, was_active ? document->keys[at].activate_at_s : now_s);
    }
    if (status == NTS_OK && is_rotated) {
        status = bring_up_to_date(&edit, rotation_reach_s(policy, now_s));
    }
    if (status == NTS_OK) {
        status = key_change_apply(document, change, edit.draft);
    }
    keyring_document_free(edit.draft);
    return status;
}
