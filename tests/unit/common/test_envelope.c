#include "crypto/secret_mem.h"
#include "keys/envelope.h"
#include "support/octets.h"
#include "support/patience.h"

#include <jansson.h>
#include <openssl/curve25519.h>
#include <stdio.h>
#include <stdlib.h>

TestSuite(envelope, .timeout = TEST_TIMEOUT_S);

#define CONTENT "{\"format\":\"nts-keyring/1\",\"generation\":7,\"keys\":[]}\n"

static struct public_keys nodes; /* too large for the stack */

/* The private key of node `i`, for any number of nodes. */
static struct octets private_key_of(size_t i)
{
    struct octets key = octets_counting(1, RAW_KEY_LEN);
    key.data[0] = (uint8_t)i;
    key.data[1] = (uint8_t)(i >> 8);
    key.data[0] &= 0xf8; /* the low bits do not count (RFC 7748, section 5) */
    key.data[2] = (uint8_t)(i & 7);
    return key;
}

static void make_nodes(size_t num)
{
    nodes.num = num;
    for (size_t i = 0; i < num; i++) {
        X25519_public_from_private(nodes.keys[i].octets, private_key_of(i).data);
    }
}

/* A sealed text; free() it. */
static char *seal(const char *content, uint64_t generation, enum envelope_aead aead)
{
    struct error error;
    char *text = NULL;
    cr_assert_eq(envelope_seal(&text, content, generation, &nodes, aead, &error), NTS_OK, "%s",
                 error.text);
    cr_assert_str_eq(text + strlen(text) - 2, "}\n");
    return text;
}

static void assert_error_text(const struct error *error, const char *part)
{
    cr_assert_eq(strncmp(error->text, "file: ", 6), 0, "names the file: %s", error->text);
    cr_assert_not_null(strstr(error->text, part), "%s, not: %s", part, error->text);
}

static void assert_opens(const char *text, size_t node, const char *expected)
{
    struct error error;
    struct envelope_content content;
    cr_assert_eq(
        envelope_open(&content, text, strlen(text), private_key_of(node).data, "file", &error),
        NTS_OK, "%s", error.text);
    cr_assert_eq(content.len, strlen(expected));
    cr_assert_str_eq(content.text, expected);
    secret_free(content.text);
}

/* Asserts the status, and that nothing comes out. */
static void assert_refused(const char *text, size_t node, enum nts_status expected,
                           const char *part, const char *what)
{
    struct error error = {""};
    char untouched;
    struct envelope_content content = {.text = &untouched};
    enum nts_status status =
        envelope_open(&content, text, strlen(text), private_key_of(node).data, "file", &error);
    cr_assert_eq(status, expected, "%s: node %zu: %s: %s", what, node, status_label(status),
                 error.text);
    cr_assert_eq(content.text, &untouched);
    assert_error_text(&error, part);
}

static void assert_forged(const char *text, size_t node, const char *what)
{
    assert_refused(text, node, NTS_ERR_ENVELOPE_FORGED, "altered, or spliced", what);
}

/* --- JSON, to take envelopes apart --- */

static json_t *json_of(const char *text)
{
    json_t *json = json_loads(text, 0, NULL);
    cr_assert_not_null(json);
    return json;
}

/* Gives back `json`; free() the text. */
static char *text_of(json_t *json)
{
    char *dumped = json_dumps(json, JSON_COMPACT);
    char *text = strdup(dumped);
    free(dumped);
    json_decref(json);
    return text;
}

/* `text` with one member, or one of its first recipient ("recipients.enc"), set to the JSON in
 * `value`; NULL takes it away. free() it. */
static char *with_member(const char *text, const char *member, const char *value)
{
    json_t *root = json_of(text);
    json_t *object = root;
    if (strncmp(member, "recipients.", 11) == 0) {
        object = json_array_get(json_object_get(root, "recipients"), 0);
        member += 11;
    }
    if (value == NULL) {
        cr_assert_eq(json_object_del(object, member), 0);
    } else {
        json_t *json = json_loads(value, JSON_DECODE_ANY, NULL);
        cr_assert_not_null(json, "%s", value);
        json_object_set_new(object, member, json);
    }
    return text_of(root);
}

