# shellcheck shell=bash
# What nts-keys-push, nts-keys-publish and nts-keys-agent share: errors, the checks of a keyring file
# by nts-keys, envelopes, and etcd. To be sourced. No secret gets on a command line or into a log;
# files that hold one are copied to $scratch only, which is in memory where the system has a place for
# that.

program=${0##*/}
nts_keys=${NTS_KEYS:-nts-keys}

# --- errors, scratch space ------------------------------------------------------------------------

fail() {
    echo "$program: $*" >&2
    exit 1
}

wrong_usage() {
    echo "$program: $*" >&2
    echo "Try '$program --help'." >&2
    exit 2
}

warn() {
    echo "$program: warning: $*" >&2
}

# need COMMAND...: fails if one is not installed.
need() {
    local command
    for command in "$@"; do
        command -v "$command" >/dev/null || fail "$command is not installed, or not in PATH"
    done
}

# is_number TEXT [LEAST]: a decimal number of at most nine digits.
is_number() {
    [[ $1 =~ ^(0|[1-9][0-9]{0,8})$ ]] && (($1 >= ${2:-1}))
}

# open_scratch: makes $scratch, a directory that nobody else can look into. It goes with the script,
# and so do the script's background jobs. If the script was killed, the next one removes it: whoever
# uses such a directory has it locked.
open_scratch() {
    local place lock abandoned
    umask 077
    for place in "${RUNTIME_DIRECTORY:-}" "${XDG_RUNTIME_DIR:-}" /dev/shm "${TMPDIR:-/tmp}"; do
        if [[ -d $place && -w $place ]]; then
            break
        fi
    done
    scratch=$(mktemp -d "$place/$program.XXXXXX")
    exec {lock}<"$scratch"
    flock "$lock"
    while read -r abandoned; do
        flock --nonblock "$abandoned" rm -rf "$abandoned" || true
    done < <(find "$place" -maxdepth 1 -type d -name "$program.??????" -user "$EUID" -mmin +1)
    trap close_scratch EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

close_scratch() {
    local pids
    trap '' HUP INT TERM
    mapfile -t pids < <(jobs -p)
    if [[ ${#pids[@]} -gt 0 ]]; then
        kill -TERM "${pids[@]}" 2>/dev/null || true
        wait
    fi
    rm -rf "$scratch"
}

# --- keyring files --------------------------------------------------------------------------------

# describe FILE [OPTION...]: what `nts-keys show` tells of it, as JSON. Of a file that is sealed, with
# no --node-key among the options, that is what the envelope says to everybody.
describe() {
    "$nts_keys" show --json --keyring "$@"
}

# is_sealed FILE: whether it is an envelope.
is_sealed() {
    describe "$1" 2>/dev/null | says '.format // "" | startswith("nts-keyring-sealed/")'
}

# says FILTER: whether it is true of the JSON on standard input. The status of `jq --exit-status` does
# not tell: jq 1.6 takes no JSON at all for a yes.
says() {
    [[ "$(jq "$1" 2>/dev/null)" == true ]]
}

# check_keyring FILE [OPTION...]: asks `nts-keys verify`. Fails if the file must not be used. Sets
# $generation, and $findings to what there is to complain of, in one line.
check_keyring() {
    local answer
    answer=$("$nts_keys" verify --json --keyring "$@" 2>"$scratch/complaint") || true
    generation=$(jq -r '.generation // 0' <<<"$answer" 2>/dev/null) || generation=
    [[ -n $generation ]] || generation=0
    findings=$(jq -r '[.findings[]? | select(.level != "ok") | .text] | join("; ")' \
        <<<"$answer" 2>/dev/null) || findings=
    if [[ -z $findings ]]; then
        findings=$(in_one_line <"$scratch/complaint")
        findings=${findings#nts-keys: }
    fi
    says '.result == "ok" or .result == "warning"' <<<"$answer"
}

# What was printed, as a part of a line: the first words of it, no control characters and no quotes.
in_one_line() {
    tr -s '[:space:][:cntrl:]' ' ' | cut -c 1-500 | sed "s/ \$//; s/\"/'/g"
}

# take_keyring FILE COPY [OPTION...]: copies what is to be distributed, so that it is what was checked,
# and checks it. Ends the script if it must not be distributed. Sets $sealed and $generation.
take_keyring() {
    local file=$1 copy=$2
    shift 2
    [[ -f $file ]] || fail "$file: is no file"
    # With its mode: nts-keys refuses a keyring that others can read.
    cp --preserve=mode -- "$file" "$copy" || fail "$file: cannot be read"
    sealed=false
    ! is_sealed "$copy" || sealed=true
    if [[ $sealed == true && " $* " != *" --node-key "* ]]; then
        [[ $# -eq 0 ]] || fail "$file: is sealed: to check who signed it takes --node-key"
        warn "$file: is sealed, and without --node-key nothing but its head can be checked"
        generation=$(describe "$copy" | jq -r .generation)
        return
    fi
    check_keyring "$copy" "$@" || fail "refused: ${findings//"$copy"/"$file"}"
    [[ -z $findings ]] || warn "${findings//"$copy"/"$file"}"
}

# find_node_keys PATH...: sets $node_keys to the files with the nodes' public keys. A PATH is such a
# file, or a directory of files that end in .pub.
find_node_keys() {
    local path files
    node_keys=()
    for path in "$@"; do
        files=("$path")
        if [[ -d $path ]]; then
            files=("$path"/*.pub)
        fi
        [[ -f ${files[0]} ]] || fail "$path: there is no public key of a node"
        node_keys+=("${files[@]}")
    done
}

# seal FILE OUT AEAD PUB...: AEAD may be empty.
seal() {
    local file=$1 out=$2 aead=$3 to=() pub
    shift 3
    for pub in "$@"; do
        to+=(--to "$pub")
    done
    "$nts_keys" seal --keyring "$file" ${aead:+--aead "$aead"} "${to[@]}" --out - >"$out" \
        2>"$scratch/complaint" || fail "$(in_one_line <"$scratch/complaint")"
}

# keys_digest FILE and envelope_digest FILE AEAD PUB...: two envelopes of one keyring are never alike,
# so what they are made from is compared instead. The digests cover ids, times and signature of the
# keyring, and the nodes; they are made from nothing that is secret.
keys_digest() {
    describe "$1" | jq -cS '[.generation, [.keys[] | {id, layout, activate_at, expire_at}]]' | digest
}

envelope_digest() {
    local file=$1 aead=$2
    shift 2
    {
        keys_digest "$file"
        describe "$file" | jq -cS '.signature | {signed_at, expires_at}?'
        echo "$aead"
        cat "$@" | LC_ALL=C sort -u
    } | digest
}

digest() {
    sha256sum | cut -d' ' -f1
}

# --- etcd -----------------------------------------------------------------------------------------

# is_store_key NAME: whether it is one that needs no quotes anywhere.
is_store_key() {
    [[ $1 =~ ^[A-Za-z0-9/_][A-Za-z0-9/._-]*$ ]]
}

# ask_etcd COMMAND...: etcdctl has its own time limit, but not for everything. The error is the last
# line of what it prints, after the JSON that it logs of its retries.
ask_etcd() {
    timeout --kill-after=5 30 etcdctl "$@" --write-out=json 2>"$scratch/etcdctl"
}

store_error() {
    local error
    error=$(tail -n 1 "$scratch/etcdctl" | in_one_line)
    echo "${error:-no answer}"
}

# shellcheck disable=SC2034 # for those who source this
# store_get KEY: sets $store_revision (of the whole store, as it was read), $mod_revision (0 if the
# key is not there) and $store_value (base64). Fails if etcd gives no answer: see store_error.
store_get() {
    local answer
    answer=$(ask_etcd get "$1") || return 1
    read -r store_revision mod_revision store_value < <(
        jq -r '"\(.header.revision) \(.kvs[0].mod_revision // 0) \(.kvs[0].value // "")"' <<<"$answer")
}
