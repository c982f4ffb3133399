#include "ke-server/tls/certificate_choice.h"

#include <criterion/criterion.h>
#include <string.h>

#define NOW_S INT64_C(1795305600)

/* --- names --- */

static const struct {
    const char *pattern;
    const char *name;
    bool covers;
} names[] = {
    {"a.example", "a.example", true},
    {"a.example", "A.eXample", true},
    {"A.EXAMPLE", "a.example", true},
    {"a.example", "a.example.", true},
    {"a.example", "a.example..", false},
    {"a.example", "b.example", false},
    {"a.example", "a.exampl", false},
    {"a.example", "a.examples", false},
    {"a.example", "x.a.example", false},
    {"a.example", "", false},
    {"a.example", ".", false},
    {"*.a.example", "x.a.example", true},
    {"*.a.example", "X.A.Example", true},
    {"*.a.example", "x.a.example.", true},
    {"*.a.example", "a.example", false},
    {"*.a.example", ".a.example", false},
    {"*.a.example", "x.y.a.example", false},
    {"*.a.example", "x.b.example", false},
    {"*.a.example", "xa.example", false},
    {"*.example", "a.example", false}, /* a whole top-level domain */
    {"*.", "a.", false},
    {"*", "a", false},
    {"x*.a.example", "xy.a.example", false}, /* not a whole label */
    {"x.*.example", "x.a.example", false},   /* not the leftmost */
    {"**.a.example", "x.a.example", false},
};

Test(certificate_choice, names_are_covered_as_rfc_6125_says)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct certificate_identity identity = {.names = &names[i].pattern, .num_names = 1};
        cr_assert_eq(certificate_covers_name(&identity, names[i].name, strlen(names[i].name)),
                     names[i].covers, "'%s' and '%s'", names[i].pattern, names[i].name);
    }
}

Test(certificate_choice, a_name_is_as_long_as_it_is_said_to_be)
{
    const char *const pattern[] = {"a.example"};
    struct certificate_identity identity = {.names = pattern, .num_names = 1};
    cr_assert(certificate_covers_name(&identity, "a.exampleXYZ", 9));
    cr_assert_not(certificate_covers_name(&identity, "a.example", 8));
    cr_assert_not(certificate_covers_name(&identity, "a.example\0", 10));
}

Test(certificate_choice, addresses_are_covered_octet_by_octet)
{
    const struct certificate_ip ips[] = {{{192, 0, 2, 1}, 4}, {{0x20, 0x01, 0x0d, 0xb8}, 16}};
    struct certificate_identity identity = {.ips = ips, .num_ips = 2};
    static const struct {
        const char *text;
        bool covers;
    } rows[] = {{"192.0.2.1", true},
                {"192.0.2.2", false},
                {"2001:db8::", true},
                {"2001:db8::1", false},
                {"32.1.13.184", false}}; /* the first octets of the IPv6 address */
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        union net_address address;
        cr_assert(address_parse(&address, rows[i].text, 1));
        cr_assert_eq(certificate_covers_address(&identity, &address), rows[i].covers, "%s",
                     rows[i].text);
    }
}

/* --- the choice --- */

/* Certificates of a farm with two names, each with both kinds of key. */
static const char *const name_a[] = {"a.example", "*.a.example"};
static const char *const name_b[] = {"b.example"};
static const struct certificate_ip ip_b[] = {{{192, 0, 2, 2}, 4}};

#define LATER_S (NOW_S + 1)

static const struct certificate_identity ecdsa_a = {name_a, 2, NULL, 0, CERTIFICATE_KEY_P256,
                                                    LATER_S};
static const struct certificate_identity rsa_a = {name_a, 2, NULL, 0, CERTIFICATE_KEY_RSA, LATER_S};
static const struct certificate_identity ecdsa_b = {name_b, 1, ip_b, 1, CERTIFICATE_KEY_P256,
                                                    LATER_S};
static const struct certificate_identity rsa_b = {name_b, 1, ip_b, 1, CERTIFICATE_KEY_RSA, LATER_S};
static const struct certificate_identity *const farm[] = {&ecdsa_a, &rsa_a, &ecdsa_b, &rsa_b};

/* Signature schemes as they come. */
#define ECDSA   "\x04\x03"
#define RSA_PSS "\x08\x04"
#define OTHERS  "\x05\x03\x08\x07\x04\x01\x02\x03" /* P-384, Ed25519, PKCS #1, SHA-1 */

static size_t choose(const struct certificate_identity *const *list, size_t num, const char *name,
                     const char *local, const char *schemes)
{
    union net_address address;
    cr_assert(address_parse(&address, local, 4460));
    struct certificate_wish wish = {.name = name,
                                    .name_len = name != NULL ? strlen(name) : 0,
                                    .local = &address,
                                    .schemes = (const uint8_t *)schemes,
                                    .num_schemes = strlen(schemes) / 2,
                                    .now_s = NOW_S};
    return certificate_choose(list, num, &wish);
}

