#include "crypto/boringssl.h"

#include <openssl/asn1.h>
#include <openssl/crypto.h>
#include <openssl/err.h>

#define TEXT_OF(x)       #x
#define TEXT_OF_VALUE(x) TEXT_OF(x)

/* Upstream renamed "curves" to "groups", and later gained post-quantum groups; Debian 12's has
 * neither. */
#ifdef SSL_GROUP_X25519
#define HAVE_GROUPS 1
#else
#define HAVE_GROUPS 0
#endif

#ifdef SSL_GROUP_X25519_MLKEM768
#define DEFAULT_GROUPS "X25519MLKEM768:X25519:P-256:P-384"
#else
#define DEFAULT_GROUPS "X25519:P-256:P-384"
#endif

const char *boringssl_version(void)
{
    return "BoringSSL (" NTS_BORINGSSL_ORIGIN ", API " TEXT_OF_VALUE(BORINGSSL_API_VERSION) ")";
}

const char *boringssl_default_groups(void)
{
    return DEFAULT_GROUPS;
}

bool boringssl_set_groups(SSL_CTX *ctx, const char *groups)
{
#if HAVE_GROUPS
    return SSL_CTX_set1_groups_list(ctx, groups) == 1;
#else
    return SSL_CTX_set1_curves_list(ctx, groups) == 1;
#endif
}

const char *boringssl_group_name(const SSL *ssl)
{
#if HAVE_GROUPS
    const char *name = SSL_get_group_name(SSL_get_group_id(ssl));
#else
    const char *name = SSL_get_curve_name(SSL_get_curve_id(ssl));
#endif
    return name != NULL ? name : "?";
}

const char *boringssl_error_text(void)
{
    uint32_t code = ERR_get_error();
    const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;
    ERR_clear_error();
    return reason != NULL ? reason : "no reason given";
}

/* Without a start: from now. */
static int64_t seconds_between(const ASN1_TIME *start, const ASN1_TIME *end)
{
    int days = 0;
    int seconds = 0;
    if (ASN1_TIME_diff(&days, &seconds, start, end) != 1) {
        return INT64_MIN;
    }
    return (int64_t)days * 86400 + seconds;
}

int64_t boringssl_time_s(const ASN1_TIME *time)
{
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int64_t time_s = epoch != NULL ? seconds_between(epoch, time) : INT64_MIN;
    ASN1_TIME_free(epoch);
    return time_s;
}

int64_t boringssl_time_left_s(const ASN1_TIME *time)
{
    return seconds_between(NULL, time);
}
