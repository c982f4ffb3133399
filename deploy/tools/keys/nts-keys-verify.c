/* nts-keys verify: what is wrong with the keyring, and which server of the fleet lacks which key.
 */
#include "base/clock_time.h"
#include "crypto/secret_mem.h"
#include "nts-keys-fleet.h"
#include "nts-keys.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>

enum finding_level { FINDING_OK, FINDING_WARNING, FINDING_FAILED };

static const char *const level_names[] = {"ok", "warning", "failed"};

struct findings {
    enum finding_level worst;
    json_t *list;
};

static void add_finding(struct findings *findings, enum finding_level level, const char *format,
                        ...) NTS_PRINTF(3, 4);

static void add_finding(struct findings *findings, enum finding_level level, const char *format,
                        ...)
{
    char text[sizeof(((struct error *)0)->text)];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    findings->worst = level > findings->worst ? level : findings->worst;
    json_array_append_new(findings->list,
                          json_pack("{s:s, s:s}", "level", level_names[level], "text", text));
}

/* The next key of the same layout, or num_keys. */
static size_t successor(const struct keyring_document *document, size_t position)
{
    size_t i = position + 1;
    while (i < document->num_keys && document->keys[i].layout != document->keys[position].layout) {
        i++;
    }
    return i;
}

/* How long each key opens after its successor has taken over, against what is wanted. */
static void look_at_open_times(struct findings *findings, const struct keyring_document *document,
                               const struct key_policy *policy, int64_t now_s)
{
    size_t num_short = 0;
    int64_t shortest_s = policy->open_after_s;
    for (size_t i = 0; i < document->num_keys; i++) {
        const struct master_key_spec *key = &document->keys[i];
        size_t next = successor(document, i);
        if (next == document->num_keys || key->expire_at_s <= now_s) {
            continue;
        }
        int64_t open_s = key->expire_at_s - document->keys[next].activate_at_s;
        num_short += open_s < policy->open_after_s ? 1 : 0;
        shortest_s = open_s < shortest_s ? open_s : shortest_s;
    }
    if (num_short > 0) {
        char shortest[DURATION_TEXT_LEN];
        char wanted[DURATION_TEXT_LEN];
        duration_format(shortest, shortest_s > 0 ? shortest_s : 0);
        duration_format(wanted, policy->open_after_s);
        add_finding(
            findings, FINDING_WARNING,
            "of %zu keys the cookies are opened for less than %s after the last was sealed, "
            "at the least for %s",
            num_short, wanted, shortest);
    }
}

static void look_at_each_key(struct findings *findings, const struct keyring_document *document,
                             int64_t now_s)
{
    for (size_t i = 0; i < document->num_keys; i++) {
        const struct master_key_spec *key = &document->keys[i];
        if (key->expire_at_s <= now_s) {
            add_finding(findings, FINDING_OK, "%08" PRIx32 " has expired: rotate removes it",
                        key->id);
        }
        if (i > 0 && ((key->id - document->keys[i - 1].id) & 3) != 1) {
            add_finding(findings, FINDING_OK,
                        "the ids of %08" PRIx32 " and %08" PRIx32
                        " do not count up modulo 4: chrony cannot hold both",
                        document->keys[i - 1].id, key->id);
        }
    }
}

static void look_at_keys(struct findings *findings, const struct keyring *ring, int64_t now_s)
{
    struct keyring_state state;
    char text[DURATION_TEXT_LEN];
    keyring_state_at(&state, ring, now_s);
    if (state.active == NULL) {
        add_finding(findings, FINDING_FAILED, "no key is active: no cookie can be sealed");
    } else {
        duration_format(text, now_s - state.active->activate_at_s);
        add_finding(findings, FINDING_OK, "%08" PRIx32 " seals, since %s", state.active->id, text);
    }
    if (state.next == NULL) {
        add_finding(findings, FINDING_WARNING, "no key is upcoming: rotate");
    } else {
        duration_format(text, state.next_activation_s);
        add_finding(findings, FINDING_OK, "%08" PRIx32 " takes over in %s", state.next->id, text);
    }
    if (state.active != NULL && state.is_near_end) {
        duration_format(text, state.last_expiry_s);
        add_finding(findings, FINDING_WARNING, "the last key expires in %s", text);
    }
}

