/* chrony's file of server keys, `ntskeys` (formats NKS0 of chrony 4.0 to 4.3, NKS1 of 4.4 and
 * later): text in and out, and how it maps to a keyring document. Pure; no files.
 *
 *   NKS0                                      NKS1
 *   <AEAD> <age in s, %.1f>                   <age in s, %.1f>
 *   <ID, 8 hex digits> <KEY>   four times     <ID> <KEY> <AEAD>   four times
 *
 * The four keys are two old ones, the current and the next; their ids are consecutive modulo 4. The
 * age is that of the current key, in seconds since it became current. chrony's AEAD 15 is our
 * layout chrony-siv, its AEAD 30 chrony-gcmsiv. */
#ifndef NTS_KEYS_CHRONY_KEYS_H
#define NTS_KEYS_CHRONY_KEYS_H

#include "keys/key_schedule.h"

#define CHRONY_NUM_KEYS 4 /* and slots: a key lives in the one that its id modulo four names */
#define CHRONY_CURRENT  2 /* position of the current key */

/* Longer than any such file. */
#define CHRONY_KEYS_MAX_LEN 4096

enum chrony_format {
    CHRONY_FORMAT_AUTO, /* NKS0 if every key is chrony-siv, which all versions read, else NKS1 */
    CHRONY_FORMAT_NKS0,
    CHRONY_FORMAT_NKS1,
};

struct chrony_key {
    uint32_t id;
    enum key_layout layout; /* chrony-siv or chrony-gcmsiv */
    uint8_t secret[MASTER_KEY_MAX_SECRET];
};

struct chrony_keys {
    double age_s;         /* of the current key, when the file was written */
    int64_t written_at_s; /* set by the caller: chrony_keys_parse leaves it 0 */
    struct chrony_key keys[CHRONY_NUM_KEYS];
};

/* chrony_has_layout tells whether chrony can hold keys of this layout. */
bool chrony_has_layout(enum key_layout layout);

/* chrony_keys_parse reads the `len` octets at `text`: six lines as chrony writes them, one space
 * between fields, hexadecimal digits of either case; only the newline at the very end may be
 * missing. The age is digits, and a fraction if there is a point, at most ten years.
 * NTS_ERR_KEYRING_FORM with a text that names `path`, line and what was expected, never a secret;
 * `*keys` is zeroed then. The caller wipes it. */
NTS_MUST_CHECK enum nts_status chrony_keys_parse(struct chrony_keys *keys, const char *text,
                                                 size_t len, const char *path, struct error *error);

/* chrony_keys_format writes the file's text with a NUL to `text`. NTS_ERR_KEYRING_FORM, with text,
 * if the format cannot hold the keys (NKS0 has one AEAD for all). */
NTS_MUST_CHECK enum nts_status chrony_keys_format(char text[CHRONY_KEYS_MAX_LEN],
                                                  const struct chrony_keys *keys,
                                                  enum chrony_format format, struct error *error);

/* chrony_keys_export picks from a document what a chronyd with `ntsrotate 0` needs at `now_s`: the
 * active key, the next one, and of those before it the two most recent, each in the slot that its
 * id names. Where an id is not in step, as after a revocation, the slot gets the nearest key that
 * is: of the upcoming ones for the next, of the old ones for the others. If there is none it gets a
 * random key of the active one's layout that seals nothing; `*num_filled` counts them. The age
 * is that of the active key. NTS_ERR_KEYRING_FORM, with text, if no key is active or the active one
 * is of a layout that chrony does not have. Other keys of such a layout are passed over. The caller
 * wipes `*keys`. */
NTS_MUST_CHECK enum nts_status chrony_keys_export(struct chrony_keys *keys, size_t *num_filled,
                                                  const struct keyring_document *document,
                                                  int64_t now_s, struct error *error);

/* chrony_keys_import takes the four keys into a document, which may be empty. Its age counts
 * from keys->written_at_s. The current key activates at written_at_s -
 * age (not later than now), the old ones an interval earlier each, the next one an interval later
 * but never before now_s + lead_s; a second or so aside where the document has a key of that layout
 * that activates then. Each opens for open_after_s after its successor takes over, and at least
 * until now_s + open_after_s, since clients may hold its cookies now. A key that is there already,
 * by id and secret, keeps its times, but for one that is still upcoming and has become current or
 * old in chrony, which activates when it did there (the current one is `promoted`), and is extended
 * if its successor took over later than planned. It never expires sooner than it did. If anything
 * was changed the generation goes up by one and the signature is gone; a second import of the same
 * file changes nothing. NTS_ERR_KEYRING_FORM, with text and the document as it was, if an id is
 * there with another secret or layout, there would be too many keys or generations, or times before
 * 1970; NTS_ERR_NO_MEMORY. */
NTS_MUST_CHECK enum nts_status chrony_keys_import(struct keyring_document *document,
                                                  struct key_change *change,
                                                  const struct chrony_keys *keys,
                                                  const struct key_policy *policy, int64_t now_s,
                                                  struct error *error);

#endif
