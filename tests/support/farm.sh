# shellcheck shell=bash
# For the interop tests: TAP, a network of their own, and the peers chronyd and ntpd. A test script
# sources this, calls `interop_open`, starts what it needs, calls `check` and ends with `tap_done`.

# shellcheck source-path=SCRIPTDIR source=../../deploy/farm-lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../deploy/farm-lib.sh"

# --- test results ---------------------------------------------------------------------------------

# How long an event may take, in seconds: a bound against a hang, which a test that passes never reaches,
# on however busy a machine.
farm_patience=120
farm_probe_options=(--timeout "$farm_patience")

tap_count=0
tap_failed=false

# check NAME COMMAND...: one test, passed if the command succeeds. If not, the end of what it printed
# is the diagnostics, and with the first failure the logs of the daemons that run. The command runs
# without `set -e`: join with &&.
check() {
    local name=$1 daemon
    shift
    tap_count=$((tap_count + 1))
    if "$@" >"$work/check.out" 2>&1; then
        echo "ok - $name"
        return
    fi
    echo "not ok - $name"
    tail -n 10 "$work/check.out" | comment
    for daemon in "${!farm_pids[@]}"; do
        if [[ $tap_failed == false ]]; then
            echo "# --- $daemon"
            tail -n 15 "$work/$daemon.log" | comment
        fi
    done
    tap_failed=true
    farm_patience=10 # what fails now fails for the same reason
}

# eventually COMMAND...: polls until the command succeeds. It is how tests wait.
eventually() {
    wait_until $farm_patience "$@"
}

comment() {
    sed 's/^/# /'
}

# show COMMAND...: prints it and its output as a comment, the evidence that a person may want to see.
show() {
    { echo "\$ ${*//$work\//}"; "$@" 2>&1 || true; } | comment
}

tap_done() {
    echo "1..$tap_count"
}

# --- the place ------------------------------------------------------------------------------------

# interop_open "$@": starts the script anew, with a network and an /etc/hosts of its own, and without the capability to set the machine's clock, whatever the daemons
# try. The namespaces go when their last process ends.
interop_open() {
    local as_root=()
    if [[ ${NTS_INTEROP:-} != inside ]]; then
        "$farm_root/tests/support/peers" >/dev/null
        [[ $EUID -eq 0 ]] || as_root=(--map-root-user)
        unshare "${as_root[@]}" --net --mount true ||
            die "this system permits no network namespace here: run the tests as root"
        NTS_INTEROP=inside exec unshare "${as_root[@]}" --net --mount \
            setpriv --bounding-set -sys_time --inh-caps -sys_time "$0" "$@"
    fi
    farm_open "nts-${0##*/}"
    local address
    ip link set lo up
    for address in fd00::{a,b}{1,2}; do
        ip address add "$address/128" dev lo nodad
    done
    printf '%s\n' "${farm_hosts[@]}" >"$work/hosts"
    mount --bind "$work/hosts" /etc/hosts
    local peer
    while IFS='=' read -r peer address; do
        declare -g "$peer=$address"
    done < <("$farm_root/tests/support/peers")
}

# --- the farm -------------------------------------------------------------------------------------

# Two ke-servers, `ke-a` and `ke-b`, each sending its clients to the time server of its letter, so
# that a client with two sources uses the whole farm.
farm_hosts=("127.0.0.1 localhost" "::1 localhost"
    "127.0.1.1 a.farm.test" "fd00::a1 a.farm.test" "127.0.2.1 b.farm.test" "fd00::b1 b.farm.test")
farm_clock='{"source": "fixed", "stratum": 1, "reference_id": "TEST"}'

start_farm() {
    make_ca
    make_certificate ke DNS:a.farm.test DNS:b.farm.test \
        IP:127.0.1.1 IP:127.0.2.1 IP:fd00::a1 IP:fd00::b1
    make_keyring
    start_time_server time-a "$farm_clock" 127.0.1.2:4123 "[fd00::a2]:4123"
    start_time_server time-b "$farm_clock" 127.0.2.2:4123 "[fd00::b2]:4123"
    start_ke_server ke-a '[{"name": "127.0.1.2", "port": 4123}, {"name": "fd00::a2", "port": 4123}]' \
        127.0.1.1:4460 "[fd00::a1]:4460"
    start_ke_server ke-b '[{"name": "127.0.2.2", "port": 4123}, {"name": "fd00::b2", "port": 4123}]' \
        127.0.2.1:4460 "[fd00::b1]:4460"
}

