#!/usr/bin/env bash
# API fuzzing: schemathesis calls the operations of /-/openapi.json with valid and invalid input,
# 20,000 times in all, with all of its checks.
#
#   tests/full/schemathesis.sh [CASES]
#
# CASES is the minimum number of requests, each of which is judged by every check. Examples and
# boundary values are about 2,300 of them at any number. The rest is shared by the operations that
# have so many different inputs. Takes five to fifteen minutes, nearly all of it for generating
# input.
#
# Needs python3 with venv (Debian: python3-venv) and PyPI. POSTLET_SEED repeats an earlier run,
# whose report names it. POSTLET_BINARY replaces the program that is built first.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
exec </dev/null

scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install --quiet --disable-pip-version-check schemathesis==4.32.5

if [ -z "${POSTLET_BINARY:-}" ]; then
    cargo build --locked --workspace --bin postlet
    target="$(cargo metadata --locked --no-deps --format-version 1 | "$scratch/venv/bin/python" -c \
        'import json, sys; print(json.load(sys.stdin)["target_directory"])')"
    POSTLET_BINARY="$target/debug/postlet"
fi
"$scratch/venv/bin/python" tests/full/schemathesis.py "$POSTLET_BINARY" "$scratch" "${1:-20000}"
