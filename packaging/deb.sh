#!/usr/bin/env bash
# Builds the Debian package, installs nothing: packaging/deb.sh [PROFILE], prints the package's path.
# Wants cargo-deb (`cargo install cargo-deb --locked`), and what README.md names for building.
set -euo pipefail
cd "$(dirname "$0")/.."
profile=${1:-dist}
if ! cargo deb --version >/dev/null 2>&1; then
  echo "cargo-deb is missing: cargo install cargo-deb --locked" >&2
  exit 1
fi
# What is built to try the package need not be fast.
if [ "$profile" = dist ]; then source packaging/profile.sh; fi
exec cargo deb --profile "$profile" --locked
