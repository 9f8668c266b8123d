#!/usr/bin/env bash
# Measures what docs/performance.md shows. Needs nginx and wrk (`make bench` installs them). Loopback only, bounded.
set -euo pipefail
cd "$(dirname "$0")/.."
echo "machine: $(nproc) cores, $(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2 | xargs), $(awk '/MemTotal/{printf "%.0f GiB", $2/1048576}' /proc/meminfo); $(date -u +%F); $(rustc --version)"
# The program as packages ship it, out of the way of cargo, which builds its own for the benchmarks.
cargo build --quiet --release --locked --bin gangway
GANGWAY_PROGRAM=$(mktemp -d)/gangway
export GANGWAY_PROGRAM
trap 'rm -r "$(dirname "$GANGWAY_PROGRAM")"' EXIT
cp "${CARGO_TARGET_DIR:-target}/release/gangway" "$GANGWAY_PROGRAM"
strip -o "$GANGWAY_PROGRAM.stripped" "$GANGWAY_PROGRAM"
echo "size of the program without symbols: $(($(stat -c %s "$GANGWAY_PROGRAM.stripped") / 1024)) KiB"
for bench in phone_files refusals recognition sysclients start admin_list admin_page storm; do
  if [ -f "benches/$bench.rs" ]; then
    echo; echo "== $bench"
    cargo bench --quiet --bench "$bench"
  fi
done
