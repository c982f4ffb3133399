#include "keys/chrony_keys.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW_S INT64_C(1795305600)
#define HOUR  3600
#define DAY   (24 * HOUR)
#define SIV   KEY_LAYOUT_CHRONY_SIV
#define GCM   KEY_LAYOUT_CHRONY_GCMSIV

static const struct key_policy daily = {DAY, DAY, DAY, 14 * DAY};

/* As a chronyd 4.3 wrote them: at its start, and at its end after it had rotated once. */
#define KEY_A        "949EA9C5 29D0C3FB3B72B42B1205DE5E65920DAE93AC21116595B07FBB970A47B66627F0\n"
#define KEY_B        "85F2ED56 24AAC410750095A7EAF832CAFF2A0EEA9774FF6C7AC16CDFA4A8A1DCB6879F9B\n"
#define KEY_C        "72E0D7E7 692087D0BC62214677D7C5DC7DDE6B8BAA67D4435250314C57AD91204F9B92D8\n"
#define KEY_D        "3FCB410C 8E90FD82004174085884C59AABDBBDACB70459635D8D1B71580A189C5938E15E\n"
#define KEY_E        "72F33A81 52FEBF920B3DA69D827D8040FBA385B656499E223E73928E4CB5BB5FE1D99C2C\n"
#define FIRST_FILE   "NKS0\n15 0.0\n" KEY_A KEY_B KEY_C KEY_D
#define ROTATED_FILE "NKS0\n15 2.4\n" KEY_B KEY_C KEY_D KEY_E

static const uint32_t id_a = 0x949ea9c5;
static const uint32_t id_b = 0x85f2ed56;
static const uint32_t id_c = 0x72e0d7e7;
static const uint32_t id_d = 0x3fcb410c;
static const uint32_t id_e = 0x72f33a81;

/* The same in the format of chrony 4.4, with keys of both AEADs. */
#define NKS1_A    "949EA9C5 29D0C3FB3B72B42B1205DE5E65920DAE93AC21116595B07FBB970A47B66627F0 15\n"
#define NKS1_B    "85F2ED56 24AAC410750095A7EAF832CAFF2A0EEA9774FF6C7AC16CDFA4A8A1DCB6879F9B 15\n"
#define NKS1_C    "72E0D7E7 692087D0BC62214677D7C5DC7DDE6B8B 30\n"
#define NKS1_D    "3FCB410C 8E90FD82004174085884C59ABDBBDACB 30\n"
#define NKS1_FILE "NKS1\n7200.5\n" NKS1_A NKS1_B NKS1_C NKS1_D

static struct keyring_document *document;
static struct key_change *change;
static struct error error;

static void open_document(void)
{
    document = keyring_document_create();
    change = calloc(1, sizeof(*change));
    cr_assert(document != NULL && change != NULL);
}

static void close_document(void)
{
    keyring_document_free(document);
    free(change);
}

TestSuite(chrony_keys, .init = open_document, .fini = close_document);

/* From memory that ends with the text, so that the sanitizer sees what reads beyond it. */
static enum nts_status parse(struct chrony_keys *keys, const char *text, size_t len)
{
    char *copy = malloc(len > 0 ? len : 1);
    memcpy(copy, text, len);
    enum nts_status status = chrony_keys_parse(keys, copy, len, "/dump/ntskeys", &error);
    free(copy);
    return status;
}

static struct chrony_keys parsed(const char *text)
{
    struct chrony_keys keys;
    cr_assert_eq(parse(&keys, text, strlen(text)), NTS_OK, "%s", error.text);
    return keys;
}

static void assert_refused(const char *text, size_t len, const char *part)
{
    struct chrony_keys keys;
    static const struct chrony_keys zero;
    error.text[0] = '\0';
    cr_assert_eq(parse(&keys, text, len), NTS_ERR_KEYRING_FORM, "%.*s", (int)len, text);
    cr_assert_not_null(strstr(error.text, part), "%s: no %s", error.text, part);
    cr_assert_not_null(strstr(error.text, "/dump/ntskeys"), "names the file: %s", error.text);
    cr_assert_null(strstr(error.text, "29D0C3"), "no secret in a message");
    cr_assert_eq(memcmp(&keys, &zero, sizeof(keys)), 0, "nothing is left of it");
}

