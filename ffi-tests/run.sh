#!/usr/bin/env bash
# The C interface as a customer sees it: header, exported names, a complete call, abuse; plain, under valgrind, with the
# sanitizers, and an injected panic in the release profile; installed as a package, and against the interface as it was accepted. Every program has a deadline. Output goes to target/ffi.
#
#   ffi-tests/run.sh [plain] [install] [abi] [valgrind] [release] [sanitize]      without arguments: all of them
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=${CARGO_TARGET_DIR:-$PWD/target}
out=$target/ffi
mkdir -p "$out"
warnings=(-g -Wall -Wextra -Wundef -Wshadow -pedantic -Werror)
c99=(-std=c99 -D_GNU_SOURCE "${warnings[@]}" -Iinclude)

run() { # run SECONDS COMMAND...
    timeout --kill-after=5 "$@" || { echo "ffi-tests: FAILED: ${*:2} (status $?)" >&2; exit 1; }
}

# One library per purpose, kept apart: cargo has a single libewebrtc.so per profile for all sets of features.
library() { # library NAME PROFILE-FOLDER CARGO-ARGUMENTS...
    local name=$1 folder=$2
    shift 2
    cargo build --locked --lib "$@"
    mkdir -p "$out/$name"
    cp "$target/$folder/libewebrtc.so" "$out/$name/"
}

program() { # program LIBRARY SOURCE OUTPUT FLAGS...
    local name=$1 source=$2 output=$3
    shift 3
    gcc "${c99[@]}" "$@" "$source" -o "$output" -L"$out/$name" -lewebrtc -lpthread -lm -Wl,-rpath,"$out/$name"
}

header() {
    # After the headers of the system, whose macros must not meet ours; and twice.
    printf '#include <%s>\n' unistd.h errno.h pthread.h sys/socket.h ewebrtc.h ewebrtc.h > "$out/header.c"
    echo 'int main(void) { return !ewebrtc_abi_fits() || EWEBRTC_OK; }' >> "$out/header.c"
    cp "$out/header.c" "$out/header.cc"
    local compiler
    for compiler in gcc clang; do
        if command -v "$compiler" >/dev/null; then "$compiler" "${c99[@]}" -fsyntax-only "$out/header.c"; fi
    done
    for compiler in g++ clang++; do
        if command -v "$compiler" >/dev/null; then
            "$compiler" -std=c++17 "${warnings[@]}" -Iinclude -fsyntax-only "$out/header.cc"
        fi
    done
    command -v clang >/dev/null || echo 'ffi-tests: NOTE: clang is not here; the header was compiled by gcc and g++ only'
    # What is declared is exported, and nothing else is.
    nm -D --defined-only "$out/plain/libewebrtc.so" | awk '{print $3}' | sort > "$out/exported"
    grep -oE '\bewebrtc_[a-z_]+\(' include/ewebrtc.h | tr -d '(' | grep -v '^ewebrtc_abi_fits$' | sort -u > "$out/declared"
    diff "$out/declared" "$out/exported" || { echo 'ffi-tests: FAILED: declared (<) and exported (>) names differ' >&2; exit 1; }
}

# Without any network but loopback, not even a route for multicast, calls work all the same.
offline() {
    if ! unshare --net true 2>/dev/null; then
        echo 'ffi-tests: NOT RUN: a call without a network; this user may not make a network namespace' >&2
        return
    fi
    (cd "$out/example" && run 60 unshare --net sh -c "ip link set lo up && '$out/echo'" > offline.log)
}

# The guide's C blocks, one after the other, are a file, of which every function is run. The example is run, and what it has
# recorded is not silence.
guide() {
    rm -rf "$out/example"
    guide_blocks
    # Every function is used: as static ones, the compiler would tell of those that are not.
    mkdir -p "$out/guide-static"
    sed -E 's/^(int|char|void|ewebrtc_[a-z]+) .*\)$/static &/' "$out/guide-blocks.c" > "$out/guide-static/guide-blocks.c"
    gcc "${c99[@]}" -I"$out/guide-static" -c ffi-tests/c/guide.c -o /dev/null
    program plain ffi-tests/c/guide.c "$out/guide" -I"$out"
    guide_run "$out/guide"
    program plain examples/c/echo.c "$out/echo"
    (cd "$out/example" && run 60 "$out/echo" > echo.log)
    local sound
    sound=$(tail -c +45 "$out/example/echo.wav" | tr -d '\0\377' | wc -c)
    [ "$sound" -gt 100000 ] || { echo "ffi-tests: FAILED: the example recorded silence ($sound bytes)" >&2; exit 1; }
}