static void assert_form(const char *text, const char *member, const char *value, const char *part)
{
    struct error error = {""};
    static struct envelope_head head;
    char *altered = with_member(text, member, value);
    assert_refused(altered, 0, NTS_ERR_ENVELOPE_FORM, part, value != NULL ? value : "missing");
    cr_assert_eq(envelope_read_head(&head, altered, strlen(altered), "file", &error),
                 NTS_ERR_ENVELOPE_FORM);
    assert_error_text(&error, part);
    free(altered);
}

/* --- what opens --- */

Test(envelope, every_node_opens_it_and_no_other)
{
    static const size_t nums[] = {1, 2, 200};
    for (size_t aead = 0; aead < ENVELOPE_NUM_AEADS; aead++) {
        for (size_t n = 0; n < 3; n++) {
            struct error error;
            static struct envelope_head head;
            char outsider[KEY_FINGERPRINT_LEN + 1];
            make_nodes(nums[n] + 1);
            key_fingerprint(outsider, nodes.keys[nums[n]].octets);
            nodes.num = nums[n];
            char *text = seal(CONTENT, 7, (enum envelope_aead)aead);
            cr_assert_null(strstr(text, "keys"), "the content is not in clear");
            cr_assert_eq(envelope_read_head(&head, text, strlen(text), "file", &error), NTS_OK);
            cr_assert_eq(head.generation, 7);
            cr_assert_eq(head.aead, aead);
            cr_assert_eq(head.num_nodes, nums[n]);
            for (size_t i = 0; i < nums[n]; i++) {
                char fingerprint[KEY_FINGERPRINT_LEN + 1];
                key_fingerprint(fingerprint, nodes.keys[i].octets);
                cr_assert_str_eq(head.nodes[i], fingerprint);
                assert_opens(text, i, CONTENT);
            }
            assert_refused(text, nums[n], NTS_ERR_NOT_RECIPIENT, outsider, "outsider");
            free(text);
        }
    }
}

Test(envelope, holds_as_many_nodes_as_there_may_be)
{
    make_nodes(KEY_FILE_MAX_KEYS);
    char *text = seal(CONTENT, 1, ENVELOPE_AES_128_GCM);
    assert_opens(text, 0, CONTENT);
    assert_opens(text, KEY_FILE_MAX_KEYS - 1, CONTENT);
    json_t *root = json_of(text);
    json_t *list = json_object_get(root, "recipients");
    json_t *one_more = json_deep_copy(json_array_get(list, 0));
    json_object_set_new(one_more, "node", json_string("0123456789abcdef"));
    json_array_append_new(list, one_more);
    free(text);
    text = text_of(root);
    assert_refused(text, 0, NTS_ERR_ENVELOPE_FORM, "1 to 1024", "one more");
    free(text);
}

Test(envelope, content_of_any_length_comes_back)
{
    static const size_t lens[] = {0, 1, 2, 15, 16, 17, 1000, 1 << 20};
    make_nodes(1);
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        for (size_t aead = 0; aead < ENVELOPE_NUM_AEADS; aead++) {
            char *content = calloc(1, lens[i] + 1);
            memset(content, '\n', lens[i]);
            char *text = seal(content, 1, (enum envelope_aead)aead);
            assert_opens(text, 0, content);
            free(text);
            free(content);
        }
    }
}

Test(envelope, two_of_the_same_content_share_nothing)
{
    static const char *const members[] = {"nonce", "ciphertext", "recipients"};
    make_nodes(2);
    char *a = seal(CONTENT, 7, ENVELOPE_AES_128_GCM);
    char *b = seal(CONTENT, 7, ENVELOPE_AES_128_GCM);
    json_t *left = json_of(a);
    json_t *right = json_of(b);
    for (size_t i = 0; i < 3; i++) {
        cr_assert_not(
            json_equal(json_object_get(left, members[i]), json_object_get(right, members[i])));
    }
    json_decref(left);
    json_decref(right);
    free(a);
    free(b);
}

