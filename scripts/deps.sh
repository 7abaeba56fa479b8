#!/usr/bin/env bash
# Installs the Debian packages this project needs and that are not there yet. It looks for the files themselves, not for
# packages, so a machine that has them from elsewhere is left alone; with nothing missing it does nothing and says nothing.
#
#   scripts/deps.sh build         what compiling needs: a C compiler and cmake (the Opus codec is built from source)
#   scripts/deps.sh build test    and what the tests need: Chromium with its driver, a TURN server, baresip, g++, valgrind, ip
#   scripts/deps.sh python        and what the tests of the Python package need: Python with venv and pip
#   scripts/deps.sh c             and what the tests of the C and C++ interfaces need: g++, clang, valgrind, pkg-config, libabigail to compare interfaces
#   scripts/deps.sh kotlin        and what the tests of the Kotlin package need: a JDK, JNA, JUnit 5, and Python for its compiler
#   scripts/deps.sh swift         and what those of the Swift package need where there is no Swift: what unpacks Debian's into a root
set -euo pipefail

say() { printf 'deps: %s\n' "$*" >&2; }

packages=()
need() { # need PACKAGE COMMAND-OR-FILE
    local package=$1 wanted=$2
    case $wanted in
    /*) [ -e "$wanted" ] && return ;;
    *) command -v "$wanted" >/dev/null && return ;;
    esac
    packages+=("$package")
}

[ $# -gt 0 ] || set -- build test
for group in "$@"; do
    case $group in
    build)
        need gcc cc
        need libc6-dev /usr/include/stdio.h
        need cmake cmake
        need make make
        ;;
    test)
        need chromium chromium
        need chromium-driver chromedriver
        need coturn turnserver
        need baresip-core baresip
        need g++ g++
        need valgrind valgrind
        need iproute2 ip
        need ca-certificates /etc/ssl/certs/ca-certificates.crt
        ;;
    python)
        # Debian's python3 without python3-venv has the module venv, but not the pip it would put into it.
        need python3 /usr/bin/python3
        if ! /usr/bin/python3 -c 'import ensurepip' 2>/dev/null; then packages+=(python3-venv); fi
        ;;
    c)
        need g++ g++
        need valgrind valgrind
        need clang clang++
        need pkg-config pkg-config
        need abigail-tools abidiff
        ;;
    kotlin)
        need default-jdk-headless javac
        need libjna-java /usr/share/java/jna.jar
        need libjna-jni "/usr/lib/$(uname -m)-linux-gnu/jni/libjnidispatch.system.so"
        need junit5 /usr/share/java/junit-jupiter-engine.jar
        need python3 /usr/bin/python3
        if ! /usr/bin/python3 -c 'import ensurepip' 2>/dev/null; then packages+=(python3-venv); fi
        ;;
    swift)
        if ! command -v swift >/dev/null; then
            need mmdebstrap mmdebstrap
            need debian-archive-keyring /usr/share/keyrings/debian-archive-keyring.gpg
        fi
        need python3 python3
        ;;
    *)
        say "unknown group '$group': build, test, python, c, kotlin or swift"
        exit 2
        ;;
    esac
done

if ! command -v cargo >/dev/null; then
    say "Rust is missing. Install the stable toolchain from https://rustup.rs and run this again:"
    say "  curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"
    exit 1
fi

[ ${#packages[@]} -gt 0 ] || exit 0

command="apt-get install --no-install-recommends ${packages[*]}"
if ! command -v apt-get >/dev/null; then
    say "missing: ${packages[*]} (Debian's names), and there is no apt-get to install them with."
    say "Install what your system calls them, then run this again."
    exit 1
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        say "missing: ${packages[*]}. This is not root and there is no sudo; as root, run:"
        say "  $command"
        exit 1
    fi
    # Without a terminal sudo could only hang at its question, so it must do without.
    as_root=(sudo)
    [ -t 0 ] || as_root+=(-n)
    as_root+=(env)
else
    as_root=(env)
fi

apt() { "${as_root[@]}" DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 "$@" </dev/null; }

say "installing ${packages[*]}"
# A fresh machine has no package lists; one that has old ones may ask for versions that are gone. So: try, refresh, try.
installed=no
if apt install -y -q --no-install-recommends "${packages[@]}" >/dev/null 2>&1; then
    installed=yes
elif apt update -q && apt install -y -q --no-install-recommends "${packages[@]}"; then
    installed=yes
fi
if [ "$installed" = no ]; then
    say "could not install ${packages[*]}; apt-get's own words stand above. By hand:"
    say "  $command"
    exit 1
fi

# Debian starts the TURN server as a service; the tests start their own on loopback, and nobody asked for another.
case " ${packages[*]} " in
*" coturn "*)
    if [ -d /run/systemd/system ]; then
        "${as_root[@]}" systemctl disable --now coturn >/dev/null 2>&1 || say "note: the coturn service is running"
    fi
    ;;
esac
say "done"
