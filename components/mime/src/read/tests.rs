//! Malformed and unusual mail as it occurs in real mailboxes: each has a sensible result.

use proptest::prelude::*;

use super::*;
use crate::octets::memory::Memory;

const MULTIPART: Option<Use> = None;
const BODY: Option<Use> = Some(Use::Body);
const SHOWN: Option<Use> = Some(Use::Inline);
const FILE: Option<Use> = Some(Use::Attachment);

fn reading(raw: &[u8]) -> Reading {
    read(&Memory(raw.to_vec()), Want::ALL, 100_000).unwrap()
}

fn part(raw: &[u8], path: &str) -> Vec<u8> {
    let mut memory = Memory::default();
    decode(&Memory(raw.to_vec()), path, &mut memory).unwrap();
    memory.0
}

#[track_caller]
fn check_text(raw: &[u8], want: Option<&str>) {
    assert_eq!(reading(raw).text.as_deref(), want, "{}", String::from_utf8_lossy(raw));
}

/// Path, filename and use.
#[track_caller]
fn check_parts(raw: &[u8], want: &[(&str, Option<&str>, Option<Use>)]) {
    let reading = reading(raw);
    let parts = reading.parts.iter();
    let found: Vec<_> = parts.map(|p| (p.path.as_str(), p.filename.as_deref(), p.usage)).collect();
    assert_eq!(found, want, "{}", String::from_utf8_lossy(raw));
    assert_eq!(reading.has_attachments, want.iter().any(|(_, _, usage)| *usage == FILE));
}

#[test]
fn charsets_of_bodies() {
    for (label, bytes, want) in [
        ("gb18030", b"\xc4\xe3\xba\xc3".as_slice(), "你好"),
        ("big5", b"\xa7\x41\xa6\x6e", "你好"),
        ("shift_jis", b"\x82\xb1\x82\xf1", "こん"),
        ("iso-2022-jp", b"\x1b$B$3$s\x1b(B", "こん"),
        ("ks_c_5601-1987", b"\xbe\xc8\xb3\xe7", "안녕"),
        ("koi8-r", b"\xf0\xf2\xe9\xf7\xe5\xf4", "ПРИВЕТ"),
    ] {
        let mut raw = format!("Content-Type: text/plain; charset=\"{label}\"\r\n\r\n").into_bytes();
        raw.extend_from_slice(bytes);
        check_text(&raw, Some(want));
    }
    check_text(b"Content-Type: text/plain\r\n\r\n\x1b$B$3$s\x1b(B", Some("こん"));
}

#[test]
fn transfer_encodings_that_are_misspelt_or_nonsense() {
    for (encoding, body, want) in [
        ("7-bit", "a=20b", "a=20b"),
        ("", "a", "a"),
        (" quoted-printable ", "a=20b", "a b"),
        ("quoted - printable", "a=20b", "a b"),
        ("banana", "a", "a"),
        ("text/plain", "a", "a"),
        ("8bits", "é", "é"),
        ("base64;", "aGk=", "hi"),
        ("BASE64", "a\r\n!\r\nGk", "hi"),
    ] {
        let raw = format!("Content-Transfer-Encoding: {encoding}\r\n\r\n{body}");
        check_text(raw.as_bytes(), Some(want));
    }
}

#[test]
fn messages_without_a_proper_end_or_beginning() {
    check_text(b"", Some(""));
    check_text(b"\r\n\r\n", Some("\n"));
    check_text(b"Subject: x", Some(""));
    check_text(b"Subject: x\nHello you\nand you too\n", Some("Hello you\nand you too\n"));
    check_text(b"From someone@x Mon Jan  1\nSubject: x\n\nFrom here\n", Some("From here\n"));
    check_text(b"Subject: x\r\n\r\nline\r\n.\r\nmore\r\n", Some("line\n.\nmore\n"));
    check_text(b"Subject: x\nnonsense line\nTo: a@b\n\nbody", Some("body"));
    check_text(b"Subject: x\nThe only line\n", Some("The only line\n"));
    check_text(b"Hello Bob,\nno header.\n", Some("Hello Bob,\nno header.\n"));
}

#[test]
fn two_of_a_field_show_the_first() {
    let reading = reading(
        b"Subject: one\r\nSubject: two\r\nFrom: a@b\r\nMessage-ID: <1@x>\r\nMessage-ID: <2@x>\r\n\r\n",
    );
    assert_eq!(reading.facts.subject.as_deref(), Some("one"));
    assert_eq!(reading.facts.message_id.as_deref(), Some("1@x"));
}

