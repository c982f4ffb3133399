#!/bin/bash
about="chronyd 4.3 appends a dot to the NTPv4 server name that NTS-KE gives it.

An NTS-KE server can send its clients to a time server by name (RFC 8915, section 4.1.7). chronyd as the client
makes the name absolute by a final dot before it resolves it. glibc looks such a name up in /etc/hosts with the
dot, and does not find the entry without it: a name that only /etc/hosts has works for every other program on
the host, and not for this one. The client then has no time server, and says nothing about it."
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "$0")/lib.sh"

if [[ $EUID -ne 0 ]]; then
    echo "needs root, for namespaces of its own" >&2
    exit 2
fi
package chrony 4.3-2+deb12u3
package libedit2 3.1-20221030-2
package libtomcrypt1 1.18.2-6

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=ke.example.test \
    -addext subjectAltName=DNS:ke.example.test -keyout "$work/ke.key" -out "$work/ke.crt" 2>/dev/null

# Runs a client and a server in namespaces of their own, whose /etc/hosts has the name of the time server as it
# is given; prints whether the client selected it as a source, and whether getent resolves it there.
cat >"$work/run" <<'SCRIPT'
set -euo pipefail
work=$1 name=$2
export LD_LIBRARY_PATH=$work/root/usr/lib/$(gcc -print-multiarch)
chronyd=$work/root/usr/sbin/chronyd
ip link set lo up
printf '%s\n' "127.0.0.1 localhost" "127.0.0.2 ke.example.test" "127.0.0.2 $name" >"$work/hosts"
mount --bind "$work/hosts" /etc/hosts
echo "hosts: files" >"$work/nsswitch"
mount --bind "$work/nsswitch" /etc/nsswitch.conf
mkdir -p "$work/server" "$work/client"
printf '%s\n' "local stratum 1" "allow all" "bindaddress 127.0.0.2" "cmdport 0" "bindcmdaddress /" \
    "pidfile $work/server/pid" "ntsservercert $work/ke.crt" "ntsserverkey $work/ke.key" "ntsprocesses 0" \
    "ntsntpserver ntp.example.test" >"$work/server.conf"
printf '%s\n' "server ke.example.test nts iburst" "ntstrustedcerts $work/ke.crt" "port 0" "cmdport 0" \
    "bindcmdaddress /" "pidfile $work/client/pid" >"$work/client.conf"
"$chronyd" -x -d -U -u root -f "$work/server.conf" >"$work/server.log" 2>&1 &
server=$!
"$chronyd" -x -d -U -u root -f "$work/client.conf" >"$work/client.log" 2>&1 &
client=$!
selected=false
for _ in {1..30}; do
    sleep 0.5
    if grep -q 'Selected source' "$work/client.log"; then
        selected=true
        break
    fi
done
kill $server $client
wait $server $client 2>/dev/null || true
getent ahosts ntp.example.test >/dev/null && resolves=true || resolves=false
echo "$selected $resolves"
SCRIPT
with_hosts() {
    timeout 60 unshare --mount --net bash "$work/run" "$work" "$1"
}

read -r selected resolves < <(with_hosts ntp.example.test)
read -r selected_dotted _ < <(with_hosts ntp.example.test.)
finding "with ntp.example.test in /etc/hosts, chronyd as client gets time from it, as getent finds it" \
    "getent finds it: $resolves; chronyd has it as a source: $selected; with 'ntp.example.test.' in /etc/hosts: $selected_dotted" \
    "$([[ $resolves == true && $selected == false && $selected_dotted == true ]] && echo true)"
