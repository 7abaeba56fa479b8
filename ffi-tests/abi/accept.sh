#!/usr/bin/env bash
# Takes the present C interface as the one to compare with, after it was added to.
#
#   ffi-tests/abi/accept.sh              refuses when something was removed or changed
#   ffi-tests/abi/accept.sh --changed    takes that too: programs must be compiled anew, so a release raises the minor number of
#                                        its version (from 1.0 on the major one), which is in the SONAME
#
# A member at the end of ewebrtc_phone_config counts as a change here, since libabigail knows nothing of struct_size; old programs go on.
# EWEBRTC_ABI_VERSION (src/ffi/c/info.rs) rises with it: its minor number for additions, its major one for changes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. ffi-tests/abi/snapshot.sh
scripts/deps.sh build c

[ $# -eq 0 ] || [ "$*" = --changed ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "ffi-tests/abi/accept.sh"; exit 2; }
new=${CARGO_TARGET_DIR:-$PWD/target}/ffi/abi-accept
rm -rf "$new"
snapshot "$new"
if [ -e ffi-tests/abi/ewebrtc.abi ] && [ "${1:-}" != --changed ] && ! only_additions ffi-tests/abi "$new"; then
    echo 'accept: something was removed or changed (above): programs that are there already would break' >&2
    exit 1
fi
cp "$new"/{symbols.txt,constants.txt,ewebrtc.abi} ffi-tests/abi/
rm -rf "$new"
