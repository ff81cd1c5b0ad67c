#!/usr/bin/env bash
# End-to-end test with curl alone: send, list, fetch, flag, move and delete real mail.
#
#   URL        http://127.0.0.1:7400
# TOKEN      a token that may read, change and send
# FROM       the account that sends
#   FROM_EMAIL its address
#   TO         the account that receives
#   TO_EMAIL   its address
#   WORK       an empty directory; raw.eml is left there
#
# After each line on standard output it waits for a line on standard input, or for its end, so that
# another mail client can inspect the mailbox meanwhile.
set -euo pipefail
: "${URL:?}" "${TOKEN:?}" "${FROM:?}" "${FROM_EMAIL:?}" "${TO:?}" "${TO_EMAIL:?}" "${WORK:?}"
from="$URL/v1/accounts/$FROM"
to="$URL/v1/accounts/$TO"
subject='Grüße an 王小明 — ünïcödé 🎉'
text=$'Hallo, wie geht’s?\nZweite Zeile: 你好'
html='<p>Hallo, <b>wie geht’s</b>? 你好</p>'

fail() {
    echo "main job: $*" >&2
    exit 1
}

# call STATUS FILE CURL-ARGUMENT...: writes the response's body to FILE.
call() {
    local want="$1" file="$2" got
    shift 2
    got="$(curl --silent --show-error --max-time 90 --output "$file" --write-out '%{http_code}' \
        --header "Authorization: Bearer $TOKEN" "$@")"
    [ "$got" = "$want" ] || fail "wanted $want and got $got from: ${*: -1}: $(head -c 2000 "$file")"
}

