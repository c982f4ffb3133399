/* Immutable, reference-counted snapshots, and the slot through which one thread hands them to
 * another without a lock: a control thread publishes, a worker takes at the start of a batch. */
#ifndef NTS_BASE_SNAPSHOT_H
#define NTS_BASE_SNAPSHOT_H

#include <stdatomic.h>
#include <stddef.h>

/* The first member of every snapshot type. */
struct snapshot {
    atomic_uint num_refs;
    void (*destroy)(struct snapshot *snapshot);
};

static inline void snapshot_init(struct snapshot *snapshot, void (*destroy)(struct snapshot *))
{
    atomic_init(&snapshot->num_refs, 1);
    snapshot->destroy = destroy;
}

static inline struct snapshot *snapshot_ref(struct snapshot *snapshot)
{
    atomic_fetch_add_explicit(&snapshot->num_refs, 1, memory_order_relaxed);
    return snapshot;
}

/* snapshot_unref drops one reference; the last one destroys. NULL is allowed. */
static inline void snapshot_unref(struct snapshot *snapshot)
{
    if (snapshot != NULL &&
        atomic_fetch_sub_explicit(&snapshot->num_refs, 1, memory_order_acq_rel) == 1) {
        snapshot->destroy(snapshot);
    }
}

/* One per worker and kind of snapshot. `current` belongs to the worker, `pending` to both. */
struct snapshot_slot {
    _Atomic(struct snapshot *) pending;
    struct snapshot *current;
};

/* snapshot_publish gives the slot a reference of its own to `snapshot`; one that the worker never
 * took is dropped. Control thread. */
static inline void snapshot_publish(struct snapshot_slot *slot, struct snapshot *snapshot)
{
    snapshot_unref(
        atomic_exchange_explicit(&slot->pending, snapshot_ref(snapshot), memory_order_acq_rel));
}

/* snapshot_take returns the newest snapshot, valid until the next call. One relaxed load when
 * nothing has changed. Worker thread. */
static inline struct snapshot *snapshot_take(struct snapshot_slot *slot)
{
    if (atomic_load_explicit(&slot->pending, memory_order_relaxed) != NULL) {
        struct snapshot *fresh =
            atomic_exchange_explicit(&slot->pending, NULL, memory_order_acq_rel);
        if (fresh != NULL) {
            snapshot_unref(slot->current);
            slot->current = fresh;
        }
    }
    return slot->current;
}

/* snapshot_slot_clear drops what the slot holds, after its worker has ended. */
static inline void snapshot_slot_clear(struct snapshot_slot *slot)
{
    snapshot_unref(atomic_exchange(&slot->pending, NULL));
    snapshot_unref(slot->current);
    slot->current = NULL;
}

#endif
