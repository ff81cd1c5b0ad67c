//! Composed messages are parsed again; values that could end their field are refused.

use proptest::prelude::*;

use super::*;
use crate::fault::Code;
use crate::header::address_list::Address;
use crate::header::filename::label;
use crate::octets::memory::Memory;
use crate::read::part_use::Use;
use crate::read::{Header, Want, decode, read};

const DATE: i64 = 1_637_446_921_000;

fn address(name: Option<&str>, email: &str) -> Address {
    Address { name: name.map(str::to_owned), email: email.to_owned() }
}

fn draft() -> Draft {
    Draft {
        sender: Some(address(None, "ann@x.example")),
        to: vec![address(None, "bo@y.example")],
        subject: Some("hi".to_owned()),
        text: Some("hello\n".to_owned()),
        ..Draft::default()
    }
}

fn file(name: &str, content: Vec<u8>) -> Attachment {
    Attachment {
        filename: Some(name.to_owned()),
        content_type: "application/octet-stream".to_owned(),
        disposition: Disposition::Attachment,
        content_id: None,
        content: Box::new(Memory(content)),
    }
}

fn stamp() -> Stamp {
    Stamp { message_id: "1@x.example".to_owned(), date: DATE }
}

fn written(draft: &Draft) -> (Envelope, Memory) {
    let mut memory = Memory::default();
    let envelope = compose(draft, &stamp(), &mut memory).unwrap();
    (envelope, memory)
}

fn codes(draft: &Draft, stamp: &Stamp) -> Vec<(String, Code)> {
    let mut memory = Memory::default();
    let faults = compose(draft, stamp, &mut memory).err().unwrap_or_default();
    assert!(faults.is_empty() || memory.0.is_empty(), "wrote before it checked");
    faults.into_iter().map(|fault| (fault.pointer, fault.code)).collect()
}

/// What every message that is sent must satisfy (RFC 5322 §2.1.1, RFC 5321 §2.3.8).
#[track_caller]
pub(crate) fn assert_wire(raw: &[u8]) {
    assert!(raw.ends_with(b"\r\n"));
    for line in raw.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        assert!(line.len() <= 998 && line.is_ascii(), "{}", String::from_utf8_lossy(line));
        assert!(!line.contains(&b'\r') && !line.contains(&0));
    }
    assert!(!raw.windows(2).any(|pair| pair[1] == b'\n' && pair[0] != b'\r'), "bare LF");
}

#[test]
fn a_plain_message_looks_as_it_should() {
    let (envelope, raw) = written(&draft());
    assert_eq!(
        String::from_utf8(raw.0).unwrap(),
        "From: ann@x.example\r\nTo: bo@y.example\r\nSubject: hi\r\n\
         Date: Sat, 20 Nov 2021 22:22:01 +0000\r\nMessage-ID: <1@x.example>\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\nhello\r\n"
    );
    assert_eq!(envelope.sender, "ann@x.example");
    assert_eq!(envelope.recipients, ["bo@y.example"]);
}

