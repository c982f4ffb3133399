/* The life of master keys: when the next one activates, how long each opens cookies, which ones go.
 * Pure functions over a keyring document; the clock comes in, secrets and ids are random.
 *
 * Keys activate one after the other, an interval apart, and each is published long before, so that
 * every node has it by then. A key opens cookies for `open_after_s` after its successor has taken
 * over. Each layout has a schedule of its own, so that keys of two layouts can rotate side by side.
 *
 * Ids are random, but for their two low bits, which count up modulo four from key to key in the
 * order of activation: chrony keeps a key in the slot that its id modulo 4 names. */
#ifndef NTS_KEYS_KEY_SCHEDULE_H
#define NTS_KEYS_KEY_SCHEDULE_H

#include "base/clock_time.h"
#include "keys/keyring_document.h"

/* What the claim is, that no node meets a cookie of a key it lacks, and none refuses a cookie
 * younger than open_after_s, holds while a new file is everywhere within `lead_s` less what the
 * clocks of the nodes are apart, and rotate is run so that its result is everywhere before the last
 * key expires. open_after_s loses what the clocks are apart, and should not be below lead_s. */
struct key_policy {
    int64_t interval_s;   /* from one activation to the next; above 0 */
    int64_t lead_s;       /* from publishing a key to its activation, at least */
    int64_t ahead_s;      /* the keys that exist reach farther than this; not below lead_s */
    int64_t open_after_s; /* how long a key opens cookies after it has stopped sealing */
};

#define KEY_POLICY_INTERVAL_S   86400
#define KEY_POLICY_OPEN_AFTER_S (14 * 86400)
#define KEY_POLICY_MAX_S        DURATION_MAX_S /* of each */

/* key_policy_is_valid tells whether the four are in range and ahead_s is not below lead_s. All
 * verbs below take valid policies only. */
bool key_policy_is_valid(const struct key_policy *policy);

/* What a change did, for the operator: ids, in the order of activation. */
struct key_change {
    size_t num_added;
    uint32_t added[KEYRING_MAX_KEYS];
    size_t num_removed; /* expired, or revoked */
    uint32_t removed[KEYRING_MAX_KEYS];
    size_t num_extended; /* expire later than they did, because they seal, or sealed, for longer */
    uint32_t extended[KEYRING_MAX_KEYS];
    bool has_promoted; /* one that was to activate later took the place of a revoked key, or became
                          current in chrony */
    uint32_t promoted;
};

/* key_change_is_none tells whether nothing was changed. */
bool key_change_is_none(const struct key_change *change);

/* key_change_apply makes `*document` what `*draft`, an edited copy of it, is, and tells in
 * `*change` what differs. If anything does, the keys are sorted, the generation goes up by one and
 * the signature is gone. NTS_ERR_NO_SPACE, with the document as it was, after the last generation.
 */
NTS_MUST_CHECK enum nts_status key_change_apply(struct keyring_document *document,
                                                struct key_change *change,
                                                struct keyring_document *draft);

/* key_schedule_init fills an empty document of generation 0: generation 1, a key of `layout` that
 * seals from `now_s` on, and those after it up to one that activates at ahead_s or later.
 * NTS_ERR_NO_SPACE if that is more than KEYRING_MAX_KEYS; NTS_ERR_NO_MEMORY. On any error the
 * document stays empty. */
NTS_MUST_CHECK enum nts_status key_schedule_init(struct keyring_document *document,
                                                 struct key_change *change, enum key_layout layout,
                                                 const struct key_policy *policy, int64_t now_s);

/* key_schedule_rotate brings the schedule of `layout` up to date:
 * - removes every key, of any layout, that has expired at `now_s`;
 * - adds keys until the last of that layout activates later than ahead_s from now. Each activates
 *   an interval after the one before it, but never sooner than lead_s from now. Only if no key of
 *   any layout is left, the first one seals from `now_s` on: no cookie is good any more, and no
 *   client is served better by waiting;
 * - lets every key of the layout open for open_after_s after its successor's activation.
 * If anything was changed the generation goes up by one and the signature is gone. What it does
 * depends on the document and the time alone, not on how often it is called: keys become due an
 * interval apart, and a call when none is due finds nothing to do: after a rotation, and after a
 * gap that was made good, none is due for an interval, if ahead_s is lead_s and not below the
 * interval. NTS_ERR_NO_SPACE if there would be too many keys or generations, NTS_ERR_NO_MEMORY;
 * with the document as it was. */
NTS_MUST_CHECK enum nts_status key_schedule_rotate(struct keyring_document *document,
                                                   struct key_change *change,
                                                   enum key_layout layout,
                                                   const struct key_policy *policy, int64_t now_s);

/* key_schedule_revoke removes the key `id` at once, and sees to it that another can seal. If it was
 * the active key of its layout (or no key at all can seal): the next upcoming key of the layout is
 * promoted, because every node that has the old file opens its cookies already; if there is none,
 * the key before it seals again, as all nodes have that too, and opens for longer; if there is none
 * either, a new key is made. The one that is promoted or made activates when the revoked one did
 * (at `now_s` if that was not active), so that no node waits whose clock is behind. Keys that come
 * later keep their times. Then expired keys are removed and the schedule is brought up to date as
 * by key_schedule_rotate. A layout that is not rotated any more (it has no upcoming key, and one of
 * another layout is active in its place) only loses the key: a new one would seal for the farm.
 * The generation goes up by one, the signature is gone. NTS_ERR_KEY_UNKNOWN if there is no such
 * key, else as key_schedule_rotate. */
NTS_MUST_CHECK enum nts_status key_schedule_revoke(struct keyring_document *document,
                                                   struct key_change *change, uint32_t id,
                                                   const struct key_policy *policy, int64_t now_s);

#endif
