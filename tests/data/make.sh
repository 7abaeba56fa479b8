#!/bin/sh
# Makes the video files of the tests: a test pattern with a running clock, 160x120, 15 pictures a second, 5 seconds,
# a key frame every two seconds. Needs ffmpeg (Debian: `apt-get install ffmpeg`) and python3.
set -eu
cd "$(dirname "$0")"
pattern='testsrc=size=160x120:rate=15:duration=5:decimals=2'
ffmpeg -hide_banner -loglevel error -y -f lavfi -i "$pattern" -pix_fmt yuv420p -bitexact \
    -c:v libvpx -b:v 100k -g 30 -deadline good -cpu-used 2 -auto-alt-ref 0 -lag-in-frames 0 counter.ivf
# ffmpeg writes no H.264 into IVF: each access unit begins with a delimiter, by which the stream is cut here.
ffmpeg -hide_banner -loglevel error -y -f lavfi -i "$pattern" -pix_fmt yuv420p -bitexact \
    -c:v libx264 -profile:v baseline -preset veryfast -b:v 100k -g 30 -bf 0 -x264-params aud=1:repeat-headers=1 \
    -f h264 - | python3 -c '
import struct, sys
units = [b"\0\0\0\1\x09" + rest for rest in sys.stdin.buffer.read().split(b"\0\0\0\1\x09")[1:]]
out = b"DKIF" + struct.pack("<HH4sHHIII", 0, 32, b"H264", 160, 120, 15, 1, len(units)) + bytes(4)
for number, unit in enumerate(units):
    out += struct.pack("<IQ", len(unit), number) + unit
open("counter-h264.ivf", "wb").write(out)
'
