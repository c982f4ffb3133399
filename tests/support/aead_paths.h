/* For tests whose claim holds on every path of the AEADs. */
#ifndef NTS_TESTS_AEAD_PATHS_H
#define NTS_TESTS_AEAD_PATHS_H

#include "crypto/aead.h"

/* for_every_aead_path calls `claim` once on each path that this machine has. */
static inline void for_every_aead_path(void (*claim)(void))
{
    for (int path = 0; path < AEAD_NUM_PATHS; path++) {
        if (aead_path_is_present((enum aead_path)path)) {
            aead_path_select((enum aead_path)path);
            claim();
        }
    }
}

#endif
