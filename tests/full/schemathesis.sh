#!/usr/bin/env bash
# Asks the operations of /-/openapi.json for what they promise and for what they refuse, 20,000 times in all, by
# schemathesis with all of its checks.
#
#   tests/full/schemathesis.sh [CASES]
#
# CASES is the least number of requests that are made, each of which is judged by every check. Examples and boundary values
# are about 2,300 of them at any number. The rest is shared by the operations that have so many different inputs. Five to
# fifteen minutes, nearly all of them for what schemathesis makes up.
#
# Needs python3 with venv (Debian: python3-venv) and PyPI. POSTLET_SEED repeats an earlier run: the report names it.
# POSTLET_BINARY is asked instead of a program that is built first.
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