static void assert_formats(const struct chrony_keys *keys, enum chrony_format format,
                           const char *expected)
{
    char text[CHRONY_KEYS_MAX_LEN];
    cr_assert_eq(chrony_keys_format(text, keys, format, &error), NTS_OK, "%s", error.text);
    cr_assert_str_eq(text, expected);
}

/* --- the format --- */

Test(chrony_keys, writes_what_chronyd_wrote)
{
    struct chrony_keys keys = parsed(ROTATED_FILE);
    cr_assert_float_eq(keys.age_s, 2.4, 1e-9);
    cr_assert_eq(keys.keys[0].id, id_b);
    cr_assert_eq(keys.keys[CHRONY_CURRENT].id, id_d);
    cr_assert_eq(keys.keys[CHRONY_CURRENT].layout, SIV);
    cr_assert_eq(keys.keys[CHRONY_CURRENT].secret[31], 0x5e);
    assert_formats(&keys, CHRONY_FORMAT_AUTO, ROTATED_FILE);
    assert_formats(&keys, CHRONY_FORMAT_NKS0, ROTATED_FILE);
    keys = parsed(FIRST_FILE);
    assert_formats(&keys, CHRONY_FORMAT_AUTO, FIRST_FILE);
}

Test(chrony_keys, keeps_keys_of_both_aeads_apart)
{
    struct chrony_keys keys = parsed(NKS1_FILE);
    cr_assert_float_eq(keys.age_s, 7200.5, 1e-9);
    cr_assert_eq(keys.keys[1].layout, SIV);
    cr_assert_eq(keys.keys[2].layout, GCM);
    cr_assert_eq(keys.keys[2].secret[15], 0x8b);
    cr_assert_eq(keys.keys[2].secret[16], 0);
    assert_formats(&keys, CHRONY_FORMAT_AUTO, NKS1_FILE);

    char text[CHRONY_KEYS_MAX_LEN];
    cr_assert_eq(chrony_keys_format(text, &keys, CHRONY_FORMAT_NKS0, &error), NTS_ERR_KEYRING_FORM);
    cr_assert_not_null(strstr(error.text, "NKS0"), "%s", error.text);

    keys = parsed("NKS1\n1\n" NKS1_A NKS1_B
                  "72E0D7E7 692087D0BC62214677D7C5DC7DDE6B8BAA67D4435250314C57AD91204F9B92D8 15\n"
                  "3FCB410C 8E90FD82004174085884C59AABDBBDACB70459635D8D1B71580A189C5938E15E 15\n");
    assert_formats(&keys, CHRONY_FORMAT_AUTO, "NKS0\n15 1.0\n" KEY_A KEY_B KEY_C KEY_D);
}

Test(chrony_keys, takes_either_case_and_no_newline_at_the_end)
{
    struct chrony_keys keys = parsed("NKS0\n30 7200\n"
                                     "ffffffff 00112233445566778899aabbccddeeff\n"
                                     "00000000 00112233445566778899AABBCCDDEEFF\n"
                                     "aaaaaaa1 00112233445566778899aabbccddeeff\n"
                                     "AAAAAAAA 00112233445566778899aabbccddeeff");
    cr_assert_float_eq(keys.age_s, 7200, 1e-9);
    cr_assert_eq(keys.keys[3].id, 0xaaaaaaaa);
    cr_assert_eq(memcmp(keys.keys[0].secret, keys.keys[3].secret, 32), 0);
}

Test(chrony_keys, refuses_every_truncation_but_that_of_the_last_newline)
{
    static const char *const files[] = {FIRST_FILE, ROTATED_FILE, NKS1_FILE};
    for (size_t i = 0; i < 3; i++) {
        struct chrony_keys keys;
        size_t len = strlen(files[i]);
        for (size_t cut = 0; cut < len - 1; cut++) {
            assert_refused(files[i], cut, ": line ");
        }
        cr_assert_eq(parse(&keys, files[i], len - 1), NTS_OK);
        cr_assert_eq(parse(&keys, files[i], len), NTS_OK);
    }
}

Test(chrony_keys, refuses_a_nul_or_a_space_or_a_newline_anywhere)
{
    static const char intruders[] = {'\0', ' ', '\n', '\r', '\t', 'g', '-', (char)0xff};
    char text[sizeof(NKS1_FILE) + 1];
    size_t len = strlen(NKS1_FILE);
    for (size_t i = 0; i < sizeof(intruders); i++) {
        for (size_t at = 0; at <= len; at++) {
            memcpy(text, NKS1_FILE, at);
            text[at] = intruders[i];
            memcpy(text + at + 1, &NKS1_FILE[at], len - at);
            assert_refused(text, len + 1, ": line ");
        }
    }
}

