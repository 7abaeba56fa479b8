#!/usr/bin/env bash
# Makes examples/speech/hello.wav again, about six seconds of synthesised speech: 16 kHz, mono, 16 bit, -20 dBFS RMS.
# The file is committed, so neither `make demo` nor `make test` runs this. It needs Debian's packages flite and sox;
# only what flite says is kept, nothing of flite itself.
set -euo pipefail
cd "$(dirname "$0")/.."

text='Good morning. This is a telephone for programs. What one phone plays, the other phone records.'
target=examples/speech/hello.wav

for tool in flite sox; do
    if ! command -v "$tool" >/dev/null; then
        echo "make-speech: $tool is missing: apt-get install flite sox" >&2
        exit 1
    fi
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

flite -voice slt -t "$text" -o "$work/spoken.wav"
# Half a breath of silence before and after, then one gain for the whole file, so that its RMS level is -20 dBFS.
sox "$work/spoken.wav" -r 16000 -c 1 -b 16 "$work/padded.wav" pad 0.2 0.2
level=$(sox "$work/padded.wav" -n stats 2>&1 | awk '/^RMS lev dB/ { print $4 }')
gain=$(awk -v level="$level" 'BEGIN { printf "%.2f", -20 - level }')
# -D: no dither, so that every run writes the same bytes.
sox -D "$work/padded.wav" -r 16000 -c 1 -b 16 -e signed-integer "$target" gain "$gain"
soxi "$target"
