#!/usr/bin/env bash
# The C++ layer as a customer has it: the headers by two compilers and two standards without a warning, the tests, the guide's
# programs and the example; plain, under valgrind and with the sanitizers. Every program has a deadline. Output goes to target/cpp.
#
#   ffi-tests/cpp/run.sh [headers] [tests] [guide] [valgrind] [sanitize]      without arguments: all of them
#   ffi-tests/cpp/run.sh runner                                               makes target/parity/c++
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. scripts/not-run.sh

target=${CARGO_TARGET_DIR:-$PWD/target}
out=$target/cpp
mkdir -p "$out"
flags=(-g -Wall -Wextra -Wshadow -Wundef -pedantic -Werror -Wold-style-cast -Wconversion)
programs=(json call errors handlers lifetimes)

run() { # run SECONDS COMMAND...
    timeout --kill-after=5 "$@" || { echo "cpp: FAILED: ${*:2} (status $?)" >&2; exit 1; }
}

program() { # program SOURCE OUTPUT FLAGS...
    local source=$1 output=$2
    shift 2
    g++ -std=c++17 "${flags[@]}" "$@" -Iinclude "$source" -o "$output" -L"$out/lib" -lewebrtc -pthread -Wl,-rpath,"$out/lib"
}

# Kept apart: cargo has a single libewebrtc.so for all sets of features.
library() {
    cargo build --locked --lib
    mkdir -p "$out/lib"
    cp "$target/debug/libewebrtc.so" "$out/lib/"
}

runner() {
    mkdir -p "$target/parity"
    program ffi-tests/parity/cpp/runner.cc "$target/parity/c++"
}

headers() {
    # After the headers of the system, whose macros must not meet ours, and twice.
    printf '#include <%s>\n' unistd.h errno.h pthread.h sys/socket.h ewebrtc.hpp ewebrtc.hpp > "$out/headers.cc"
    echo 'int main() { return ewebrtc::version().empty(); }' >> "$out/headers.cc"
    local compiler standard part
    for compiler in g++ clang++; do
        for standard in c++17 c++20; do
            "$compiler" -std=$standard "${flags[@]}" -Iinclude -fsyntax-only "$out/headers.cc"
        done
        "$compiler" -std=c++17 "${flags[@]}" -fno-rtti -Iinclude -fsyntax-only "$out/headers.cc"
    done
    for part in "${programs[@]}"; do
        clang++ -std=c++20 "${flags[@]}" -Iinclude -fsyntax-only "ffi-tests/cpp/$part.cc"
    done
    # Each part includes what it needs.
    for part in include/ewebrtc/*.hpp; do
        printf '#include "%s"\n' "$PWD/$part" > "$out/part.cc"
        g++ -std=c++17 "${flags[@]}" -fsyntax-only "$out/part.cc"
    done
    # Two files that include it make one program, and nothing of it is left to be linked but inline functions.
    printf '#include <ewebrtc.hpp>\nvoid other(ewebrtc::Phone &phone) { phone.hold(); }\n' > "$out/other.cc"
    program "$out/headers.cc" "$out/headers" "$out/other.cc"
    run 20 "$out/headers"
    g++ -std=c++17 -Iinclude -c "$out/other.cc" -o "$out/other.o"
    if nm -C "$out/other.o" | grep ' [TDBR] ' | grep -v ' T other('; then
        echo 'cpp: FAILED: the headers define symbols of their own' >&2
        exit 1
    fi
    # A program of another major version of the interface, or of a later minor one, says so at once.
    local version
    for version in 131072 65635; do
        rm -rf "$out/foreign" && cp -r include "$out/foreign"
        sed -i "s/define EWEBRTC_ABI_VERSION .*/define EWEBRTC_ABI_VERSION $version/" "$out/foreign/ewebrtc.h"
        echo '#include <ewebrtc.hpp>
int main() {
    try {
        ewebrtc::Phone phone("http://127.0.0.1:1");
    } catch (const ewebrtc::Error &error) {
        return error.status() == EWEBRTC_ERR_UNSUPPORTED ? 0 : 1;
    }
    return 2;
}' > "$out/foreign.cc"
        g++ -std=c++17 -I"$out/foreign" "$out/foreign.cc" -o "$out/foreign.out" -L"$out/lib" -lewebrtc -Wl,-rpath,"$out/lib"
        run 20 "$out/foreign.out"
    done
}

