#include "keys/key_layout.h"

#include <string.h>

static const struct {
    const char *name;
    uint16_t seals_with; /* AEADs, by IANA number */
    uint8_t secret_len;
    uint8_t nonce_len;
    bool omits_ad;
    uint16_t only[2]; /* none: all */
} layouts[KEY_NUM_LAYOUTS] = {
    [KEY_LAYOUT_CHRONY_SIV] = {"chrony-siv", AEAD_AES_SIV_CMAC_256, 32, 16, false, {0}},
    [KEY_LAYOUT_CHRONY_GCMSIV] = {"chrony-gcmsiv",
                                  AEAD_AES_128_GCM_SIV,
                                  16,
                                  12,
                                  false,
                                  {AEAD_AES_128_GCM_SIV, AEAD_AES_SIV_CMAC_256}},
    [KEY_LAYOUT_NETNOD] = {"netnod", AEAD_AES_SIV_CMAC_256, 32, 16, true, {AEAD_AES_SIV_CMAC_256}},
};

const char *key_layout_name(enum key_layout layout)
{
    return layouts[layout].name;
}

bool key_layout_find(enum key_layout *layout, const char *name)
{
    for (size_t i = 0; i < KEY_NUM_LAYOUTS; i++) {
        if (strcmp(layouts[i].name, name) == 0) {
            *layout = (enum key_layout)i;
            return true;
        }
    }
    return false;
}

const struct aead_algorithm *key_layout_aead(enum key_layout layout)
{
    return aead_find(layouts[layout].seals_with);
}

bool key_layout_omits_ad(enum key_layout layout)
{
    return layouts[layout].omits_ad;
}

size_t key_layout_secret_len(enum key_layout layout)
{
    return layouts[layout].secret_len;
}

size_t key_layout_nonce_len(enum key_layout layout)
{
    return layouts[layout].nonce_len;
}

size_t key_layout_cookie_len(enum key_layout layout, const struct aead_algorithm *aead)
{
    const uint16_t *only = layouts[layout].only;
    if (only[0] != 0 && only[0] != aead->id && only[1] != aead->id) {
        return 0;
    }
    return MASTER_KEY_ID_LEN + layouts[layout].nonce_len + AEAD_TAG_LEN + 2u * aead->key_len;
}
