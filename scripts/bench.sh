#!/usr/bin/env bash
# Measures what calls cost and how long they take (docs/performance.md): prints one table, writes target/bench/*.json.
# The exit status says whether everything could be measured, not whether every aim was met.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# 200 calls in one process are 400 phones and some 2000 sockets.
ulimit -n "$(ulimit -Hn)"

# What cannot be measured because nothing moves any more must end; each takes a minute or three.
cargo build --release --locked --bench events --bench setup --bench calls --bench mixer
rm -f target/bench/summary.txt
began=$SECONDS
status=0
for program in events setup calls mixer; do
    timeout --kill-after=10 400 cargo bench --locked --quiet --bench "$program" </dev/null || status=1
done
printf '\n== bench: %d s, load average %s\n' "$((SECONDS - began))" "$(cut -d' ' -f1-3 /proc/loadavg)"
cat target/bench/summary.txt
if [ "$status" -ne 0 ]; then echo 'make bench: FAILED, something could not be measured'; fi
exit "$status"
