# shellcheck shell=bash
# A farm in a directory of its own: what deploy/quickstart and the interop tests share. Source it,
# call `farm_open`, and whatever way the script ends, the daemons are stopped and the directory goes.

farm_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# The release build; a build against upstream's BoringSSL has a directory of its own.
if [[ -n ${BORINGSSL_ROOT:-} ]]; then
    BORINGSSL_ROOT=$(realpath "$BORINGSSL_ROOT")
fi
farm_build=$farm_root/build${BORINGSSL_ROOT:+/upstream}
farm_bin=${NTS_BIN_DIR:-$farm_build/bin}

# What a server logs when its sockets are open.
farm_ready='(ke|time)\.ready'

# How many seconds a server may take to start or stop.
farm_patience=10

declare -A farm_pids=()

die() {
    echo "${0##*/}: $*" >&2
    exit 1
}

# --- life cycle -----------------------------------------------------------------------------------

# farm_open [DIR_PREFIX]: makes $work and sees to it that nothing outlives the script.
farm_open() {
    work=$(mktemp -d "${TMPDIR:-/tmp}/${1:-nts-farm}.XXXXXX")
    trap farm_close EXIT
    # A signal ends the script through EXIT, with the status that a shell gives it.
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

farm_close() {
    local status=$?
    trap '' HUP INT TERM EXIT
    local name
    for name in "${!farm_pids[@]}"; do
        stop_daemon "$name" 5 || true
    done
    rm -rf "$work"
    exit "$status"
}

# start_daemon NAME COMMAND...: runs it in the background; its output goes to $work/NAME.log. It goes
# with the script even if that is killed.
start_daemon() {
    local name=$1
    shift
    # Empty before anybody looks for a line in it.
    : >"$work/$name.log"
    setpriv --pdeathsig TERM -- "$@" >>"$work/$name.log" 2>&1 </dev/null &
    farm_pids[$name]=$!
}

# stop_daemon NAME [SECONDS]: SIGTERM, and SIGKILL if that is not enough. Returns what it exited with.
stop_daemon() {
    local name=$1 status=0
    local pid=${farm_pids[$name]:-}
    [[ -n $pid ]] || return 0
    unset "farm_pids[$name]"
    kill -TERM "$pid" 2>/dev/null || true
    wait_until "${2:-$farm_patience}" has_ended "$pid" || kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || status=$?
    return "$status"
}

# kill_daemon NAME: as a power failure does.
kill_daemon() {
    local pid=${farm_pids[$1]}
    unset "farm_pids[$1]"
    kill -KILL "$pid"
    wait "$pid" 2>/dev/null || true
}

# A process that ended stays a zombie until the shell waits for it: kill -0 would still find it.
has_ended() {
    local state
    state=$(sed -E 's/.*\) (.).*/\1/' "/proc/$1/stat" 2>/dev/null) || return 0
    [[ $state == Z || -z $state ]]
}

# wait_until SECONDS COMMAND...: polls until the command succeeds; fails when the time is over.
wait_until() {
    local deadline=$((${EPOCHREALTIME/./} + $1 * 1000000))
    shift
    until "$@"; do
        if ((${EPOCHREALTIME/./} >= deadline)); then
            return 1
        fi
        sleep 0.05
    done
}

log_has() {
    grep -qE -- "$2" "$work/$1.log"
}

ready_or_ended() {
    log_has "$1" "$2" || has_ended "${farm_pids[$1]}"
}

# await_log NAME PATTERN [SECONDS]: waits for a line in the log; shows the log if it does not come.
await_log() {
    if ! wait_until "${3:-$farm_patience}" ready_or_ended "$1" "$2" || ! log_has "$1" "$2"; then
        tail -n 20 "$work/$1.log" >&2
        die "$1 did not get ready (no '$2' in its log, above)"
    fi
}

# --- certificates ---------------------------------------------------------------------------------

# Not the system's openssl.cnf: it differs from machine to machine.
openssl_request() {
    openssl req -config <(printf '[req]\ndistinguished_name=name\nprompt=no\n[name]\nCN=%s\n' "$1") \
        -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 "${@:2}" \
        2>"$work/openssl.log" ||
        { cat "$work/openssl.log" >&2; die "openssl made no certificate"; }
}

# make_ca: a throw-away certificate authority, ca.crt and ca.key.
make_ca() {
    (umask 077 && openssl_request "NTS farm throw-away CA" -keyout "$work/ca.key" -out "$work/ca.crt" \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign)
}

# make_certificate NAME SAN...: NAME.crt and NAME.key for `IP:127.0.0.1`, `DNS:ntp.example` and so on.
make_certificate() {
    local name=$1 names
    shift
    names=$(IFS=,; echo "$*")
    (umask 077 && openssl_request "NTS farm $name" -keyout "$work/$name.key" -out "$work/$name.crt" \
        -CA "$work/ca.crt" -CAkey "$work/ca.key" -addext "subjectAltName=$names" \
        -addext basicConstraints=critical,CA:FALSE -addext keyUsage=critical,digitalSignature \
        -addext extendedKeyUsage=serverAuth)
}

# --- servers --------------------------------------------------------------------------------------

# For the servers that are started next: the keyring, relative to $work, the AEADs on offer, and more
# members of the configuration, each with a comma in front.
farm_keyring=keyring.json
farm_more=
farm_aead='[30, 15, 16, 17]'
farm_ke_more= # of ke-servers alone

# start_server NAME PROGRAM: runs it on $work/NAME.json until it says that it serves.
start_server() {
    start_daemon "$1" "$farm_bin/$2" --config "$work/$1.json"
    await_log "$1" "$farm_ready"
}

# json_list STRING...: ["a","b"]
json_list() {
    local IFS=,
    echo "[${*@Q}]" | tr "'" '"'
}

# start_ke_server NAME TIME_SERVERS_JSON LISTEN...
start_ke_server() {
    local name=$1 time_servers=$2
    shift 2
    cat >"$work/$name.json" <<EOJ
{ "listen": $(json_list "$@"),
  "certificate": "ke.crt", "private_key": "ke.key", "keyring": "$farm_keyring",
  "time_servers": $time_servers,
  "aead": $farm_aead, "workers": 1$farm_more$farm_ke_more }
EOJ
    start_server "$name" nts-ke-server
}

# start_time_server NAME CLOCK_JSON LISTEN...
start_time_server() {
    local name=$1 clock=$2
    shift 2
    cat >"$work/$name.json" <<EOJ
{ "listen": $(json_list "$@"), "keyring": "$farm_keyring", "workers": 1,
  "clock": $clock$farm_more }
EOJ
    start_server "$name" nts-time-server
}

# make_keyring: an active and an upcoming key.
make_keyring() {
    "$farm_bin/nts-keys" init --keyring "$work/$farm_keyring" >"$work/nts-keys.log" 2>&1 ||
        { cat "$work/nts-keys.log" >&2; die "nts-keys made no keyring"; }
}

# --- probes ---------------------------------------------------------------------------------------

farm_probe_options=() # of every probe

# probe NAME HOST:PORT OPTION...: asks as a client does; what nts-probe saw goes to $work/NAME.json.
probe() {
    "$farm_bin/nts-probe" "$2" --ca "$work/ca.crt" --json "${farm_probe_options[@]}" "${@:3}" \
        >"$work/$1.json"
}

# probe_said NAME JQ_FILTER: whether the filter is true of what nts-probe saw. The status of jq 1.6 does
# not tell: it takes no JSON at all for a yes.
probe_said() {
    [[ "$(jq "$2" "$work/$1.json")" == true ]]
}

# Every request was answered with time, and every answer authenticated.
probe_is_complete() {
    probe_said "$1" '.summary | .sent > 0 and .authenticated == .sent'
}
