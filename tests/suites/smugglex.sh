#!/usr/bin/env bash
# Runs the scanner smugglex (crate, every check it has, mutations too) against this gateway in plaintext and in TLS, where it
# also speaks HTTP/2. Prints what it did, and fails if it finds anything that smugglex.known does not explain.
#
#   tests/suites/smugglex.sh [BINARY]      default: target/debug/tollgate
#
# Wants cargo, openssl and Python 3. The scanner is kept in target/suites.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
binary=$(realpath "${1:-$root/target/debug/tollgate}")
kept=$root/target/suites
scanner=$kept/bin/smugglex
work=$(mktemp -d)
pids=()
finish() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

"$scanner" --version 2>/dev/null | grep -q 0.4.0 || cargo install --quiet --locked --root "$kept" smugglex@0.4.0

cd "$work"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem 2>/dev/null
# Its time-outs are 5 seconds. A body that is announced and never sent is given up long before.
cat >tollgate.toml <<END
[server]
listen = ["127.0.0.1:0", { address = "127.0.0.1:0", tls = { cert = "cert.pem", key = "key.pem" } }]
limits = { body_timeout = "1s" }
[admin]
listen = "127.0.0.1:0"
[state]
dir = "data"
[telemetry]
access_log = { path = "access.log" }
[domains."*"]
mappings = { "/" = "suite/prod" }
[apis.suite]
routes = [{ method = "ANY", path = "/{proxy+}", integration = { type = "HTTP_PROXY", uri = "http://BACK_END/{proxy}" } }]
[apis.suite.stages.prod]
END
"$binary" demo-backend --listen 127.0.0.1:0 2>back-end.log &
pids+=($!)
for _ in $(seq 100); do grep -q ' on http' back-end.log && break; sleep 0.1; done
sed -i "s#BACK_END#$(sed -n 's#.* on http://##p' back-end.log)#" tollgate.toml
"$binary" run tollgate.toml 2>gateway.log &
pids+=($!)
for _ in $(seq 100); do grep -q 'ready, serving' gateway.log && break; sleep 0.1; done
read -r plain secured < <(sed -n 's#^tollgate: ready, serving on \(http://[^,]*\),https://[^:]*:\([0-9]*\),.*#\1 https://localhost:\2#p' gateway.log)

checks=cl-te,te-cl,te-te,h2c,h2,cl-edge,cl-0,0-cl,parser-discrepancy
# It exits with 1 when it finds something; what that is is judged below.
"$scanner" --json --fuzz -t 5 -c "$checks" -o plain.json "$plain/x" >/dev/null || true
"$scanner" --json --fuzz -t 5 -k -c "$checks,h2-downgrade" -o secured.json "$secured/x" >/dev/null || true
python3 - "$here/smugglex.known" plain.json secured.json <<'END'
import json, sys
known = [line.split(" # ")[0] for line in open(sys.argv[1]) if " # " in line]
total, found, unknown = 0, 0, 0
for file in sys.argv[2:]:
    for target in json.load(open(file))["results"]:
        for check in target["checks"]:
            total += 1
            if not check["vulnerable"]:
                continue
            found += 1
            if not any(name in check["payload"] for name in known):
                unknown += 1
                print(f"FAILED {file} {check['check_type']}: {json.dumps(check)}")
print(f"{total - found} of {total} checks found nothing, {found - unknown} known")
sys.exit(1 if unknown else 0)
END
printf '%s requests were judged\n' "$(wc -l <access.log)"
