#!/usr/bin/env bash
# One behaviour in every language: builds the runners, plays every scenario with each against the gateway program, and compares
# line by line what their phones report with the scenario's .events. What a runner is stands in README.md beside this.
#
#   ffi-tests/parity/run.sh [LANGUAGE...]      c, c++, python, kotlin, swift; without arguments: all of them
#
# A language whose tools cannot be had is reported NOT RUN by name, which is a failure unless ALLOW_NOT_RUN names it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

target=${CARGO_TARGET_DIR:-$PWD/target}
out=$target/parity
mkdir -p "$out"
. scripts/not-run.sh

# Joined, since it is called where a command that fails does not end the script.
c_runner() {
    if ! command -v gcc > /dev/null; then
        (not_run c 'there is no gcc, and it could not be installed')
        return
    fi
    cargo build --locked --lib && mkdir -p "$out/lib" && cp "$target/debug/libewebrtc.so" "$out/lib/" &&
        gcc -g -std=c99 -D_GNU_SOURCE -Wall -Wextra -Wundef -Wshadow -pedantic -Werror -Iinclude ffi-tests/parity/c/runner.c \
            -o "$out/c" -L"$out/lib" -lewebrtc -Wl,-rpath,"$out/lib"
}

runner() { # runner LANGUAGE: makes target/parity/LANGUAGE, or says that it cannot be had
    rm -f "$out/$1"
    case $1 in
    c) c_runner ;;
    c++) ffi-tests/cpp/run.sh runner ;;
    python | kotlin | swift) "bindings/$1/run-tests.sh" runner ;;
    *)
        echo "parity: unknown language '$1': c, c++, python, kotlin or swift" >&2
        return 2
        ;;
    esac
}

# A runner that reports one event less than there was must be found out.
control() {
    printf '#!/bin/sh\n"%s" | grep --line-buffered -v call:connecting\n' "$out/$1" > "$out/control"
    chmod +x "$out/control"
    if python3 ffi-tests/parity/play.py --only 04-busy control > "$out/control.log" 2>&1; then
        echo 'parity: FAILED: a runner that keeps an event back is not found out' >&2
        return 1
    fi
    grep -q '^-alice: call:connecting ' "$out/control.log"
}

[ $# -gt 0 ] || set -- c c++ python kotlin swift
scripts/deps.sh build python || true # a language that goes without says so below
cargo build --locked -p ewebrtc-gateway
failed=0
left_out=0
languages=()
for language in "$@"; do
    status=0
    runner "$language" || status=$?
    if [ "$status" -eq 77 ]; then
        echo "parity: $language is left out, as ALLOW_NOT_RUN says"
        left_out=77
    elif [ "$status" -ne 0 ]; then
        echo "parity: FAILED: there is no runner in $language" >&2
        failed=1
    else
        languages+=("$language")
    fi
done
if [ ${#languages[@]} -gt 0 ]; then
    timeout --kill-after=10 10m python3 ffi-tests/parity/play.py "${languages[@]}" || failed=1
    control "${languages[0]}" || failed=1
fi
# A language that was left out is no success: make test names the step.
[ "$failed" -ne 0 ] || exit "$left_out"
exit "$failed"
