#!/usr/bin/env bash
# Runs the public suite of HTTP caching (npm http-cache-tests, https://cache-tests.fyi) against this gateway as a shared
# cache that honours its origin: prints passed and failed per group, and fails if what is required fails otherwise than
# http-cache-tests.known says.
#
#   tests/suites/http-cache-tests.sh [BINARY]      default: target/debug/tollgate
#   TEST=vary-match tests/suites/http-cache-tests.sh       one test, with all that was sent
#
# Wants Node 20 and npm. The package is kept in target/suites.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
binary=$(realpath "${1:-$root/target/debug/tollgate}")
kept=$root/target/suites
package=$kept/node_modules/http-cache-tests
work=$(mktemp -d)
pids=()
finish() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

if [ ! -d "$package" ]; then
    mkdir -p "$kept"
    npm install --silent --no-save --prefix "$kept" http-cache-tests@0.4.5
fi

port=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })')
(cd "$package" && exec env npm_config_protocol=http npm_config_port="$port" npm_config_pidfile="$work/server.pid" \
    node server/server.mjs) >"$work/origin.log" 2>&1 &
pids+=($!)

cat >"$work/tollgate.toml" <<EOF
[server]
listen = ["127.0.0.1:0"]
threads = 1
[admin]
listen = "127.0.0.1:0"
[state]
dir = "$work/data"
[telemetry]
access_log = { path = "$work/access.log", format = "json" }
[apis.suite]
routes = [
    { method = "M-SEARCH", path = "/{proxy+}", integration = { type = "HTTP_PROXY", uri = "http://127.0.0.1:$port/{proxy}" } },
    { method = "ANY", path = "/{proxy+}", integration = { type = "HTTP_PROXY", uri = "http://127.0.0.1:$port/{proxy}" } },
]
[apis.suite.stages.prod]
cache = { enabled = true, honor_origin = true }
[domains."*"]
mappings = { "/" = "suite/prod" }
EOF
"$binary" run "$work/tollgate.toml" >"$work/gateway.log" 2>&1 &
pids+=($!)
for _ in $(seq 100); do
    base=$(sed -n 's/^tollgate: ready, serving on \([^,]*\),.*/\1/p' "$work/gateway.log")
    [ -n "$base" ] && break
    sleep 0.1
done
if [ -z "$base" ]; then
    cat "$work/gateway.log" >&2
    exit 1
fi

cd "$package"
export npm_config_base="${base%/}" npm_config_id="${TEST:-}" npm_package_config_id=""
if [ -n "${TEST:-}" ]; then
    node --no-warnings cli.mjs
    cat "$work/origin.log"
    exit 0
fi
node --no-warnings cli.mjs >"$work/results.txt"
# Before the results there may be a line of the suite's own.
sed -n '/^{$/,$p' "$work/results.txt" >"$work/results.json"
[ -z "${RESULTS:-}" ] || cp "$work/results.json" "$RESULTS"
node --no-warnings "$here/http-cache-tests.mjs" "$package" "$work/results.json" "$here/http-cache-tests.known"