static void look_at_signature(struct findings *findings, const struct keyring_document *document,
                              const struct keys_arguments *arguments, int64_t now_s)
{
    const struct keyring_signature *signature = &document->signature;
    char text[DURATION_TEXT_LEN];
    if (!signature->is_present) {
        return;
    }
    duration_format(text, signature->expires_at_s - now_s);
    if (signature->expires_at_s <= now_s) {
        add_finding(findings, FINDING_WARNING, "its signature expired %s ago", text);
    } else {
        add_finding(findings, FINDING_OK, "signed%s, for %s more",
                    arguments->access.signer != NULL ? "" : " (not checked: no --signer is given)",
                    text);
    }
}

static void print_findings_json(const struct findings *findings, const struct fleet *fleet,
                                const struct keyring_document *document,
                                const struct keys_arguments *arguments)
{
    json_t *json = json_pack("{s:s, s:I, s:s, s:O}", "file", arguments->keyring, "generation",
                             (json_int_t)document->generation, "result",
                             level_names[findings->worst], "findings", findings->list);
    if (arguments->fleet != NULL) {
        json_object_set_new(json, "fleet", fleet_to_json(fleet));
    }
    keys_print_json(json);
}

static void print_findings_text(const struct findings *findings, const struct fleet *fleet,
                                const struct keyring_document *document,
                                const struct keys_arguments *arguments)
{
    size_t i;
    json_t *finding;
    printf("%s: generation %" PRIu64 ", %zu keys: %s\n", arguments->keyring, document->generation,
           document->num_keys, level_names[findings->worst]);
    json_array_foreach(findings->list, i, finding)
    {
        printf("  %-8s %s\n", json_string_value(json_object_get(finding, "level")),
               json_string_value(json_object_get(finding, "text")));
    }
    if (arguments->fleet != NULL) {
        fleet_print_text(stdout, fleet);
    }
}

static enum nts_status ask_fleet(struct findings *findings, struct fleet *fleet,
                                 const struct keyring *ring, const struct keys_arguments *arguments,
                                 int64_t now_s, struct error *error)
{
    static const struct fleet_options options = {0};
    enum nts_status status = fleet_read(fleet, arguments->fleet, error);
    if (status == NTS_OK) {
        status = fleet_ask(fleet, ring, &options, now_s, error);
    }
    if (status == NTS_OK && !fleet_is_in_order(fleet)) {
        findings->worst = FINDING_FAILED;
    }
    return status;
}

/* Looks at a document that could be read, and prints what there is to say. */
static enum nts_status verify_document(struct findings *findings,
                                       const struct keyring_document *document,
                                       const struct keys_arguments *arguments, struct error *error)
{
    int64_t now_s = keys_now_s();
    struct fleet fleet = {0};
    struct keyring *ring = keyring_create(document->generation, document->keys, document->num_keys);
    if (ring == NULL) {
        return error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
    }
    look_at_keys(findings, ring, now_s);
    look_at_each_key(findings, document, now_s);
    look_at_open_times(findings, document, &arguments->policy, now_s);
    look_at_signature(findings, document, arguments, now_s);
    enum nts_status status = NTS_OK;
    if (arguments->fleet != NULL) {
        status = ask_fleet(findings, &fleet, ring, arguments, now_s, error);
    }
    if (status == NTS_OK && arguments->json) {
        print_findings_json(findings, &fleet, document, arguments);
    } else if (status == NTS_OK) {
        print_findings_text(findings, &fleet, document, arguments);
    }
    fleet_free(&fleet);
    snapshot_unref(&ring->snapshot);
    return status;
}

int keys_verify(const struct keys_arguments *arguments)
{
    struct error error;
    struct findings findings = {.worst = FINDING_OK, .list = json_array()};
    struct keyring_document *document = keyring_document_create();
    if (document == NULL) {
        json_decref(findings.list);
        return keys_no_memory();
    }
    enum nts_status status =
        keyring_file_read(document, NULL, arguments->keyring, &arguments->access, &error);
    if (status == NTS_OK) {
        status = verify_document(&findings, document, arguments, &error);
    }
    keyring_document_free(document);
    json_decref(findings.list);
    if (status != NTS_OK) {
        return keys_fail(&error);
    }
    return findings.worst == FINDING_FAILED ? KEYS_FAILED : KEYS_DONE;
}
