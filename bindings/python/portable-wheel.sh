#!/usr/bin/env bash
# A wheel that installs on older systems than this one: zig links it against glibc 2.28 (Debian 10, RHEL 8 and newer), without a
# container. What `pip wheel` makes needs the glibc of the machine that built it. Tries what it has made by a call. Everything is
# below target/python, the wheel in target/python/portable. It compiles the library anew, which takes about five minutes on two cores.
#
#   bindings/python/portable-wheel.sh
#
# The library is built with cargo's profile $EWEBRTC_PYTHON_PROFILE, wheel (as released) unless it is set.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

out=$PWD/target/python
profile=${EWEBRTC_PYTHON_PROFILE:-wheel}
glibc=2.28
export PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1
unset RUSTFLAGS

mkdir -p "$out"
[ -x "$out/zig/bin/python" ] || python3 -m venv "$out/zig"
"$out/zig/bin/pip" install -q maturin==1.16.0 ziglang==0.17.1 cmake==4.4.5
export PATH=$out/zig/bin:$PATH
# zig's linker would drop the names from which the Python module is made, together with the debugging information.
export "CARGO_PROFILE_${profile^^}_STRIP=none"
rm -rf "$out/portable"
(cd bindings/python && maturin build --zig --compatibility "manylinux_${glibc/./_}" --profile "$profile" -o "$out/portable")

wheel=$(echo "$out"/portable/*.whl)
rm -rf "$out/portable-venv"
python3 -m venv "$out/portable-venv"
"$out/portable-venv/bin/pip" install -q --no-deps "$wheel"
(cd bindings/python && "$out/portable-venv/bin/python" -m tests.wheel "$wheel")
needs=$(objdump -T "$out"/portable-venv/lib/python3*/site-packages/ewebrtc/_native/libewebrtc.so |
    grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -1)
if [ "$(printf 'GLIBC_%s\n%s\n' "$glibc" "$needs" | sort -V | tail -1)" != "GLIBC_$glibc" ]; then
    echo "python: FAILED: the wheel needs $needs" >&2
    exit 1
fi
(cd "$out" && timeout --kill-after=10 2m "$out/portable-venv/bin/python" -W error -m ewebrtc demo | tail -1)
echo "python: $wheel needs $needs"
