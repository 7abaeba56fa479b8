#!/usr/bin/env bash
# Everything that must hold for the Swift package: it is built with warnings as errors, its tests run, the programs of the guide run as
# printed, programs end well at any moment, and what of the XCFramework can be made here is made. With the machine's own Swift where
# there is one, else with one in a root of its own (toolchain.sh). Everything it makes is below target/swift, save that root.
#
#   bindings/swift/run-tests.sh [STAGE...]
#
#   package      the package with its generated sources, built and tested
#   programs     the guide's programs, and those that end in the middle of a call
#   xcframework  headers, module map and sources of the XCFramework, from the library
#   runner       the parity runner, and target/parity/swift, which starts it
#
# Without arguments: package, programs, xcframework. The library is built with cargo's profile dev.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source scripts/not-run.sh

out=${CARGO_TARGET_DIR:-$PWD/target}/swift
package=$out/package
programs=$out/programs
here=bindings/swift
# A build for other flags would not be found again.
unset RUSTFLAGS

# How programs of Swift are started: `within SECONDS COMMAND...` with a deadline, since FFI mistakes hang rather than fail.
own=no
if command -v swift >/dev/null; then own=yes; fi
tools() {
    [ "$own" = no ] || return 0
    local reason
    reason=$("$here/toolchain.sh" check) || not_run swift "$reason"
    scripts/deps.sh swift || not_run swift 'mmdebstrap, which would fetch a toolchain, cannot be installed'
    "$here/toolchain.sh" make || not_run swift 'the toolchain cannot be fetched from the mirror of Debian'
}
within() { # within SECONDS COMMAND...
    local seconds=$1
    shift
    if [ "$own" = yes ]; then
        timeout --kill-after=5 "$seconds" "$@"
    else
        timeout --kill-after=5 "$seconds" "$here/toolchain.sh" run "$out" "$@"
    fi || { echo "swift: FAILED: $* (status $?)" >&2; exit 1; }
}
swift_() { # swift_ SECONDS PACKAGE VERB ARGUMENT...
    local seconds=$1 of=$2 verb=$3
    shift 3
    within "$seconds" swift "$verb" --package-path "$of" --disable-sandbox -Xswiftc -warnings-as-errors "$@"
}

assemble() {
    mkdir -p "$out"
    EWEBRTC_SWIFT_PROFILE=dev "$here/package.sh" "$package"
    export EWEBRTC_LIB_DIR=$package/lib
    # What programs of the clone may use: its examples.
    mkdir -p "$out/clone/examples"
    cp -r examples/speech "$out/clone/examples/"
    export EWEBRTC_CLONE=$out/clone
    python3 "$here/programs.py" "$programs"
}

# Every public item has a documentation comment.
documented() {
    awk '
        FNR == 1 { before = "" }
        (/^ *public / || /^    case [a-z]/) && before !~ /^ *\/\/\// { printf "%s:%d: %s\n", FILENAME, FNR, $0; bad = 1 }
        # What stands between the comment and its item.
        !/^ *@/ { before = $0 }
        END { exit bad }' "$1"/*.swift || { echo 'swift: FAILED: public items without a documentation comment' >&2; exit 1; }
}

package() {
    documented "$here/Sources/Ewebrtc"
    swift_ 900 "$package" build --build-tests
    swift_ 600 "$package" test --skip-build --disable-swift-testing
}

# One after the other, each in a folder of its own that has of the clone what programs may use. What they record is no silence.
programs() {
    swift_ 900 "$programs" build
    cp "$here/run-programs.sh" "$out/"
    within 400 sh "$out/run-programs.sh" "$programs" "$out/clone"
}

# What of the XCFramework can be made here: its sources and headers, from the static library. They are those of the shared one, they compile as
# they will there, and the package asks for the framework when it is told of no library. The Swift of docs/ios.md compiles against this package, and stand-ins for Apple's frameworks.
xcframework() {
    local made=$out/xcframework page=$out/ios
    # Not by --lib alone: the crate itself makes no static library.
    cargo rustc --locked --lib --features uniffi --crate-type staticlib
    "$here/build-xcframework.sh" sources "${CARGO_TARGET_DIR:-$PWD/target}/debug/libewebrtc.a" "$made"
    cmp "$made/headers/EwebrtcFFI.h" "$package/Sources/EwebrtcFFI/EwebrtcFFI.h"
    cmp "$made/Sources/EwebrtcNative/EwebrtcNative.swift" "$package/Sources/EwebrtcNative/EwebrtcNative.swift"
    within 120 swiftc -typecheck -swift-version 6 -warnings-as-errors -module-name EwebrtcNative -I "$made/headers" \
        "$made/Sources/EwebrtcNative/EwebrtcNative.swift"
    (unset EWEBRTC_LIB_DIR && within 60 swift package --package-path "$made" --disable-sandbox dump-package) >"$made/described.json"
    grep -q '"EwebrtcFFI.xcframework"' "$made/described.json"
    rm -rf "$page" && mkdir -p "$page"
    awk -v out="$page" '/^```swift$/ { file = sprintf("%s/ios-%d.swift", out, ++n); next } /^```$/ { file = "" } file { print > file }' docs/ios.md
    cp "$here"/StandIns/*.swift "$page/"
    local module built=$package/.build/debug/Modules
    [ -e "$built/Ewebrtc.swiftmodule" ] || swift_ 900 "$package" build
    # What this page uses CallKit for needs AVFoundation.
    for module in AVFoundation CallKit Network; do
        within 60 swiftc -emit-module -swift-version 5 -module-name "$module" -I "$page" -o "$page/$module.swiftmodule" "$page/$module.swift"
    done
    # To an object: some of what Swift 6 asks for is found after the types are known.
    within 60 swiftc -c -wmo -swift-version 6 -warnings-as-errors -module-name App -I "$page" -I "$built" \
        -I "$package/Sources/EwebrtcFFI" -o "$page/app.o" "$page"/ios-*.swift
}

runner() {
    swift_ 900 "$programs" build --product parity
    local program=$programs/.build/debug/parity folder=${CARGO_TARGET_DIR:-$PWD/target}/parity
    mkdir -p "$folder"
    {
        echo '#!/usr/bin/env bash'
        echo '# Made by bindings/swift/run-tests.sh. It becomes the runner: the same process, which gets every signal itself.'
        if [ "$own" = yes ]; then
            printf 'exec %q\n' "$program"
        else
            printf 'export EWEBRTC_SWIFT_ROOT=%q\n' "${EWEBRTC_SWIFT_ROOT:-${XDG_CACHE_HOME:-$HOME/.cache}/ewebrtc/swift-root}"
            printf 'exec %q exec %q %q\n' "$PWD/$here/toolchain.sh" "$out" "$program"
        fi
    } >"$folder/swift"
    chmod +x "$folder/swift"
}

[ $# -gt 0 ] || set -- package programs xcframework
tools
assemble
for stage in "$@"; do
    began=$SECONDS
    echo "swift: $stage"
    "$stage"
    echo "swift: $stage took $((SECONDS - began)) s"
done
echo 'swift: passed'