#[test]
fn everything_at_once_comes_back() {
    let content: Vec<u8> =
        (0..1_048_576u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut draft = draft();
    draft.sender = Some(address(Some("张三"), "zhang@x.example"));
    draft.to = vec![
        address(Some("Bo, \"the\" C <x>"), "bo@y.example"),
        address(Some("Ünal"), "u@BÜCHER.example"),
    ];
    draft.cc = vec![address(None, "cc@y.example")];
    draft.bcc = vec![address(None, "secret@y.example")];
    draft.reply_to = vec![address(Some("Desk"), "desk@x.example")];
    draft.subject = Some(
        "Überraschung: 你好，世界 — a subject that is long enough to be folded twice 🎉".to_owned(),
    );
    draft.text = Some("naïve café\r\nsecond line\n".to_owned());
    draft.html = Some("<p>你好 <img src=\"cid:logo@x\"></p>".to_owned());
    draft.headers = vec![
        Header { name: "X-Tag".to_owned(), value: "one".to_owned() },
        Header { name: "X-Tag".to_owned(), value: "=?utf-8?q?two?=  spaced".to_owned() },
    ];
    draft.in_reply_to = vec!["b@x".to_owned()];
    draft.references = vec![format!("<{}@x>", "a".repeat(100)), "b@x".to_owned()];
    let picture = Attachment {
        content_type: "image/png".to_owned(),
        disposition: Disposition::Inline,
        content_id: Some("logo@x".to_owned()),
        ..file("logo.png", vec![1, 2, 3])
    };
    draft.attachments = vec![picture, file("报告 2021.pdf", content.clone())];
    let (envelope, raw) = written(&draft);
    assert_wire(&raw.0);
    assert!(!String::from_utf8_lossy(&raw.0).contains("secret@"));
    assert_eq!(
        envelope.recipients,
        ["bo@y.example", "u@xn--bcher-kva.example", "cc@y.example", "secret@y.example"]
    );
    let reading = read(&raw, Want::ALL, 10_000).unwrap();
    assert_eq!(reading.facts.sender, [address(Some("张三"), "zhang@x.example")]);
    assert_eq!(reading.facts.to[0], draft.to[0]);
    assert_eq!(reading.facts.to[1], address(Some("Ünal"), "u@xn--bcher-kva.example"));
    assert_eq!(reading.facts.subject, draft.subject);
    assert_eq!(reading.facts.date, Some(DATE));
    let details = reading.details.unwrap();
    assert_eq!(details.reply_to, draft.reply_to);
    assert_eq!(details.in_reply_to, ["b@x"]);
    assert_eq!(details.references, [format!("{}@x", "a".repeat(100)), "b@x".to_owned()]);
    assert_eq!(reading.text.as_deref(), Some("naïve café\nsecond line"));
    assert_eq!(reading.html_as_sent.as_deref(), draft.html.as_deref());
    let tags: Vec<_> =
        reading.headers.iter().filter(|h| h.name == "X-Tag").map(|h| &h.value).collect();
    assert_eq!(tags, ["one", "=?utf-8?q?two?=  spaced"]);
    let parts: Vec<_> = reading
        .parts
        .iter()
        .map(|p| {
            let is_file = p.usage == Some(Use::Attachment);
            (p.path.as_str(), p.content_type.as_str(), p.filename.as_deref(), is_file)
        })
        .collect();
    assert_eq!(
        parts,
        [
            ("", "multipart/mixed", None, false),
            ("1", "multipart/alternative", None, false),
            ("1.1", "text/plain", None, false),
            ("1.2", "multipart/related", None, false),
            ("1.2.1", "text/html", None, false),
            ("1.2.2", "image/png", Some("logo.png"), false),
            ("2", "application/octet-stream", Some("报告 2021.pdf"), true),
        ]
    );
    assert_eq!(reading.parts[6].size, 1_048_576);
    let mut decoded = Memory::default();
    decode(&raw, "2", &mut decoded).unwrap();
    assert!(decoded.0 == content);
}

#[test]
fn a_text_that_begins_with_a_mark_keeps_it() {
    let mut draft = draft();
    draft.text = Some("\u{feff}a".to_owned());
    draft.html = Some("\u{feff}<p>a</p>".to_owned());
    let (_, raw) = written(&draft);
    let reading = read(&raw, Want::ALL, 100).unwrap();
    assert_eq!(reading.text.unwrap_or_default().trim_end(), "\u{feff}a");
    assert_eq!(reading.html_as_sent.unwrap_or_default().trim_end(), "\u{feff}<p>a</p>");
}

#[test]
fn ids_are_written_in_brackets_and_folded() {
    let mut draft = draft();
    draft.in_reply_to = vec![" <abc123@example.com> ".to_owned()];
    draft.references = (0..5).map(|n| format!("a-longer-message-id-{n}@example.com")).collect();
    draft.references.push("no at sign, and a@b@c".replace(' ', ""));
    let text = String::from_utf8(written(&draft).1.0).unwrap();
    assert!(text.contains("\r\nIn-Reply-To: <abc123@example.com>\r\n"), "{text}");
    let references = "References: <a-longer-message-id-0@example.com>\r\n \
                      <a-longer-message-id-1@example.com> <a-longer-message-id-2@example.com>\r\n \
                      <a-longer-message-id-3@example.com> <a-longer-message-id-4@example.com>\r\n \
                      <noatsign,anda@b@c>\r\n";
    assert!(text.contains(references), "{text}");
}

#[test]
fn what_is_no_id_is_refused_and_so_are_the_fields_themselves() {
    let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    let mut draft = draft();
    draft.in_reply_to = ids(&["a@b", "a b@c", "", "<>", "<a@b", "a@b>c", "a\u{85}@b"]);
    draft.references = ids(&["a\u{a0}b", "a\r\nBcc: x@y"]);
    draft.headers = vec![
        Header { name: "In-Reply-To".to_owned(), value: "<a@b>".to_owned() },
        Header { name: "references".to_owned(), value: "<a@b>".to_owned() },
    ];
    let bad = |pointer: String| (pointer, Code::BadMessageId);
    let mut want: Vec<_> = (1..7).map(|n| bad(format!("/inReplyTo/{n}"))).collect();
    want.extend((0..2).map(|n| bad(format!("/references/{n}"))));
    want.extend((0..2).map(|n| (format!("/headers/{n}/name"), Code::ReservedHeader)));
    assert_eq!(codes(&draft, &stamp()), want);
    let faults = compose(&draft, &stamp(), &mut Memory::default()).unwrap_err();
    assert!(faults.iter().any(|fault| fault.detail.contains("`inReplyTo`")), "{faults:?}");
}

#[test]
fn ids_that_no_line_takes_are_left_out() {
    let mut draft = draft();
    draft.in_reply_to = vec!["grüße@example.test".to_owned()];
    draft.references = vec!["a".repeat(901), "root@x".to_owned(), "<é@b>".to_owned()];
    let text = String::from_utf8(written(&draft).1.0).unwrap();
    assert!(!text.contains("In-Reply-To:"), "{text}");
    assert!(text.contains("\r\nReferences: <root@x>\r\n"), "{text}");
}

#[test]
fn of_a_long_conversation_the_first_id_and_the_last_ones_are_written() {
    let mut draft = draft();
    draft.references = (0..1_000).map(|n| format!("{n:0>99}@x")).collect();
    let details = read(&written(&draft).1, Want::ALL, 10).unwrap().details.unwrap();
    assert_eq!(details.references.len(), 648);
    assert_eq!(details.references[0], draft.references[0]);
    assert_eq!(details.references[1..], draft.references[1_000 - 647..]);
}

#[test]
fn what_a_message_shows_is_taken_for_the_answer() {
    let many: String = (0..1_200).map(|n| format!("\r\n <{n}@x>")).collect();
    for field in ["<grüße@example.test>", "a<b@x", "a@b\u{1}c", "<a b@x>", "x@\u{3000}y", &many] {
        let raw = format!("Message-ID: {field}\r\nReferences: {field}\r\n\r\n");
        let reading = read(&Memory(raw.into_bytes()), Want::ALL, 10).unwrap();
        let mut draft = draft();
        draft.in_reply_to = reading.facts.message_id.into_iter().collect();
        assert_eq!(draft.in_reply_to.len(), 1, "{field}");
        draft.references = reading.details.unwrap().references;
        draft.references.extend(draft.in_reply_to.clone());
        assert!(draft.references.len() <= 1_000, "{field}");
        written(&draft);
    }
}

#[test]
fn the_skeleton_holds_no_layer_too_many() {
    let html = || Some("<p>x".to_owned());
    check_skeleton(&Draft { text: None, ..draft() }, &["text/plain"]);
    check_skeleton(&Draft { text: None, html: html(), ..draft() }, &["text/html"]);
    check_skeleton(
        &Draft { html: html(), ..draft() },
        &["multipart/alternative", "text/plain", "text/html"],
    );
    check_skeleton(
        &Draft { attachments: vec![file("a", Vec::new())], ..draft() },
        &["multipart/mixed", "text/plain", "application/octet-stream"],
    );
}

#[track_caller]
fn check_skeleton(draft: &Draft, want: &[&str]) {
    let (_, raw) = written(draft);
    assert_wire(&raw.0);
    let reading = read(&raw, Want::ALL, 10_000).unwrap();
    let found: Vec<_> = reading.parts.iter().map(|part| part.content_type.as_str()).collect();
    assert_eq!(found, want);
}

#[test]
fn everybody_is_in_the_envelope_once() {
    let mut draft = draft();
    draft.cc = vec![address(None, "BO@y.example"), address(None, "bo@Y.EXAMPLE")];
    draft.bcc = vec![address(Some("again"), "bo@y.example"), address(None, "new@y.example")];
    assert_eq!(written(&draft).0.recipients, ["bo@y.example", "BO@y.example", "new@y.example"]);
}

/// Puts `poison` into one member of a draft.
type Put = fn(&mut Draft, &mut Stamp, String);

const MEMBERS: [(&str, Put); 14] = [
    ("/from/email", |d, _, s| d.sender = Some(address(None, &format!("a{s}@x")))),
    ("/from/name", |d, _, s| d.sender = Some(address(Some(&s), "a@x"))),
    ("/to/0/email", |d, _, s| d.to = vec![address(None, &format!("a{s}@x"))]),
    ("/to/0/name", |d, _, s| d.to = vec![address(Some(&s), "a@x")]),
    ("/cc/0/name", |d, _, s| d.cc = vec![address(Some(&s), "a@x")]),
    ("/bcc/0/email", |d, _, s| d.bcc = vec![address(None, &format!("a@x{s}"))]),
    ("/replyTo/0/name", |d, _, s| d.reply_to = vec![address(Some(&s), "a@x")]),
    ("/subject", |d, _, s| d.subject = Some(s)),
    ("/headers/0/name", |d, _, s| {
        d.headers = vec![Header { name: format!("X{s}"), value: String::new() }]
    }),
    ("/headers/0/value", |d, _, s| d.headers = vec![Header { name: "X".to_owned(), value: s }]),
    ("/attachments/0/filename", |d, _, s| d.attachments = vec![file(&s, Vec::new())]),
    ("/attachments/0/contentType", |d, _, s| {
        d.attachments =
            vec![Attachment { content_type: format!("a/b{s}"), ..file("x", Vec::new()) }];
    }),
    ("/attachments/0/contentId", |d, _, s| {
        d.attachments =
            vec![Attachment { content_id: Some(format!("a{s}")), ..file("x", Vec::new()) }];
    }),
    ("/messageId", |_, t, s| t.message_id = format!("a{s}@x")),
];

#[test]
fn no_member_carries_a_control_character() {
    for (pointer, put) in MEMBERS {
        for poison in
            ["a\r\nBcc: x@y", "a\nb", "a\rb", "a\0b", "a\u{1b}b", "\t", "\n", "a\u{7f}", "a\u{85}b"]
        {
            let (mut draft, mut stamp) = (draft(), stamp());
            put(&mut draft, &mut stamp, poison.to_owned());
            let want =
                if pointer == "/messageId" { Code::BadMessageId } else { Code::ControlCharacter };
            assert_eq!(codes(&draft, &stamp), [(pointer.to_owned(), want)], "{pointer} {poison:?}");
        }
    }
    let mut draft = draft();
    (draft.text, draft.html) = (Some("a\0".to_owned()), Some("\0".to_owned()));
    let want = ["/text", "/html"].map(|pointer| (pointer.to_owned(), Code::ControlCharacter));
    assert_eq!(codes(&draft, &stamp()), want);
}

#[test]
fn all_faults_are_told() {
    let draft = Draft {
        to: vec![address(None, "a b@c"), address(Some("x\n"), "用户@b")],
        headers: vec![
            Header { name: "bCC".to_owned(), value: "x".to_owned() },
            Header { name: "content-Type".to_owned(), value: "x".to_owned() },
            Header { name: "Resent-To".to_owned(), value: "x".to_owned() },
            Header { name: "X Y".to_owned(), value: "x".to_owned() },
            Header { name: String::new(), value: "x".to_owned() },
        ],
        attachments: vec![
            Attachment { content_type: "multipart/mixed".to_owned(), ..file("x", Vec::new()) },
            Attachment { content_id: Some("a b".to_owned()), ..file("x", Vec::new()) },
        ],
        subject: Some("x".repeat(10_000)),
        ..Draft::default()
    };
    let stamp = Stamp { message_id: "no at sign".to_owned(), date: -1 };
    let found = codes(&draft, &stamp);
    let want = [
        ("/messageId", Code::BadMessageId),
        ("/date", Code::BadDate),
        ("/from", Code::NoSender),
        ("/to/0/email", Code::BadAddress),
        ("/to/1/name", Code::ControlCharacter),
        ("/to/1/email", Code::NotAscii),
        ("/subject", Code::TooLong),
        ("/attachments/0/contentType", Code::BadContentType),
        ("/attachments/1/contentId", Code::BadContentId),
        ("/headers/0/name", Code::ReservedHeader),
        ("/headers/1/name", Code::ReservedHeader),
        ("/headers/2/name", Code::ReservedHeader),
        ("/headers/3/name", Code::BadHeaderName),
        ("/headers/4/name", Code::BadHeaderName),
    ];
    assert_eq!(found, want.map(|(pointer, code)| (pointer.to_owned(), code)));
}

#[test]
fn recipients_are_counted() {
    let nobody = Draft { to: Vec::new(), ..draft() };
    assert_eq!(codes(&nobody, &stamp()), [(String::new(), Code::NoRecipients)]);
    let only_bcc = Draft { to: Vec::new(), bcc: vec![address(None, "a@b")], ..draft() };
    assert_eq!(codes(&only_bcc, &stamp()), []);
    let many = (0..1_001).map(|n| address(None, &format!("a{n}@b"))).collect();
    assert_eq!(
        codes(&Draft { to: many, ..draft() }, &stamp()),
        [(String::new(), Code::TooManyRecipients)]
    );
}

#[test]
fn content_types_with_parameters_are_taken() {
    for (content_type, good) in [
        ("text/csv; charset=utf-8", true),
        ("text/csv; name=\"a b.csv\"; charset=x", true),
        ("application/vnd.ms-excel", true),
        ("message/rfc822", true),
        ("text", false),
        ("text/", false),
        ("/x", false),
        ("text/csv; charset", false),
        ("text/csv; a=\"b\"c\"", false),
        ("text/csv, text/plain", false),
        ("Multipart/mixed; boundary=x", false),
        ("text/cs\u{e9}", false),
        ("", false),
    ] {
        let attachment =
            Attachment { content_type: content_type.to_owned(), ..file("x", Vec::new()) };
        let draft = Draft { attachments: vec![attachment], ..draft() };
        assert_eq!(codes(&draft, &stamp()).is_empty(), good, "{content_type:?}");
    }
}

#[test]
fn long_words_never_make_long_lines() {
    for word in [
        "a".repeat(5_000),
        "é".repeat(2_000),
        " ".repeat(3_000),
        format!("{}x", "a ".repeat(3_000)),
    ] {
        let mut draft = draft();
        draft.subject = Some(word.clone());
        draft.headers = vec![Header { name: "X-A".to_owned(), value: word.clone() }];
        draft.sender = Some(address(Some(&word.chars().take(120).collect::<String>()), "a@b"));
        draft.attachments = vec![file(&word.chars().take(120).collect::<String>(), Vec::new())];
        let (_, raw) = written(&draft);
        assert_wire(&raw.0);
        let reading = read(&raw, Want::ALL, 100).unwrap();
        assert_eq!(reading.facts.subject.unwrap_or_default(), word);
        assert_eq!(reading.headers.len(), 8);
    }
}

/// Any printable text, and text made of what has a meaning in header fields.
fn words(longest: usize) -> impl Strategy<Value = String> {
    let any = format!("\\PC{{0,{longest}}}");
    let odd = format!(
        "[ \\u{{a0}}\\u{{3000}}\\u{{2003}}\\u{{200b}}-\\u{{200f}}\\u{{202a}}-\\u{{202e}}\\u{{feff}}\\u{{fffd}}a\\u{{10ffff}}\\u{{5d0}}]{{0,{longest}}}"
    );
    let syntax = format!("[ =?\"\\\\<>@,;:a-cqb_()'*%é你-]{{0,{longest}}}");
    let regex = |text: &str| prop::string::string_regex(text).unwrap();
    prop_oneof![regex(&any), regex(&syntax), regex(&odd), "[a-z]{200}"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn whatever_the_caller_says_only_the_intended_fields_exist(
        subject in words(200), name in words(60), value in words(200), filename in words(60),
        text in "(.|\r|\n|\t){0,300}", html in "(.|\r|\n){0,300}", field in "X[!-9;-~]{1,20}",
    ) {
        let mut draft = draft();
        draft.sender = Some(address(Some(&name), "ann@x.example"));
        draft.to = vec![address(Some(&filename), "bo@y.example"), address(Some(&name), "c@d.example")];
        draft.subject = Some(subject.clone());
        draft.text = Some(text.replace('\0', ""));
        draft.html = Some(html.replace('\0', ""));
        draft.headers = vec![Header { name: field.clone(), value: value.clone() }];
        draft.attachments = vec![file(&filename, b"content".to_vec())];
        let (_, raw) = written(&draft);
        assert_wire(&raw.0);
        let reading = read(&raw, Want::ALL, 10_000).unwrap();
        let names: Vec<_> = reading.headers.iter().map(|h| h.name.as_str()).collect();
        prop_assert_eq!(
            names,
            ["From", "To", "Subject", "Date", "Message-ID", "MIME-Version", field.as_str(), "Content-Type"]
        );
        let parts: Vec<_> = reading.parts.iter().map(|part| part.path.as_str()).collect();
        prop_assert_eq!(parts, ["", "1", "1.1", "1.2", "2"]);
        prop_assert_eq!(reading.facts.subject.unwrap_or_default(), subject);
        prop_assert_eq!(&reading.headers[6].value, &value);
        prop_assert_eq!(reading.parts[4].filename.clone(), label(&filename));
        let people = reading.facts.sender.iter().chain(&reading.facts.to);
        let found: Vec<_> = people.map(|p| (p.name.clone().unwrap_or_default(), p.email.as_str())).collect();
        let shown = |name: &String| Some(name.clone()).filter(|name| !name.trim().is_empty());
        let (name, other) = (shown(&name).unwrap_or_default(), shown(&filename).unwrap_or_default());
        prop_assert_eq!(
            found,
            [(name.clone(), "ann@x.example"), (other, "bo@y.example"), (name, "c@d.example")]
        );
        let lines = |text: &str| text.replace("\r\n", "\n").replace('\r', "\n").trim_end_matches('\n').to_owned();
        let (sent, sent_page) = (draft.text.unwrap_or_default(), draft.html.unwrap_or_default());
        prop_assert_eq!(lines(&reading.html_as_sent.unwrap_or_default()), lines(&sent_page));
        if !sent.trim().is_empty() {
            prop_assert_eq!(lines(&reading.text.unwrap_or_default()), lines(&sent));
        }
    }
}
