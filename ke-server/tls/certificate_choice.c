#include "ke-server/tls/certificate_choice.h"

#include "base/cursor.h"

#include <string.h>
#include <strings.h>

#define MAX_SCHEMES 4

static const struct {
    const char *text;
    uint16_t schemes[MAX_SCHEMES]; /* ends with 0 */
} keys[CERTIFICATE_NUM_KEYS] = {
#define CERTIFICATE_KEY_ROW(name, text, ...) [CERTIFICATE_KEY_##name] = {text, {__VA_ARGS__}},
    CERTIFICATE_KEY_TABLE(CERTIFICATE_KEY_ROW)
#undef CERTIFICATE_KEY_ROW
};

const char *certificate_key_text(enum certificate_key key)
{
    return keys[key].text;
}

/* --- names --- */

static bool same_text(const char *pattern, const char *name, size_t name_len)
{
    return strlen(pattern) == name_len && strncasecmp(pattern, name, name_len) == 0;
}

static bool name_matches(const char *pattern, const char *name, size_t name_len)
{
    if (strncmp(pattern, "*.", 2) != 0) {
        return same_text(pattern, name, name_len);
    }
    const char *parent = pattern + 1; /* with its dot */
    const char *dot = memchr(name, '.', name_len);
    size_t label_len = dot != NULL ? (size_t)(dot - name) : 0;
    return label_len > 0 && strchr(parent + 1, '.') != NULL &&
           same_text(parent, dot, name_len - label_len);
}

bool certificate_covers_name(const struct certificate_identity *identity, const char *name,
                             size_t name_len)
{
    if (name_len > 0 && name[name_len - 1] == '.') {
        name_len--;
    }
    for (size_t i = 0; i < identity->num_names; i++) {
        if (name_matches(identity->names[i], name, name_len)) {
            return true;
        }
    }
    return false;
}

bool certificate_covers_address(const struct certificate_identity *identity,
                                const union net_address *address)
{
    bool is_v6 = address->sa.sa_family == AF_INET6;
    const void *octets =
        is_v6 ? (const void *)&address->in6.sin6_addr : (const void *)&address->in.sin_addr;
    size_t len = is_v6 ? sizeof(address->in6.sin6_addr) : sizeof(address->in.sin_addr);
    for (size_t i = 0; i < identity->num_ips; i++) {
        const struct certificate_ip *ip = &identity->ips[i];
        if (ip->len == len && memcmp(ip->octets, octets, len) == 0) {
            return true;
        }
    }
    return false;
}

/* --- the choice --- */

static bool is_accepted(const struct certificate_identity *identity,
                        const struct certificate_wish *wish)
{
    for (const uint16_t *scheme = keys[identity->key].schemes; *scheme != 0; scheme++) {
        for (size_t i = 0; i < wish->num_schemes; i++) {
            if (load_u16(wish->schemes + 2 * i) == *scheme) {
                return true;
            }
        }
    }
    return false;
}

static bool covers(const struct certificate_identity *identity, const struct certificate_wish *wish)
{
    return wish->name != NULL ? certificate_covers_name(identity, wish->name, wish->name_len)
                              : certificate_covers_address(identity, wish->local);
}

/* The rules in the order of their weight, as digits of a number. */
static unsigned rank_of(const struct certificate_identity *identity,
                        const struct certificate_wish *wish)
{
    return (is_accepted(identity, wish) ? 4U : 0U) + (covers(identity, wish) ? 2U : 0U) +
           (wish->now_s < identity->not_after_s ? 1U : 0U);
}

size_t certificate_choose(const struct certificate_identity *const *identities, size_t num,
                          const struct certificate_wish *wish)
{
    size_t best = 0;
    unsigned best_rank = rank_of(identities[0], wish);
    for (size_t i = 1; i < num; i++) {
        unsigned rank = rank_of(identities[i], wish);
        if (rank > best_rank) {
            best = i;
            best_rank = rank;
        }
    }
    return best;
}
