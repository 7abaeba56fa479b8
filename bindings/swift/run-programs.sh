#!/bin/sh
# Runs the guide's programs as printed, and those that end in the middle of a call. Started by run-tests.sh, inside the root where there is
# one, which has no more than a POSIX shell and the core utilities.
#
#   run-programs.sh PROGRAMS CLONE      PROGRAMS: the built package of programs.py; CLONE: a folder with the examples
set -eu
bin=$1/.build/debug clone=$2
runs=$1/runs

fail() {
    echo "swift: FAILED: $*" >&2
    exit 1
}

# A gateway in another process, for the program that uses one; it ends with the pipe.
rm -rf "$runs"
mkdir -p "$runs/gateway"
mkfifo "$runs/gateway/in"
"$bin/gateway" <"$runs/gateway/in" >"$runs/gateway/out" 2>&1 &
exec 3>"$runs/gateway/in"
n=0
until [ -s "$runs/gateway/out" ]; do
    n=$((n + 1))
    [ "$n" -lt 200 ] || fail 'the gateway does not start'
    sleep 0.1
done
read -r EWEBRTC_GATEWAY <"$runs/gateway/out"
export EWEBRTC_GATEWAY

# run NAME STATUS PROGRAM ARGUMENT...: in a new folder; it writes nothing to standard error
run() {
    name=$1 wanted=$2
    shift 2
    mkdir -p "$runs/$name"
    cp -r "$clone/examples" "$runs/$name/"
    status=0
    (cd "$runs/$name" && timeout --kill-after=5 60 "$@" >out 2>err 3>&-) || status=$?
    if [ "$status" -ne "$wanted" ] || [ -s "$runs/$name/err" ]; then
        cat "$runs/$name/out" "$runs/$name/err" >&2
        fail "$name ended with status $status"
    fi
    for wav in "$runs/$name"/*.wav; do
        # That one ends before there is anything to hear.
        case $wav in */exit-handler-*) continue ;; esac
        [ -e "$wav" ] || continue
        # Without its head and without zeros.
        sound=$(tail -c +45 "$wav" | tr -d '\0\377' | wc -c)
        [ "$sound" -gt 10000 ] || fail "$name recorded silence into $wav ($sound bytes)"
    done
}

count=0
for program in "$bin"/docs_guide_swift_?? "$bin"/bindings_swift_readme_??; do
    [ -x "$program" ] || continue
    run "${program##*/}" 0 "$program"
    [ -s "$runs/${program##*/}/out" ] || fail "$program printed nothing"
    count=$((count + 1))
done
[ "$count" -gt 0 ] || fail 'there are no programs'

# The recording is complete although nothing was closed.
run exit-main 0 "$bin/exits" main
for way in handler thread log; do
    for n in 1 2 3 4 5; do run "exit-$way-$n" 7 "$bin/exits" "$way"; done
done
for way in 0 1 2 4 7 11 16 25 40 60 90 130 180 250; do
    rm -rf "$runs/exit-soon"
    mkdir -p "$runs/exit-soon"
    status=0
    (cd "$runs/exit-soon" && timeout --kill-after=5 30 "$bin/exits" "$way" >out 2>&1) || status=$?
    [ "$status" -eq 7 ] || { cat "$runs/exit-soon/out" >&2; fail "exit after $way ms: status $status"; }
done
exec 3>&-
wait
echo "swift: $count programs of the pages, and 30 ends of processes"