/* Made once by this module, and opened then by an independent implementation of RFC 9180: the
 * format must not drift. */
static const char *const known[ENVELOPE_NUM_AEADS] = {
    [ENVELOPE_AES_128_GCM] =
        "{\n"
        "  \"format\": \"nts-keyring-sealed/1\",\n"
        "  \"generation\": 7,\n"
        "  \"aead\": \"aes-128-gcm\",\n"
        "  \"recipients\": [\n"
        "    {\"node\": \"aaa8fff703b50b22\", \"enc\": \"f34d3757871d2cc00b20be0ca0067096"
        "ff6905abec392afa95b8f79148af790c\", \"key\": \"fe3ef5baeb8709b4d85db43233a911df6"
        "61f268cf3c157f9055bfa8b7538a05e\"},\n"
        "    {\"node\": \"4457134794559182\", \"enc\": \"a2a40edf182fa3e04cfe70af3ea3789a"
        "9c383ca202e269120c7e9b1015c3f009\", \"key\": \"4b640ca76617faedef0adafd624e0bf89"
        "6385bff12199e11e90a120380f571b8\"}\n"
        "  ],\n"
        "  \"nonce\": \"bf54291d3dfa70ee48e32b65\",\n"
        "  \"ciphertext\": \"/PvWMjF2yk/n7bg5T94iwnG8+0OTZizLNRAxvRzNK5OzViWb22N894DvibSb"
        "TQlMgkxzyfrUGdMAp+9dSKFwJZQ4zZE=\"\n"
        "}\n",
    [ENVELOPE_CHACHA20_POLY1305] =
        "{\n"
        "  \"format\": \"nts-keyring-sealed/1\",\n"
        "  \"generation\": 7,\n"
        "  \"aead\": \"chacha20-poly1305\",\n"
        "  \"recipients\": [\n"
        "    {\"node\": \"aaa8fff703b50b22\", \"enc\": \"8666469139d0246d7519e59a0d0a9e6f"
        "dd2daa229b673e771f53f2d8adbe9b01\", \"key\": \"09ea667f1875a9528a8f78a002b5f1abc"
        "f1a40ac7183df1f5fd6a231712337cf86581e8f4bf18a0196aaf54bc83f96e6\"},\n"
        "    {\"node\": \"4457134794559182\", \"enc\": \"b9df1a2592d62968c6f9abbaa917c148"
        "753e0ba398f23ca434d046706cea023e\", \"key\": \"ecd90bafbf46aeb18d1999bf1f49e2f0c"
        "79eef69c9d6955b4ae7a2bf2d04bdcca77418ac0419c254a520ad730fe8a8d9\"}\n"
        "  ],\n"
        "  \"nonce\": \"0622a36b4f50e7e56a1a51f2\",\n"
        "  \"ciphertext\": \"Zcut9iDRqVk65BIYXFsZ897pBwoA9sWgKn+DJ3FThCQ+eHAMauzEx92hxy0l"
        "uKfXRAnbeV8IN9g2kun8WYV7Mniz+jE=\"\n"
        "}\n",
};

Test(envelope, opens_the_known_ones)
{
    for (size_t aead = 0; aead < ENVELOPE_NUM_AEADS; aead++) {
        for (uint8_t node = 0; node < 2; node++) {
            struct error error;
            struct envelope_content content;
            struct octets key = octets_counting((uint8_t)(node * 32 + 1), RAW_KEY_LEN);
            cr_assert_eq(
                envelope_open(&content, known[aead], strlen(known[aead]), key.data, "file", &error),
                NTS_OK, "%s", error.text);
            cr_assert_str_eq(content.text, CONTENT);
            secret_free(content.text);
            key.data[31] ^= 1;
            cr_assert_eq(
                envelope_open(&content, known[aead], strlen(known[aead]), key.data, "file", &error),
                NTS_ERR_NOT_RECIPIENT);
        }
    }
}

