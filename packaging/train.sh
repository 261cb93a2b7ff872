#!/usr/bin/env bash
# Makes packaging/dist.profdata anew: what rustc is told about which code runs often. For a release, or after a change
# of the request path. About 20 minutes; wants what loadtest/run.sh does, and installs Debian's llvm-19.
#
# The program is built to count what it executes, and does three kinds of work: the load test's scenarios, the soak with
# everything on, and all integration tests, for what the others do not ask. The latter are few requests, so they weigh
# more: code that one user in a hundred needs must not be laid out as if nobody did.
set -euo pipefail
cd "$(dirname "$0")/.."
source .ci/need.sh
need_build_tools
need llvm-profdata-19 llvm-19
need nginx nginx
need wrk wrk
need h2load nghttp2-client

target=$PWD/target/training
raw=$target/raw
rm -rf "$raw"
mkdir -p "$raw"

# As packaging/dist.sh builds it, but for the flag: profiles know functions by names that depend on the rest. What counts
# while compiling is not wanted.
LLVM_PROFILE_FILE=/dev/null CARGO_TARGET_DIR=$target RUSTFLAGS="-Cprofile-generate=$raw" \
  cargo build --profile dist --locked
program=$target/dist/tollgate

# counted NAME COMMAND…: what the command's gateways did goes to NAME-*.profraw, each time one ends.
counted() { LLVM_PROFILE_FILE="$raw/$1-%9m.profraw" "${@:2}"; }

counted load python3 loadtest/bench.py --tollgate "$program" --quick --systems tollgate --scenarios abcdefghj \
  --results "$target"
# It counts slowly, and is not what is judged here.
counted soak python3 loadtest/soak.py --tollgate "$program" --minutes 1 --results "$target" ||
  echo "the soak found something; going on" >&2
TOLLGATE=$program counted tests cargo test --locked --test it || echo "a test failed; going on" >&2

inputs=()
# weigh TIMES NAME
weigh() { for file in "$raw/$2"-*.profraw; do inputs+=("--weighted-input=$1,$file"); done; }
weigh 1 load
weigh 10 soak
weigh 10 tests
# Tests kill gateways, some while they write such a file: what is broken is left out.
llvm-profdata-19 merge --sparse --failure-mode=all -o packaging/dist.profdata "${inputs[@]}"
(source packaging/profile.sh 2>/dev/null; trained_for) >packaging/dist.trained
ls -l packaging/dist.profdata