# first NAME FILE: the first string member of that name.
first() {
    local json
    json="$(<"$2")"
    [[ $json =~ \"$1\":\"([^\"]*)\" ]] || fail "no $1 in $2: ${json:0:2000}"
    echo "${BASH_REMATCH[1]}"
}

# holds FILE TEXT...: asserts that the file contains every text.
holds() {
    local file="$1" wanted
    shift
    for wanted in "$@"; do
        grep --quiet --fixed-strings -- "$wanted" "$file" ||
            fail "no $wanted in $file: $(head -c 2000 "$file")"
    done
}

# until_sent SUBMISSION FILE
until_sent() {
    local try
    for try in {1..300}; do
        call 200 "$2" "$from/submissions/$1"
        [ "$(first state "$2")" = sent ] && return
        sleep 0.1
    done
    fail "the submission is not sent: $(<"$2")"
}

# until_listed MAILBOX MESSAGE-ID FILE: prints id and UID of the message.
until_listed() {
    local try json
    for try in {1..300}; do
        call 200 "$3" --get --data-urlencode "mailbox=$1" --data limit=50 "$to/messages"
        json="$(<"$3")"
        if [[ $json =~ \"id\":\"([^\"]*)\",\"mailbox\":\"[^\"]*\",\"uid\":([0-9]+),\"messageId\":\""$2"\" ]]; then
            echo "${BASH_REMATCH[1]} ${BASH_REMATCH[2]}"
            return
        fi
        sleep 0.1
    done
    fail "$2 does not appear in $1: $(head -c 2000 "$3")"
}

checkpoint() {
    echo "$*"
    read -r _ || true
}

cd "$WORK"
head -c 1048576 /dev/urandom >photo.bin

# 1. Send: a form, and the same as JSON.
call 202 sent.json --form "from=王小明 <$FROM_EMAIL>" --form "to=李四 <$TO_EMAIL>" \
    --form-string "subject=$subject" --form-string "text=$text" --form-string "html=$html" \
    --form 'attachment=@photo.bin;filename=图片.bin;type=application/x-photo' "$from/send"
message_id="$(first messageId sent.json)"
submission="$(first submissionId sent.json)"
{
    printf '{"to": [{"name": "李四", "email": "%s"}], "subject": "%s", "text": "Als JSON", ' \
        "$TO_EMAIL" "$subject"
    printf '"attachments": [{"filename": "图片.bin", "contentType": "application/x-photo", "content": "'
    base64 --wrap=0 photo.bin
    printf '"}]}'
} >draft.json
call 202 sent-json.json --json @draft.json "$from/send"
json_message_id="$(first messageId sent-json.json)"
[ "$message_id" != "$json_message_id" ] || fail "two submissions have one Message-ID"

# 2. Both are delivered, and the outbox reports it.
until_sent "$submission" submission.json
holds submission.json "\"recipient\":\"$TO_EMAIL\"" '"possibleDuplicate":false'
until_sent "$(first submissionId sent-json.json)" submission-json.json
call 200 submissions.json "$from/submissions?state=sent"
holds submissions.json "$submission" "$message_id" "$json_message_id"

# 3. List.
call 200 mailboxes.json "$to/mailboxes"
holds mailboxes.json '"role":"\\Inbox"' '"role":"\\Archive"' '"role":"\\Trash"'
found="$(until_listed INBOX "$message_id" list.json)"
read -r id uid <<<"$found"
holds list.json "$subject" '"name":"王小明"' "\"email\":\"$FROM_EMAIL\""
json_found="$(until_listed INBOX "$json_message_id" list.json)"
read -r json_id _ <<<"$json_found"

# 4. Fetch: the message, its bodies, the attachment and every byte.
call 200 message.json "$to/messages/$id"
holds message.json "$subject" '"name":"王小明"' '"name":"李四"' 'Zweite Zeile: 你好' \
    '<b>wie geht’s</b>' '"filename":"图片.bin"' '"contentType":"application/x-photo"' '"size":1048576'
call 200 text.txt "$to/messages/$id/text"
printf %s "$text" >want.txt
diff --strip-trailing-cr want.txt text.txt >&2 || fail "the text is another one"
call 200 alone.txt --header 'Accept: text/plain' "$to/messages/$id"
cmp text.txt alone.txt || fail "Accept: text/plain and /text differ"
call 200 body.html "$to/messages/$id/html"
holds body.html '<b>wie geht’s</b>' '你好'
call 200 photo.out "$to/messages/$id/attachments/1"
cmp photo.bin photo.out || fail "the attachment is not what was sent"
call 200 photo-json.out "$to/messages/$json_id/attachments/1"
cmp photo.bin photo-json.out || fail "the attachment of the JSON draft is not what was sent"
call 206 part.out --range 1000-1999 "$to/messages/$id/attachments/1"
cmp part.out <(tail -c +1001 photo.bin | head -c 1000) || fail "the range is another one"
call 200 raw.eml "$to/messages/$id/raw"
holds raw.eml "$message_id"
checkpoint "fetched $uid"

# 5. Flag.
call 200 flagged.json --request PATCH --json '{"flags": {"add": ["\\Seen", "\\Flagged"]}}' "$to/messages/$id"
holds flagged.json '"\\Seen"' '"\\Flagged"'
call 200 again.json "$to/messages/$id?fields=flags"
holds again.json '"\\Seen"' '"\\Flagged"'
checkpoint "flagged $uid"

# 6. Move.
call 200 moved.json --json '{"mailbox": "\\Archive"}' "$to/messages/$id/move"
moved="$(first id moved.json)"
[ "$moved" != "$id" ] || fail "the id is the same after the move"
call 404 gone.json "$to/messages/$id"
holds gone.json '"code":"no-such-message"'
archived="$(until_listed '\Archive' "$message_id" archive.json)"
read -r archived_id archived_uid <<<"$archived"
[ "$archived_id" = "$moved" ] || fail "the move said $moved and the list says $archived_id"
call 200 photo.out "$to/messages/$moved/attachments/1"
cmp photo.bin photo.out || fail "the attachment changed with the move"
checkpoint "moved $archived_uid"

# 7. Delete: to the trash, then permanently.
call 200 trashed.json --request DELETE "$to/messages/$moved"
trashed="$(first id trashed.json)"
call 404 gone.json "$to/messages/$moved"
until_listed '\Trash' "$message_id" trash.json >/dev/null
call 204 nothing --request DELETE "$to/messages/$trashed?permanent=true"
call 404 gone.json "$to/messages/$trashed"
holds gone.json '"code":"no-such-message"'
checkpoint "deleted"
