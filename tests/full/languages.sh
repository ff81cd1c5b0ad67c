#!/usr/bin/env bash
# Tests the filters and the endpoint of the documentation in JavaScript and Python: each is
# extracted from its page, built with the tool's defaults by the printed commands, served by
# `postlet dev`, and called.
#
# Needs node, npm, python3 and curl, and the network for what npm and pip install.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
for program in node npm python3 curl tar; do
    command -v "$program" >/dev/null || { echo "$program is missing" >&2; exit 1; }
done
POSTLET="${POSTLET_BINARY:-$PWD/target/debug/postlet}"
[ -x "$POSTLET" ] || cargo build --workspace
ROOT=$PWD
SCRATCH=$(mktemp -d)
HOST=
trap '[ -z "$HOST" ] || kill "$HOST" 2>/dev/null || true; rm -rf "$SCRATCH"' EXIT

# block PAGE HEADING LANGUAGE: the first block in this language below this heading.
block() {
    awk -v heading="## $2" -v fence="\`\`\`$3" '
        /^## / { inside = ($0 == heading) }
        inside && $0 == fence && !done { printing = 1; next }
        printing && $0 == "```" { printing = 0; done = 1 }
        printing { print }' "docs/$1"
}

# serve [ARGUMENT...]: starts `dev` in the current directory, and sets URL and TOKEN.
serve() {
    "$POSTLET" dev --json --listen 127.0.0.1:0 "$@" >ready.json 2>log.txt &
    HOST=$!
    for _ in $(seq 1200); do
        [ -s ready.json ] && break
        kill -0 "$HOST" || { cat log.txt >&2; exit 1; }
        sleep 0.5
    done
    URL=$(python3 -c 'import json; print(json.load(open("ready.json"))["url"])')
    TOKEN=$(python3 -c 'import json; print(json.load(open("ready.json"))["token"])')
}

stop() {
    kill -INT "$HOST"
    wait "$HOST" || true
    HOST=
}

# run COMMANDS: as printed, but with the contract of the host that runs here.
run() {
    serve
    bash -euo pipefail -c "${1//http:\/\/127.0.0.1:7400/$URL}" >build.txt 2>&1 || { cat build.txt >&2; exit 1; }
    stop
}

send() {
    curl -sS -H "Authorization: Bearer $TOKEN" "$URL/v1/accounts/anna/send" \
        --json "{\"to\": [{\"email\": \"$1\"}], \"subject\": \"Hello\", \"text\": \"Hi\"}"
}

# expect TEXT WHAT: fails with the output and the log.
expect() {
    case "$2" in
        *"$1"*) ;;
        *) echo "$1 is not in: $2" >&2; tail -n 20 log.txt >&2; exit 1 ;;
    esac
}

# filter HEADING LANGUAGE FILE FOOTER
filter() {
    echo "-- a filter: $1"
    mkdir "$SCRATCH/$2"
    block filters.md "$1" "$2" >"$SCRATCH/$2/$3"
    block filters.md 'In JavaScript' toml >"$SCRATCH/$2/spin.toml"
    local commands
    commands=$(block filters.md "$1" sh)
    cd "$SCRATCH/$2"
    run "$commands"
    serve --manifest spin.toml
    expect '"filterCode":"blocked-domain"' "$(send someone@blocked.test)"
    expect '"state":' "$(send bob@mailroom.test)"
    local id
    id=$(curl -sS -H "Authorization: Bearer $TOKEN" "$URL/v1/accounts/bob/messages" |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["messages"][0]["id"])')
    expect "$4" "$(curl -sS -H "Authorization: Bearer $TOKEN" "$URL/v1/accounts/bob/messages/$id")"
    expect 'letters in its subject passes' "$(cat log.txt)"
    stop
    cd "$ROOT"
}

filter 'In JavaScript' js filter.js 'Sent with JavaScript'
filter 'In Python' python app.py 'Sent with Python'

echo "-- an endpoint: JavaScript"
mkdir "$SCRATCH/endpoint"
block writing-a-component.md 'Other languages' js >"$SCRATCH/endpoint/hello.js"
COMMANDS=$(awk '/^## /{inside = ($0 == "## Other languages")} inside && $0 == "```sh" {printing = 1; next}
    printing && $0 == "```" {printing = 0} printing {print}' docs/writing-a-component.md)
cd "$SCRATCH/endpoint"
cat >spin.toml <<'TOML'
spin_manifest_version = 2

[application]
name = "hello"

[[trigger.http]]
route = "/hello/:account"
component = "hello"

[component.hello]
source = "hello.wasm"
TOML
run "$COMMANDS"
serve --manifest spin.toml
expect '"newest":null' "$(curl -sS -H "Authorization: Bearer $TOKEN" "$URL/hello/bob")"
expect '"code":"no-such-account"' "$(curl -sS -H "Authorization: Bearer $TOKEN" "$URL/hello/nobody")"
send bob@mailroom.test >sent.json
for _ in $(seq 40); do
    NEWEST=$(curl -sS -H "Authorization: Bearer $TOKEN" "$URL/hello/bob")
    [ "$NEWEST" = '{"newest":"Hello"}' ] && break
    sleep 0.5
done
expect '"newest":"Hello"' "$NEWEST"
stop
echo "== JavaScript and Python: as printed"
