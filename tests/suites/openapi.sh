#!/usr/bin/env bash
# Very large public documents, which are not kept here: Stripe's, GitHub's and Kubernetes', as the sources of PyPI's
# openapi-spec-validator have them. Each is imported and exported, and its export imported again.
set -euo pipefail
cd "$(dirname "$0")/../.."
tollgate="${TOLLGATE:-target/debug/tollgate}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

python3 -m pip download --quiet --no-deps --no-binary :all: --dest "$work" openapi-spec-validator==0.9.0
tar -xzf "$work"/openapi_spec_validator-*.tar.gz -C "$work"

for name in stripe github kubernetes; do
    document="$(find "$work" -name "$name.yaml" -path '*bench*')"
    printf '[apis.%s]\ndefinition = "%s"\nto = "http://localhost:1"\n[apis.%s.stages.prod]\n' \
        "$name" "$document" "$name" > "$work/$name.toml"
    "$tollgate" check "$work/$name.toml"
    for format in oas30 swagger; do
        "$tollgate" export "$name/prod" --format "$format" --extensions --config "$work/$name.toml" \
            > "$work/$name-$format.json" 2> "$work/left-out"
        sed "s|$document|$work/$name-$format.json|" "$work/$name.toml" > "$work/again.toml"
        "$tollgate" check "$work/again.toml"
    done
done
