/* What is accepted as a certificate with its key, and what is said of the rest. */
#include "base/clock_time.h"
#include "ke-server/tls/certificate.h"
#include "ke-server/tls/tls_context.h"
#include "support/make_certificate.h"
#include "support/scratch.h"

#define CERTIFICATE_TEST(name) Test(certificate, name, .init = scratch_make, .fini = scratch_remove)

#define DAY_S 86400

static int64_t now_s(void)
{
    return real_time_ns() / NS_PER_S;
}

static enum nts_status load(struct certificate **certificate, struct error *error)
{
    struct certificate_files files = {scratch_path("a.crt"), scratch_path("a.key")};
    return certificate_load(certificate, &files, now_s(), error);
}

static void write_pair(const struct made_certificate *made)
{
    write_chain(scratch_path("a.crt"), &made->certificate, 1);
    write_private_key(scratch_path("a.key"), made->key);
}

static void make_pair(const struct certificate_recipe *recipe)
{
    struct made_certificate made = make_certificate(recipe);
    write_pair(&made);
    free_certificate(&made);
}

static struct certificate *load_pair(const struct certificate_recipe *recipe)
{
    struct certificate *certificate;
    struct error error;
    make_pair(recipe);
    cr_assert_eq(load(&certificate, &error), NTS_OK, "%s", error.text);
    return certificate;
}

static void assert_refused(enum nts_status status, const char *text)
{
    struct certificate *certificate = NULL;
    struct error error;
    cr_assert_eq(load(&certificate, &error), status, "%s, not %s", error.text, text);
    cr_assert_not_null(strstr(error.text, text), "%s", error.text);
    cr_assert_null(certificate);
}

CERTIFICATE_TEST(tells_what_it_is_for)
{
    char names[CERTIFICATE_NAMES_TEXT_LEN];
    union net_address address;
    struct certificate *certificate = load_pair(&(struct certificate_recipe){
        .names = "DNS:a.example,DNS:*.b.example,IP:192.0.2.1,IP:2001:db8::1,email:x@y.example",
        .common_name = "an \"issuer\""});
    certificate_format_names(names, certificate);
    cr_assert_str_eq(names, "a.example,*.b.example,192.0.2.1,2001:db8::1");
    cr_assert_str_eq(certificate->issuer, "an 'issuer'");
    cr_assert(certificate_covers_name(&certificate->identity, "x.b.example", 11));
    cr_assert(address_parse(&address, "2001:db8::1", 1));
    cr_assert(certificate_covers_address(&certificate->identity, &address));
    cr_assert_null(certificate->weakness);
    cr_assert_leq(llabs(certificate->identity.not_after_s - now_s() - DAY_S), 60);
    cr_assert_leq(llabs(certificate->not_before_s - now_s() + 3600), 60);
    snapshot_unref(&certificate->snapshot);
}

CERTIFICATE_TEST(names_that_do_not_fit_the_log_are_cut_off)
{
    char many[2048] = "DNS:first.example";
    char names[CERTIFICATE_NAMES_TEXT_LEN];
    for (size_t i = 0; i < 50; i++) {
        snprintf(many + strlen(many), sizeof(many) - strlen(many), ",DNS:name-%zu.example", i);
    }
    struct certificate *certificate = load_pair(&(struct certificate_recipe){.names = many});
    certificate_format_names(names, certificate);
    cr_assert_eq(strncmp(names, "first.example,name-0.example,", 29), 0, "%s", names);
    cr_assert_str_eq(names + strlen(names) - 11, "example,...");
    cr_assert_eq(certificate->identity.num_names, 51);
    snapshot_unref(&certificate->snapshot);
}

CERTIFICATE_TEST(every_kind_of_key_is_known_by_name)
{
    static const struct {
        const char *key;
        enum certificate_key kind;
    } rows[] = {{"P-256", CERTIFICATE_KEY_P256},
                {"P-384", CERTIFICATE_KEY_P384},
                {"P-521", CERTIFICATE_KEY_P521},
                {"Ed25519", CERTIFICATE_KEY_ED25519},
                {"RSA-2048", CERTIFICATE_KEY_RSA}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct error error;
        struct tls_contexts *contexts;
        struct certificate *certificate =
            load_pair(&(struct certificate_recipe){.key = rows[i].key, .names = "DNS:a.example"});
        cr_assert_eq(certificate->identity.key, rows[i].kind, "%s", rows[i].key);
        cr_assert_eq(tls_contexts_create(&contexts, &certificate, 1, &error), NTS_OK, "%s: %s",
                     rows[i].key, error.text);
        cr_assert_eq(tls_contexts_first_not_after_s(contexts), certificate->identity.not_after_s);
        snapshot_unref(&contexts->snapshot);
        snapshot_unref(&certificate->snapshot);
    }
}

CERTIFICATE_TEST(keys_that_are_too_weak_or_unknown_are_refused)
{
    make_pair(&(struct certificate_recipe){.key = "RSA-1024"});
    assert_refused(NTS_ERR_PRIVATE_KEY_KIND, "a.key: expected an ECDSA key on P-256, P-384 or "
                                             "P-521, an RSA key of at least 2048 bits");
    make_pair(&(struct certificate_recipe){.key = "P-224"});
    assert_refused(NTS_ERR_PRIVATE_KEY_KIND, "a.key: expected an ECDSA key on P-256");
}

