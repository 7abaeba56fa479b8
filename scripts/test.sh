#!/usr/bin/env bash
# Everything that must hold before a change is good: format, tests, the languages and that they behave alike, clippy, documentation. Every step runs even
# when an earlier one failed; the summary at the end names each, with the last words of those that failed, and the exit status is
# 0 only when all passed. What each step printed is kept in target/test-logs.
# One selection (--workspace --all-targets) and one profile throughout, so that dependencies are compiled once.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-auto}
# An incremental cache helps nobody who builds once, and costs a third of the disk.
if [ -n "${CI:-}" ]; then export CARGO_INCREMENTAL=0; fi
# A build server judges a change, not luck: it repeats the same random sequences, developers run new ones each time.
if [ -n "${CI:-}" ]; then export EWEBRTC_TEST_SEED=${EWEBRTC_TEST_SEED:-7}; fi

# At a terminal Ctrl-C must reach what runs; elsewhere a step that hangs must be ended with all its children.
foreground=()
if [ -t 1 ]; then foreground=(--foreground); fi

logs=${CARGO_TARGET_DIR:-target}/test-logs
rm -rf "$logs"
mkdir -p "$logs"
# A step writes to a pipe, and would think that nobody can see its colours.
if [ -t 1 ] && [ "$CARGO_TERM_COLOR" = auto ]; then CARGO_TERM_COLOR=always; fi

summary=()
failed=()
step() { # step NAME LIMIT COMMAND...: LIMIT is a bound for a step that hangs, far above what it takes
    local name=$1 limit=$2 began=$SECONDS status=0 word=passed
    shift 2
    printf '\n== %s\n' "$name"
    # Not a pipeline: that would wait for whatever a step has left behind with its output open.
    exec 3> >(exec tee "$logs/$name.log")
    local tee=$!
    timeout "${foreground[@]}" --kill-after=10 "$limit" "$@" </dev/null >&3 2>&1 3>&- || status=$?
    exec 3>&-
    timeout 5 tail --pid="$tee" -f /dev/null
    if [ "$status" -eq 77 ]; then
        word='NOT RUN, as ALLOW_NOT_RUN says' # see scripts/not-run.sh
    elif [ "$status" -ne 0 ]; then
        failed+=("$name")
        word="FAILED (status $status)"
        [ "$status" -eq 124 ] && word="FAILED (not done after $limit)"
    fi
    summary+=("$(printf '%-14s %5s s  %s' "$name" "$((SECONDS - began))" "$word")")
}

step format 2m cargo fmt --all --check
step tests 50m cargo test --locked --workspace --all-targets --no-fail-fast
step demo 10m cargo run --locked --quiet --example demo
step conference 10m cargo run --locked --quiet --example conference
step doc-tests 10m cargo test --locked --workspace --doc
step c-interface 45m ffi-tests/run.sh
step c++ 20m ffi-tests/cpp/run.sh
step python 30m bindings/python/run-tests.sh
step kotlin 20m bindings/kotlin/run-tests.sh
step swift 30m bindings/swift/run-tests.sh
step parity 20m ffi-tests/parity/run.sh
step clippy 20m cargo clippy --locked --workspace --all-targets -- -D warnings
step no-gateway 10m cargo check --locked --lib --no-default-features
step clippy-uniffi 10m cargo clippy --locked --lib --bin uniffi-bindgen --features bindgen -- -D warnings
step tests-uniffi 10m cargo test --locked --lib --features uniffi ffi::uniffi
step documentation 20m env RUSTDOCFLAGS='-D warnings' cargo doc --locked --workspace --no-deps

printf '\n== summary\n'
printf '%s\n' "${summary[@]}"
if [ ${#failed[@]} -gt 0 ]; then
    for name in "${failed[@]}"; do
        printf '\n== %s: what it said of failures, and its last words (all of it: %s)\n' "$name" "$logs/$name.log"
        grep -nE 'FAILED|panicked at|^error|NOT RUN|\[X\]|Error:' "$logs/$name.log" | cut -c1-300 | tail -n 20
        echo ...
        tail -n 25 "$logs/$name.log" | cut -c1-300
    done
    echo 'make test: FAILED'
    exit 1
fi
echo 'make test: passed'
