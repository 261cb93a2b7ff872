#!/usr/bin/env bash
# Builds the program as it ships: packaging/dist.sh [ARGUMENT…], arguments are cargo's. Prints the program's path.
#
# The `dist` profile, optimised for what requests were seen to do (profile-guided optimisation): that is in
# packaging/dist.profdata, which packaging/train.sh makes. What has changed since then is compiled as without it, so an
# old one costs speed and nothing else.
set -euo pipefail
cd "$(dirname "$0")/.."
source .ci/need.sh
need_build_tools >&2
source packaging/profile.sh
cargo build --profile dist --locked "$@" >&2
echo "${CARGO_TARGET_DIR:-target}/dist/tollgate"
