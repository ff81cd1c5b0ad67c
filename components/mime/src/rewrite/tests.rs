//! Edited messages are parsed again; what no edit names is compared byte for byte.

use proptest::prelude::*;

use super::*;
use crate::compose::compose;
use crate::compose::draft::{Attachment, Disposition, Draft, Stamp};
use crate::compose::tests::assert_wire;
use crate::header::address_list::Address;
use crate::octets::memory::Memory;
use crate::read::{Header, Reading, Want, decode, read};

const ALL: Want = Want { html: false, preview: false, ..Want::ALL };

fn header(name: &str, value: &str) -> Header {
    Header { name: name.to_owned(), value: value.to_owned() }
}

fn footer(text: &str, html: Option<&str>) -> Edit {
    Edit::AddFooter(Footer { text: text.to_owned(), html: html.map(str::to_owned) })
}

fn noise(length: u32) -> Vec<u8> {
    (0..length).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// A message; with a picture and a file when `files`.
fn message(text: Option<&str>, html: Option<&str>, files: bool) -> Memory {
    let address = |email: &str| Address { name: None, email: email.to_owned() };
    let attachment = |name: &str, kind: &str, id: Option<&str>, content: Vec<u8>| Attachment {
        filename: Some(name.to_owned()),
        content_type: kind.to_owned(),
        disposition: if id.is_some() { Disposition::Inline } else { Disposition::Attachment },
        content_id: id.map(str::to_owned),
        content: Box::new(Memory(content)),
    };
    let mut draft = Draft {
        sender: Some(address("ann@x.example")),
        to: vec![address("bo@y.example")],
        subject: Some(
            "a subject 你好 that is so long that it has to be folded somewhere".to_owned(),
        ),
        text: text.map(str::to_owned),
        html: html.map(str::to_owned),
        headers: vec![header("X-Old", "stays")],
        ..Draft::default()
    };
    if files {
        draft.attachments = vec![
            attachment("logo.png", "image/png", Some("logo@x"), noise(5_000)),
            attachment("a.bin", "application/octet-stream", None, noise(70_001)),
            attachment("note.txt", "text/plain", None, b"a file, not a body\n".to_vec()),
        ];
    }
    let mut memory = Memory::default();
    let stamp = Stamp { message_id: "1@x.example".to_owned(), date: 1_637_446_921_000 };
    compose(&draft, &stamp, &mut memory).unwrap();
    memory
}

fn edited(raw: &Memory, edits: &[Edit]) -> Memory {
    let mut memory = Memory::default();
    rewrite(raw, &["bo@y.example".to_owned()], edits, &mut memory).unwrap();
    memory
}

fn shown(raw: &Memory) -> Reading {
    read(raw, ALL, 1_000_000).unwrap()
}

/// Every file by its name, decoded.
fn files(raw: &Memory) -> Vec<(String, Vec<u8>)> {
    let parts = shown(raw).parts.into_iter().filter_map(|part| {
        let name = part.filename?;
        let mut content = Memory::default();
        decode(raw, &part.path, &mut content).unwrap();
        Some((name, content.0))
    });
    parts.collect()
}

#[test]
fn a_plain_message_gets_its_footer_and_nothing_else_changes() {
    let raw = edited(
        &message(Some("hello\n"), None, false),
        &[footer("-- \nEuropa", None), Edit::AddHeader(header("X-New", "Ünal"))],
    );
    let text = String::from_utf8(raw.0).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, "hello\r\n\r\n--=20\r\nEuropa\r\n");
    let before = message(Some("hello\n"), None, false).0;
    let before = String::from_utf8(before).unwrap();
    let kept = before.split_once("Content-Type").unwrap().0;
    assert!(head.starts_with(kept), "{head}");
    let added = head.strip_prefix(kept).unwrap();
    assert_eq!(
        added,
        "X-New: =?utf-8?b?w5xuYWw=?=\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: quoted-printable"
    );
}