# check_shutdown: each server of ours must end in order and have nothing to complain of.
check_shutdown() {
    local name
    for name in "${!farm_pids[@]}"; do
        case $name in
            ke* | time*)
                check "$name exits with 0 on SIGTERM" stop_daemon "$name"
                check "$name has no sanitizer report" lacks_sanitizer_report "$name"
                ;;
        esac
    done
}

lacks_sanitizer_report() {
    ! grep -E 'Sanitizer|runtime error' "$work/$1.log"
}

# --- etcd -----------------------------------------------------------------------------------------

# etcd_open: the scripts of deploy/key-distribution and etcdctl in PATH, for an etcd of three members.
# Needs make_ca.
etcd_open() {
    export NTS_KEYS=$farm_bin/nts-keys
    # shellcheck disable=SC2154 # set by interop_open
    export PATH=$farm_root/deploy/key-distribution:${etcdctl%/*}:$PATH
    export ETCDCTL_CACERT=$work/ca.crt RUNTIME_DIRECTORY=$work/run
    mkdir "$RUNTIME_DIRECTORY"
    export ETCDCTL_ENDPOINTS=https://127.0.9.1:2379,https://127.0.9.2:2379,https://127.0.9.3:2379
    make_certificate etcd IP:127.0.9.1 IP:127.0.9.2 IP:127.0.9.3
}

# start_etcd NUMBER...: members 1 to 3; it takes two of them to answer.
start_etcd() {
    local number address
    for number in "$@"; do
        address=127.0.9.$number
        # shellcheck disable=SC2154 # set by interop_open
        start_daemon "etcd-$number" "$etcd" --name "member-$number" --data-dir "$work/etcd-$number" \
            --listen-client-urls "https://$address:2379" \
            --advertise-client-urls "https://$address:2379" \
            --cert-file "$work/etcd.crt" --key-file "$work/etcd.key" \
            --listen-peer-urls "http://$address:2380" \
            --initial-advertise-peer-urls "http://$address:2380" \
            --initial-cluster "$(printf 'member-%d=http://127.0.9.%d:2380,' 1 1 2 2)$(
                )member-3=http://127.0.9.3:2380" \
            --heartbeat-interval 100 --election-timeout 1500 --logger zap --log-level error
    done
}

etcd_answers() {
    etcdctl --command-timeout 10s get /nts/keyring
}

# --- peers ----------------------------------------------------------------------------------------

# start_chronyd NAME, its configuration on standard input (no pipe: the subshell would take the daemon
# with it). It never touches the clock (-x).
start_chronyd() {
    cat - <(printf '%s\n' "pidfile $work/$1.pid" "bindcmdaddress $work/$1.sock" "cmdport 0") \
        >"$work/$1.conf"
    # shellcheck disable=SC2154 # set by interop_open
    start_daemon "$1" "$chronyd" -d -x -U -u "$(id -un)" -f "$work/$1.conf"
    await_log "$1" 'chronyd version'
}

# ask_chronyd NAME COMMAND...
ask_chronyd() {
    # shellcheck disable=SC2154 # set by interop_open
    "$chronyc" -h "$work/$1.sock" -N "${@:2}"
}

# start_ntpd NAME, its configuration on standard input.
start_ntpd() {
    cat >"$work/$1.conf"
    # shellcheck disable=SC2154 # set by interop_open
    start_daemon "$1" "$ntpd" -n -g -c "$work/$1.conf"
}

# ask_ntpd ARGUMENT...: ntpq, whose Python module and library lie where they were unpacked.
ask_ntpd() {
    # shellcheck disable=SC2154 # set by interop_open
    local usr=${ntpq%/bin/ntpq}
    PYTHONPATH=$usr/lib/python3/dist-packages \
        LD_LIBRARY_PATH=$(dirname "$(find "$usr/lib" -name libntpc.so)") "$ntpq" -n "$@" 127.0.0.1
}
