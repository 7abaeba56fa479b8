#!/usr/bin/env bash
# Builds the C library and installs it: headers for C and C++, shared library with a SONAME, static library, pkg-config file, CMake package.
# Linux. Needs Rust, a C compiler with binutils, cmake and make. What is installed may be moved as a whole.
#
#   scripts/install-c.sh [--prefix DIR] [--libdir DIR] [--destdir DIR] [--profile NAME] [--features LIST] [--uninstall]
#
#   --prefix DIR     where it will be used; /usr/local without
#   --libdir DIR     below the prefix; "lib" without, Debian's is "lib/$(gcc -print-multiarch)"
#   --destdir DIR    a folder put before every path: to build a package, or to copy the files later
#   --profile NAME   cargo's profile; "release" without, "dev" is built sooner and runs slower
#   --features LIST  cargo's features beside the default ones; for tests of the library
#   --uninstall      removes what was installed with the same prefix, libdir and destdir; builds nothing
set -euo pipefail
started=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() { printf 'install-c: %s\n' "$*" >&2; exit 1; }

prefix=/usr/local libdir=lib destdir='' profile=release features='' uninstall=''
while [ $# -gt 0 ]; do
    case $1 in
    --prefix=* | --libdir=* | --destdir=* | --profile=* | --features=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" ;;
    esac
    case $1 in
    --uninstall) uninstall=yes && shift && continue ;;
    --help) sed -n '2,/^set/s/^# \{0,1\}//p' "scripts/${BASH_SOURCE[0]##*/}" && exit 0 ;;
    --prefix | --libdir | --destdir | --profile | --features) [ $# -ge 2 ] || fail "$1 needs a value" ;;
    *) fail "unknown argument '$1'; see --help" ;;
    esac
    printf -v "${1#--}" %s "$2"
    shift 2
done
absolute() { case $1 in /* | '') echo "$1" ;; *) echo "$started/$1" ;; esac; }
prefix=$(absolute "${prefix%/}") destdir=$(absolute "${destdir%/}")
libdir=${libdir#"$prefix/"} libdir=${libdir%/}
case $libdir in /* | *..*) fail "--libdir must lie below the prefix" ;; esac
to=$destdir$prefix lib=$destdir$prefix/$libdir

version=$(sed -n '/^\[workspace\.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
IFS=. read -r major minor _ <<<"$version"
# Before 1.0 a minor number is an ABI of its own.
if [ "$major" = 0 ]; then soversion=0.$minor; else soversion=$major; fi

if [ "$uninstall" ]; then
    rm -f "$to"/include/ewebrtc.{h,hpp} "$to"/include/ewebrtc/*.hpp "$lib"/libewebrtc.{a,so} "$lib/libewebrtc.so.$soversion" \
        "$lib/libewebrtc.so.$version" "$lib/pkgconfig/ewebrtc.pc" "$lib"/cmake/ewebrtc/ewebrtcConfig{,Version}.cmake
    rmdir --ignore-fail-on-non-empty "$lib"/{cmake/ewebrtc,cmake,pkgconfig,} "$to"/include/{ewebrtc,} 2>/dev/null || true
    exit 0
fi

mkdir -p "$lib" 2>/dev/null && [ -w "$lib" ] ||
    fail "cannot write to $lib. Choose another --prefix; or use --destdir, and copy its content to / as root"
for tool in cargo cc ld objcopy readelf; do command -v "$tool" >/dev/null || fail "$tool is missing"; done

case $profile in dev | test) folder=debug ;; *) folder=$profile ;; esac
target=${CARGO_TARGET_DIR:-$PWD/target}
work=$target/install-c/$profile
mkdir -p "$work"

# In the development profile the types are described as well, for the tools that compare them.
arguments=(--print native-static-libs)
if [ "$folder" = debug ]; then arguments+=(-Cdebuginfo=2); fi
cargo rustc --locked --lib --profile "$profile" --features "$features" --crate-type staticlib -- "${arguments[@]}" 2>&1 |
    tee "$work/cargo.log" | sed '/native-static-libs:\|^note: link against\|^$/d' >&2
private=$(sed -n 's/^note: native-static-libs: //p' "$work/cargo.log" | tail -n 1)
[ "$private" ] || fail "rustc does not say which libraries of the system are needed"

# One object in which nothing but our functions is visible, and what they need is left: neither the names of a codec of ours nor
# those of another library in Rust can meet others in the program. The shared library is made of the same object, by the C
# compiler and not by cargo, which has one libewebrtc.so for all purposes: programs that link it in the build folder want none
# with a SONAME. (Bit code of LLVM, which the standard library carries, is of no use, and older plugins of ar die of it.)
mapfile -t roots < <(readelf --wide --syms "$target/$folder/libewebrtc.a" |
    awk '$5 == "GLOBAL" && $7 != "UND" && $8 ~ /^ewebrtc_/ { print "--undefined=" $8 }' | sort -u)
ld -r --force-group-allocation --gc-sections "${roots[@]}" --whole-archive "$target/$folder/libewebrtc.a" \
    -o "$work/ewebrtc.o"
objcopy --wildcard --keep-global-symbol='ewebrtc_*' --remove-section='.llvm*' "$work/ewebrtc.o"
# shellcheck disable=SC2086
cc -shared "$work/ewebrtc.o" -o "$work/libewebrtc.so.$version" -Wl,-soname,"libewebrtc.so.$soversion" -Wl,--gc-sections \
    -Wl,--as-needed -Wl,-z,defs -Wl,-z,relro -Wl,-z,now $private
objcopy --strip-debug "$work/ewebrtc.o"
rm -f "$work/libewebrtc.a"
ar rcsD "$work/libewebrtc.a" "$work/ewebrtc.o"
rm "$work/ewebrtc.o"

install -m 755 -s "$work/libewebrtc.so.$version" "$lib/libewebrtc.so.$version"
ln -sfn "libewebrtc.so.$version" "$lib/libewebrtc.so.$soversion"
ln -sfn "libewebrtc.so.$soversion" "$lib/libewebrtc.so"
install -m 644 "$work/libewebrtc.a" "$lib/libewebrtc.a"
install -d "$to/include/ewebrtc" "$lib/pkgconfig" "$lib/cmake/ewebrtc"
install -m 644 include/ewebrtc.h include/ewebrtc.hpp "$to/include/"
install -m 644 include/ewebrtc/*.hpp "$to/include/ewebrtc/"

# From the folder of the library up to the prefix.
up=$(sed 's#[^/][^/]*#..#g' <<<"$libdir")
fill() { # fill TEMPLATE FILE
    sed -e "s|@LIBDIR@|$libdir|g; s|@UP@|$up|g; s|@PRIVATE@|$private|g; s|@PRIVATE_LIST@|${private// /;}|g" \
        -e "s|@VERSION@|$version|g; s|@SOVERSION@|$soversion|g; s|@MAJOR@|$major|g; s|@MINOR@|$minor|g" \
        -e "s|@POINTER@|$(($(getconf LONG_BIT) / 8))|g" "$1" >"$2"
    chmod 644 "$2"
}
fill bindings/c/ewebrtc.pc.in "$lib/pkgconfig/ewebrtc.pc"
for file in ewebrtcConfig ewebrtcConfigVersion; do
    fill "bindings/c/cmake/$file.cmake.in" "$lib/cmake/ewebrtc/$file.cmake"
done
echo "install-c: ewebrtc $version is in $to" >&2
