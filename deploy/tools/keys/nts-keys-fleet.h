/* Whether every time server of a farm has every key of the keyring, before clients find out: each
 * is asked for time by the client's own code, one NTS request under each key that opens cookies
 * now, those to come among them. Who holds the keys makes the cookies itself, so no NTS-KE is
 * needed. nts-keys-fleet-file.c reads the list, nts-keys-fleet.c asks, nts-keys-fleet-print.c
 * tells. */
#ifndef NTS_KEYS_FLEET_H
#define NTS_KEYS_FLEET_H

#include "base/address.h"
#include "keys/keyring.h"

#include <jansson.h>
#include <stdio.h>

#define FLEET_FILE_MAX_LEN (1 << 20)
#define FLEET_MAX_SERVERS  4096

/* A line of the file. A name may stand for many machines. */
struct fleet_server {
    char host[HOST_TEXT_LEN];
    uint16_t port;
    size_t num_addresses;
    union net_address *addresses;
    char *reason; /* why there is no address; NULL: out of memory */
};

/* Of a node under one key, and of a node as a whole, the worst last. */
enum fleet_state {
    FLEET_NOT_ASKED, /* under this key: under another one the server did not answer */
    FLEET_OK,        /* the key opens */
    FLEET_NO_ANSWER,
    FLEET_WRONG_ANSWER, /* something is there, but not a time server that speaks NTS as it should */
    FLEET_LACKS,        /* NTS NAK */
};

struct fleet_answer {
    enum fleet_state state;
    char *reason; /* of no answer or a wrong one; NULL: out of memory */
};

/* One address of a server, or a server that has none. */
struct fleet_node {
    const struct fleet_server *server;
    const union net_address *address; /* NULL: not resolved */
    struct fleet_answer *answers;     /* one a key, in the order of fleet->keys */
    enum fleet_state state;
    size_t num_opened; /* keys, and so are the next two */
    size_t num_lacking;
    size_t num_untold;  /* no answer or a wrong one */
    const char *reason; /* of the first of these; NULL: none */
};

/* Zero-initialised: an empty fleet. */
struct fleet {
    size_t num_servers;
    struct fleet_server *servers;

    /* Of fleet_ask. */
    const struct keyring *ring;
    int64_t now_s;
    size_t num_keys;
    const struct master_key **keys; /* those that open cookies, ascending activate_at_s */
    size_t num_nodes;
    struct fleet_node *nodes; /* in the order of the file */
    struct fleet_answer *answers;
};

/* fleet_read reads a list of time servers: a line each with HOST[:PORT] or [IPV6][:PORT], port 123
 * if there is none; a `#` begins a comment. NTS_ERR_FILE with a text that names the file, the line,
 * the value and what was expected (not a regular file, longer than FLEET_FILE_MAX_LEN, more servers
 * than FLEET_MAX_SERVERS, none at all), or NTS_ERR_NO_MEMORY. fleet_free is due in any case. */
NTS_MUST_CHECK enum nts_status fleet_read(struct fleet *fleet, const char *path,
                                          struct error *error);

struct fleet_options {
    int64_t timeout_ms; /* for one answer; 0: FLEET_TIMEOUT_MS. A NAK is not authentic, so it is
                           believed when nothing better came in this time. */
    unsigned tries;     /* when nothing answers; 0: FLEET_TRIES */
    unsigned parallel;  /* requests at a time, up to FLEET_MAX_PARALLEL; 0: as many */
    int family;         /* AF_UNSPEC, AF_INET or AF_INET6 */
};

#define FLEET_TIMEOUT_MS   1000
#define FLEET_TRIES        2
#define FLEET_MAX_PARALLEL 32

/* fleet_ask resolves every server and asks every address of it, under each key of `ring` that opens
 * cookies at `now_s`. Blocks until all is answered or given up: a node that does not answer as it
 * should under its first key is not asked under the others. NTS_OK whatever the answers are,
 * NTS_ERR_NO_SEALING_KEY if there is no key to ask with, or NTS_ERR_NO_MEMORY, with text. `ring`
 * must outlive what follows. Once a fleet. */
NTS_MUST_CHECK enum nts_status fleet_ask(struct fleet *fleet, const struct keyring *ring,
                                         const struct fleet_options *options, int64_t now_s,
                                         struct error *error);

/* fleet_is_in_order tells whether every node opens every key. */
bool fleet_is_in_order(const struct fleet *fleet);

/* fleet_print_text writes a line a node, and one with the totals. */
void fleet_print_text(FILE *out, const struct fleet *fleet);

/* fleet_to_json returns an array of one object a node: "node" (as in the file), "address" (null if
 * not resolved), "port", "state" (ok, lacks, no_answer, wrong_answer), "keys_opened", "lacks" (of
 * "id", "state" and "activates_in_s", which is null unless the key is upcoming) and "reason" (null
 * if there is none). NULL if there is no memory. */
json_t *fleet_to_json(const struct fleet *fleet);

/* fleet_free frees everything and leaves an empty fleet. */
void fleet_free(struct fleet *fleet);

#endif
