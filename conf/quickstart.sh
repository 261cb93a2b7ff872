#!/usr/bin/env bash
# Builds Tollgate, starts it with conf/quickstart.toml in front of two demo back ends, and shows what it does.
# Afterwards the gateway keeps running until Ctrl-C; with --once it stops, and the exit code says whether all went well.
# TOLLGATE=path/to/tollgate uses a binary that is built already.
# `sh` may be another shell.
if [ -z "${BASH_VERSION:-}" ]; then exec bash "$0" "$@"; fi
set -euo pipefail
cd "$(dirname "$0")/.."
source .ci/need.sh
export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-auto}"

once=false
case "${1:-}" in
  "") ;;
  --once) once=true ;;
  *) echo "usage: conf/quickstart.sh [--once]" >&2; exit 2 ;;
esac

need curl curl
if [ -z "${TOLLGATE:-}" ]; then
  need_build_tools
  echo "building Tollgate; the first time takes some minutes"
  cargo build --release
  TOLLGATE="${CARGO_TARGET_DIR:-target}/release/tollgate"
fi
if $once; then rm -rf data/quickstart; fi

children=()
stop() {
  for child in "${children[@]}"; do kill "$child" 2>/dev/null || true; done
  wait 2>/dev/null || true
}
trap stop EXIT
trap 'exit 130' INT TERM

"$TOLLGATE" demo-backend --listen 127.0.0.1:9001 --name blue & children+=($!)
"$TOLLGATE" demo-backend --listen 127.0.0.1:9002 --name green & children+=($!)
"$TOLLGATE" run conf/quickstart.toml & gateway=$!; children+=("$gateway")

for attempt in $(seq 200); do
  if curl -fs -o /dev/null http://127.0.0.1:9090/readyz && curl -fs -o /dev/null http://127.0.0.1:9001/ &&
    curl -fs -o /dev/null http://127.0.0.1:9002/; then break; fi
  for child in "${children[@]}"; do
    if ! kill -0 "$child" 2>/dev/null; then echo "a part did not start; its message is above" >&2; exit 1; fi
  done
  if [ "$attempt" = 200 ]; then echo "the gateway was not ready in 20 s" >&2; exit 1; fi
  sleep 0.1
done

passed=0 failed=0
# show WHAT COMMAND PATTERN…: prints and runs a command, and wants each pattern in what it says.
show() {
  local what=$1 command=$2 output pattern
  shift 2
  printf '\n# %s\n$ %s\n' "$what" "$command"
  output=$(bash -c "$command" 2>&1) || true
  printf '%s\n' "$output"
  for pattern in "$@"; do
    if ! grep -Eq "$pattern" <<<"$output"; then
      printf 'FAILED: nothing here matches %s\n' "$pattern"
      failed=$((failed + 1))
      return
    fi
  done
  passed=$((passed + 1))
}

url=http://127.0.0.1:8080/orders/prod
key="x-api-key: alice-demo-key-0123456789"
token="Authorization: Bearer quickstart-token"
status='-o /dev/null -w "%{http_code}\n"'

show "without a key: refused, and told how to come in" \
  "curl -si $url/orders/7" ' 401 ' '"missing_api_key"'
show "with a key: proxied to the stage's back end, or to the canary's" \
  "curl -s -H '$key' $url/orders/7" '"back_end":"(blue|green)"'
show "forty at once: the plan's burst of 20 passes, the rest hears 429" \
  "curl -s $status -H '$key' '$url/orders/[1-40]' | sort | uniq -c" ' 200' ' 429'
show "a 429 says which limit it is and when to come back" \
  "curl -si -H '$key' '$url/orders/[1-40]' | grep -Eai -A 12 '^HTTP/1.1 429' | head -n 14" \
  '[Rr]etry-[Aa]fter: ' '[Rr]ate[Ll]imit: '
# Three, since the canary's answers are cached apart: two of them are the same variant's.
show "fetched once, then from the cache; the canary has an answer of its own" \
  "curl -si '$url/catalogue/books?expand=all&[1-3]' | grep -Eai '^(HTTP|Cache-Status)'" \
  'fwd=' '; ?hit'
show "a canary on a tenth of the requests" \
  "curl -s '$url/raw/[1-200]' | grep -Eo '\"back_end\":\"[a-z]+\"' | sort | uniq -c" 'blue' 'green'
show "what Prometheus sees" \
  "curl -s -H '$token' http://127.0.0.1:9090/metrics | grep -E '^tollgate_(requests_total|throttled_total|cache_hits)'" \
  'variant="canary"' 'reason="rate"' 'tollgate_cache_hits_total'
show "who has used how much" \
  "curl -s -H '$token' http://127.0.0.1:9090/v1/usage" 'alice' 'basic'

printf '\nquickstart: %d passed, %d failed\n' "$passed" "$failed"
if $once; then
  [ "$failed" = 0 ]
  exit
fi
echo "the gateway runs until Ctrl-C: clients on http://127.0.0.1:8080, admin on http://127.0.0.1:9090"
echo "edit conf/quickstart.toml and save: the change is taken over at once"
wait "$gateway"