CERTIFICATE_TEST(counts_from_its_first_second_to_the_one_before_its_last)
{
    struct error error;
    struct certificate_files files = {scratch_path("a.crt"), scratch_path("a.key")};
    struct certificate *certificate = load_pair(&(struct certificate_recipe){0});
    int64_t first_s = certificate->not_before_s;
    int64_t last_s = certificate->identity.not_after_s;
    snapshot_unref(&certificate->snapshot);

    cr_assert_eq(certificate_load(&certificate, &files, first_s - 1, &error),
                 NTS_ERR_CERTIFICATE_EARLY);
    cr_assert_not_null(strstr(error.text, "a.crt: the certificate is not valid before 20"));
    cr_assert_eq(certificate_load(&certificate, &files, first_s, &error), NTS_OK);
    snapshot_unref(&certificate->snapshot);
    cr_assert_eq(certificate_load(&certificate, &files, last_s - 1, &error), NTS_OK);
    snapshot_unref(&certificate->snapshot);
    cr_assert_eq(certificate_load(&certificate, &files, last_s, &error),
                 NTS_ERR_CERTIFICATE_EXPIRED);
    cr_assert_not_null(strstr(error.text, "a.crt: the certificate expired at 20"));
}

CERTIFICATE_TEST(needs_the_key_that_belongs_to_it)
{
    struct made_certificate other = make_certificate(&(struct certificate_recipe){0});
    make_pair(&(struct certificate_recipe){0});
    write_private_key(scratch_path("a.key"), other.key);
    assert_refused(NTS_ERR_PRIVATE_KEY_MISMATCH, "a.key: the key does not belong to ");
    free_certificate(&other);
    other = make_certificate(&(struct certificate_recipe){.key = "Ed25519"});
    write_private_key(scratch_path("a.key"), other.key);
    assert_refused(NTS_ERR_PRIVATE_KEY_MISMATCH, "a.key: the key does not belong to ");
    free_certificate(&other);
}

CERTIFICATE_TEST(files_that_are_not_whole_are_refused)
{
    make_pair(&(struct certificate_recipe){.names = "DNS:a.example"});
    cr_assert_eq(scratch_run("cp a.crt whole && head -c 300 whole > a.crt"), 0);
    assert_refused(NTS_ERR_CERTIFICATE_FORM, "a.crt: expected a certificate chain in PEM");
    cr_assert_eq(scratch_run("cat whole > a.crt && head -c 300 whole >> a.crt"), 0);
    assert_refused(NTS_ERR_CERTIFICATE_FORM, "a.crt: expected a certificate chain in PEM");
    cr_assert_eq(scratch_run(": > a.crt"), 0);
    assert_refused(NTS_ERR_CERTIFICATE_FORM, "a.crt: expected a certificate chain in PEM");
    cr_assert_eq(scratch_run("rm a.crt"), 0);
    assert_refused(NTS_ERR_FILE, "a.crt: cannot open: No such file");
    cr_assert_eq(scratch_run("mv whole a.crt && chmod 640 a.key"), 0);
    assert_refused(NTS_ERR_FILE, "a.key: mode is 0640");
    cr_assert_eq(scratch_run("chmod 600 a.key && cp a.key whole && head -c 60 whole > a.key"), 0);
    assert_refused(NTS_ERR_PRIVATE_KEY_FORM, "a.key: expected a private key in PEM");
    cr_assert_eq(scratch_run("openssl pkey -in whole -aes128 -passout pass:x -out a.key"), 0);
    assert_refused(NTS_ERR_PRIVATE_KEY_FORM, "a.key: expected a private key in PEM, not encrypted");
    cr_assert_eq(scratch_run("rm a.key"), 0);
    assert_refused(NTS_ERR_FILE, "a.key: cannot open: No such file");
}

/* The chain of a server: root, intermediate, leaf. */
CERTIFICATE_TEST(a_chain_that_clients_may_stumble_over_is_taken_with_a_word)
{
    struct made_certificate root =
        make_certificate(&(struct certificate_recipe){.common_name = "root"});
    struct made_certificate middle =
        make_certificate(&(struct certificate_recipe){.common_name = "middle", .issuer = &root});
    struct made_certificate leaf = make_certificate(&(struct certificate_recipe){
        .common_name = "leaf", .names = "DNS:a.example", .issuer = &middle});
    struct {
        X509 *chain[3];
        size_t num;
        const char *weakness;
    } rows[] = {
        {{leaf.certificate}, 1, NULL},
        {{leaf.certificate, middle.certificate}, 2, NULL},
        {{leaf.certificate, middle.certificate, root.certificate}, 3, "has the root in it"},
        {{leaf.certificate, root.certificate, middle.certificate}, 3, "not in order"},
        {{leaf.certificate, leaf.certificate}, 2, "not in order"},
    };
    write_private_key(scratch_path("a.key"), leaf.key);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct certificate *certificate;
        struct error error;
        write_chain(scratch_path("a.crt"), rows[i].chain, rows[i].num);
        cr_assert_eq(load(&certificate, &error), NTS_OK, "%s", error.text);
        cr_assert_eq(sk_X509_num(certificate->chain), rows[i].num);
        cr_assert_eq(certificate->weakness == NULL, rows[i].weakness == NULL, "row %zu", i);
        cr_assert(rows[i].weakness == NULL ||
                      strstr(certificate->weakness, rows[i].weakness) != NULL,
                  "row %zu: %s", i, certificate->weakness);
        cr_assert_str_eq(certificate->issuer, "middle");
        snapshot_unref(&certificate->snapshot);
    }
    write_chain(scratch_path("a.crt"), (X509 *[]){middle.certificate, leaf.certificate}, 2);
    assert_refused(NTS_ERR_PRIVATE_KEY_MISMATCH, "a.key: the key does not belong to ");

    struct certificate *certificate = load_pair(&(struct certificate_recipe){0});
    cr_assert_not_null(strstr(certificate->weakness, "no subject alternative name"));
    snapshot_unref(&certificate->snapshot);
    free_certificate(&root);
    free_certificate(&middle);
    free_certificate(&leaf);
}
