#!/usr/bin/env bash
# Builds the native libraries for Android and the Kotlin sources that call them, below target/kotlin-android of the clone; then
# `gradle assembleRelease` in this folder makes the AAR. Not run by the tests: it needs an NDK.
#
#   ANDROID_NDK_HOME=... bindings/kotlin/android/build-native.sh [ABI...]    without arguments: arm64-v8a armeabi-v7a x86_64
#
# Before that, once: cargo install cargo-ndk; rustup target add aarch64-linux-android armv7-linux-androideabi x86_64-linux-android
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."

out=$PWD/target/kotlin-android
[ $# -gt 0 ] || set -- arm64-v8a armeabi-v7a x86_64
targets=()
for abi in "$@"; do targets+=(-t "$abi"); done

if ! cargo ndk --version >/dev/null 2>&1; then
    echo 'android: cargo-ndk is missing: cargo install cargo-ndk' >&2
    exit 1
fi
if [ ! -d "${ANDROID_NDK_HOME:-}" ]; then
    echo 'android: ANDROID_NDK_HOME is not the folder of an NDK' >&2
    exit 1
fi

# The API level of minSdk; pages of 16 KB, which NDK r28 has by itself. Symbols stay until the sources are generated from them.
export RUSTFLAGS="${RUSTFLAGS:-} -C link-arg=-Wl,-z,max-page-size=16384"
rm -rf "$out/jniLibs"
cargo ndk "${targets[@]}" --platform 26 -o "$out/jniLibs" build --locked --release --lib --features uniffi
unset RUSTFLAGS

# Another ABI's library says the same; the generator reads any of them.
library=$(find "$out/jniLibs" -name libewebrtc.so | sort | head -n 1)
cargo build --locked --features bindgen --bin uniffi-bindgen
rm -rf "$out/generated"
"${CARGO_TARGET_DIR:-target}/debug/uniffi-bindgen" generate "$library" --language kotlin --no-format --out-dir "$out/generated"
echo "android: $(cd "$out/jniLibs" && ls -d */ | tr -d '\n')below $out/jniLibs"
