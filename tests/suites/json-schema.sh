#!/usr/bin/env bash
# Runs the public JSON Schema Test Suite (as the sources of PyPI's jsonschema have it) against this gateway: each schema
# is that of a body in an OpenAPI document, each test a request, which is passed on or refused. Prints passed and failed per
# group, and fails if a test fails otherwise than json-schema.known says.
#
#   tests/suites/json-schema.sh [BINARY]      default: target/debug/tollgate
#
# Wants Python 3 with pip. The suite is kept in target/suites.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
binary=$(realpath "${1:-$root/target/debug/tollgate}")
kept=$root/target/suites/jsonschema-4.26.0

if [ ! -d "$kept" ]; then
    mkdir -p "$root/target/suites"
    python3 -m pip download --quiet --no-deps --no-binary :all: --dest "$root/target/suites" jsonschema==4.26.0
    tar -xzf "$root"/target/suites/jsonschema-4.26.0.tar.gz -C "$root/target/suites"
fi

exec python3 "$here/json-schema.py" "$binary" "$kept/json/tests" "$here/json-schema.known"