#[test]
fn headers_are_shown_decoded() {
    let reading = reading(b"X-A: =?utf-8?q?caf=C3=A9?=\r\n folded\r\nx-b:\r\n\r\n");
    let headers: Vec<_> =
        reading.headers.iter().map(|h| (h.name.as_str(), h.value.as_str())).collect();
    assert_eq!(headers, [("X-A", "café folded"), ("x-b", "")]);
}

#[test]
fn a_lone_attachment_is_no_body() {
    let raw = b"Content-Type: text/plain; name=a.txt\r\nContent-Disposition: attachment\r\n\r\nx";
    check_parts(raw, &[("1", Some("a.txt"), FILE)]);
    check_text(raw, None);
    check_parts(b"Content-Type: application/pdf\r\n\r\nx", &[("1", None, FILE)]);
    check_parts(b"Content-Type: text/calendar\r\n\r\nBEGIN:VCALENDAR", &[("1", None, FILE)]);
}

#[test]
fn names_of_attachments() {
    for (fields, want) in [
        (
            "Content-Disposition: attachment; filename=\"=?utf-8?b?5L2g?= =?utf-8?b?5aW9?=.txt\"",
            Some("你好.txt"),
        ),
        ("Content-Disposition: attachment; filename=my file.pdf", Some("my file.pdf")),
        ("Content-Disposition: attachment; filename=\"../../etc/passwd\"", Some("passwd")),
        (
            "Content-Disposition: attachment; filename*0*=gb2312''%C4%E3; filename*1*=%BA%C3.txt",
            Some("你好.txt"),
        ),
        (
            "Content-Disposition: attachment\r\nContent-Location: http://x.example/a/b.png?q",
            Some("b.png"),
        ),
        (
            "Content-Disposition: attachment\r\nContent-Disposition: inline; filename=b.png",
            Some("b.png"),
        ),
        ("Content-Disposition: attachment; filename=\"a\u{202e}gnp.exe\"", Some("agnp.exe")),
        ("Content-Disposition: attachment", None),
    ] {
        let raw = format!("Content-Type: image/png\r\n{fields}\r\n\r\nx");
        check_parts(raw.as_bytes(), &[("1", want, FILE)]);
    }
    let mut raw =
        b"Content-Type: image/png\r\nContent-Disposition: attachment; filename=\"".to_vec();
    raw.extend_from_slice(b"\xbb\xe1\xd2\xe9\xcd\xa8\xd6\xaa.png\"\r\n\r\nx");
    check_parts(&raw, &[("1", Some("会议通知.png"), FILE)]);
}

#[test]
fn an_attached_message_is_one_part_and_comes_out_raw() {
    let inner =
        "Subject: inner\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\n\r\nx\r\n--i--";
    let raw = format!(
        "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n\r\n\r\n--o\r\n\
         Content-Type: message/rfc822\r\n\r\n{inner}\r\n--o--\r\n"
    );
    check_parts(raw.as_bytes(), &[("", None, MULTIPART), ("1", None, BODY), ("2", None, FILE)]);
    check_text(raw.as_bytes(), Some(""));
    assert_eq!(part(raw.as_bytes(), "2"), inner.as_bytes());
}

#[test]
fn pictures_that_the_html_shows_are_no_attachments() {
    let raw = b"Content-Type: multipart/related; boundary=r\r\n\r\n--r\r\nContent-Type: text/html\r\n\r\n\
        <img src=\"cid:a@x\"><img src=http://t.example/x>\r\n--r\r\nContent-Type: image/png; name=a.png\r\n\
        Content-ID: <a@x>\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC\r\n--r--\r\n";
    check_parts(raw, &[("", None, MULTIPART), ("1", None, BODY), ("2", Some("a.png"), SHOWN)]);
    let reading = reading(raw);
    assert_eq!(reading.html.as_deref(), Some("<img src=\"cid:a@x\"><img>"));
    assert!(reading.html_as_sent.unwrap().contains("t.example"));
    assert_eq!(reading.parts[2].size, 3);
    assert_eq!(reading.parts[2].content_id.as_deref(), Some("a@x"));
    assert_eq!(part(raw, "2"), [0, 1, 2]);
}

#[test]
fn text_is_made_from_html_where_there_is_nothing_else() {
    check_text(
        b"Content-Type: text/html\r\n\r\n<p>Hi&amp;bye</p><script>x</script>",
        Some("Hi&bye"),
    );
    check_text(
        "Content-Type: text/html\r\n\r\n<meta charset=gbk><p>é".replace('é', "").as_bytes(),
        Some(""),
    );
}

