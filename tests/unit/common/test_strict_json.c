#include "keys/keyring_document.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Keyrings are secret, and jansson, which others of the process use, is no place for secrets: it
 * frees memory without wiping it, and its allocator belongs to the whole process. */

static size_t num_allocated;

static void *counting_malloc(size_t size)
{
    num_allocated++;
    return malloc(size);
}

static struct keyring_document *make_document(size_t num_keys, bool is_signed)
{
    struct keyring_document *document = keyring_document_create();
    document->generation = KEYRING_MAX_GENERATION;
    document->num_keys = num_keys;
    for (size_t i = 0; i < num_keys; i++) {
        struct master_key_spec *spec = &document->keys[i];
        *spec = (struct master_key_spec){.id = (uint32_t)i * 0x01010101u,
                                         .layout = (enum key_layout)(i % 3),
                                         .activate_at_s = 1795305600 + (int64_t)i * 86400,
                                         .expire_at_s = 1798305600 + (int64_t)i * 86400};
        memset(spec->secret, (int)i, key_layout_secret_len(spec->layout));
    }
    document->signature.is_present = is_signed;
    document->signature.signed_at_s = 1795305600;
    document->signature.expires_at_s = 1795405600;
    memset(document->signature.value, 0xab, SIGNATURE_LEN);
    return document;
}

Test(strict_json, leaves_the_allocator_of_jansson_alone)
{
    json_malloc_t malloc_fn;
    json_free_t free_fn;
    json_get_alloc_funcs(&malloc_fn, &free_fn);
    cr_assert(malloc_fn == malloc, "something has replaced it");
    cr_assert(free_fn == free, "something has replaced it");
}

Test(strict_json, keyrings_never_pass_through_jansson)
{
    struct error error;
    json_set_alloc_funcs(counting_malloc, free);
    struct keyring_document *document = make_document(5, true);
    struct keyring_document *read = keyring_document_create();
    char *text = keyring_document_format(document);
    char *signed_text = keyring_document_signed_text(document);
    cr_assert_eq(keyring_document_parse(read, text, strlen(text), "x", &error), NTS_OK, "%s",
                 error.text);
    cr_assert_eq(memcmp(read->keys, document->keys, 5 * sizeof(read->keys[0])), 0);
    cr_assert_eq(num_allocated, 0);
    keyring_text_free(text);
    keyring_text_free(signed_text);
    keyring_document_free(document);
    keyring_document_free(read);
}

static void assert_text(char *text, size_t flags, bool with_value)
{
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    cr_assert_not_null(json, "%s", text);
    json_t *signature = json_object_get(json, "signature");
    cr_assert_eq(json_object_get(signature, "value") != NULL, with_value);
    char *dumped = json_dumps(json, flags);
    cr_assert_str_eq(text, dumped);
    free(dumped);
    json_decref(json);
    keyring_text_free(text);
}

Test(strict_json, keyrings_have_the_form_that_jansson_gives_them)
{
    static const size_t nums[] = {0, 1, 2, 3, KEYRING_MAX_KEYS};
    for (size_t i = 0; i < sizeof(nums) / sizeof(nums[0]); i++) {
        for (int is_signed = 0; is_signed <= 1; is_signed++) {
            struct keyring_document *document = make_document(nums[i], is_signed);
            assert_text(keyring_document_format(document), JSON_INDENT(2), is_signed);
            assert_text(keyring_document_signed_text(document), JSON_COMPACT | JSON_SORT_KEYS,
                        false);
            keyring_document_free(document);
        }
    }
}

Test(strict_json, errors_name_the_place_and_quote_no_value)
{
    static const char text[] = "{\"format\": \"nts-keyring/1\", \"generation\": 1,\n"
                               "\"keys\": [{\"secret\": \"5ec2e7\", \"id\" 1}]}";
    struct error error;
    struct keyring_document *document = keyring_document_create();
    cr_assert_eq(keyring_document_parse(document, text, strlen(text), "k", &error),
                 NTS_ERR_KEYRING_FORM);
    cr_assert_str_eq(error.text, "k: not a JSON object (line 2, column 36)");
    keyring_document_free(document);
}
