#!/usr/bin/env bash
# The C++ layer as a customer has it: every header by two compilers and two standards without a warning, the tests, the guide's
# programs and the example; plain and under valgrind. Every program has a deadline. Output goes to target/cpp.
#
#   ffi-tests/cpp/run.sh [library] [headers] [tests] [guide] [valgrind]      without arguments: all of them
#   ffi-tests/cpp/run.sh runner                                              makes target/parity/c++
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. scripts/not-run.sh

target=${CARGO_TARGET_DIR:-$PWD/target}
out=$target/cpp
mkdir -p "$out"
flags=(-g -Wall -Wextra -Wshadow -Wundef -pedantic -Werror -Wold-style-cast -Wconversion -Iinclude)
tests=(json call errors handlers lifetimes)

run() { # run SECONDS COMMAND...
    timeout --kill-after=5 "$@" || { echo "cpp: FAILED: ${*:2} (status $?)" >&2; exit 1; }
}

program() { # program SOURCE OUTPUT FLAGS...
    local source=$1 output=$2
    shift 2
    g++ -std=c++17 "${flags[@]}" "$@" "$source" -o "$output" -L"$out/lib" -lewebrtc -pthread -Wl,-rpath,"$out/lib"
}

# Kept apart: cargo has a single libewebrtc.so for all sets of features.
library() {
    cargo build --locked --lib
    mkdir -p "$out/lib"
    cp "$target/debug/libewebrtc.so" "$out/lib/"
}

runner() {
    library
    mkdir -p "$target/parity"
    program ffi-tests/parity/cpp/runner.cc "$target/parity/c++"
}

for tool in g++ clang++; do
    command -v "$tool" > /dev/null || scripts/deps.sh test c || true
    command -v "$tool" > /dev/null || not_run c++ "there is no $tool, and it could not be installed"
done
[ $# -gt 0 ] || set -- library headers tests guide valgrind
for stage in "$@"; do
    began=$SECONDS
    echo "cpp: $stage"
    "$stage"
    echo "cpp: $stage took $((SECONDS - began)) s"
done
