# shellcheck shell=bash
# What the scripts of this folder share. Each sets `about`, the text of --help, and sources this.

set -euo pipefail

case ${1:-} in
    "") ;;
    -h | --help) echo "${about:?}"; exit 0 ;;
    *) echo "Usage: $0 [--help]" >&2; exit 2 ;;
esac

work=$(mktemp -d)
pids=()

close_work() {
    local pid
    for pid in "${pids[@]}"; do
        kill -KILL "$pid" 2>/dev/null || true
    done
    rm -rf "$work"
}
trap close_work EXIT

# package NAME VERSION: unpacks the pinned package below $work/root. When that version is not to be had, the
# one that is, and says so.
package() {
    local name=$1 version=$2 file
    if ! (cd "$work" && apt-get -q download "$name=$version" >/dev/null 2>&1); then
        (cd "$work" && apt-get -q download "$name" >/dev/null 2>&1) || {
            echo "cannot download $name: apt-get update, and try again" >&2
            exit 1
        }
    fi
    for file in "$work/$name"_*.deb; do
        dpkg-deb -x "$file" "$work/root"
        local got
        got=$(dpkg-deb -f "$file" Version)
        echo "package    $name $got$([[ $got == "$version" ]] || echo " (pinned: $version)")"
    done
}

# finding EXPECTED SEEN HOLDS: prints both; exits with 1 if the behaviour is no longer what is described.
finding() {
    echo "expected   $1"
    echo "seen       $2"
    if [[ $3 != true ]]; then
        echo "result     changed: this finding no longer holds"
        exit 1
    fi
    echo "result     as described"
}