Test(chrony_keys, refuses_with_line_and_expectation)
{
    static const struct {
        const char *text;
        const char *part; /* of the error */
    } wrong[] = {
        {"", "line 1: expected NKS0 or NKS1"},
        {"NKS2\n15 0.0\n" KEY_A KEY_B KEY_C KEY_D, "line 1: expected NKS0 or NKS1"},
        {"nks0\n15 0.0\n" KEY_A KEY_B KEY_C KEY_D, "line 1"},
        {"\xef\xbb\xbfNKS0\n15 0.0\n" KEY_A KEY_B KEY_C KEY_D, "line 1"},
        {"NKS0\r\n15 0.0\r\n" KEY_A KEY_B KEY_C KEY_D, "line 1"},
        {"NKS0\n0.0\n" KEY_A KEY_B KEY_C KEY_D, "line 2: expected AEAD and age"},
        {"NKS1\n15 0.0\n" NKS1_A NKS1_B NKS1_C NKS1_D, "line 2: expected the age alone"},
        {"NKS0\n16 0.0\n" KEY_A KEY_B KEY_C KEY_D, "line 2: expected AEAD 15 or 30"},
        {"NKS0\n015 0.0\n" KEY_A KEY_B KEY_C KEY_D, "line 2: expected AEAD 15 or 30"},
        {"NKS0\n15 -1.0\n" KEY_A KEY_B KEY_C KEY_D, "line 2: expected the age"},
        {"NKS0\n15 +1.0\n" KEY_A KEY_B KEY_C KEY_D, "line 2: expected the age"},
        {"NKS0\n15 nan\n" KEY_A KEY_B KEY_C KEY_D, "line 2: expected the age"},
        {"NKS0\n15 inf\n" KEY_A KEY_B KEY_C KEY_D, "line 2: expected the age"},
        {"NKS0\n15 1e3\n" KEY_A KEY_B KEY_C KEY_D, "line 2: expected the age"},
        {"NKS0\n15 0x10\n" KEY_A KEY_B KEY_C KEY_D, "line 2: expected the age"},
        {"NKS0\n15 1,0\n" KEY_A KEY_B KEY_C KEY_D, "line 2: expected the age"},
        {"NKS0\n15 1.\n" KEY_A KEY_B KEY_C KEY_D, "line 2: expected the age"},
        {"NKS0\n15 .5\n" KEY_A KEY_B KEY_C KEY_D, "line 2: expected the age"},
        {"NKS0\n15 \n" KEY_A KEY_B KEY_C KEY_D, "line 2: expected the age"},
        {"NKS0\n15 315360000.1\n" KEY_A KEY_B KEY_C KEY_D, "at most ten years"},
        {"NKS0\n15 99999999999999999999999999\n" KEY_A KEY_B KEY_C KEY_D, "at most ten years"},
        {"NKS0\n15 0.0\n9949EA9C5 "
         "29D0C3FB3B72B42B1205DE5E65920DAE93AC21116595B07FBB970A47B66627F0\n",
         "line 3: expected an id of 8"},
        {"NKS0\n15 0.0\n0x949EA9 "
         "29D0C3FB3B72B42B1205DE5E65920DAE93AC21116595B07FBB970A47B66627F0\n",
         "line 3: expected an id of 8"},
        {"NKS0\n15 0.0\n949EA9C5 29D0C3FB3B72B42B1205DE5E\n", "64 hexadecimal digits for AEAD 15"},
        {"NKS0\n15 0.0\n949EA9C5 29D0C3FB3B72B42B1205DE5E65920DAE93AC21116595B07FBB970A47B66627F0"
         "00\n",
         "64 hexadecimal digits for AEAD 15"},
        {"NKS0\n30 0.0\n" KEY_A KEY_B KEY_C KEY_D, "32 hexadecimal digits for AEAD 30"},
        {"NKS1\n0.0\n" KEY_A KEY_B KEY_C KEY_D, "line 3: expected id, key and AEAD"},
        {"NKS0\n15 0.0\n" NKS1_A NKS1_B NKS1_C NKS1_D, "line 3: expected id and key"},
        {"NKS1\n0.0\n" NKS1_A "85F2ED56 24AAC410750095A7EAF832CA 15\n", "line 4: expected a key"},
        {"NKS1\n0.0\n" NKS1_A "85F2ED56 24AAC410750095A7EAF832CA 31\n", "AEAD 15 or 30 last"},
        {"NKS0\n15 0.0\n" KEY_A KEY_A KEY_C KEY_D, "line 4: expected an id that follows"},
        {"NKS0\n15 0.0\n" KEY_A KEY_C KEY_B KEY_D, "line 4: expected an id that follows"},
        {"NKS0\n15 0.0\n" KEY_D KEY_C KEY_B KEY_A, "line 4: expected an id that follows"},
        {"NKS0\n15 0.0\n" KEY_A KEY_B KEY_C, "line 6: expected id and key"},
        {FIRST_FILE KEY_E, "line 7: expected the end"},
        {FIRST_FILE "\n", "line 7: expected the end"},
        {FIRST_FILE " ", "line 7: expected the end"},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_refused(wrong[i].text, strlen(wrong[i].text), wrong[i].part);
    }
    cr_assert_float_eq(parsed("NKS0\n15 315360000.0\n" KEY_A KEY_B KEY_C KEY_D).age_s, 315360000.0,
                       1e-3, "the near miss");
}

