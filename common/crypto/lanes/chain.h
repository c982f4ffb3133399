/* Chains: each step needs the one before, so several vectors of chains are in flight, and one that
 * ends makes room for the next. Part of the template of lanes.h. */
#ifndef NTS_CRYPTO_LANES_CHAIN_H
#define NTS_CRYPTO_LANES_CHAIN_H

#include "crypto/lanes/aes.h"
#include "crypto/lanes/group.h"
#include "crypto/lanes/polyval.h"

#define CHAIN_QUEUE_LEN (4 * MAX_GROUPS) /* what SIV has of them at once */

enum chain_kind { CHAIN_CMAC, CHAIN_POLYVAL };

/* One chain in each lane, over whole blocks. A lane that has ended reads along with one that has
 * not, and what it would become is thrown away. */
struct chain {
    const vec *keys; /* CMAC: the round keys; POLYVAL: the key and its square */
    vec *state;
    const uint8_t *at[LANES];
    size_t num_left[LANES]; /* blocks */
    size_t num_steps; /* until the first of the lanes that still run ends; 0: all have ended */
    lane_mask running;
};

struct chain_queue {
    size_t num;
    struct chain chains[CHAIN_QUEUE_LEN];
};

/* Finds the lanes that still run, and how far they run together. */
static inline void chain_prepare(struct chain *chain)
{
    size_t runner = LANES;
    chain->num_steps = 0;
    chain->running = 0;
    for (size_t lane = 0; lane < LANES; lane++) {
        size_t left = chain->num_left[lane];
        if (left == 0) {
            continue;
        }
        runner = lane;
        chain->running |= LANE_BIT(lane);
        if (chain->num_steps == 0 || left < chain->num_steps) {
            chain->num_steps = left;
        }
    }
    for (size_t lane = 0; lane < LANES && runner < LANES; lane++) {
        if (chain->num_left[lane] == 0) {
            chain->at[lane] = chain->at[runner];
        }
    }
}

/* Queues `num_blocks[lane]` blocks from `at[lane]` on for each lane. */
static ALWAYS_INLINE void chain_queue_push(struct chain_queue *queue, const vec *keys, vec *state,
                                           const uint8_t *const at[LANES],
                                           const size_t num_blocks[LANES])
{
    struct chain *chain = &queue->chains[queue->num];
    size_t any = 0;
    size_t differ = 0;
    UNROLL
    for (size_t lane = 0; lane < LANES; lane++) {
        any |= num_blocks[lane];
        differ |= num_blocks[lane] ^ num_blocks[0];
    }
    if (any == 0) {
        return;
    }
    chain->keys = keys;
    chain->state = state;
    UNROLL
    for (size_t lane = 0; lane < LANES; lane++) {
        chain->at[lane] = at[lane];
        chain->num_left[lane] = num_blocks[lane];
    }
    chain->num_steps = num_blocks[0];
    chain->running = ALL_LANES;
    if (differ != 0) {
        chain_prepare(chain);
    }
    queue->num++;
}

static ALWAYS_INLINE void chain_advance(struct chain *chain, size_t num_steps)
{
    UNROLL
    for (size_t lane = 0; lane < LANES; lane++) {
        chain->at[lane] += num_steps * BLOCK_LEN;
        chain->num_left[lane] -= (chain->running & LANE_BIT(lane)) != 0 ? num_steps : 0;
    }
    chain->num_steps -= num_steps;
    if (chain->num_steps == 0) {
        chain_prepare(chain);
    }
}

