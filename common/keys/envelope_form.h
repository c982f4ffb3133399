/* The parts of an envelope, and their JSON. Inside of keys/envelope.h only: no cryptography here,
 * and nothing secret. */
#ifndef NTS_KEYS_ENVELOPE_FORM_H
#define NTS_KEYS_ENVELOPE_FORM_H

#include "keys/envelope_head.h"

#define CONTENT_KEY_MAX_LEN 32
#define NONCE_LEN           12 /* of both AEADs */
#define TAG_LEN             16 /* of both AEADs */

/* What only the recipient at the same position of head.nodes can use. */
struct recipient {
    uint8_t enc[RAW_KEY_LEN];                   /* HPKE's encapsulated key */
    uint8_t key[CONTENT_KEY_MAX_LEN + TAG_LEN]; /* the content key, sealed */
};

struct envelope {
    struct envelope_head head;
    struct recipient recipients[KEY_FILE_MAX_KEYS];
    uint8_t nonce[NONCE_LEN];
    uint8_t *ciphertext; /* from malloc; with the tag */
    size_t ciphertext_len;
};

/* envelope_create returns an empty envelope, NULL if there is no memory; envelope_free takes NULL.
 */
struct envelope *envelope_create(void);
void envelope_free(struct envelope *envelope);

/* envelope_content_key_len returns the octets of a content key for this AEAD. */
size_t envelope_content_key_len(enum envelope_aead aead);

/* envelope_find_node returns the position of the node, or num_nodes. */
size_t envelope_find_node(const struct envelope_head *head, const char *fingerprint);

/* envelope_parse makes an envelope of its text; the caller frees it. Every member must be there
 * once, of its form and written in the one canonical way, and the nodes be distinct.
 * NTS_ERR_ENVELOPE_FORM or NTS_ERR_NO_MEMORY, with text, and then NULL in `*envelope`. */
NTS_MUST_CHECK enum nts_status envelope_parse(struct envelope **envelope, const char *text,
                                              size_t len, const char *path, struct error *error);

/* envelope_format returns the text, NUL-terminated, NULL if there is no memory; free() it. */
char *envelope_format(const struct envelope *envelope);

/* envelope_head_text returns the head in canonical form, as the AEAD authenticates it, NULL if
 * there is no memory; free() it. */
char *envelope_head_text(const struct envelope_head *head);

#endif