#[test]
fn text_in_one_branch_of_an_alternative_is_not_said_again() {
    const A: &str = "Content-Type: text/plain\n\nA";
    const B: &str = "Content-Type: text/html\n\nB";
    const C: &str = "Content-Type: text/html\n\nC";
    const D: &str = "Content-Type: text/plain\n\n ";
    let of = |subtype: &str, boundary: &str, parts: &[&str]| {
        let parts: String = parts.iter().map(|part| format!("--{boundary}\n{part}\n")).collect();
        format!("Content-Type: multipart/{subtype}; boundary={boundary}\n\n{parts}--{boundary}--\n")
    };
    let both = of("alternative", "i", &[A, B]);
    let footer = of("mixed", "i", &[B, A]);
    let blank = of("alternative", "i", &[D, B]);
    for (children, text, html) in [
        ([both.as_str(), C], "A", "B\nC"),
        ([C, &both], "A", "C\nB"),
        ([&footer, C], "B\nA", "B\n<div style=\"white-space: pre-wrap\">A</div>\nC"),
        ([&blank, C], " \nB\nC", "B\nC"),
        ([B, C], "B\nC", "B\nC"),
        ([A, C], "A", "C"),
    ] {
        let raw = of("alternative", "o", &children);
        let reading = reading(raw.as_bytes());
        assert_eq!(reading.text.as_deref(), Some(text), "{raw}");
        assert_eq!(reading.html.as_deref(), Some(html), "{raw}");
        assert!(!reading.has_attachments);
    }
}

#[test]
fn signed_and_reported_mail() {
    check_parts(
        b"Content-Type: multipart/signed; boundary=s; protocol=\"application/pgp-signature\"\r\n\r\n\
          --s\r\n\r\nhi\r\n--s\r\nContent-Type: application/pgp-signature; name=signature.asc\r\n\r\nx\r\n--s--",
        &[("", None, MULTIPART), ("1", None, BODY), ("2", Some("signature.asc"), FILE)],
    );
    check_parts(
        b"Content-Type: multipart/report; boundary=s\r\n\r\n--s\r\n\r\nhi\r\n--s\r\n\
          Content-Type: message/delivery-status\r\n\r\nx\r\n--s\r\nContent-Type: message/rfc822-headers\r\n\r\nSubject: x",
        &[("", None, MULTIPART), ("1", None, BODY), ("2", None, FILE), ("3", None, FILE)],
    );
}

#[test]
fn a_uuencoded_part_is_decoded() {
    let raw = b"Content-Type: application/x\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 x\r\n%:&5L;&\\\r\n`\r\nend\r\n";
    assert_eq!(part(raw, "1"), b"hello");
}

#[test]
fn bodies_are_cut_at_a_character() {
    let want = Want { text: true, preview: true, ..Want::default() };
    let raw = Memory("Subject: x\r\n\r\n你好 \n 世界".as_bytes().to_vec());
    let reading = read(&raw, want, 5).unwrap();
    assert_eq!(reading.text.as_deref(), Some("你"));
    assert_eq!(reading.preview.as_deref(), Some("你好 世界"));
}

