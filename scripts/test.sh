#!/usr/bin/env bash
# Everything that must hold before a change is good: format, tests, the languages and that they behave alike, clippy, documentation. Every step runs even
# when an earlier one failed; the summary at the end names each, and the exit status is 0 only when all passed.
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

summary=()
failed=0
step() { # step NAME LIMIT COMMAND...: LIMIT is a bound for a step that hangs, far above what it takes
    local name=$1 limit=$2 began=$SECONDS status=0 word=passed
    shift 2
    printf '\n== %s\n' "$name"
    timeout "${foreground[@]}" --kill-after=10 "$limit" "$@" </dev/null || status=$?
    if [ "$status" -eq 77 ]; then
        word='NOT RUN, as ALLOW_NOT_RUN says' # see scripts/not-run.sh
    elif [ "$status" -ne 0 ]; then
        failed=1
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
if [ "$failed" -ne 0 ]; then
    echo 'make test: FAILED'
    exit 1
fi
echo 'make test: passed'
