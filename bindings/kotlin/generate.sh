#!/usr/bin/env bash
# Builds the native library and writes the Kotlin sources that call it, which UniFFI makes from the library itself. Both go below
# OUT, target/kotlin unless it is given:
#
#   OUT/generated                       Kotlin sources of the package org.ewebrtc.ffi
#   OUT/resources/PLATFORM/libewebrtc.so   the library where JNA looks for it in a jar, e.g. linux-x86-64
#
#   bindings/kotlin/generate.sh [OUT]
#
# The library is built with cargo's profile $EWEBRTC_KOTLIN_PROFILE, dev unless it is set. Maven (pom.xml) and run-tests.sh call it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

out=${1:-$PWD/target/kotlin}
profile=${EWEBRTC_KOTLIN_PROFILE:-dev}
built=${CARGO_TARGET_DIR:-$PWD/target}
folder=$built/$profile
[ "$profile" != dev ] || folder=$built/debug

case $(rustc -vV | sed -n 's/^host: //p') in
x86_64-*-linux-gnu) platform=linux-x86-64 library=libewebrtc.so ;;
aarch64-*-linux-gnu) platform=linux-aarch64 library=libewebrtc.so ;;
x86_64-apple-darwin) platform=darwin-x86-64 library=libewebrtc.dylib ;;
aarch64-apple-darwin) platform=darwin-aarch64 library=libewebrtc.dylib ;;
*)
    echo "kotlin: this system is not known to JNA's names" >&2
    exit 1
    ;;
esac

cargo build --locked --profile "$profile" --lib --features uniffi
mkdir -p "$out/resources/$platform"
# Kept apart at once: cargo has a single library per profile for all sets of features. Untouched when it has not changed.
cmp -s "$folder/$library" "$out/resources/$platform/$library" ||
    cp "$folder/$library" "$out/resources/$platform/$library"

cargo build --locked --features bindgen --bin uniffi-bindgen
rm -rf "$out/generated.new"
"$built/debug/uniffi-bindgen" generate "$out/resources/$platform/$library" --language kotlin --no-format \
    --out-dir "$out/generated.new"
rm -rf "$out/generated"
mv "$out/generated.new" "$out/generated"