tests() {
    local name
    for name in "${programs[@]}"; do
        program "ffi-tests/cpp/$name.cc" "$out/$name"
        run 120 "$out/$name"
    done
    for name in exit exit-inside quick; do
        run 30 "$out/lifetimes" "$name"
    done
}

# The guide's C++ blocks are whole programs, which are run as printed. So is the example; what was recorded is not silence.
guide() {
    local folder=$out/guide block address recording sound
    rm -rf "$folder" && mkdir -p "$folder/examples"
    cp -r examples/speech "$folder/examples/"
    awk -v out="$folder" '/^```cpp$/ { file = sprintf("%s/%02d.cc", out, ++n); next } /^```$/ { file = "" } file { print > file }' \
        docs/guide-cpp.md
    cargo build --locked -p ewebrtc-gateway
    timeout --kill-after=5 300 "$target/debug/ewebrtc-gateway" --dev --listen 127.0.0.1:0 > "$folder/gateway.log" 2>/dev/null &
    gateway=$!
    trap 'kill "$gateway" 2>/dev/null || true' EXIT
    for _ in $(seq 100); do
        address=$(sed -n 's/^listening on //p' "$folder/gateway.log")
        [ -z "$address" ] || break
        sleep 0.1
    done
    # The header is compiled once for all of them.
    rm -rf "$out/compiled" && mkdir -p "$out/compiled"
    g++ -std=c++17 "${flags[@]}" -pthread -Iinclude -x c++-header include/ewebrtc.hpp -o "$out/compiled/ewebrtc.hpp.gch"
    for block in "$folder"/*.cc; do
        program "$block" "${block%.cc}" -Winvalid-pch -I"$out/compiled"
        (cd "$folder" && run 60 "${block%.cc}" "$address" > "${block%.cc}.log" 2>&1) || { cat "${block%.cc}.log" >&2; exit 1; }
    done
    kill "$gateway"
    program examples/cpp/bot.cc "$folder/bot"
    (cd "$folder" && run 60 "$folder/bot" > bot.log)
    for recording in reply parrot; do
        sound=$(tail -c +45 "$folder/$recording.wav" | tr -d '\0\377' | wc -c)
        [ "$sound" -gt 30000 ] || { echo "cpp: FAILED: $recording.wav is silence ($sound bytes)" >&2; exit 1; }
    done
}

valgrind() {
    local name
    for name in "${programs[@]}"; do
        [ -x "$out/$name" ] || program "ffi-tests/cpp/$name.cc" "$out/$name"
        # Possible leaks are false: the standard library keeps a thread's handle by a pointer to its inside.
        run 300 env UNDER_TOOL=1 RUST_BACKTRACE=0 valgrind -q --leak-check=full --show-leak-kinds=definite,indirect \
            --errors-for-leak-kinds=definite,indirect --error-exitcode=9 --fair-sched=yes \
            --suppressions=ffi-tests/valgrind.supp "$out/$name"
    done
}

# Of the C++ side; what the library allocates is followed as well, since it comes from the same malloc.
sanitize() {
    local name
    for name in "${programs[@]}"; do
        program "ffi-tests/cpp/$name.cc" "$out/$name-asan" -fsanitize=address,undefined -fno-sanitize-recover=all
        run 120 env UNDER_TOOL=1 RUST_BACKTRACE=0 ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1 "$out/$name-asan"
    done
}

for tool in g++ clang++ valgrind; do
    command -v "$tool" > /dev/null || scripts/deps.sh c || true
    command -v "$tool" > /dev/null || not_run c++ "there is no $tool, and it could not be installed"
done
[ $# -gt 0 ] || set -- headers tests guide valgrind sanitize
library
for stage in "$@"; do
    began=$SECONDS
    echo "cpp: $stage"
    "$stage"
    echo "cpp: $stage took $((SECONDS - began)) s"
done