#[test]
fn every_shape_of_message_takes_every_body() {
    let page = "<html><body><p>你好 <img src=\"cid:logo@x\"></p></body></html>";
    let shapes = [
        (Some("hello\n"), None),
        (Some(""), None),
        (None, Some(page)),
        (Some("hello\n"), Some(page)),
    ];
    for (text, html) in shapes {
        for with_files in [false, true] {
            let before = message(text, html, with_files);
            let name = format!("{text:?} {html:?} {with_files}");
            let check = |edits: &[Edit], want_text: &str, want_html: Option<&str>| {
                let after = edited(&before, edits);
                assert_wire(&after.0);
                let reading = shown(&after);
                let found = reading.text.as_deref().unwrap_or_default().trim_end();
                assert_eq!(found, want_text, "{name} {edits:?}");
                assert_eq!(reading.html_as_sent.as_deref().map(str::trim_end), want_html, "{name}");
                assert!(files(&after) == files(&before), "{name}: files");
                let (a, b) = (shown(&before).facts, reading.facts);
                assert_eq!(
                    (a.message_id, a.date, a.sender, a.to),
                    (b.message_id, b.date, b.sender, b.to)
                );
                assert_eq!(reading.headers.iter().filter(|h| h.name == "X-Old").count(), 1);
            };
            let set_text = Edit::SetText("new 世界".to_owned());
            let set_html = Edit::SetHtml("<b>new</b>".to_owned());
            let old = text.unwrap_or_default().trim_end();
            check(std::slice::from_ref(&set_text), "new 世界", html);
            if text.is_some_and(|text| !text.is_empty()) {
                check(std::slice::from_ref(&set_html), old, Some("<b>new</b>"));
            }
            check(&[set_html, set_text], "new 世界", Some("<b>new</b>"));
            if let (Some(text), None) = (text, html) {
                let want =
                    if text.is_empty() { "foot".to_owned() } else { format!("{old}\n\nfoot") };
                check(&[footer("foot", Some("<i>foot</i>"))], &want, None);
            }
            if let (Some(_), Some(html)) = (text, html) {
                let want = html.replace("</body>", "\n<p>a&amp;b</p>\n</body>");
                check(&[footer("a&b", None)], &format!("{old}\n\na&b"), Some(&want));
            }
            check(
                &[Edit::AddHeader(header("X-New", "1"))],
                shown(&before).text.unwrap().trim_end(),
                html,
            );
        }
    }
}

#[test]
fn a_page_of_html_only_stays_html_only_under_a_footer() {
    let raw = edited(&message(None, Some("<p>x</p>"), true), &[footer("f", Some("<i>f</i>"))]);
    let reading = shown(&raw);
    assert_eq!(reading.html_as_sent.as_deref().map(str::trim_end), Some("<p>x</p>\n<i>f</i>"));
    assert!(reading.parts.iter().all(|part| part.content_type != "multipart/alternative"));
}

#[test]
fn a_text_that_goes_along_is_no_body() {
    let raw = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>x\r\n\
        --b\r\nContent-Type: text/plain\r\n\r\nsomebody's own\r\n--b--\r\n";
    let after = edited(&Memory(raw.to_vec()), &[Edit::SetText("new".to_owned())]);
    let text = String::from_utf8(after.0).unwrap();
    assert!(text.contains("somebody's own"), "{text}");
    let reading = shown(&Memory(text.into_bytes()));
    assert_eq!(reading.text.as_deref(), Some("new\nsomebody's own"));
}

#[test]
fn a_body_too_long_to_be_read_is_not_cut_by_a_footer() {
    let raw = message(Some(&"x\n".repeat(2_100_000)), None, false);
    assert_eq!(codes(&raw, &[footer("f", None)]), [Code::TooLong]);
    assert_eq!(codes(&raw, &[Edit::SetSubject("still works".to_owned())]), []);
}

#[test]
fn a_subject_is_replaced_and_fields_are_removed_whatever_their_case() {
    let edits = [
        Edit::SetSubject("new 你".to_owned()),
        Edit::RemoveHeader("x-OLD".to_owned()),
        Edit::RemoveHeader("X-Never".to_owned()),
        Edit::AddHeader(header("X-Two", "1")),
        Edit::AddHeader(header("X-Two", "2")),
        Edit::AddHeader(header("X-Gone", "3")),
        Edit::RemoveHeader("X-Gone".to_owned()),
    ];
    let reading = shown(&edited(&message(Some("x"), None, true), &edits));
    assert_eq!(reading.facts.subject.as_deref(), Some("new 你"));
    let count = |name: &str| reading.headers.iter().filter(|h| h.name == name).count();
    assert_eq!((count("Subject"), count("X-Old"), count("X-Two"), count("X-Gone")), (1, 0, 2, 0));
}

#[test]
fn recipients_come_and_go() {
    let check = |edits: &[Edit], want: &[&str]| {
        let before = ["bo@y.example".to_owned(), "cy@y.example".to_owned()];
        let got = rewrite(&message(None, None, false), &before, edits, &mut Memory::default());
        assert_eq!(got.unwrap(), want);
    };
    let add = |email: &str| Edit::AddRecipient(email.to_owned());
    let remove = |email: &str| Edit::RemoveRecipient(email.to_owned());
    check(&[add("d@BÜCHER.example")], &["bo@y.example", "cy@y.example", "d@xn--bcher-kva.example"]);
    check(&[add("bo@Y.example")], &["bo@y.example", "cy@y.example"]);
    check(&[remove("cy@Y.EXAMPLE"), remove("nobody@y.example")], &["bo@y.example"]);
    check(&[remove("cy@y.example"), add("cy@y.example")], &["bo@y.example", "cy@y.example"]);
}

