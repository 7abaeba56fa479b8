#!/usr/bin/env bash
# Makes what Apple's systems need: EwebrtcFFI.xcframework with the static library for iOS, its simulator and macOS, and the generated sources
# beside it, so that the folder is a Swift package that needs no EWEBRTC_LIB_DIR.
#
#   bindings/swift/build-xcframework.sh [OUT]               all of it, on a Mac with Xcode; OUT: target/swift/xcframework
#   bindings/swift/build-xcframework.sh sources LIBRARY OUT  the part that runs anywhere: headers and module map of the framework, and the
#                                                            package's sources, from a library (.a, .so or .dylib) of this version
#
# Run by the tests is `sources`, on Linux, from the static library. The rest needs Apple's SDKs: it was never run by the tests.
# Needs the Rust targets: rustup target add aarch64-apple-ios aarch64-apple-ios-sim x86_64-apple-ios aarch64-apple-darwin x86_64-apple-darwin
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

target=${CARGO_TARGET_DIR:-$PWD/target}
here=bindings/swift

sources() { # sources LIBRARY OUT
    local library=$1 out=$2
    cargo build --locked --features bindgen --bin uniffi-bindgen
    rm -rf "$out/gen" "$out/headers" "$out/Sources"
    mkdir -p "$out/headers" "$out/Sources/EwebrtcNative"
    "$target/debug/uniffi-bindgen" generate --library "$library" --language swift --no-format --out-dir "$out/gen"
    cp "$out/gen/EwebrtcFFI.h" "$here/Sources/EwebrtcFFI/module.modulemap" "$out/headers/"
    cp "$out/gen/EwebrtcNative.swift" "$out/Sources/EwebrtcNative/"
    cp -r "$here/Sources/Ewebrtc" "$out/Sources/"
    cp -r "$here/Package.swift" "$here/Tests" "$out/"
}

library() { # library TARGET: the static library, its path on standard output
    # `release` keeps the names by which the generator finds what it reads.
    cargo rustc --locked --lib --features uniffi --release --crate-type staticlib --target "$1" >&2
    echo "$target/$1/release/libewebrtc.a"
}

if [ "${1-}" = sources ]; then
    sources "$2" "$3"
    exit
fi
out=${1:-$target/swift/xcframework}
if [ "$(uname)" != Darwin ]; then
    echo 'xcframework: this needs macOS with Xcode; elsewhere there is only: build-xcframework.sh sources LIBRARY OUT' >&2
    exit 1
fi

# As in Package.swift.
export IPHONEOS_DEPLOYMENT_TARGET=16.0 MACOSX_DEPLOYMENT_TARGET=13.0
mkdir -p "$out/simulator" "$out/mac"
device=$(library aarch64-apple-ios)
lipo -create "$(library aarch64-apple-ios-sim)" "$(library x86_64-apple-ios)" -output "$out/simulator/libewebrtc.a"
lipo -create "$(library aarch64-apple-darwin)" "$(library x86_64-apple-darwin)" -output "$out/mac/libewebrtc.a"
sources "$device" "$out"
rm -rf "$out/EwebrtcFFI.xcframework"
xcodebuild -create-xcframework -output "$out/EwebrtcFFI.xcframework" \
    -library "$device" -headers "$out/headers" \
    -library "$out/simulator/libewebrtc.a" -headers "$out/headers" \
    -library "$out/mac/libewebrtc.a" -headers "$out/headers"
# For a release: a package that names the framework by address wants this number.
(cd "$out" && zip -qry EwebrtcFFI.xcframework.zip EwebrtcFFI.xcframework && swift package compute-checksum EwebrtcFFI.xcframework.zip)
