# Stage `abi` of run.sh, which sources it: nothing that programs rely on has changed since it was accepted (ffi-tests/abi), and the
# libraries export nothing but ours.
. ffi-tests/abi/snapshot.sh

abi() {
    run 600 scripts/deps.sh build c
    # The header is the one the sources make.
    run 1200 cargo test --locked --quiet --test header
    local new=$out/abi hint='if it is meant: ffi-tests/abi/accept.sh'
    rm -rf "$new"
    snapshot "$new"
    local file
    for file in symbols.txt constants.txt; do
        diff "ffi-tests/abi/$file" "$new/$file" || { echo "ffi-tests: FAILED: $file: accepted (<) and present (>) differ; $hint" >&2; exit 1; }
    done
    if [ "$(uname -m)" = x86_64 ]; then
        abidiff --harmless ffi-tests/abi/ewebrtc.abi "$new/ewebrtc.abi" || { echo "ffi-tests: FAILED: the C interface has changed; $hint" >&2; exit 1; }
    else
        echo 'ffi-tests: NOTE: the accepted layouts are those of x86_64; on this machine only names and numbers were compared' >&2
    fi
    controls "$new"
    # The library for Python, Kotlin and Swift has the functions of UniFFI beside those of C.
    library uniffi debug --features uniffi
    if nm -D --defined-only "$out/uniffi/libewebrtc.so" | awk '{print $3}' |
        grep -vE '^(ewebrtc_|uniffi_ewebrtc_|ffi_ewebrtc_|UNIFFI_META_)'; then
        echo 'ffi-tests: FAILED: the library with UniFFI exports what is not ours (above)' >&2
        exit 1
    fi
}

# Would a change be seen? Each of these is one, made in what was accepted.
controls() { # controls FOLDER
    local old=$out/abi-control change other
    # The numbers of types are not the same on every machine.
    other=$(sed -n "s/.*<type-decl name='i8' .* id='\([^']*\)'.*/\1/p" "$1/ewebrtc.abi")
    [ -n "$other" ] || fail 'the snapshot has no type i8'
    rm -rf "$old"
    for change in "/name='event_channel'/s/event_channel/event_chanel/" "s/layout-offset-in-bits='704'/layout-offset-in-bits='712'/" \
        "s/size-in-bits='832'/size-in-bits='768'/" "s/type-id='[^']*' name='timeout_ms'/type-id='$other' name='timeout_ms'/" \
        "s/ewebrtc_pcm_clear/ewebrtc_pcm_drop/" 's/^EWEBRTC_ERR_BUSY -6/EWEBRTC_ERR_BUSY -5/' 's/^ewebrtc_version$/ewebrtc_release/'; do
        mkdir -p "$old"
        cp "$1"/{symbols.txt,constants.txt,ewebrtc.abi} "$old/"
        sed -i "$change" "$old"/{symbols.txt,constants.txt,ewebrtc.abi}
        if diff -rq "$1" "$old" >/dev/null || only_additions "$old" "$1" >/dev/null; then
            echo "ffi-tests: FAILED: this change of the interface was not seen: $change" >&2
            exit 1
        fi
    done
}
