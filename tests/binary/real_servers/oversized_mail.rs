//! Tests of oversized and costly mail: it affects only its own row or body; the mailbox, the
//! session and other messages work as before.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::mail_server_errors::subjects;
use testkit::http::Client;
use testkit::site::{Connected, connected, under};

const FROM: &str = "From: Ann <ann@example.test>\r\nTo: Bob <bob@example.test>\r\n\
    Date: Mon, 02 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n";

/// Header fields of 20 times 75 kB, before those that a list shows.
fn long_header() -> String {
    let mut field = "References: ".to_owned();
    for number in 0..900 {
        write!(field, "<{number}.{}@example.test>\r\n ", "x".repeat(60)).unwrap();
    }
    let field = format!("{}\r\n", field.trim_end());
    format!("{}{FROM}Subject: long\r\n\r\nIts text.\r\n", field.repeat(20))
}

fn ordinary(subject: &str) -> String {
    format!("{FROM}Subject: {subject}\r\n\r\nWords of {subject}.\r\n")
}

#[test]
fn header_fields_of_a_megabyte_affect_their_own_row_only() {
    let Some(Connected { rig, n, mut client, id: account, up: _up }) = connected() else { return };
    for raw in [ordinary("one"), long_header(), ordinary("two"), long_header(), ordinary("three")] {
        rig.deliver(n, "INBOX", raw.as_bytes());
    }
    // Uncached and cached; page by page; and with previews.
    for query in ["limit=20", "limit=20", "limit=1", "limit=2&expand=preview,attachments"] {
        let rows = pages(&mut client, &account, query);
        let seen: Vec<_> = rows.iter().map(|row| (&row["subject"], &row["unparsed"])).collect();
        let want =
            json!([["three", null], [null, true], ["two", null], [null, true], ["one", null]]);
        assert_eq!(json!(seen), want, "{query}");
        assert!(
            rows.iter().all(|row| row["size"].as_u64().is_some() && row["received"].is_string())
        );
    }
    // Its content can be fetched.
    let row = pages(&mut client, &account, "limit=20")[1].clone();
    let path = under(&account, &format!("messages/{}", row["id"].as_str().unwrap()));
    let message = client.get(&path).expect(200);
    assert_eq!((&message["subject"], &message["text"]), (&json!("long"), &json!("Its text.\n")));
    assert_eq!(message["incomplete"][0]["pointer"], "/headers", "{}", message["incomplete"]);
    assert_eq!(message["incomplete"][0]["code"], "header-too-large");
    assert_eq!(client.get(&format!("{path}/text")).text(), "Its text.\n");
    assert_eq!(client.get(&format!("{path}/parts/1")).text(), "Its text.\r\n");
    let raw = client.get(&format!("{path}/raw"));
    raw.ended(200);
    assert_eq!(raw.body.len() as u64, row["size"].as_u64().unwrap());
}

#[test]
fn costly_html_is_shown_and_affects_no_other_message() {
    let Some(Connected { rig, n, mut client, id: account, up: _up }) = connected() else { return };
    let mail = |html: &str| {
        format!(
            "{FROM}Subject: costly\r\nContent-Type: multipart/mixed; boundary=B\r\n\r\n--B\r\n\
             Content-Type: text/html; charset=utf-8\r\n\r\n{html}\r\n--B\r\n\
             Content-Type: text/csv; name=a.csv\r\nContent-Disposition: attachment\r\n\r\n1,2\r\n--B--\r\n"
        )
    };
    for (html, want, odd) in [
        ("&".repeat(400_000), "&amp;&amp;", Value::Null),
        ("<div>".repeat(100_000) + "deep", "<pre>deep</pre>", json!("too-deep")),
        (
            format!("<!--{}{}-->shown", "&".repeat(1_100), "<div>".repeat(200_000)),
            "shown",
            Value::Null,
        ),
    ] {
        rig.deliver(n, "INBOX", mail(&html).as_bytes());
        let list = client.get(&under(&account, "messages?expand=attachments")).expect(200);
        assert_eq!(subjects(&list)[0], "costly");
        assert_eq!(list["messages"][0]["hasAttachments"], true, "{list}");
        let id = list["messages"][0]["id"].as_str().unwrap();
        let path = under(&account, &format!("messages/{id}"));
        let message = client.get(&path).expect(200);
        assert!(message["html"].as_str().unwrap().starts_with(want));
        assert_eq!(message["subject"], "costly");
        assert_eq!(message["attachments"][0]["filename"], "a.csv");
        assert_eq!(message["incomplete"][0]["code"], odd, "{}", message["incomplete"]);
        assert_eq!(client.get(&format!("{path}/attachments/1")).text(), "1,2");
        client.get(&format!("{path}/raw")).ended(200);
    }
}

fn pages(client: &mut Client, account: &str, query: &str) -> Vec<Value> {
    let (mut rows, mut cursor) = (Vec::new(), String::new());
    for _ in 0..20 {
        let list = client.get(&under(account, &format!("messages?{query}{cursor}"))).expect(200);
        rows.extend(list["messages"].as_array().unwrap().clone());
        match list["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    rows
}