Test(envelope, white_space_and_order_of_members_do_not_matter)
{
    make_nodes(2);
    char *text = seal(CONTENT, 7, ENVELOPE_CHACHA20_POLY1305);
    json_t *root = json_of(text);
    char *sorted = json_dumps(root, JSON_SORT_KEYS | JSON_INDENT(7));
    assert_opens(sorted, 1, CONTENT);
    cr_assert(envelope_is(sorted, strlen(sorted)));
    free(sorted);
    json_decref(root);
    free(text);
}

/* --- what is an envelope --- */

Test(envelope, knows_its_format_even_when_damaged)
{
    static const struct {
        const char *text;
        bool is;
    } rows[] = {
        {"{\"format\":\"nts-keyring-sealed/1\"}", true},
        {"{\"format\":\"nts-keyring-sealed/1\", \"recip", true},
        {"{\"format\":\"nts-keyring-sealed/2\"}", false},
        {"{\"format\":\"nts-keyring-sealed/1", false},
        {"{\"format\":\"nts-keyring/1\",\"note\":\"nts-keyring-sealed/1\"}", false},
        {CONTENT, false},
        {"\"nts-keyring-sealed/1\"", true}, /* no object: as damaged as can be */
        {"[\"nts-keyring-sealed/1\"]", false},
        {"{}", false},
        {"", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_assert_eq(envelope_is(rows[i].text, strlen(rows[i].text)), rows[i].is, "case %zu", i);
    }
}

Test(envelope, aeads_are_found_by_name)
{
    enum envelope_aead aead;
    for (size_t i = 0; i < ENVELOPE_NUM_AEADS; i++) {
        cr_assert(envelope_aead_find(&aead, envelope_aead_name((enum envelope_aead)i)));
        cr_assert_eq(aead, i);
    }
    cr_assert_not(envelope_aead_find(&aead, "aes-256-gcm"));
    cr_assert_not(envelope_aead_find(&aead, ""));
}

/* --- what is refused --- */

Test(envelope, refuses_each_truncation)
{
    make_nodes(2);
    for (size_t aead = 0; aead < ENVELOPE_NUM_AEADS; aead++) {
        char *text = seal(CONTENT, 7, (enum envelope_aead)aead);
        size_t format_end =
            (size_t)(strstr(text, ENVELOPE_FORMAT "\"") - text) + strlen(ENVELOPE_FORMAT "\"");
        size_t len = strlen(text) - 1;
        text[len] = '\0';
        assert_opens(text, 0, CONTENT); /* all that may go is the last end of line */
        while (len-- > 0) {
            text[len] = '\0';
            assert_refused(text, 0, NTS_ERR_ENVELOPE_FORM, "not a JSON object", "truncated");
            cr_assert_eq(envelope_is(text, len), len >= format_end, "%s", text);
        }
        free(text);
    }
}

Test(envelope, no_single_changed_character_opens_to_anything_else)
{
    static const char others[] = {'\0', '"', ' ', '0', 'A', '=', '}', '\\', '\x80'};
    make_nodes(1);
    for (size_t aead = 0; aead < ENVELOPE_NUM_AEADS; aead++) {
        char *text = seal(CONTENT, 7, (enum envelope_aead)aead);
        size_t text_len = strlen(text);
        for (size_t i = 0; i < text_len; i++) {
            char was = text[i];
            for (size_t o = 0; o <= sizeof(others); o++) {
                struct error error = {""};
                struct envelope_content content;
                text[i] = o < sizeof(others) ? others[o] : (char)(was ^ 1);
                enum nts_status status =
                    envelope_open(&content, text, text_len, private_key_of(0).data, "file", &error);
                if (status == NTS_OK) {
                    cr_assert(text[i] == was || was == ' ' || was == '\n', "position %zu", i);
                    cr_assert_str_eq(content.text, CONTENT, "position %zu", i);
                    secret_free(content.text);
                } else {
                    cr_assert(status == NTS_ERR_ENVELOPE_FORM || status == NTS_ERR_NOT_RECIPIENT ||
                                  status == NTS_ERR_ENVELOPE_FORGED,
                              "position %zu: %s", i, status_label(status));
                    assert_error_text(&error, ": ");
                }
            }
            text[i] = was;
        }
        assert_opens(text, 0, CONTENT);
        free(text);
    }
}

/* `a` with one member of `b`. */
static char *splice(const char *a, const char *b, const char *member)
{
    json_t *left = json_of(a);
    json_t *right = json_of(b);
    json_object_set(left, member, json_object_get(right, member));
    json_decref(right);
    return text_of(left);
}

Test(envelope, refuses_splices_of_two_for_the_same_nodes)
{
    static const char *const members[] = {"ciphertext", "recipients", "nonce", "generation"};
    make_nodes(3);
    for (size_t aead = 0; aead < ENVELOPE_NUM_AEADS; aead++) {
        char *a = seal(CONTENT, 7, (enum envelope_aead)aead);
        char *b = seal("{}\n", 8, (enum envelope_aead)aead);
        for (size_t i = 0; i < 4; i++) {
            char *spliced = splice(a, b, members[i]);
            char *reverse = splice(b, a, members[i]);
            for (size_t node = 0; node < 3; node++) {
                assert_forged(spliced, node, members[i]);
                assert_forged(reverse, node, members[i]);
            }
            free(spliced);
            free(reverse);
        }
        /* Everything but the generation: an old keyring does not become a new one. */
        char *raised = with_member(a, "generation", "8");
        assert_forged(raised, 0, "generation");
        free(raised);
        free(a);
        free(b);
    }
}

Test(envelope, refuses_a_recipient_of_another_envelope)
{
    static const char *const members[] = {"enc", "key"};
    make_nodes(3);
    char *a = seal(CONTENT, 7, ENVELOPE_AES_128_GCM);
    char *b = seal(CONTENT, 7, ENVELOPE_AES_128_GCM);
    json_t *right = json_of(b);
    json_t *other = json_array_get(json_object_get(right, "recipients"), 1);
    for (size_t i = 0; i < 3; i++) {
        json_t *left = json_of(a);
        json_t *list = json_object_get(left, "recipients");
        if (i < 2) {
            json_object_set(json_array_get(list, 1), members[i],
                            json_object_get(other, members[i]));
        } else {
            json_array_set(list, 1, other);
        }
        char *spliced = text_of(left);
        assert_forged(spliced, 1, "one entry");
        assert_opens(spliced, 0, CONTENT); /* what is not for them is not theirs to check */
        assert_opens(spliced, 2, CONTENT);
        free(spliced);
    }
    json_decref(right);
    free(a);
    free(b);
}

Test(envelope, refuses_another_list_of_nodes)
{
    make_nodes(3);
    char *a = seal(CONTENT, 7, ENVELOPE_AES_128_GCM);
    for (size_t i = 0; i < 4; i++) {
        json_t *root = json_of(a);
        json_t *list = json_object_get(root, "recipients");
        json_t *last = json_incref(json_array_get(list, 2));
        if (i < 3) {
            json_array_remove(list, 2);
        }
        if (i == 1) {
            json_array_insert(list, 1, last); /* in another order */
        } else if (i >= 2) {
            json_t *stranger = json_deep_copy(last);
            json_object_set_new(stranger, "node", json_string("0123456789abcdef"));
            json_array_append_new(list, stranger);
        }
        json_decref(last);
        char *altered = text_of(root);
        assert_forged(altered, 0, "list of nodes");
        assert_forged(altered, 1, "list of nodes");
        free(altered);
    }
    free(a);
}

Test(envelope, refuses_another_aead)
{
    make_nodes(1);
    char *aes = seal(CONTENT, 7, ENVELOPE_AES_128_GCM);
    char *chacha = seal(CONTENT, 7, ENVELOPE_CHACHA20_POLY1305);
    assert_form(aes, "aead", "\"chacha20-poly1305\"", "recipients[0].key: expected 96");
    assert_form(chacha, "aead", "\"aes-128-gcm\"", "recipients[0].key: expected 64");
    /* The lengths made to fit. */
    char *renamed = with_member(chacha, "aead", "\"aes-128-gcm\"");
    char *cut = splice(renamed, aes, "recipients");
    assert_forged(cut, 0, "aead");
    free(renamed);
    free(cut);
    free(aes);
    free(chacha);
}

Test(envelope, refuses_an_encapsulated_key_of_low_order)
{
    make_nodes(1);
    char *text = seal(CONTENT, 7, ENVELOPE_AES_128_GCM);
    char *altered =
        with_member(text, "recipients.enc",
                    "\"0000000000000000000000000000000000000000000000000000000000000000\"");
    assert_forged(altered, 0, "all zero");
    free(altered);
    free(text);
}

static const struct {
    const char *member;
    const char *value;
    const char *part; /* of the error */
} breaches[] = {
    {"format", NULL, "format: expected \"nts-keyring-sealed/1\""},
    {"format", "\"nts-keyring/1\"", "format: expected"},
    {"format", "1", "format: expected"},
    {"generation", NULL, "generation: missing"},
    {"generation", "0", "generation: expected an integer"},
    {"generation", "-1", "generation: expected"},
    {"generation", "7.0", "generation: expected"},
    {"generation", "\"7\"", "generation: expected"},
    {"generation", "9007199254740992", "generation: expected"},
    {"aead", NULL, "aead: missing"},
    {"aead", "\"aes-256-gcm\"", "aead: expected \"aes-128-gcm\" or \"chacha20-poly1305\""},
    {"aead", "\"AES-128-GCM\"", "aead: expected"},
    {"aead", "0", "aead: expected"},
    {"recipients", NULL, "recipients: missing"},
    {"recipients", "[]", "recipients: expected a list of 1 to 1024"},
    {"recipients", "{}", "recipients: expected a list"},
    {"recipients", "\"aaa8fff703b50b22\"", "recipients: expected a list"},
    {"recipients", "[7]", "recipients[0]: expected an object"},
    {"recipients", "[{}]", "recipients[0].node: missing"},
    {"recipients.node", NULL, "recipients[0].node: missing"},
    {"recipients.node", "\"aaa8fff703b50b2\"", "recipients[0].node: expected 16"},
    {"recipients.node", "\"AAA8FFF703B50B22\"", "recipients[0].node: expected lower case"},
    {"recipients.enc", NULL, "recipients[0].enc: missing"},
    {"recipients.enc", "\"00\"", "recipients[0].enc: expected 64 hexadecimal digits"},
    {"recipients.enc", "null", "recipients[0].enc: expected 64"},
    {"recipients.key", NULL, "recipients[0].key: missing"},
    {"recipients.key", "\"\"", "recipients[0].key: expected 64"},
    {"recipients.note", "\"x\"", "recipients[0].note: unknown member"},
    {"nonce", NULL, "nonce: missing"},
    {"nonce", "\"0123456789abcdef01234567ff\"", "nonce: expected 24"},
    {"nonce", "\"0123456789ABCDEF01234567\"", "nonce: expected lower case"},
    {"ciphertext", NULL, "ciphertext: missing"},
    {"ciphertext", "7", "ciphertext: expected base64"},
    {"ciphertext", "\"\"", "ciphertext: expected base64"},
    {"ciphertext", "\"AAAAAAAAAAAAAAAAAAAA\"", "at least 16 octets"},          /* 15 */
    {"ciphertext", "\"AAAAAAAAAAAAAAAAAAAAAA\"", "ciphertext: expected"},      /* no padding */
    {"ciphertext", "\"AAAAAAAAAAAAAAAAAAAAAB==\"", "ciphertext: expected"},    /* not canonical */
    {"ciphertext", "\"AAAAAAAAAAAAAAAAAAAAAAB=\"", "ciphertext: expected"},    /* not canonical */
    {"ciphertext", "\"AA==AAAAAAAAAAAAAAAAAAAA\"", "ciphertext: expected"},    /* padding inside */
    {"ciphertext", "\"AAAAAAAAAAAAAAAAAAAA\\nAA==\"", "ciphertext: expected"}, /* line end */
    {"ciphertext", "\"AAAAAAAAAAAAAAAAAAAA_-A=\"", "ciphertext: expected"},    /* base64url */
    {"note", "\"x\"", "note: unknown member"},
};

Test(envelope, refuses_each_breach_of_its_form)
{
    make_nodes(2);
    char *text = seal(CONTENT, 7, ENVELOPE_AES_128_GCM);
    for (size_t i = 0; i < sizeof(breaches) / sizeof(breaches[0]); i++) {
        assert_form(text, breaches[i].member, breaches[i].value, breaches[i].part);
    }
    /* The near misses of the last ones are of the right form. */
    char *altered = with_member(text, "ciphertext", "\"AAAAAAAAAAAAAAAAAAAAAA==\"");
    assert_forged(altered, 0, "zeros");
    free(altered);
    altered = with_member(text, "generation", "9007199254740991");
    assert_forged(altered, 0, "the highest generation");
    free(altered);
    free(text);
}

Test(envelope, refuses_what_is_there_twice)
{
    make_nodes(2);
    char *text = seal(CONTENT, 7, ENVELOPE_AES_128_GCM);
    json_t *root = json_of(text);
    json_t *list = json_object_get(root, "recipients");
    json_array_append(list, json_array_get(list, 0));
    char *altered = text_of(root);
    assert_refused(altered, 0, NTS_ERR_ENVELOPE_FORM, "recipients[2].node: is there twice", "node");
    free(altered);
    altered = malloc(strlen(text) + 64);
    sprintf(altered, "{\"generation\": 7,%s", text + 1);
    assert_refused(altered, 0, NTS_ERR_ENVELOPE_FORM, "not a JSON object", "member");
    sprintf(altered, "%s{}", text);
    assert_refused(altered, 0, NTS_ERR_ENVELOPE_FORM, "not a JSON object", "text behind it");
    free(altered);
    free(text);
}

/* --- what is not sealed to --- */

static void assert_not_sealed(const char *part)
{
    struct error error = {""};
    char *text = NULL;
    cr_assert_eq(envelope_seal(&text, CONTENT, 7, &nodes, ENVELOPE_AES_128_GCM, &error),
                 NTS_ERR_INTERNAL);
    cr_assert_null(text);
    cr_assert_not_null(strstr(error.text, part), "%s", error.text);
}

Test(envelope, seals_to_no_point_of_low_order)
{
    /* Those of https://cr.yp.to/ecdh.html#validate that are below the prime. */
    static const char *const points[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    };
    for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
        char fingerprint[KEY_FINGERPRINT_LEN + 1];
        make_nodes(3);
        memcpy(nodes.keys[1].octets, octets_of(points[i]).data, RAW_KEY_LEN);
        key_fingerprint(fingerprint, nodes.keys[1].octets);
        assert_not_sealed(fingerprint);
        assert_not_sealed("public key of node");
    }
    make_nodes(3);
    free(seal(CONTENT, 7, ENVELOPE_AES_128_GCM));
}

Test(envelope, seals_to_one_node_at_least_and_to_none_twice)
{
    make_nodes(0);
    assert_not_sealed("no node to seal to");
    make_nodes(3);
    nodes.keys[2] = nodes.keys[0];
    assert_not_sealed("is there twice");
}