guide_blocks() {
    awk -v page=docs/guide-c.md '/^```c$/ { on = 1; printf "#line %d \"%s\"\n", NR + 1, page; next } /^```$/ { on = 0 } on' \
        docs/guide-c.md > "$out/guide-blocks.c"
}

guide_run() { # guide_run PROGRAM
    mkdir -p "$out/example/examples"
    cp -r examples/speech "$out/example/examples/"
    (cd "$out/example" && run 300 "$1" > guide.log 2> guide.err) || { tail -n 40 "$out/example/guide.err" >&2; exit 1; }
    tail -n 1 "$out/example/guide.log"
}

plain() {
    library plain debug
    header
    guide
    offline
    local name
    for name in call video abuse utilities; do
        program plain "ffi-tests/c/$name.c" "$out/$name"
        run 120 "$out/$name"
    done
    run 120 "$out/abuse" lifetimes 60
    run 60 "$out/abuse" exit
    run 60 "$out/abuse" exit-elsewhere
}

valgrind() {
    [ -x "$out/call" ] && [ -x "$out/video" ] && [ -x "$out/abuse" ] && [ -x "$out/utilities" ] || plain
    local name
    for name in call video abuse utilities; do
        # Possible leaks are false: the standard library keeps a thread's handle by a pointer to its inside.
        run 200 env RUST_BACKTRACE=0 valgrind -q --leak-check=full --show-leak-kinds=definite,indirect \
            --errors-for-leak-kinds=definite,indirect --error-exitcode=9 --fair-sched=yes \
            --suppressions=ffi-tests/valgrind.supp "$out/$name"
    done
}

# A panic inside must be caught in the library as it is given away, also in the static one that was taken apart for it.
release() {
    run 2400 scripts/install-c.sh --prefix "$out/release" --features test-hooks
    program release/lib ffi-tests/c/abuse.c "$out/abuse-release" -DTEST_HOOKS
    run 120 "$out/abuse-release"
    gcc "${c99[@]}" -DTEST_HOOKS ffi-tests/c/abuse.c "$out/release/lib/libewebrtc.a" -lgcc_s -lpthread -lm -ldl -o "$out/abuse-static"
    run 120 "$out/abuse-static" panics
}

sanitize() {
    local host
    host=$(rustc -vV | sed -n 's/^host: //p')
    if ! cargo +nightly --version >/dev/null 2>&1; then
        echo 'ffi-tests: NOT RUN: sanitizers; there is no nightly toolchain' >&2
        return
    fi
    RUSTFLAGS=-Zsanitizer=address cargo +nightly rustc --locked --lib --features test-hooks --crate-type staticlib \
        --target "$host" --target-dir "$target/asan"
    guide_blocks
    local name
    export RUST_BACKTRACE=0 ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1
    for name in call video abuse utilities guide; do
        gcc "${c99[@]}" -fsanitize=address,undefined -fno-sanitize-recover=all -DTEST_HOOKS -I"$out" "ffi-tests/c/$name.c" \
            "$target/asan/$host/debug/libewebrtc.a" -o "$out/$name-asan" -lpthread -lm -ldl
        if [ "$name" = guide ]; then guide_run "$out/guide-asan"; else run 200 "$out/$name-asan"; fi
    done
    unset RUST_BACKTRACE ASAN_OPTIONS
}

. ffi-tests/stage-install.sh
. ffi-tests/stage-abi.sh

[ $# -gt 0 ] || set -- plain install abi valgrind release sanitize
for stage in "$@"; do
    began=$SECONDS
    echo "ffi-tests: $stage"
    "$stage"
    echo "ffi-tests: $stage took $((SECONDS - began)) s"
done
echo 'ffi-tests: passed'