fn codes(raw: &Memory, edits: &[Edit]) -> Vec<Code> {
    let mut memory = Memory::default();
    let answer = rewrite(raw, &["bo@y.example".to_owned()], edits, &mut memory);
    let faults = answer.err().unwrap_or_default();
    assert!(faults.is_empty() || memory.0.is_empty(), "wrote before it checked");
    faults.into_iter().map(|fault| fault.code).collect()
}

#[test]
fn what_could_break_out_is_refused() {
    let raw = message(Some("x"), None, false);
    let check = |edit: Edit, want: Code| {
        let shown = format!("{edit:?}");
        assert_eq!(codes(&raw, &[edit]), [want], "{shown}");
    };
    let add = |name: &str, value: &str| Edit::AddHeader(header(name, value));
    for end in ["\r\n", "\n", "\r", "\0", "\u{85}", "\u{1b}"] {
        check(add("X-A", &format!("1{end}Bcc: x@y")), Code::ControlCharacter);
        check(add(&format!("X-A: 1{end}Bcc"), "x@y"), Code::ControlCharacter);
        check(Edit::RemoveHeader(format!("X{end}")), Code::ControlCharacter);
        check(Edit::SetSubject(format!("1{end}Bcc: x@y")), Code::ControlCharacter);
        check(Edit::AddRecipient(format!("x@y{end}RCPT TO:<a@b>")), Code::ControlCharacter);
    }
    for name in ["", "A B", "A:", "Ä", &"x".repeat(77)] {
        check(add(name, "1"), Code::BadHeaderName);
    }
    for name in ["From", "TO", "bcc", "Sender", "Date", "Message-Id", "Content-Type", "Received"] {
        check(add(name, "1"), Code::ReservedHeader);
        check(Edit::RemoveHeader(name.to_owned()), Code::ReservedHeader);
    }
    for email in ["", "x", "x@y>, <z@y", "<x@y>", "Name <x@y>", "a b@y"] {
        check(Edit::AddRecipient(email.to_owned()), Code::BadAddress);
        check(Edit::RemoveRecipient(email.to_owned()), Code::BadAddress);
    }
    check(Edit::SetText("\0".to_owned()), Code::ControlCharacter);
    check(footer("x", Some("\0")), Code::ControlCharacter);
    check(Edit::SetHtml("x".repeat(LONGEST_BODY + 1)), Code::TooLong);
    check(add("X-A", &"x".repeat(8_193)), Code::TooLong);
    check(Edit::RemoveRecipient("bo@y.example".to_owned()), Code::NoRecipients);
    assert_eq!(codes(&raw, &vec![add("X", "1"); 101]), [Code::TooManyEdits]);
    assert_eq!(codes(&raw, &vec![add("X", &"x".repeat(8_000)); 40]), [Code::HeaderTooLarge]);
}

#[test]
fn a_message_without_words_has_nothing_to_edit() {
    let raw = Memory(b"Content-Type: image/png\r\n\r\nxx".to_vec());
    assert_eq!(codes(&raw, &[footer("x", None)]), [Code::NoSuchPart]);
    assert_eq!(codes(&raw, &[Edit::SetHtml("x".to_owned())]), [Code::NoSuchPart]);
    assert_eq!(codes(&raw, &[Edit::SetSubject("x".to_owned())]), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// No text of an edit leaves its part.
    #[test]
    fn no_words_break_out(words in "[a-zA-Z:=<>.\\-\r\n\u{e9}你 ]{0,300}", files_too in any::<bool>()) {
        let before = message(Some("hello\n"), Some("<p>hello</p>"), files_too);
        let edits = [Edit::SetText(words.clone()), footer("--", Some(&words)), Edit::SetSubject("s".to_owned())];
        let after = edited(&before, &edits);
        assert_wire(&after.0);
        prop_assert_eq!(shown(&after).parts.len(), shown(&before).parts.len());
        prop_assert!(files(&after) == files(&before));
        prop_assert_eq!(shown(&after).headers.len(), shown(&before).headers.len());
    }

    /// Mail that Postlet did not compose: an error, never a panic.
    #[test]
    fn odd_mail_is_no_panic(raw in "(Content-Type: (multipart/mixed; boundary=b|text/html|text/plain)\r?\n|\r?\n|--b\r?\n|--b--|[a-z: ]{0,9}\n){0,12}") {
        let edits = [Edit::SetText("t".to_owned()), Edit::SetHtml("h".to_owned()), footer("f", None)];
        let _ = rewrite(&Memory(raw.into_bytes()), &["bo@y.example".to_owned()], &edits, &mut Memory::default());
    }
}
