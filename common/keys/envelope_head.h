/* What an envelope (keys/envelope.h) says in clear. */
#ifndef NTS_KEYS_ENVELOPE_HEAD_H
#define NTS_KEYS_ENVELOPE_HEAD_H

#include "crypto/key_file.h"

#include <stdbool.h>

#define ENVELOPE_FORMAT "nts-keyring-sealed/1"

enum envelope_aead { ENVELOPE_AES_128_GCM, ENVELOPE_CHACHA20_POLY1305, ENVELOPE_NUM_AEADS };

/* envelope_aead_name returns "aes-128-gcm" or "chacha20-poly1305"; envelope_aead_find the reverse,
 * false if there is none. */
const char *envelope_aead_name(enum envelope_aead aead);
bool envelope_aead_find(enum envelope_aead *aead, const char *name);

/* What an envelope says in clear. None of it is authentic before it is opened. */
struct envelope_head {
    uint64_t generation;
    enum envelope_aead aead;
    size_t num_nodes;
    char nodes[KEY_FILE_MAX_KEYS][KEY_FINGERPRINT_LEN + 1];
};

/* envelope_is tells whether the `len` octets at `text` are, or want to be, an envelope: a JSON
 * object whose format is ENVELOPE_FORMAT, or what is no JSON but has that in it as a string. */
bool envelope_is(const char *text, size_t len);

#endif