Test(certificate_choice, is_by_name_then_by_signature_then_by_order)
{
    static const struct {
        const char *name;
        const char *local;
        const char *schemes;
        size_t index;
    } rows[] = {
        {"a.example", "192.0.2.1", ECDSA RSA_PSS, 0},
        {"a.example", "192.0.2.1", RSA_PSS ECDSA, 0}, /* our order counts, not the client's */
        {"a.example", "192.0.2.1", RSA_PSS, 1},
        {"x.a.example", "192.0.2.1", RSA_PSS, 1},
        {"b.example", "192.0.2.1", ECDSA RSA_PSS, 2},
        {"B.EXAMPLE.", "192.0.2.1", OTHERS ECDSA, 2},
        {"b.example", "192.0.2.1", RSA_PSS, 3},
        {"b.example", "192.0.2.1", "\x08\x05", 3},
        {"b.example", "192.0.2.1", "\x08\x06", 3},
        {"a.example", "192.0.2.2", ECDSA, 0},          /* the name counts, not the address */
        {"c.example", "192.0.2.2", ECDSA, 0},          /* the default */
        {"c.example", "192.0.2.1", RSA_PSS, 1},        /* the default of those that can sign */
        {"", "192.0.2.2", ECDSA, 0},                   /* an empty name is a name */
        {NULL, "192.0.2.1", ECDSA RSA_PSS, 0},         /* no name: the default */
        {NULL, "192.0.2.1", RSA_PSS, 1},               /* ... */
        {NULL, "192.0.2.2", ECDSA RSA_PSS, 2},         /* no name: by the address it came to */
        {NULL, "192.0.2.2", RSA_PSS, 3},               /* ... */
        {"b.example", "192.0.2.1", OTHERS, 2},         /* none can sign: by name, and fail */
        {"b.example", "192.0.2.1", "\x03\x04", 2},     /* 0403 the other way round */
        {"b.example", "192.0.2.1", "\x08\x08\x04", 2}, /* 0804 is not at an even place */
        {"c.example", "192.0.2.1", "", 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_assert_eq(choose(farm, 4, rows[i].name, rows[i].local, rows[i].schemes), rows[i].index,
                     "row %zu", i);
    }
}

Test(certificate_choice, a_handshake_comes_before_the_right_name)
{
    const struct certificate_identity *const list[] = {&ecdsa_a, &rsa_a, &ecdsa_b};
    cr_assert_eq(choose(list, 3, "b.example", "192.0.2.1", RSA_PSS), 1);
    cr_assert_eq(choose(list, 3, "b.example", "192.0.2.1", RSA_PSS ECDSA), 2);
    cr_assert_eq(choose(list, 3, NULL, "192.0.2.2", RSA_PSS), 1);
}

Test(certificate_choice, every_kind_of_key_is_found_by_its_scheme)
{
    static const struct {
        enum certificate_key key;
        const char *schemes;
        const char *text;
    } rows[] = {{CERTIFICATE_KEY_P256, "\x04\x03", "ECDSA P-256"},
                {CERTIFICATE_KEY_P384, "\x05\x03", "ECDSA P-384"},
                {CERTIFICATE_KEY_P521, "\x06\x03", "ECDSA P-521"},
                {CERTIFICATE_KEY_RSA, "\x08\x04", "RSA"},
                {CERTIFICATE_KEY_ED25519, "\x08\x07", "Ed25519"}};
    struct certificate_identity identities[CERTIFICATE_NUM_KEYS];
    const struct certificate_identity *list[CERTIFICATE_NUM_KEYS];
    cr_assert_eq(sizeof(rows) / sizeof(rows[0]), CERTIFICATE_NUM_KEYS);
    for (size_t i = 0; i < CERTIFICATE_NUM_KEYS; i++) {
        identities[i] = ecdsa_a;
        identities[i].key = rows[i].key;
        list[i] = &identities[i];
    }
    for (size_t i = 0; i < CERTIFICATE_NUM_KEYS; i++) {
        cr_assert_eq(choose(list, CERTIFICATE_NUM_KEYS, "a.example", "192.0.2.1", rows[i].schemes),
                     i, "%s", rows[i].text);
        cr_assert_str_eq(certificate_key_text(rows[i].key), rows[i].text);
    }
}

Test(certificate_choice, an_expired_one_is_for_want_of_a_better)
{
    struct certificate_identity expired = ecdsa_a;
    expired.not_after_s = NOW_S;
    const struct certificate_identity *const list[] = {&expired, &rsa_a, &ecdsa_b};
    cr_assert_eq(choose(list, 3, "a.example", "192.0.2.1", ECDSA RSA_PSS), 1);
    cr_assert_eq(choose(list, 3, "a.example", "192.0.2.1", ECDSA), 0,
                 "the right name and too late is closer than the wrong name");
    expired.not_after_s = LATER_S;
    cr_assert_eq(choose(list, 3, "a.example", "192.0.2.1", ECDSA RSA_PSS), 0);
}
