#!/usr/bin/env bash
# Makes a Swift package that is complete: what stands here, and what UniFFI makes from the library. Others depend on it by its path.
#
#   bindings/swift/package.sh [OUT]      OUT: target/swift/package unless it is given
#
# The library is built with cargo's profile $EWEBRTC_SWIFT_PROFILE, dev unless it is set, and lies in OUT/lib; set EWEBRTC_LIB_DIR to
# that folder when building what uses the package. Needs Rust, a C compiler and cmake, no Swift.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

target=${CARGO_TARGET_DIR:-$PWD/target}
out=${1:-$target/swift/package}
profile=${EWEBRTC_SWIFT_PROFILE:-dev}
folder=$profile
if [ "$folder" = dev ]; then folder=debug; fi
# Linux; or Apple's.
name=libewebrtc.so
if [ "$(uname)" = Darwin ]; then name=libewebrtc.dylib; fi

# Only what differs is written, so that nothing is compiled for no reason.
put() { # put FROM TO
    if ! cmp -s "$1" "$2"; then cp "$1" "$2"; fi
}

cargo build --locked --lib --features uniffi --profile "$profile"
mkdir -p "$out/lib" "$out/gen"
# At once: cargo has a single file for all sets of features.
put "$target/$folder/$name" "$out/lib/$name"
cargo build --locked --features bindgen --bin uniffi-bindgen
"$target/debug/uniffi-bindgen" generate --library "$out/lib/$name" --language swift --no-format --out-dir "$out/gen"

# What is not there any more must not stay.
for part in Sources Tests; do
    mkdir -p "$out/$part"
    (cd "bindings/swift/$part" && find . -type f) | while read -r file; do
        mkdir -p "$(dirname "$out/$part/$file")"
        put "bindings/swift/$part/$file" "$out/$part/$file"
    done
    (cd "$out/$part" && find . -type f) | while read -r file; do
        case $file in ./EwebrtcNative/* | ./EwebrtcFFI/EwebrtcFFI.h) continue ;; esac
        if [ ! -e "bindings/swift/$part/$file" ]; then rm "$out/$part/$file"; fi
    done
done
mkdir -p "$out/Sources/EwebrtcNative"
put "$out/gen/EwebrtcNative.swift" "$out/Sources/EwebrtcNative/EwebrtcNative.swift"
put "$out/gen/EwebrtcFFI.h" "$out/Sources/EwebrtcFFI/EwebrtcFFI.h"
put bindings/swift/Package.swift "$out/Package.swift"
