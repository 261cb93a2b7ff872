#!/usr/bin/env bash
# Sends the requests that AWS classified for its load balancers (crate http_desync_guardian: 159 of them) through this
# gateway, and reads what reaches a back end in every careless way. Prints passed and failed by class, and fails if
# anything fails otherwise than desync-corpus.known says.
#
#   tests/suites/desync-corpus.sh [BINARY]      default: target/debug/tollgate
#
# Wants cargo and Python 3 with venv. What is fetched is kept in target/suites.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
binary=$(realpath "${1:-$root/target/debug/tollgate}")
kept=$root/target/suites
version=0.1.3
corpus=$kept/http_desync_guardian-$version/tests

if [ ! -d "$corpus" ]; then
    # cargo fetches crates for packages only, so a package is made that wants it.
    fetching=$(mktemp -d)
    trap 'rm -rf "$fetching"' EXIT
    mkdir -p "$fetching/src" "$kept"
    touch "$fetching/src/lib.rs"
    printf '[package]\nname = "fetching"\nversion = "0.0.0"\nedition = "2021"\n[dependencies]\nhttp_desync_guardian = "=%s"\n[workspace]\n' \
        "$version" >"$fetching/Cargo.toml"
    (cd "$fetching" && cargo fetch --quiet)
    cp -r "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/"http_desync_guardian-$version" "$kept/"
fi
if ! "$kept/python/bin/python" -c 'import yaml' 2>/dev/null; then
    python3 -m venv "$kept/python"
    "$kept/python/bin/pip" install --quiet pyyaml==6.0.2
fi
exec "$kept/python/bin/python" "$here/desync-corpus.py" "$binary" "$corpus" "$here/desync-corpus.known"
