//! Corpus test of reading: messages as they occur in practice are appended to a mailbox of Dovecot
//! and of the mailroom, listed and fetched over HTTP, and compared with the expected result.
//!
//! `tests/mail/read/NAME.eml` is a message, and `NAME.json` beside it is what the API must return:
//!
//! - `shows`: one sentence on the kind of message, with the standard.
//! - `row`: members of its row in a list with `expand=preview,attachments`.
//! - `message`: members of the fetched message.
//! - `text`: the whole body of `…/text`.
//! - `sent`: `…/html?as=sent`: its `contentType`, and its bytes as `base64`.
//!
//! Of an object only the named members are compared; lists and strings are compared exactly. An
//! object with `$contains`, `$lacks` (lists of at least one string) or `$absent` (true) is a
//! condition on a string, or requires that the member is absent. Each case has an expectation
//! besides `shows`.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use testkit::http::Client;
use testkit::imap::Imap;
use testkit::servers::mailroom::{ANN, Room};
use testkit::site::{Connected, Site, connect, connected, under};

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/mail/read");

#[test]
fn each_message_is_read_correctly_from_dovecot() {
    let Some(Connected { rig, n, mut client, id: account, up: _up }) = connected() else { return };
    let (email, password) = rig.user(n);
    judge(&mut client, &account, &mut Imap::login(rig.imaps_port(), &email, &password));
}

#[test]
fn each_message_is_read_correctly_from_the_mailroom() {
    let room = Room::start();
    let site = Site::new(None, &room.addresses());
    let host = site.start();
    let mut client = site.operator(&host);
    let account = connect(&mut client, &room.account());
    judge(&mut client, &account, &mut Imap::login(room.mailroom.imaps().port(), ANN, "secret"));
}

#[test]
fn the_comparison_finds_every_difference() {
    let found = json!({"a": [{"b": 1, "c": 2}], "d": "some text", "e": null});
    let differs = |want: Value| !differences("", &want, Some(&found)).is_empty();
    assert!(!differs(
        json!({"a": [{"b": 1}], "d": {"$contains": ["text"], "$lacks": ["x y"]}, "e": null})
    ));
    assert!(!differs(json!({"f": {"$absent": true}})));
    for want in [
        json!({"a": []}),
        json!({"a": [{"b": 2}]}),
        json!({"a": [{"b": 1}, {"b": 1}]}),
        json!({"d": "some"}),
        json!({"d": {"$contains": ["other"]}}),
        json!({"d": {"$lacks": ["text"]}}),
        // An empty condition compares nothing.
        json!({"d": {"$contains": "text"}}),
        json!({"d": {"$contains": []}}),
        json!({"d": {"$contains": [1]}}),
        json!({"d": {"$contains": ["text"], "$lacks": "other"}}),
        json!({"d": {"$lacks": []}}),
        json!({"f": {"$absent": false}}),
        json!({"f": {"$absent": "true"}}),
        json!({"e": {"$absent": true}}),
        json!({"f": null}),
    ] {
        assert!(differs(want.clone()), "{want}");
    }
}

#[test]
fn each_case_has_an_expectation() {
    assert!(says_what_is_right(&json!({"shows": "x", "text": ""})));
    for want in [
        json!({"shows": "x"}),
        json!({"text": ""}),
        json!({"shows": ["x"], "text": ""}),
        json!({"shows": "x", "message": {}}),
        json!({"shows": "x", "message": {}, "text": ""}),
    ] {
        assert!(!says_what_is_right(&want), "{want}");
    }
    for case in files(CASES, "eml") {
        assert!(says_what_is_right(&right(&case)), "{}", case.display());
    }
    for answer in files(CASES, "json") {
        assert!(answer.with_extension("eml").exists(), "{}", answer.display());
    }
}

/// Each case has an expectation, and no condition is empty.
fn says_what_is_right(case: &Value) -> bool {
    let answers = case.as_object().unwrap().iter().filter(|(name, _)| *name != "shows");
    let is_empty = |want: &Value| want.as_object().is_some_and(|members| members.is_empty());
    let mut answers = answers.map(|(_, want)| want).peekable();
    case["shows"].is_string() && answers.peek().is_some() && !answers.any(is_empty)
}

