#!/usr/bin/env bash
# Measures what docs/performance.md shows. Needs nginx and wrk (`make bench` installs them). Loopback only, bounded.
set -euo pipefail
cd "$(dirname "$0")/.."
echo "machine: $(nproc) cores, $(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2 | xargs), $(awk '/MemTotal/{printf "%.0f GiB", $2/1048576}' /proc/meminfo); $(date -u +%F); $(rustc --version)"
# The program as packages ship it. `make release` builds it.
GANGWAY_PROGRAM=$(realpath "${CARGO_TARGET_DIR:-target}/package/gangway")
export GANGWAY_PROGRAM
echo "size of the program: $(($(stat -c %s "$GANGWAY_PROGRAM") / 1024)) KiB"
for bench in phone_files refusals recognition sysclients start admin_list admin_page storm; do
  if [ -f "benches/$bench.rs" ]; then
    echo; echo "== $bench"
    cargo bench --quiet --bench "$bench"
  fi
done