Test(chrony_keys, refuses_a_file_that_is_too_long)
{
    char text[CHRONY_KEYS_MAX_LEN + 1];
    memset(text, 'A', sizeof(text));
    memcpy(text, "NKS0\n", 5);
    assert_refused(text, CHRONY_KEYS_MAX_LEN, "expected less than 4096 octets");
    assert_refused(text, CHRONY_KEYS_MAX_LEN + 1, "expected less than 4096 octets");
    assert_refused(text, CHRONY_KEYS_MAX_LEN - 1, "line 2");
}

/* --- export --- */

static void put_key(uint32_t id, enum key_layout layout, int64_t activate_after_s,
                    int64_t expire_after_s)
{
    struct master_key_spec *spec = &document->keys[document->num_keys++];
    *spec =
        (struct master_key_spec){id, layout, NOW_S + activate_after_s, NOW_S + expire_after_s, {0}};
    memset(spec->secret, (int)(id & 0xff), key_layout_secret_len(layout));
    document->generation = 1;
    keyring_document_sort(document);
}

/* Exports; returns how many slots were filled, and checks what every export must be. */
static size_t export_keys(struct chrony_keys *keys)
{
    char text[CHRONY_KEYS_MAX_LEN];
    size_t num_filled;
    size_t num_strangers = 0;
    cr_assert_eq(chrony_keys_export(keys, &num_filled, document, NOW_S, &error), NTS_OK, "%s",
                 error.text);
    cr_assert_eq(chrony_keys_format(text, keys, CHRONY_FORMAT_AUTO, &error), NTS_OK);
    struct chrony_keys again = parsed(text);
    for (size_t i = 0; i < CHRONY_NUM_KEYS; i++) {
        const struct chrony_key *key = &keys->keys[i];
        size_t at = keyring_document_find(document, key->id);
        cr_assert_eq(again.keys[i].id, key->id);
        cr_assert_eq(memcmp(again.keys[i].secret, key->secret, sizeof(key->secret)), 0);
        num_strangers += at == document->num_keys;
        cr_assert(at == document->num_keys ||
                  memcmp(document->keys[at].secret, key->secret, sizeof(key->secret)) == 0);
    }
    cr_assert_eq(num_filled, num_strangers);
    return num_filled;
}

static void assert_unexportable(const char *part)
{
    struct chrony_keys keys;
    size_t num_filled;
    cr_assert_eq(chrony_keys_export(&keys, &num_filled, document, NOW_S, &error),
                 NTS_ERR_KEYRING_FORM);
    cr_assert_not_null(strstr(error.text, part), "%s", error.text);
}

Test(chrony_keys, exports_two_old_keys_the_active_one_and_the_next)
{
    struct chrony_keys keys;
    put_key(0x10, SIV, -3 * DAY, 12 * DAY);
    put_key(0x21, SIV, -2 * DAY, 13 * DAY);
    put_key(0x32, SIV, -DAY, 14 * DAY);
    put_key(0x43, SIV, -HOUR, 15 * DAY);
    put_key(0x54, SIV, DAY, 16 * DAY);
    put_key(0x65, SIV, 2 * DAY, 17 * DAY);
    cr_assert_eq(export_keys(&keys), 0);
    cr_assert_float_eq(keys.age_s, HOUR, 1e-9);
    cr_assert_eq(keys.keys[0].id, 0x21);
    cr_assert_eq(keys.keys[1].id, 0x32);
    cr_assert_eq(keys.keys[2].id, 0x43);
    cr_assert_eq(keys.keys[3].id, 0x54);
}