#[test]
fn a_part_that_is_not_there_is_a_fault() {
    let raw = Memory(b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\na".to_vec());
    for path in ["", "0", "2", "1.1", "x", "1."] {
        let fault = decode(&raw, path, &mut Memory::default()).unwrap_err();
        assert_eq!(fault.code, Code::NoSuchPart, "{path:?}");
    }
}

#[test]
fn bombs_end_soon() {
    let nested = "Content-Type: message/rfc822\n\n".repeat(50_000);
    assert_eq!(reading(nested.as_bytes()).parts.len(), 1);
    let words = format!("Subject: {}\r\n\r\n", "=?utf-8?q?a?= ".repeat(300_000));
    check_lack(words, Code::HeaderTooLarge);
    let multiparts = "Content-Type: multipart/mixed; boundary=x\n\n--x\n".repeat(20_000);
    check_lack(multiparts, Code::TooDeep);
    let parts =
        format!("Content-Type: multipart/mixed; boundary=x\n\n{}", "--x\n".repeat(1_000_000));
    check_lack(parts, Code::TooManyParts);
    let divs = format!("Content-Type: text/html\n\n{}", "<div>".repeat(100_000));
    let deep = reading(divs.as_bytes());
    assert_eq!(deep.html.as_deref(), Some("<pre></pre>"));
    assert_eq!((deep.faults[0].pointer.as_str(), deep.faults[0].code), ("/html", Code::TooDeep));
    let line = format!("Subject: x\n\n{}", "x".repeat(10_000_000));
    assert_eq!(reading(line.as_bytes()).text.unwrap().len(), 100_000);
    let junk = format!("Content-Transfer-Encoding: base64\n\n{}", "!\n-".repeat(3_000_000));
    check_text(junk.as_bytes(), Some(""));
    struct Endless;
    impl Octets for Endless {
        fn size(&self) -> Option<u64> {
            None
        }
        fn read(&self, _: u64, length: u32) -> Result<Vec<u8>, Fault> {
            Ok(vec![b'a'; length as usize])
        }
    }
    assert_eq!(read(&Endless, Want::ALL, 10).unwrap_err().code, Code::TooLarge);
}

#[track_caller]
fn check_lack(raw: String, want: Code) {
    let faults = read(&Memory(raw.into_bytes()), Want::ALL, 10).unwrap().faults;
    assert_eq!(faults.first().map(|fault| fault.code), Some(want), "{faults:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn any_soup_of_mail_is_read(pieces in prop::collection::vec(prop::sample::select(SOUP), 0..60)) {
        let raw = Memory(pieces.concat());
        if let Ok(reading) = read(&raw, Want::ALL, 300) {
            for part in &reading.parts {
                let mut decoded = Memory::default();
                match decode(&raw, &part.path, &mut decoded) {
                    Ok(()) => prop_assert_eq!(decoded.0.len() as u64, part.size),
                    Err(fault) => prop_assert!(part.path.is_empty(), "{fault}"),
                }
            }
        }
    }
}

/// Fragments that are difficult for parsers, combined at random.
const SOUP: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b" ",
    b"\t",
    b":",
    b";",
    b",",
    b"<",
    b">",
    b"(",
    b")",
    b"\"",
    b"\\",
    b"@",
    b"=",
    b"=?",
    b"?=",
    b"=?utf-8?q?",
    b"=?gbk?b?xOO6",
    b"--",
    b"--a",
    b"--a--",
    b"--ab",
    b"\0",
    b"\xff\xfe",
    b"\xc4\xe3",
    b"\x1b$B",
    b"\xe4\xbd",
    b"From: ",
    b"To: ",
    b"Date: ",
    b"Subject: ",
    b"Message-ID: <",
    b"References: ",
    b"Content-Type: ",
    b"multipart/mixed; boundary=a\n\n",
    b"multipart/alternative; boundary=\"ab\"\n\n",
    b"message/rfc822\n\n",
    b"text/html",
    b"charset=utf-7",
    b"charset=gb18030",
    b"; name*0*=gbk''%C4",
    b"; name*1=",
    b"Content-Disposition: ",
    b"attachment; filename=",
    b"Content-Transfer-Encoding: ",
    b"base64\n\n",
    b"quoted-printable\n\n",
    b"x-uuencode\n\n",
    b"begin 644 x\nM",
    b"\nend\n",
    b"Content-ID: <a>",
    b"Content-Location: a/b.c",
    b"<div>",
    b"</div>",
    b"<img src=cid:a>",
    b"<!--",
    b"-->",
    b"&#x",
    b"&amp;",
    b"<style>",
    b"group: a@b;",
    b"1 Jan 1970 00:00 +0000",
];

/// The line was taken for the start of the base64.
#[test]
fn an_odd_line_at_the_end_of_a_header_is_not_decoded() {
    const FIELDS: &str = "Content-Transfer-Encoding: base64\r\n";
    for odd in ["X Spam Flag: no", "garbage without colon", ": empty"] {
        let raw = format!("From: a@b\r\nSubject: s\r\n{FIELDS}{odd}\r\n\r\naGVsbG8gd29ybGQ=");
        check_text(raw.as_bytes(), Some("hello world"));
        let raw = format!(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: image/png\r\n\
             {FIELDS}{odd}\r\n\r\naGVsbG8gd29ybGQ=\r\n--b--"
        );
        assert_eq!(part(raw.as_bytes(), "1"), b"hello world");
    }
    let raw = " leading\r\nSubject : sp\r\nFrom\t: a@b\r\n: empty\r\n\r\nx";
    let found = reading(raw.as_bytes());
    assert_eq!(found.headers.len(), 2);
    assert_eq!((found.facts.subject.as_deref(), found.text.as_deref()), (Some("sp"), Some("x")));
}
