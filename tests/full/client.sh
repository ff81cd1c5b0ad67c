#!/usr/bin/env bash
# Generates a TypeScript client from /-/openapi.json, unmodified, and runs the README's tour with
# it.
#
#   tests/full/client.sh
#
# Needs Node.js 20 with npm, and its registry. POSTLET_BINARY replaces the program that is built
# first.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
exec </dev/null

if [ -z "${POSTLET_BINARY:-}" ]; then
    cargo build --locked --workspace --bin postlet
    target="$(cargo metadata --locked --no-deps --format-version 1 |
        node -e 'console.log(JSON.parse(require("fs").readFileSync(0)).target_directory)')"
    POSTLET_BINARY="$target/debug/postlet"
fi

scratch="$(mktemp -d)"
host=
stop() {
    if [ -n "$host" ]; then kill "$host" && wait "$host" || true; fi
    rm -rf "$scratch"
}
trap stop EXIT
"$POSTLET_BINARY" dev --json --listen 127.0.0.1:0 >"$scratch/ready" 2>"$scratch/log" &
host=$!
for _ in $(seq 3000); do
    [ ! -s "$scratch/ready" ] || break
    kill -0 "$host"
    sleep 0.2
done
ready() { node -e 'console.log(JSON.parse(require("fs").readFileSync(0))[process.argv[1]])' "$1" <"$scratch/ready"; }
POSTLET_URL="$(ready url)" POSTLET_TOKEN="$(ready token)" POSTLET_FILE="$PWD/LICENSE"
export POSTLET_URL POSTLET_TOKEN POSTLET_FILE

cp tests/full/client.ts "$scratch"
cd "$scratch"
echo '{"private": true, "type": "module"}' >package.json
npm install --silent --no-audit --no-fund \
    openapi-typescript@7.13.0 openapi-fetch@0.17.0 typescript@5.9.3 @types/node@20.19.0
curl -sS --fail "$POSTLET_URL/-/openapi.json" -o openapi.json
npx openapi-typescript openapi.json --output api.d.ts
npx tsc --strict --noUncheckedIndexedAccess --target es2022 --module nodenext --outDir built client.ts
node built/client.js