Test(chrony_keys, fills_slots_for_which_there_is_no_key)
{
    struct chrony_keys keys;
    struct chrony_keys others;
    put_key(0x43, GCM, 0, 15 * DAY);
    cr_assert_eq(export_keys(&keys), 3);
    cr_assert_eq(export_keys(&others), 3);
    cr_assert_eq(keys.keys[2].id, 0x43);
    for (size_t i = 0; i < CHRONY_NUM_KEYS; i++) {
        cr_assert_eq(keys.keys[i].id % 4, (i + 1) % 4, "in step");
        cr_assert_eq(keys.keys[i].layout, GCM, "of the layout of the active one");
        cr_assert_eq(i == 2, keys.keys[i].id == others.keys[i].id, "random");
        cr_assert_eq(i == 2, memcmp(keys.keys[i].secret, others.keys[i].secret, 16) == 0);
    }
}

Test(chrony_keys, after_a_revocation_takes_the_nearest_key_that_fits_its_slot)
{
    struct chrony_keys keys;
    put_key(0x10, SIV, -4 * DAY, 12 * DAY);
    put_key(0x21, SIV, -3 * DAY, 13 * DAY);
    put_key(0x43, SIV, -HOUR, 15 * DAY); /* one with low bits 2 is gone */
    put_key(0x65, SIV, DAY, 16 * DAY);   /* one with low bits 0 too */
    put_key(0x76, SIV, 2 * DAY, 17 * DAY);
    cr_assert_eq(export_keys(&keys), 2);
    cr_assert_eq(keys.keys[0].id, 0x21);
    cr_assert_eq(keys.keys[2].id, 0x43);
    cr_assert_neq(keys.keys[3].id, 0x10, "an old key is not the next one");

    put_key(0x87, SIV, 3 * DAY, 18 * DAY);
    put_key(0x98, SIV, 4 * DAY, 19 * DAY);
    put_key(0x9c, SIV, 8 * DAY, 23 * DAY);
    put_key(0x12, SIV, -5 * DAY, 10 * DAY);
    cr_assert_eq(export_keys(&keys), 0);
    cr_assert_eq(keys.keys[1].id, 0x12);
    cr_assert_eq(keys.keys[3].id, 0x98);
}

Test(chrony_keys, passes_over_what_chrony_does_not_have_and_what_has_expired)
{
    struct chrony_keys keys;
    put_key(0x21, GCM, -3 * DAY, 13 * DAY);
    put_key(0x31, SIV, -2 * DAY, 0); /* expired this second */
    put_key(0x32, KEY_LAYOUT_NETNOD, -DAY, 14 * DAY);
    put_key(0x43, SIV, 0, 15 * DAY);
    put_key(0x54, KEY_LAYOUT_NETNOD, DAY, 15 * DAY);
    put_key(0x64, GCM, 2 * DAY, 15 * DAY);
    cr_assert_eq(export_keys(&keys), 1);
    cr_assert_eq(keys.keys[0].id, 0x21);
    cr_assert_eq(keys.keys[0].layout, GCM);
    cr_assert_eq(keys.keys[3].id, 0x64);
}

Test(chrony_keys, exports_nothing_without_an_active_key_that_chrony_can_use)
{
    struct chrony_keys keys;
    assert_unexportable("no key is active");
    put_key(0x10, SIV, -DAY, 0);
    put_key(0x21, SIV, 1, DAY);
    assert_unexportable("no key is active");
    put_key(0x32, KEY_LAYOUT_NETNOD, -DAY, 1);
    assert_unexportable("00000032 is of layout netnod");
    document->num_keys = 0;
    put_key(0x10, SIV, -DAY, 1);
    cr_assert_eq(export_keys(&keys), 3);
}

/* --- import --- */