fn judge(client: &mut Client, account: &str, imap: &mut Imap) {
    let cases = files(CASES, "eml");
    assert!(!cases.is_empty());
    for case in &cases {
        imap.append("INBOX", &crlf(&std::fs::read(case).unwrap()));
    }
    let rows = rows(client, account);
    assert_eq!(rows.len(), cases.len());
    let mut wrong = Vec::new();
    // A list begins with the newest.
    for (case, row) in cases.iter().rev().zip(&rows) {
        let name = case.file_stem().unwrap().to_string_lossy();
        let want = right(case);
        let path = under(account, &format!("messages/{}", row["id"].as_str().unwrap()));
        for (answer, want) in want.as_object().unwrap() {
            let found = match answer.as_str() {
                "shows" => continue,
                "row" => row.clone(),
                "message" => client.get(&path).expect(200),
                "text" => json!(client.get(&format!("{path}/text")).text()),
                "sent" => {
                    let sent = client.get(&format!("{path}/html?as=sent"));
                    let kind = sent.header("content-type");
                    json!({"contentType": kind, "base64": STANDARD.encode(&sent.body)})
                }
                other => panic!("{name}: {other:?} is not a response of the API"),
            };
            wrong.extend(differences(&format!("{name}: {answer}"), want, Some(&found)));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// The files with one extension in a directory, by name.
pub(crate) fn files(directory: &str, kind: &str) -> Vec<PathBuf> {
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|found| found == kind)).collect();
    files.sort();
    files
}

/// The expected result of a case.
fn right(case: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(case.with_extension("json")).unwrap()).unwrap()
}

fn rows(client: &mut Client, account: &str) -> Vec<Value> {
    let (mut rows, mut cursor) = (Vec::new(), String::new());
    loop {
        let query = format!("messages?limit=100&expand=preview,attachments{cursor}");
        let page = client.get(&under(account, &query)).expect(200);
        rows.extend(page["messages"].as_array().unwrap().iter().cloned());
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return rows,
        }
    }
}

/// The differences between `want` and `found`, a line each; null stands for an absent member.
pub(crate) fn differences(at: &str, want: &Value, found: Option<&Value>) -> Vec<String> {
    let differ = || {
        vec![format!(
            "{at}: {} instead of {want}",
            found.map_or("nothing".to_owned(), Value::to_string)
        )]
    };
    match (want, found) {
        (Value::Object(rules), _) if rules.keys().any(|key| key.starts_with('$')) => {
            let holds = rules.iter().all(|(rule, value)| holds(rule, value, found));
            if holds { Vec::new() } else { differ() }
        }
        (Value::Object(members), Some(found @ Value::Object(_))) => members
            .iter()
            .flat_map(|(name, want)| differences(&format!("{at}/{name}"), want, found.get(name)))
            .collect(),
        (Value::Array(want), Some(Value::Array(found))) if want.len() == found.len() => want
            .iter()
            .zip(found)
            .enumerate()
            .flat_map(|(n, (want, found))| differences(&format!("{at}/{n}"), want, Some(found)))
            .collect(),
        _ if found == Some(want) => Vec::new(),
        _ => differ(),
    }
}

/// Whether a condition could never fail.
fn holds(rule: &str, value: &Value, found: Option<&Value>) -> bool {
    let text = found.and_then(Value::as_str);
    let words = value.as_array().and_then(|words| words.iter().map(Value::as_str).collect());
    let words: Option<Vec<&str>> = words.filter(|words: &Vec<&str>| !words.is_empty());
    let each = |holds: &dyn Fn(&str, &str) -> bool| {
        let both = text.zip(words.as_ref());
        both.is_some_and(|(text, words)| words.iter().all(|word| holds(text, word)))
    };
    match rule {
        "$contains" => each(&|text, word| text.contains(word)),
        "$lacks" => each(&|text, word| !text.contains(word)),
        "$absent" => *value == Value::Bool(true) && found.is_none(),
        other => panic!("{other} is no comparison"),
    }
}

/// The bytes that a mail client would append: a bare LF is the line end of a file.
fn crlf(raw: &[u8]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(raw.len() + raw.len() / 32);
    for (at, byte) in raw.iter().enumerate() {
        if *byte == b'\n' && (at == 0 || raw.get(at - 1) != Some(&b'\r')) {
            lines.push(b'\r');
        }
        lines.push(*byte);
    }
    lines
}
