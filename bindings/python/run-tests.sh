#!/usr/bin/env bash
# Everything that must hold for the Python package: it is built and installed the way its users do it, its tests run, and
# mypy --strict accepts it from the inside and from the outside. Then a whole call with Debian's own python3, where that is
# another one. Installs what it needs from PyPI; `scripts/deps.sh build python` brings the rest. Everything it makes is below
# target/python.
#
#   bindings/python/run-tests.sh [PYTEST-ARGUMENT...]
#
# The library is built with cargo's profile $EWEBRTC_PYTHON_PROFILE, dev unless it is set; `pip install ./bindings/python` alone
# takes release.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

out=$PWD/target/python
debian=/usr/bin/python3
export MATURIN_PEP517_ARGS="--profile ${EWEBRTC_PYTHON_PROFILE:-dev}"
export PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1
# A build for other flags would not be found again.
unset RUSTFLAGS

fits() { "$1" -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

python=$(command -v python3 || true)
[ -n "$python" ] && fits "$python" || python=$debian
if ! fits "$python"; then
    echo "python: Python 3.11 or newer with venv is missing: scripts/deps.sh python" >&2
    exit 1
fi

venv() { # venv NAME PYTHON: makes it, once per version of Python
    local version
    version=$("$2" -c 'import sys; print(sys.executable, sys.version)')
    if [ "$(cat "$out/$1/made-by" 2>/dev/null)" != "$version" ]; then
        rm -rf "${out:?}/$1"
        "$2" -m venv "$out/$1"
        echo "$version" >"$out/$1/made-by"
    fi
}

mkdir -p "$out"
echo "python: $("$python" --version), $MATURIN_PEP517_ARGS"
venv venv "$python"
# As users do it. The version does not change, so pip must be told to take the new build.
"$out/venv/bin/pip" install -q --force-reinstall --no-deps ./bindings/python
"$out/venv/bin/pip" install -q pytest==9.2.0 pytest-asyncio==1.5.0 mypy==2.4.1

# The library exports the C interface and what UniFFI makes, and nothing else.
strays=$(nm -D --defined-only "$out"/venv/lib/python3*/site-packages/ewebrtc/_native/libewebrtc.so |
    awk '{print $3}' | grep -vE '^(ewebrtc_|uniffi_|ffi_ewebrtc_)|^UNIFFI_META_' || true)
if [ -n "$strays" ]; then
    printf 'python: FAILED: the library exports other names:\n%s\n' "$strays" >&2
    exit 1
fi

# FFI mistakes hang rather than fail: nothing runs without a bound.
(cd bindings/python && timeout --kill-after=10 10m "$out/venv/bin/python" -m pytest -q -p no:cacheprovider "$@")

# From the inside: the installed package itself. From the outside: the tests and the programs of the pages, as a user's code.
export MYPY_CACHE_DIR=$out/mypy
(cd bindings/python && timeout 5m "$out/venv/bin/python" -m mypy -p ewebrtc)
rm -rf "$out/user" && mkdir -p "$out/user/pages"
cp -r bindings/python/tests "$out/user/tests"
(cd bindings/python && "$out/venv/bin/python" -m tests.pages "$out/user/pages")
(cd "$out/user" && timeout 5m "$out/venv/bin/python" -m mypy --strict --config-file= tests pages/*.py)

same() { [ "$("$1" -c 'import sys; print(sys.version)')" = "$("$2" -c 'import sys; print(sys.version)')" ]; }

if [ ! -x "$debian" ] || same "$python" "$debian"; then
    : # there is no other one
elif fits "$debian"; then
    echo "python: $("$debian" --version) of the system"
    venv debian "$debian"
    rm -rf "$out/wheel"
    "$out/venv/bin/pip" wheel -q --no-deps -w "$out/wheel" ./bindings/python
    "$out/debian/bin/pip" install -q --force-reinstall --no-deps "$out"/wheel/ewebrtc-*.whl
    # The program records into its folder.
    (cd "$out/user" && timeout --kill-after=10 1m "$out/debian/bin/python" -W error pages/bindings_python_readme_1.py)
elif [ -e /etc/debian_version ]; then
    echo "python: $debian is older than 3.11 or has no venv, so it was not tried: scripts/deps.sh python" >&2
    exit 1
fi
echo 'python: passed'