/* `num_steps` steps of `width` chains, a constant. */
static ALWAYS_INLINE void cmac_steps(struct chain *chains, int width, size_t num_steps)
{
    vec states[CHAINS_IN_FLIGHT];
    UNROLL
    for (int i = 0; i < width; i++) {
        states[i] = *chains[i].state;
    }
    for (size_t offset = 0; offset < num_steps * BLOCK_LEN; offset += BLOCK_LEN) {
        vec next[CHAINS_IN_FLIGHT];
        UNROLL
        for (int i = 0; i < width; i++) {
            next[i] = vec_xor(states[i], vec_gather(chains[i].at, offset));
            next[i] = vec_xor(next[i], chains[i].keys[0]);
        }
        UNROLL
        for (int r = 1; r < AES128_NUM_ROUND_KEYS - 1; r++) {
            UNROLL
            for (int i = 0; i < width; i++) {
                next[i] = vec_aes_round(next[i], chains[i].keys[r]);
            }
        }
        UNROLL
        for (int i = 0; i < width; i++) {
            next[i] = vec_aes_last(next[i], chains[i].keys[AES128_NUM_ROUND_KEYS - 1]);
            states[i] = vec_select(chains[i].running, next[i], states[i]);
        }
    }
    UNROLL
    for (int i = 0; i < width; i++) {
        *chains[i].state = states[i];
    }
}

static ALWAYS_INLINE void polyval_steps(struct chain *chains, int width, size_t num_steps)
{
    vec states[CHAINS_IN_FLIGHT];
    UNROLL
    for (int i = 0; i < width; i++) {
        states[i] = *chains[i].state;
    }
    size_t end = num_steps * BLOCK_LEN;
    size_t offset = 0;
    /* Two steps for the price of one wait: ((s + x) h + y) h = (s + x) h^2 + y h. */
    for (; offset + BLOCK_LEN < end; offset += (size_t)2 * BLOCK_LEN) {
        UNROLL
        for (int i = 0; i < width; i++) {
            vec first = vec_xor(states[i], vec_gather(chains[i].at, offset));
            vec second = vec_gather(chains[i].at, offset + BLOCK_LEN);
            vec next = polyval_multiply_two(first, chains[i].keys[1], second, chains[i].keys[0]);
            states[i] = vec_select(chains[i].running, next, states[i]);
        }
    }
    if (offset < end) {
        UNROLL
        for (int i = 0; i < width; i++) {
            vec next = vec_xor(states[i], vec_gather(chains[i].at, offset));
            next = polyval_multiply(next, chains[i].keys[0]);
            states[i] = vec_select(chains[i].running, next, states[i]);
        }
    }
    UNROLL
    for (int i = 0; i < width; i++) {
        *chains[i].state = states[i];
    }
}

/* The loops above are compiled once for each number of chains in flight. */
static inline void chain_steps(struct chain *chains, size_t width, size_t num_steps,
                               enum chain_kind kind)
{
    switch (width) {
#define CHAIN_WIDTH(n)                                                                             \
    case n:                                                                                        \
        if (kind == CHAIN_CMAC) {                                                                  \
            cmac_steps(chains, n, num_steps);                                                      \
        } else {                                                                                   \
            polyval_steps(chains, n, num_steps);                                                   \
        }                                                                                          \
        break;
        CHAIN_WIDTH(1)
        CHAIN_WIDTH(2)
        CHAIN_WIDTH(3)
        CHAIN_WIDTH(4)
#if CHAINS_IN_FLIGHT > 4
        CHAIN_WIDTH(5)
        CHAIN_WIDTH(6)
#endif
#if CHAINS_IN_FLIGHT > 6
        CHAIN_WIDTH(7)
        CHAIN_WIDTH(8)
#endif
#undef CHAIN_WIDTH
    default:
        break;
    }
}

/* Runs all chains of the queue and empties it. */
static inline void chain_queue_run(struct chain_queue *queue, enum chain_kind kind)
{
    struct chain flight[CHAINS_IN_FLIGHT];
    size_t width = 0;
    size_t next = 0;
    for (;;) {
        while (width < CHAINS_IN_FLIGHT && next < queue->num) {
            flight[width++] = queue->chains[next++];
        }
        if (width == 0) {
            break;
        }
        size_t num_steps = flight[0].num_steps;
        for (size_t i = 1; i < width; i++) {
            num_steps = flight[i].num_steps < num_steps ? flight[i].num_steps : num_steps;
        }
        chain_steps(flight, width, num_steps, kind);
        for (size_t i = width; i-- > 0;) {
            chain_advance(&flight[i], num_steps);
            if (flight[i].num_steps == 0 && i < --width) {
                flight[i] = flight[width];
            }
        }
    }
    queue->num = 0;
}

#endif
