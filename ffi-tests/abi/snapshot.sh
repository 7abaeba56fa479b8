# What programs that are linked with the C library rely on, as text. Sourced, not run, in the root of the project.
#
#   snapshot FOLDER    writes symbols.txt (what the library exports), constants.txt (the numbers of the header) and
#                      ewebrtc.abi (functions and structs as the compiler laid them out, by libabigail)
#   only_additions     status 0 if what two folders have differs by additions alone; see below

snapshot() { # snapshot FOLDER
    local to=$1 library
    mkdir -p "$to"
    scripts/install-c.sh --profile dev --prefix "$to/prefix"
    library=$(ls "${CARGO_TARGET_DIR:-target}"/install-c/dev/libewebrtc.so.*)
    nm -D --defined-only "$to"/prefix/lib/libewebrtc.so | awk '{print $3}' | LC_ALL=C sort > "$to/symbols.txt"
    cc -dM -E -x c "$to/prefix/include/ewebrtc.h" | sed -n 's/^#define \(EWEBRTC_[A-Z0-9_]* .\)/\1/p' | LC_ALL=C sort > "$to/constants.txt"
    abidw --suppressions ffi-tests/abi/suppressions --no-show-locs --no-corpus-path --no-comp-dir-path --out-file "$to/raw.abi" "$library"
    # Without the names of files and modules of Rust, which are nobody's business, and without the many files that declare nothing.
    awk '/<\/?namespace-decl/ { next }
        /<abi-instr / { held = 1; next }
        /<\/abi-instr>/ && held { held = 0; next }
        held { print "  <abi-instr address-size=\04764\047 path=\047" ++n "\047 language=\047LANG_UNKNOWN\047>"; held = 0 }
        { print }' "$to/raw.abi" > "$to/ewebrtc.abi"
    rm -rf "$to/raw.abi" "$to/prefix"
}

# What abidiff finds when additions are left out, and constants that are gone or have another number.
only_additions() { # only_additions OLD-FOLDER NEW-FOLDER
    abidiff --harmless --no-added-syms "$1/ewebrtc.abi" "$2/ewebrtc.abi" &&
        ! grep -v '^EWEBRTC_ABI_VERSION ' "$1/constants.txt" | LC_ALL=C comm -23 - "$2/constants.txt" | grep . &&
        ! LC_ALL=C comm -23 "$1/symbols.txt" "$2/symbols.txt" | grep .
}
