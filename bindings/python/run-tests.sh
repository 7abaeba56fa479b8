#!/usr/bin/env bash
# Everything that must hold for the Python package: it is built and installed the way its users do it, its tests run, and
# mypy --strict accepts it from the inside and from the outside. Then the same wheel with the other interpreters there are: 3.10,
# the oldest that fits, runs all tests, the others a whole call and the tests of NumPy's arrays. Installs what it needs from PyPI, and Python from Debian where there is none that
# fits. Everything it makes is below target/python.
#
#   bindings/python/run-tests.sh [PYTEST-ARGUMENT...]
#   bindings/python/run-tests.sh runner      builds and installs only, and makes the parity runner (ffi-tests/parity)
#
# The library is built with cargo's profile $EWEBRTC_PYTHON_PROFILE, dev unless it is set; `pip install ./bindings/python` alone
# takes release.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. scripts/not-run.sh

out=$PWD/target/python
debian=/usr/bin/python3
export MATURIN_PEP517_ARGS="--profile ${EWEBRTC_PYTHON_PROFILE:-dev}"
export PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1
# A build for other flags would not be found again.
unset RUSTFLAGS

fits() { "$1" -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; }

python=$(command -v python3 || true)
[ -n "$python" ] && fits "$python" || python=$debian
fits "$python" || scripts/deps.sh build python || true
fits "$python" || not_run python 'Python 3.10 or newer with venv is missing, and it could not be installed'

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
# Can that be had with which the package is built?
mapfile -t tools < <(sed -n '/^requires = /{s/^[^[]*\[//;s/\]$//;s/"//g;s/, /\n/g;p}' bindings/python/pyproject.toml)
"$out/venv/bin/pip" install -q --dry-run "${tools[@]}" || not_run python "not to be had from PyPI: ${tools[*]}"
# As users do it. The version does not change, so pip must be told to take the new build.
"$out/venv/bin/pip" install -q --force-reinstall --no-deps ./bindings/python
if [ "${1:-}" != runner ]; then
    "$out/venv/bin/pip" install -q pytest==9.2.0 pytest-asyncio==1.5.0 mypy==2.4.1 numpy==2.2.6 pdoc==16.0.0 ||
        not_run python 'what its tests need could not be installed from PyPI'
fi

if [ "${1:-}" = runner ]; then
    mkdir -p target/parity
    printf '#!/bin/sh\nexec "%s" "%s"\n' "$out/venv/bin/python" "$PWD/ffi-tests/parity/python/runner.py" >target/parity/python
    chmod +x target/parity/python
    exit
fi

# The library exports the C interface and what UniFFI makes, and nothing else.
strays=$(nm -D --defined-only "$out"/venv/lib/python3*/site-packages/ewebrtc/_native/libewebrtc.so |
    awk '{print $3}' | grep -vE '^(ewebrtc_|uniffi_|ffi_ewebrtc_)|^UNIFFI_META_' || true)
if [ -n "$strays" ]; then
    printf 'python: FAILED: the library exports other names:\n%s\n' "$strays" >&2
    exit 1
fi

# Nor does it want anything of one version of Python, and the wheel is what `pip install` has installed.
if nm -D --undefined-only "$out"/venv/lib/python3*/site-packages/ewebrtc/_native/libewebrtc.so | grep -E ' _?Py[A-Z_]'; then
    echo 'python: FAILED: the library calls Python' >&2
    exit 1
fi
rm -rf "$out/wheel"
"$out/venv/bin/pip" wheel -q --no-deps -w "$out/wheel" ./bindings/python
wheel=$(echo "$out"/wheel/*)
(cd bindings/python && "$out/venv/bin/python" -m tests.wheel "$wheel")

# FFI mistakes hang rather than fail: nothing runs without a bound.
(cd bindings/python && timeout --kill-after=10 10m "$out/venv/bin/python" -m pytest -q -p no:cacheprovider "$@")

# From the inside: the installed package itself. From the outside: the tests and the programs of the pages, as a user's code.
export MYPY_CACHE_DIR=$out/mypy
(cd bindings/python && timeout 5m "$out/venv/bin/python" -m mypy -p ewebrtc)
rm -rf "$out/user" && mkdir -p "$out/user/pages"
cp -r bindings/python/tests "$out/user/tests"
(cd bindings/python && "$out/venv/bin/python" -m tests.pages "$out/user/pages")
(cd "$out/user" && timeout 5m "$out/venv/bin/python" -m mypy --strict --config-file= tests pages/*.py)
# As the oldest Python that the package is for sees it.
(cd bindings/python && timeout 5m "$out/venv/bin/python" -m mypy --python-version 3.10 -p ewebrtc)

# The reference, from the texts in the sources; a name that does not exist in one of them is an error.
rm -rf "$out/api"
(cd bindings/python && timeout 5m "$out/venv/bin/python" -W error -m pdoc --docformat markdown -o "$out/api" ewebrtc)
[ -s "$out/api/ewebrtc.html" ] || { echo 'python: FAILED: there is no reference' >&2; exit 1; }

version() { "$1" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])'; }

if [ -e /etc/debian_version ] && ! fits "$debian"; then
    echo "python: $debian is older than 3.10 or has no venv, so it was not tried: scripts/deps.sh python" >&2
    exit 1
fi

# Other interpreters, oldest first, one of each version: those of the path, the system's, those that pyenv keeps.
others() {
    local found
    for found in $(compgen -c python3. | grep -xE 'python3\.[0-9]+' | sort -u) "$debian" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/*/bin/python3; do
        found=$(command -v "$found" || true)
        if [ -n "$found" ] && fits "$found" && [ "$(version "$found")" != "$(version "$python")" ]; then
            echo "$(version "$found") $found"
        fi
    done | sort -V -u -k1,1
}

# No output: there is no other one.
rest=$(others)
case " $(version "$python") $rest" in
*' 3.10.'* | *$'\n3.10.'*) ;;
*) echo 'python: NOTE: there is no Python 3.10 here, the oldest that the wheel is for; it was not tried' >&2 ;;
esac
while read -r number other; do
    [ -n "$other" ] || continue
    echo "python: $number ($other)"
    venv "py$number" "$other"
    "$out/py$number/bin/pip" install -q --force-reinstall --no-deps "$wheel"
    (cd bindings/python && "$out/py$number/bin/python" -m tests.wheel "$wheel")
    "$out/py$number/bin/pip" install -q pytest==9.2.0 pytest-asyncio==1.5.0 numpy==2.2.6
    if [[ $number = 3.10.* ]]; then
        (cd bindings/python && timeout --kill-after=10 10m "$out/py$number/bin/python" -m pytest -q -p no:cacheprovider "$@")
    else
        # The program records into its folder.
        (cd "$out/user" && timeout --kill-after=10 1m "$out/py$number/bin/python" -W error pages/bindings_python_readme_1.py)
        (cd bindings/python && timeout --kill-after=10 2m "$out/py$number/bin/python" -m pytest -q -p no:cacheprovider tests/test_numpy.py)
    fi
done <<<"$rest"
echo 'python: passed'
