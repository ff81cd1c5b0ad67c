#!/usr/bin/env bash
# Asks every operation of /-/openapi.json for what it promises and for what it refuses, 20,000 times, by
# schemathesis with all of its checks.
#
#   tests/full/schemathesis.sh [CASES]
#
# Needs python3 with venv (Debian: python3-venv) and PyPI. POSTLET_SEED repeats an earlier run: the report names it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
exec </dev/null

scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install --quiet --disable-pip-version-check schemathesis==4.32.5

cargo build --locked --workspace --bin postlet
target="$(cargo metadata --locked --no-deps --format-version 1 | "$scratch/venv/bin/python" -c \
    'import json, sys; print(json.load(sys.stdin)["target_directory"])')"
"$scratch/venv/bin/python" tests/full/schemathesis.py "$target/debug/postlet" "$scratch" "${1:-20000}"
