/* Layouts: how a master key seals cookies, and so what each cookie looks like. The octets of each
 * are in keys/cookie.h. Pure. */
#ifndef NTS_KEYS_KEY_LAYOUT_H
#define NTS_KEYS_KEY_LAYOUT_H

#include "crypto/aead.h"

#include <stdbool.h>
#include <stddef.h>

#define MASTER_KEY_ID_LEN     4
#define MASTER_KEY_MAX_SECRET 32

enum key_layout {
    KEY_LAYOUT_CHRONY_SIV,
    KEY_LAYOUT_CHRONY_GCMSIV,
    KEY_LAYOUT_NETNOD,
    KEY_NUM_LAYOUTS
};

/* key_layout_name returns the name used in the keyring file. */
const char *key_layout_name(enum key_layout layout);

/* key_layout_find finds a layout by name; false if there is none. */
bool key_layout_find(enum key_layout *layout, const char *name);

/* key_layout_aead returns the algorithm that seals the cookie; not that of the session inside. */
const struct aead_algorithm *key_layout_aead(enum key_layout layout);

/* key_layout_omits_ad tells whether S2V runs over the nonce and the plaintext alone, as in Netnod's
 * hardware. */
bool key_layout_omits_ad(enum key_layout layout);

/* key_layout_secret_len returns the octets of a master key of this layout. */
size_t key_layout_secret_len(enum key_layout layout);

/* key_layout_nonce_len returns the octets of the nonce in a cookie of this layout. */
size_t key_layout_nonce_len(enum key_layout layout);

/* key_layout_cookie_len returns the length of a cookie, 0 if the layout cannot hold keys of that
 * AEAD. Every length is a multiple of four, so a cookie fills its extension field without padding.
 */
size_t key_layout_cookie_len(enum key_layout layout, const struct aead_algorithm *aead);

#endif
