#!/usr/bin/env bash
# Holds conf/kubernetes against Kubernetes' schemas and against the gateway itself: packaging/kubernetes.sh [BINARY]
if [ -z "${BASH_VERSION:-}" ]; then exec bash "$0" "$@"; fi
set -euo pipefail
cd "$(dirname "$0")/.."
source .ci/need.sh

need kubectl kubernetes-client
need python3 python3
python3 -c 'import ensurepip' 2>/dev/null || need python3-venv python3-venv
target=${CARGO_TARGET_DIR:-target}
venv=$target/kubernetes
if ! [ -x "$venv/bin/kubernetes-validate" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install -q 'kubernetes-validate>=1.31' pyyaml
fi
exec "$venv/bin/python" packaging/kubernetes.py "${1:-$target/debug/tollgate}"
