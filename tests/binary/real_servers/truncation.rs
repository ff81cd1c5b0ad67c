//! Tests of messages longer than the limits of display and of fetching: omitted parts are reported,
//! and a list has the same members for long and short messages.

use serde_json::{Value, json};

use testkit::http::Client;
use testkit::site::{Connected, connected, under};

const FROM: &str = "From: Ann <ann@example.test>\r\nTo: Bob <bob@example.test>\r\n\
    Date: Mon, 02 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n";
const MIB: usize = 1024 * 1024;

/// Lines of 100 bytes, at least this many bytes in all.
fn lines(bytes: usize) -> String {
    format!("{}\r\n", "x".repeat(98)).repeat(bytes / 100 + 1)
}

fn multipart(kind: &str, parts: &[String]) -> String {
    let parts: String = parts.iter().map(|part| format!("--B\r\n{part}\r\n")).collect();
    format!("Content-Type: multipart/{kind}; boundary=B\r\n\r\n{parts}--B--\r\n")
}

#[test]
fn messages_over_a_mebibyte_have_preview_and_attachments_in_lists() {
    let Some(Connected { rig, n, mut client, id: account, up: _up }) = connected() else { return };
    let hello = || "\r\nhello".to_owned();
    let file = || {
        let fields = "Content-Type: application/octet-stream; name=a.bin\r\n\
            Content-Disposition: attachment";
        format!("{fields}\r\n\r\n{}", lines(MIB + MIB / 10))
    };
    let page = "Content-Type: text/html\r\n\r\n<p>a page<img src=\"cid:p@x\">".to_owned();
    let picture =
        || format!("Content-Type: image/png\r\nContent-ID: <p@x>\r\n\r\n{}", lines(2 * MIB));
    for (subject, content, preview, has_attachments) in [
        ("file", multipart("mixed", &[hello(), file()]), json!("hello"), true),
        ("picture", multipart("related", &[page.clone(), picture()]), json!("a page"), false),
        (
            "picture first",
            multipart("mixed", &[picture(), page, hello()]),
            json!("a page hello"),
            false,
        ),
        ("text last", multipart("mixed", &[file(), hello()]), json!("hello"), true),
        (
            "long text",
            format!("\r\n{}", "words ".repeat(MIB / 4)),
            json!("words ".repeat(34)[..200]),
            false,
        ),
        ("no text", multipart("mixed", &[file()]), Value::Null, true),
    ] {
        let raw = format!("{FROM}Subject: {subject}\r\n{content}");
        rig.deliver(n, "INBOX", raw.as_bytes());
        // At first, and from the cache.
        for _ in 0..2 {
            let query = "messages?limit=1&expand=preview,attachments";
            let list = client.get(&under(&account, query)).expect(200);
            let row = &list["messages"][0];
            assert_eq!(row["subject"], subject);
            assert_eq!(row["preview"], preview, "{subject}");
            assert_eq!(row["hasAttachments"], has_attachments, "{subject}");
        }
    }
}

#[test]
fn truncated_parts_of_a_long_message_are_reported() {
    let Some(Connected { rig, n, mut client, id: account, up: _up }) = connected() else { return };
    let mut fetch = |content: String| {
        let raw = format!("{FROM}Subject: long\r\n{content}");
        rig.deliver(n, "INBOX", raw.as_bytes());
        let list = client.get(&under(&account, "messages?limit=1")).expect(200);
        let id = list["messages"][0]["id"].as_str().unwrap();
        let path = under(&account, &format!("messages/{id}"));
        (told(&mut client, &path), path)
    };
    let (cut, _) = fetch("\r\nshort\r\n".to_owned());
    assert_eq!(cut, json!({"all": [], "text": null, "textBytes": 6}));
    // Truncated in JSON, and complete when fetched separately.
    let (cut, _) = fetch(format!("\r\n{}", lines(3 * MIB)));
    let of_json = ["/text", "cut", "it goes on beyond the 2097152 bytes that are shown of it"];
    let bytes = (3 * MIB / 100 + 1) * 99;
    assert_eq!(cut, json!({"all": [of_json], "text": null, "textBytes": bytes}));
    let (cut, _) = fetch(format!("\r\n{}", lines(5 * MIB)));
    assert_eq!(cut["all"][0][0], "/text", "{cut}");
    assert_eq!(cut["text"], "cut");
    // A line break is one byte less.
    assert_eq!(cut["textBytes"], 4 * MIB / 100 * 99 + 4 * MIB % 100);
    let page = format!("Content-Type: text/html\r\n\r\n{}", lines(MIB + MIB / 2));
    let (cut, path) = fetch(page);
    let pointers: Vec<&Value> = cut["all"].as_array().unwrap().iter().map(|one| &one[0]).collect();
    assert_eq!(pointers, ["/text", "/html"]);
    let html = client.get(&format!("{path}/html"));
    assert_eq!((html.header("postlet-incomplete"), html.body.len()), (Some("cut"), MIB));
    let sent = client.get(&format!("{path}/html?as=sent"));
    assert_eq!(sent.body.len(), (3 * MIB / 2 / 100 + 1) * 100);
    let fields = (0..2_100).map(|number| format!("X-{number}: x\r\n")).collect::<String>();
    rig.deliver(n, "INBOX", format!("{FROM}{fields}\r\nmany fields\r\n").as_bytes());
    let list = client.get(&under(&account, "messages?limit=1")).expect(200);
    let path =
        under(&account, &format!("messages/{}", list["messages"][0]["id"].as_str().unwrap()));
    let message = client.get(&format!("{path}?fields=headers,text")).expect(200);
    assert_eq!(message["headers"].as_array().unwrap().len(), 2_000);
    let lack = &message["incomplete"][0];
    assert_eq!((&lack["pointer"], &lack["code"]), (&json!("/headers"), &json!("cut")));
    assert!(lack["detail"].as_str().unwrap().contains("2000"), "{lack}");
}

/// The reported incomplete parts in JSON, and the length of the separate text.
fn told(client: &mut Client, path: &str) -> Value {
    let message = client.get(path).expect(200);
    let all = message["incomplete"].as_array().cloned().unwrap_or_default();
    let all: Vec<_> =
        all.iter().map(|one| [&one["pointer"], &one["code"], &one["detail"]]).collect();
    let text = client.get(&format!("{path}/text"));
    json!({"all": all, "text": text.header("postlet-incomplete"), "textBytes": text.body.len()})
}
