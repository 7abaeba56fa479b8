# Stage `install` of run.sh, which sources it: the library as a customer gets it. It is installed into a prefix, the prefix is moved,
# and the example is built against it by pkg-config and by CMake, shared and static, with every compiler there is, and run; so is a
# call in C++.

# A static library must not meet the names of the program, not even those of its own codec.
clash='int opus_encode(void) { return -1; } int rust_eh_personality(void) { return -1; } int ring_core_0_17_14__OPENSSL_cpuid_setup(void) { return -1; }'

install() {
    run 600 scripts/deps.sh build c
    local first=$out/install/first prefix=$out/install/moved/prefix libdir compiler
    # The folder of Debian, and plain lib where gcc knows of none.
    libdir=lib/$(gcc -print-multiarch) libdir=${libdir%/}
    rm -rf "$out/install"
    run 1800 scripts/install-c.sh --profile dev --prefix "$first" --libdir "$libdir"
    installed "$first/$libdir"
    # Where it was built nothing has changed: programs there go on without a SONAME.
    if [ -e "$target/debug/libewebrtc.so" ] && readelf -d "$target/debug/libewebrtc.so" | grep SONAME; then
        fail "the library in target/debug has become the installed one"
    fi
    mkdir -p "$out/install/moved"
    mv "$first" "$prefix"
    local -a programs=()
    for compiler in gcc clang; do
        if ! command -v "$compiler" >/dev/null; then
            echo "ffi-tests: NOTE: $compiler is not here; nothing was built with it" >&2
            continue
        fi
        by_pkg_config "$compiler" "$prefix" "$libdir"
        by_cmake "$compiler" "$prefix"
    done
    calls
    run 60 scripts/install-c.sh --uninstall --prefix "$prefix" --libdir "$libdir"
    [ -z "$(find "$prefix" -not -type d)" ] || fail "uninstalling has left: $(find "$prefix" -not -type d)"
    rm -rf "$out/install"
}

fail() { echo "ffi-tests: FAILED: $*" >&2; exit 1; }

# Names: the real file has the whole version, the SONAME what is compatible; nothing is visible but what the header declares.
installed() { # installed FOLDER
    local version soname
    version=$(sed -n '/^\[workspace\.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
    soname=libewebrtc.so.${version%.*}
    [ -f "$1/libewebrtc.so.$version" ] && [ ! -L "$1/libewebrtc.so.$version" ] || fail "no file libewebrtc.so.$version"
    [ "$(readlink -f "$1/libewebrtc.so")" = "$(readlink -f "$1/$soname")" ] || fail "the links of libewebrtc.so"
    readelf -d "$1/libewebrtc.so" | grep -q "soname: \[$soname\]" || fail "the SONAME is not $soname"
    nm -D --defined-only "$1/libewebrtc.so" | awk '{print $3}' | LC_ALL=C sort | diff ffi-tests/abi/symbols.txt - ||
        fail "the shared library exports (>) other than what is declared (<)"
    nm -g --defined-only "$1/libewebrtc.a" | awk 'NF == 3 {print $3}' | LC_ALL=C sort | diff ffi-tests/abi/symbols.txt - ||
        fail "the static library shows (>) other than what is declared (<)"
}

by_pkg_config() { # by_pkg_config COMPILER PREFIX LIBDIR
    local to=$out/install/$1 flags
    mkdir -p "$to"
    export PKG_CONFIG_PATH=$2/$3/pkgconfig
    [ "$(pkg-config --modversion 'ewebrtc >= 0.1')" ] || fail "pkg-config does not find it"
    echo "$clash" > "$to/clash.c"
    # shellcheck disable=SC2046
    "$1" -std=c99 "${warnings[@]}" examples/c/echo.c $(pkg-config --cflags --libs ewebrtc) -Wl,-rpath,"$2/$3" -o "$to/pkg-config-shared"
    flags=$(pkg-config --cflags --libs --static ewebrtc | sed 's/-lewebrtc/-l:libewebrtc.a/')
    # shellcheck disable=SC2086
    "$1" -std=c99 "${warnings[@]}" examples/c/echo.c -x c "$to/clash.c" -x none $flags -o "$to/pkg-config-static"
    programs+=("$to/pkg-config-shared" "$to/pkg-config-static")
    local cxx=${1/gcc/g++}
    # shellcheck disable=SC2046
    "${cxx/clang/clang++}" -std=c++17 ffi-tests/cpp/call.cc $(pkg-config --cflags --libs ewebrtc) -pthread -Wl,-rpath,"$2/$3" -o "$to/cxx"
    run 120 "$to/cxx" > "$to/cxx.log"
}

by_cmake() { # by_cmake COMPILER PREFIX
    local to=$out/install/$1/cmake version
    run 120 cmake -S examples/c -B "$to" -DCMAKE_C_COMPILER="$1" -DCMAKE_PREFIX_PATH="$2" -DCMAKE_BUILD_TYPE=Debug > "$to.log"
    run 120 cmake --build "$to" >> "$to.log"
    programs+=("$to/echo" "$to/echo-shared" "$to/echo-static")
    # A program for another version of the interface is told so.
    for version in 0.2 1.0 0.1.99; do
        mkdir -p "$to-$version"
        printf 'cmake_minimum_required(VERSION 3.16)\nproject(p C)\nfind_package(ewebrtc %s REQUIRED)\n' "$version" > "$to-$version/CMakeLists.txt"
        ! cmake -S "$to-$version" -B "$to-$version/build" -DCMAKE_PREFIX_PATH="$2" > "$to-$version.log" 2>&1 ||
            fail "CMake takes this library for version $version"
    done
}

# Each program calls the echo, all at the same time, and what it has recorded is not silence.
calls() {
    local program needed sound
    local -a pids=()
    for program in "${programs[@]}"; do
        needed=$(readelf -d "$program" | grep -c 'NEEDED.*libewebrtc\.so\.[0-9]*\.' || true)
        case $program in
        *static) [ "$needed" = 0 ] || fail "$program needs the shared library" ;;
        *) [ "$needed" = 1 ] || fail "$program does not need the shared library by its SONAME" ;;
        esac
        mkdir -p "$program.run/examples"
        cp -r examples/speech "$program.run/examples/"
        (cd "$program.run" && exec timeout --kill-after=5 90 "$program" > log 2>&1) &
        pids+=($!)
    done
    local n
    for n in "${!programs[@]}"; do
        program=${programs[$n]}
        wait "${pids[$n]}" || { tail -n 5 "$program.run/log" >&2; fail "$program: status $?"; }
        sound=$(tail -c +45 "$program.run/echo.wav" | tr -d '\0\377' | wc -c)
        [ "$sound" -gt 100000 ] || fail "$program recorded silence ($sound bytes)"
    done
}
