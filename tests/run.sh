#!/usr/bin/env bash
# Everything that must hold before a change is taken: format, lints, tests, documents, benches, the quickstart;
# in CI also the image and the Kubernetes manifests.
# Runs all steps whatever fails, and ends with "N passed, N failed": tests and steps together.
# `sh` may be another shell.
if [ -z "${BASH_VERSION:-}" ]; then exec bash "$0" "$@"; fi
set -euo pipefail
cd "$(dirname "$0")/.."
source .ci/need.sh
export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-never}"
need_build_tools
need curl curl
# For disks that fail and clocks that jump.
need mkfs.ext4 e2fsprogs
need faketime faketime
# An ACME server.
need pebble pebble

passed=0 failed=0 broken=()
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# step NAME COMMAND…: runs a command and counts it.
step() {
  local name=$1
  shift
  printf '\n=== %s: %s\n' "$name" "$*"
  if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)) broken+=("$name"); fi
}

# tests COMMAND…: runs test binaries and counts their tests.
tests() {
  printf '\n=== tests: %s\n' "$*"
  "$@" 2>&1 | tee "$log" || broken+=(tests)
  local ok bad
  read -r ok bad < <(sed 's/\x1b\[[0-9;]*m//g' "$log" |
    awk '/^test result: / { ok += $4; bad += $6 } END { print ok + 0, bad + 0 }')
  passed=$((passed + ok)) failed=$((failed + bad))
  # Tests that do not compile report nothing, and are no success.
  if [ "$ok" = 0 ]; then failed=$((failed + 1)); fi
}

step format cargo fmt --check
step lints cargo clippy --all-targets -- -D warnings
step fuzzing cargo clippy --lib --features fuzzing -- -D warnings
tests cargo test --no-fail-fast
step documents env RUSTDOCFLAGS="-D warnings" cargo doc --no-deps
# With what the tests were built from: optimising everything once more would take longer than all the rest.
step benches cargo bench --profile dev --benches -- --test
step quickstart env TOLLGATE="${CARGO_TARGET_DIR:-target}/debug/tollgate" conf/quickstart.sh --once
# Both bring podman and Python packages, which is CI's to install and not for everybody's machine.
if [ "${CI:-}" = true ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  step image packaging/image.sh "${CARGO_TARGET_DIR:-target}/debug/tollgate"
  step kubernetes packaging/kubernetes.sh "${CARGO_TARGET_DIR:-target}/debug/tollgate"
else
  printf '\nskipped: packaging/image.sh and packaging/kubernetes.sh, which CI runs\n'
fi

if [ "${#broken[@]}" -gt 0 ]; then printf '\nfailed: %s\n' "${broken[*]}"; fi
printf '\n%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ] && [ "${#broken[@]}" = 0 ]
