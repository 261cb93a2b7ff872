#!/usr/bin/env bash
# What a request costs: the gateway alone on one core, load and origin on another.
#
#   loadtest/run.sh [SECONDS [CONNECTIONS]]     10 seconds and 64 connections a scenario unless said otherwise
#
# Prints requests per second, the gateway's CPU time per request (user and system from /proc/PID/stat) and the 50th and
# 99th percentiles of latency. TOLLGATE=path/to/tollgate measures a binary that is built already; GATEWAY_CORE and
# LOAD_CORE choose the cores.
set -euo pipefail
cd "$(dirname "$0")/.."
source .ci/need.sh
need curl curl
need wrk wrk
need taskset util-linux

seconds=${1:-10} connections=${2:-64}
gateway_core=${GATEWAY_CORE:-0} load_core=${LOAD_CORE:-1}
if [ "$(nproc)" -lt 2 ]; then
  echo "only one core here: gateway, load and origin share it, so the figures say little" >&2
  load_core=$gateway_core
fi
if [ -z "${TOLLGATE:-}" ]; then
  need_build_tools
  cargo build --profile dist
  TOLLGATE="${CARGO_TARGET_DIR:-target}/dist/tollgate"
fi

origin=127.0.0.1:19001 http=127.0.0.1:18080 admin=127.0.0.1:19090
dir=$(mktemp -d)
children=()
stop() {
  for child in "${children[@]}"; do kill "$child" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$dir"
}
trap stop EXIT
trap 'exit 130' INT TERM

fill() { # fill FILE: puts the addresses in
  sed -e "s|@ADDRESS@|$origin|; s|@ORIGIN@|$origin|; s|@HTTP@|$http|; s|@ADMIN@|$admin|; s|@DIR@|$dir|; s|@BODY@|$body|" "$1"
}
body="{\"data\":\"$(head -c 1011 /dev/zero | tr '\0' x)\"}"

nginx=$(command -v nginx || ls /usr/sbin/nginx 2>/dev/null || true)
if [ -n "$nginx" ]; then
  fill loadtest/origin.conf >"$dir/origin.conf"
  taskset -c "$load_core" "$nginx" -p "$dir" -c "$dir/origin.conf" & children+=($!)
else
  echo "nginx is not installed: the demo back end stands in, which is slower, so latencies say little" >&2
  taskset -c "$load_core" "$TOLLGATE" demo-backend --listen "$origin" --name origin & children+=($!)
fi
fill loadtest/tollgate.toml >"$dir/tollgate.toml"
taskset -c "$gateway_core" "$TOLLGATE" run "$dir/tollgate.toml" 2>"$dir/stderr" & gateway=$!; children+=("$gateway")

for attempt in $(seq 100); do
  if curl -fs -o /dev/null "http://$admin/readyz" && curl -s -o /dev/null "http://$origin/"; then break; fi
  if [ "$attempt" = 100 ] || ! kill -0 "$gateway" 2>/dev/null; then
    cat "$dir/stderr" >&2
    echo "the gateway or the origin did not start" >&2
    exit 1
  fi
  sleep 0.1
done

# cpu: user and system ticks of the gateway, all its threads together (fields 14 and 15; the name may hold spaces).
cpu() { sed 's/.*) //' "/proc/$gateway/stat" | awk '{ print $12, $13 }'; }
ticks=$(getconf CLK_TCK)

printf '%-10s %10s %8s %8s %8s %9s %9s %8s\n' scenario requests/s "cpu µs" "user µs" "sys µs" p50 p99 status
scenario() { # scenario NAME STATUS [HEADER]
  local name=$1 wanted=$2 header=${3:-x-none: 1}
  local url="http://$http/load/prod/$name" status before after report requests
  curl -s -o /dev/null -H "$header" "$url"
  status=$(curl -s -o /dev/null -w '%{http_code}' -H "$header" "$url")
  if [ "$status" != "$wanted" ]; then
    echo "$name answers $status instead of $wanted" >&2
    exit 1
  fi
  taskset -c "$load_core" wrk -t1 -c"$connections" -d1s -H "$header" "$url" >/dev/null
  before=$(cpu)
  report=$(taskset -c "$load_core" wrk -t1 -c"$connections" -d"${seconds}s" --latency -H "$header" "$url")
  after=$(cpu)
  requests=$(awk '/requests in/ { print $1 }' <<<"$report")
  awk -v name="$name" -v status="$status" -v n="$requests" -v hz="$ticks" -v before="$before" -v after="$after" '
    BEGIN { split(before, b, " "); split(after, a, " "); user = (a[1] - b[1]) / hz; sys = (a[2] - b[2]) / hz }
    /Requests\/sec/ { rate = $2 }
    $1 == "50%" { p50 = $2 }
    $1 == "99%" { p99 = $2 }
    /Socket errors/ { errors = $0 }
    END {
      printf "%-10s %10.0f %8.2f %8.2f %8.2f %9s %9s %8s\n", name, rate, (user + sys) * 1e6 / n, user * 1e6 / n, sys * 1e6 / n, p50, p99, status
      if (errors) print errors
    }' <<<"$report"
}

key="x-api-key: load-test-key-0123456789"
scenario proxied 200
scenario keyed 200 "$key"
scenario cached 200
scenario refused 429 "$key"