static void import(const char *text, int64_t written_after_s, int64_t now_after_s)
{
    struct chrony_keys keys = parsed(text);
    uint64_t generation = document->generation;
    keys.written_at_s = NOW_S + written_after_s;
    cr_assert_eq(chrony_keys_import(document, change, &keys, &daily, NOW_S + now_after_s, &error),
                 NTS_OK, "%s", error.text);
    cr_assert_eq(document->generation, generation + !key_change_is_none(change));
    for (size_t i = 0; i < document->num_keys; i++) {
        const struct master_key_spec *key = &document->keys[i];
        cr_assert_lt(key->activate_at_s, key->expire_at_s);
        for (size_t j = 0; j < i; j++) {
            const struct master_key_spec *other = &document->keys[j];
            cr_assert_leq(other->activate_at_s, key->activate_at_s);
            cr_assert(other->layout != key->layout || other->activate_at_s < key->activate_at_s);
        }
    }
}

static void assert_not_importable(const char *text, int64_t now_s, const char *part)
{
    struct chrony_keys keys = parsed(text);
    struct keyring_document *before = keyring_document_create();
    *before = *document;
    keys.written_at_s = now_s;
    cr_assert_eq(chrony_keys_import(document, change, &keys, &daily, now_s, &error),
                 NTS_ERR_KEYRING_FORM);
    cr_assert_not_null(strstr(error.text, part), "%s", error.text);
    cr_assert(key_change_is_none(change));
    cr_assert_eq(memcmp(before, document, sizeof(*before)), 0, "as it was");
    keyring_document_free(before);
}

static void assert_times(uint32_t id, int64_t activate_after_s, int64_t expire_after_s)
{
    size_t at = keyring_document_find(document, id);
    cr_assert_lt(at, document->num_keys);
    cr_assert_eq(document->keys[at].activate_at_s - NOW_S, activate_after_s, "%08" PRIx32, id);
    cr_assert_eq(document->keys[at].expire_at_s - NOW_S, expire_after_s, "%08" PRIx32, id);
}

Test(chrony_keys, imports_into_an_empty_document)
{
    import(ROTATED_FILE, -HOUR, 0);
    cr_assert_eq(document->generation, 1);
    cr_assert_eq(change->num_added, 4);
    cr_assert_eq(change->added[0], id_b);
    cr_assert_eq(change->added[3], id_e);
    assert_times(id_b, -HOUR - 2 - 2 * DAY, 14 * DAY);
    assert_times(id_c, -HOUR - 2 - DAY, 14 * DAY);
    assert_times(id_d, -HOUR - 2, DAY + 14 * DAY);
    assert_times(id_e, DAY, 2 * DAY + 14 * DAY);
    cr_assert_eq(document->keys[keyring_document_active(document, NOW_S)].id, id_d);
}

Test(chrony_keys, what_was_imported_is_exported_again)
{
    struct chrony_keys keys;
    import(ROTATED_FILE, 0, 0);
    cr_assert_eq(export_keys(&keys), 0);
    assert_formats(&keys, CHRONY_FORMAT_AUTO, "NKS0\n15 2.0\n" KEY_B KEY_C KEY_D KEY_E);
    document->num_keys = 0;
    import(NKS1_FILE, 0, 0);
    cr_assert_eq(export_keys(&keys), 0);
    assert_formats(&keys, CHRONY_FORMAT_AUTO, "NKS1\n7200.0\n" NKS1_A NKS1_B NKS1_C NKS1_D);
}

Test(chrony_keys, a_second_import_changes_nothing)
{
    import(ROTATED_FILE, 0, 0);
    document->signature.is_present = true;
    for (int64_t later_s = 0; later_s < 3 * DAY; later_s += HOUR) {
        import(ROTATED_FILE, 0, later_s);
        cr_assert(key_change_is_none(change), "after %d s", (int)later_s);
    }
    cr_assert(document->signature.is_present);
    import(FIRST_FILE, -5, HOUR);
    cr_assert_eq(change->num_added, 1, "the near miss: one key is new");
    cr_assert_eq(change->added[0], id_a);
    cr_assert_not(document->signature.is_present);
}

