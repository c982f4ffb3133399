#include "nts-keys-fleet.h"

#include "base/clock_time.h"

#include <inttypes.h>
#include <string.h>

#define MAX_LISTED 8 /* lacking keys of one node; JSON has them all */

static bool is_upcoming(const struct fleet *fleet, const struct master_key *key)
{
    return key->activate_at_s > fleet->now_s;
}

static bool is_active(const struct fleet *fleet, const struct master_key *key)
{
    return key == keyring_active_key(fleet->ring, fleet->now_s);
}

/* --- for people --- */

static void print_label(FILE *out, const struct fleet_node *node)
{
    const struct fleet_server *server = node->server;
    union net_address literal;
    char text[ADDRESS_TEXT_LEN];
    if (node->address == NULL) {
        fprintf(out, strchr(server->host, ':') != NULL ? "[%s]:%u" : "%s:%u", server->host,
                server->port);
        return;
    }
    address_format(text, node->address);
    /* A name may stand for many machines: say which it is. */
    bool is_name =
        strchr(server->host, ':') == NULL && !address_parse(&literal, server->host, server->port);
    if (is_name) {
        fprintf(out, "%s (%s)", server->host, text);
    } else {
        fprintf(out, "%s", text);
    }
}

/* Prints which keys the node lacks: those that will seal, or those that clients have cookies of. */
static void print_lacking_keys(FILE *out, const struct fleet *fleet, const struct fleet_node *node,
                               bool upcoming)
{
    size_t num = 0;
    for (size_t i = 0; i < fleet->num_keys; i++) {
        const struct master_key *key = fleet->keys[i];
        if (node->answers[i].state != FLEET_LACKS || is_upcoming(fleet, key) != upcoming ||
            num++ >= MAX_LISTED) {
            continue;
        }
        fprintf(out, "%s%08" PRIx32, num > 1 ? ", " : "", key->id);
        if (upcoming) {
            char duration[DURATION_TEXT_LEN];
            duration_format(duration, key->activate_at_s - fleet->now_s);
            fprintf(out, " (activates in %s%s)", duration,
                    num == 1 ? ": clients will get NAKs from then" : "");
        } else if (is_active(fleet, key)) {
            fputs(", the active key", out);
        }
    }
    if (num > MAX_LISTED) {
        fprintf(out, " and %zu more", num - MAX_LISTED);
    }
}

static void print_lacking(FILE *out, const struct fleet *fleet, const struct fleet_node *node)
{
    size_t num_upcoming = 0;
    for (size_t i = 0; i < fleet->num_keys; i++) {
        num_upcoming += node->answers[i].state == FLEET_LACKS && is_upcoming(fleet, fleet->keys[i]);
    }
    if (num_upcoming < node->num_lacking && node->num_lacking == fleet->num_keys) {
        fputs("lacks every key (clients get NAKs now)", out);
        return;
    }
    fputs("lacks ", out);
    if (num_upcoming < node->num_lacking) {
        print_lacking_keys(out, fleet, node, false);
        fprintf(out, " (clients get NAKs now)%s", num_upcoming > 0 ? "; " : "");
    }
    if (num_upcoming > 0) {
        print_lacking_keys(out, fleet, node, true);
    }
}

static void print_untold(FILE *out, const struct fleet *fleet, const struct fleet_node *node)
{
    static const char what[] = "no answer";
    if (node->num_opened > 0) {
        fprintf(out, "does not tell of %zu of %zu keys: %s", node->num_untold, fleet->num_keys,
                node->reason);
    } else if (node->state == FLEET_WRONG_ANSWER) {
        fprintf(out, "wrong answer: %s", node->reason);
    } else if (strncmp(node->reason, what, strlen(what)) == 0) {
        fputs(node->reason, out); /* says so itself */
    } else {
        fprintf(out, "%s: %s", what, node->reason);
    }
}

static void print_node(FILE *out, const struct fleet *fleet, const struct fleet_node *node)
{
    print_label(out, node);
    fputs(": ", out);
    switch (node->state) {
    case FLEET_LACKS:
        print_lacking(out, fleet, node);
        if (node->num_untold > 0) {
            fprintf(out, "; does not tell of %zu others: %s", node->num_untold, node->reason);
        }
        break;
    case FLEET_NO_ANSWER:
    case FLEET_WRONG_ANSWER:
        print_untold(out, fleet, node);
        break;
    case FLEET_NOT_ASKED:
    case FLEET_OK:
        fprintf(out, "in order, opens %zu keys", node->num_opened);
        break;
    }
    fputc('\n', out);
}

void fleet_print_text(FILE *out, const struct fleet *fleet)
{
    size_t num[FLEET_LACKS + 1] = {0};
    for (size_t i = 0; i < fleet->num_nodes; i++) {
        print_node(out, fleet, &fleet->nodes[i]);
        num[fleet->nodes[i].state]++;
    }
    fprintf(out,
            "%zu nodes, %zu keys: %zu in order, %zu lack keys, %zu do not answer, %zu answer "
            "wrongly\n",
            fleet->num_nodes, fleet->num_keys, num[FLEET_OK], num[FLEET_LACKS],
            num[FLEET_NO_ANSWER], num[FLEET_WRONG_ANSWER]);
}

/* --- for programs --- */

/* The words of `nts-keys show`. */
static const char *key_state(const struct fleet *fleet, const struct master_key *key)
{
    if (is_upcoming(fleet, key)) {
        return "upcoming";
    }
    return is_active(fleet, key) ? "active" : "opens";
}

static json_t *lacking_json(const struct fleet *fleet, const struct fleet_node *node)
{
    json_t *lacking = json_array();
    for (size_t i = 0; i < fleet->num_keys; i++) {
        const struct master_key *key = fleet->keys[i];
        char id[2 * MASTER_KEY_ID_LEN + 1];
        if (node->answers[i].state != FLEET_LACKS) {
            continue;
        }
        snprintf(id, sizeof(id), "%08" PRIx32, key->id);
        json_t *activates_in_s =
            is_upcoming(fleet, key) ? json_integer(key->activate_at_s - fleet->now_s) : json_null();
        json_array_append_new(lacking,
                              json_pack("{s:s, s:s, s:o}", "id", id, "state", key_state(fleet, key),
                                        "activates_in_s", activates_in_s));
    }
    return lacking;
}

json_t *fleet_to_json(const struct fleet *fleet)
{
    static const char *const states[] = {
        [FLEET_NOT_ASKED] = "ok",        [FLEET_OK] = "ok",
        [FLEET_NO_ANSWER] = "no_answer", [FLEET_WRONG_ANSWER] = "wrong_answer",
        [FLEET_LACKS] = "lacks",
    };
    json_t *nodes = json_array();
    for (size_t i = 0; i < fleet->num_nodes; i++) {
        const struct fleet_node *node = &fleet->nodes[i];
        char address[INET6_ADDRSTRLEN];
        if (node->address != NULL) {
            address_format_ip(address, node->address);
        }
        json_t *object = json_pack(
            "{s:s, s:s?, s:i, s:s, s:I, s:o, s:s?}", "node", node->server->host, "address",
            node->address != NULL ? address : NULL, "port", (int)node->server->port, "state",
            states[node->state], "keys_opened", (json_int_t)node->num_opened, "lacks",
            lacking_json(fleet, node), "reason", node->reason);
        /* A node that is left out would look like one that is in order. */
        if (json_array_append_new(nodes, object) != 0) {
            json_decref(nodes);
            return NULL;
        }
    }
    return nodes;
}
