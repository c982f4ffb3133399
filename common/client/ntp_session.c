#include "client/ntp_session.h"

#include <string.h>

void ntp_session_make(struct session_keys *keys, const struct aead_algorithm *aead,
                      struct random_pool *random)
{
    memset(keys, 0, sizeof(*keys));
    keys->aead = aead;
    random_take(random, keys->c2s, aead->key_len);
    random_take(random, keys->s2c, aead->key_len);
}

size_t ntp_session_cookie(uint8_t cookie[COOKIE_MAX_LEN], const struct session_keys *keys,
                          const struct master_key *key, struct random_pool *random)
{
    struct cookie_seal_job job = {.key = key, .keys = keys, .cookie = cookie};
    if (cookie_seal_batch(&job, 1, random) != NTS_OK) {
        return 0;
    }
    return key_layout_cookie_len(key->layout, keys->aead);
}