Test(chrony_keys, follows_a_chrony_that_rotated_on_its_own)
{
    import(FIRST_FILE, 0, 0);
    assert_times(id_c, 0, 15 * DAY);
    assert_times(id_d, DAY, 16 * DAY);
    /* The next key has become current two hours later, long before the day was over. */
    import(ROTATED_FILE, 2 * HOUR, 3 * HOUR);
    cr_assert(change->has_promoted);
    cr_assert_eq(change->promoted, id_d);
    cr_assert_eq(change->num_added, 1);
    cr_assert_eq(change->added[0], id_e);
    assert_times(id_a, -2 * DAY, 14 * DAY);
    assert_times(id_b, -DAY, 14 * DAY);
    assert_times(id_c, 0, 15 * DAY);
    assert_times(id_d, 2 * HOUR - 2, 16 * DAY);
    assert_times(id_e, 3 * HOUR + DAY, 3 * HOUR + 2 * DAY + 14 * DAY);
    import(ROTATED_FILE, 2 * HOUR, 4 * HOUR);
    cr_assert(key_change_is_none(change));
}

Test(chrony_keys, a_key_that_chrony_sealed_with_for_longer_opens_for_longer)
{
    import(FIRST_FILE, 0, 0);
    import(ROTATED_FILE, 3 * DAY + 2, 3 * DAY + HOUR);
    cr_assert_not(change->has_promoted, "our schedule was there before");
    assert_times(id_d, DAY, 3 * DAY + HOUR + DAY + 14 * DAY);
    assert_times(id_c, 0, 3 * DAY + 14 * DAY);
    cr_assert_eq(change->num_extended, 2);
    cr_assert_eq(change->extended[0], id_c);
    cr_assert_eq(change->extended[1], id_d);
}

Test(chrony_keys, a_file_from_the_future_is_current_now)
{
    import(FIRST_FILE, DAY, 0);
    assert_times(id_c, 0, 15 * DAY);
    assert_times(id_d, DAY, 16 * DAY);
}

Test(chrony_keys, stands_aside_for_keys_that_activate_at_the_same_second)
{
    put_key(0x10, SIV, -DAY, DAY);
    put_key(0x11, SIV, 0, DAY);
    put_key(0x12, SIV, -1, DAY);
    put_key(0x13, SIV, DAY, 2 * DAY);
    put_key(0x15, GCM, DAY + 1, 3 * DAY);
    import(FIRST_FILE, 0, 0);
    assert_times(id_c, -2, DAY + 1 + 14 * DAY);
    assert_times(id_b, -2 - DAY, 14 * DAY);
    assert_times(id_d, DAY + 1, 2 * DAY + 1 + 14 * DAY);
    import(FIRST_FILE, 0, 60);
    cr_assert(key_change_is_none(change));
}

Test(chrony_keys, rotates_on_after_an_import)
{
    struct chrony_keys keys;
    import(FIRST_FILE, -HOUR, 0);
    cr_assert_eq(key_schedule_rotate(document, change, SIV, &daily, NOW_S), NTS_OK);
    cr_assert_eq(change->num_added, 1);
    cr_assert_eq((change->added[0] - id_d) % 4, 1);
    cr_assert_eq(change->num_removed, 0);
    assert_times(change->added[0], 2 * DAY, 17 * DAY);
    cr_assert_eq(export_keys(&keys), 0);
    cr_assert_eq(keys.keys[3].id, id_d);
}

Test(chrony_keys, refuses_an_id_with_another_secret_or_layout)
{
    import(FIRST_FILE, 0, 0);
    size_t at = keyring_document_find(document, id_d);
    document->keys[at].secret[31] ^= 1;
    assert_not_importable(FIRST_FILE, NOW_S, "3fcb410c is in the keyring with another secret");
    document->keys[at].secret[31] ^= 1;
    document->keys[at].layout = KEY_LAYOUT_NETNOD;
    assert_not_importable(ROTATED_FILE, NOW_S, "another secret or layout");
    document->keys[at].layout = SIV;
    import(FIRST_FILE, 0, 0);
    cr_assert(key_change_is_none(change));
}

Test(chrony_keys, refuses_what_does_not_fit_the_keyring)
{
    assert_not_importable(FIRST_FILE, 2 * DAY - 1, "before 1970");
    for (uint32_t i = 0; i < KEYRING_MAX_KEYS - 3; i++) {
        put_key(i, SIV, i, 2 * DAY);
    }
    assert_not_importable(FIRST_FILE, NOW_S, "full with 1024 keys");
    document->num_keys--;
    document->generation = KEYRING_MAX_GENERATION;
    memset(&document->keys[document->num_keys], 0, sizeof(document->keys[0]));
    assert_not_importable(FIRST_FILE, NOW_S, "no generation left");
    document->generation--;
    import(FIRST_FILE, 0, 0);
    cr_assert_eq(document->num_keys, KEYRING_MAX_KEYS);
}
