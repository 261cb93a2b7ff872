#!/usr/bin/env bash
# Runs every fuzz target for a while on one core, and prints what it did: executions, edges covered, corpus.
#
#   fuzz/run.sh [SECONDS] [TARGET…]      default: 60 seconds each, all of them
#
# Wants a nightly toolchain (rustup); installs cargo-fuzz. What is found is in fuzz/artifacts/TARGET, and
# `cargo +nightly fuzz run TARGET FILE` shows it again. The exit status is 1 when anything was found.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
shift || true
command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz@0.13.2
if [ $# = 0 ]; then mapfile -t targets < <(cargo +nightly fuzz list); else targets=("$@"); fi

found=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
cargo +nightly fuzz build
printf '| target | executions | a second | edges | corpus | found |\n|---|---|---|---|---|---|\n'
for target in "${targets[@]}"; do
    mkdir -p "fuzz/corpus/$target"
    result=nothing
    # Few inputs are longer than a head may be.
    cargo +nightly fuzz run "$target" -- -max_total_time="$seconds" -dict=fuzz/http.dict -max_len=16384 -timeout=20 \
        -print_final_stats=1 -verbosity=1 >"$log" 2>&1 || { result="see fuzz/artifacts/$target"; found=1; }
    stat() { sed -n "s/^stat::$1: *//p" "$log"; }
    edges=$(grep -o 'cov: [0-9]*' "$log" | tail -1 | cut -d' ' -f2)
    corpus=$(grep -o 'corp: [0-9]*' "$log" | tail -1 | cut -d' ' -f2)
    printf '| %s | %s | %s | %s | %s | %s |\n' "$target" "$(stat number_of_executed_units)" \
        "$(stat average_exec_per_sec)" "$edges" "$corpus" "$result"
    if [ "$result" != nothing ]; then grep -m1 -A3 'panicked at\|ERROR: ' "$log" >&2 || tail -5 "$log" >&2; fi
done
exit "$found"
