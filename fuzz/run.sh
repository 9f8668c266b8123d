#!/usr/bin/env bash
# Fuzzes every target, or those named, SECONDS_EACH seconds each (600). What is found stands in fuzz/artifacts/<target>;
# a finding becomes a file of fuzz/corpus/<target>, which tests/fuzz replays for ever.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${SECONDS_EACH:-600}
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(appws sysclient redirect request manifest csv digest config frames)
# The versions of the gateway, not newer ones.
cp ../Cargo.lock Cargo.lock
failed=0
# libFuzzer needs options that stable hides; without a nightly toolchain the stable one is asked to allow them.
fuzz=(cargo +nightly fuzz)
if ! cargo +nightly --version >/dev/null 2>&1; then
  export RUSTC_BOOTSTRAP=1
  fuzz=(cargo fuzz)
fi
for target in "${targets[@]}"; do
  mkdir -p "grown/$target"
  # The gateway forbids unsafe code: no address sanitizer, twice the speed.
  if "${fuzz[@]}" run --sanitizer none "$target" "grown/$target" "corpus/$target" -- \
    -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 >"grown/$target.log" 2>&1; then
    result=clean
  else
    result="FOUND something, see fuzz/grown/$target.log"
    failed=1
  fi
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "grown/$target.log")
  echo "$target: $result, ${runs:-no} executions in $seconds s"
done
exit $failed
