//! Tests of the command log, and of direct access to mailboxes.
#![cfg(test)]

use crate::fault_injection::{Fault, IMAP_STEPS, LoggedCommand, Protocol, SMTP_STEPS};
use crate::server::Mailroom;
use crate::tests::client::{ANN, Client, mailroom, once};

const ANN_ADDRESS: &str = "ann@postlet.test";

/// Every step of a submission, up to one at which the connection ends.
async fn submission(room: &Mailroom) {
    let mut client = Client::plain(room.submission()).await;
    client.reply().await;
    client.ask("HELO client.test").await;
    client.ask("STARTTLS").await;
    let mut client = client.upgrade(room).await;
    client.ask("EHLO client.test").await;
    client.ask(&format!("AUTH PLAIN {ANN}")).await;
    client.submit(&["bo@postlet.test"], "Subject: hi\r\n\r\nx").await;
    for line in ["RSET", "NOOP", "VRFY bo", "QUIT"] {
        client.ask(line).await;
    }
}

/// Every step of IMAP.
async fn reading(room: &Mailroom) {
    let mut client = Client::plain(room.imap()).await;
    client.line().await;
    client.run("CAPABILITY").await;
    client.run("STARTTLS").await;
    let mut client = client.upgrade(room).await;
    client.run("LOGIN ann@postlet.test wrong").await;
    client.run(&format!("AUTHENTICATE PLAIN {ANN}")).await;
    for line in [
        "ID NIL",
        "ENABLE X",
        "SELECT INBOX",
        "EXAMINE INBOX",
        "LIST \"\" *",
        "LSUB \"\" *",
        "STATUS INBOX (MESSAGES)",
        "CREATE x",
        "SUBSCRIBE x",
        "UNSUBSCRIBE x",
        "DELETE x",
        "NOOP",
        "CHECK",
        "SEARCH ALL",
        "UID SEARCH ALL",
        "FETCH 1 UID",
        "UID FETCH 1 UID",
        "STORE 1 FLAGS ()",
        "UID STORE 1 FLAGS ()",
        "COPY 1 Sent",
        "UID COPY 1 Sent",
        "MOVE 1 Sent",
        "UID MOVE 1 Sent",
        "EXPUNGE",
        "UID EXPUNGE 1",
        "UNSELECT",
        "SELECT INBOX",
        "CLOSE",
    ] {
        client.run(line).await;
    }
    client.send("a APPEND INBOX {1}\r\n").await;
    assert!(client.line().await.starts_with("+ "));
    client.send("x\r\nb IDLE\r\nDONE\r\n").await;
    client.until("b").await;
    client.run("LOGOUT").await;
}

#[tokio::test]
async fn the_mailroom_reaches_every_listed_step() {
    let room = mailroom().await;
    submission(&room).await;
    reading(&room).await;
    let asked = room.asked();
    for (protocol, steps) in [(Protocol::Smtp, SMTP_STEPS), (Protocol::Imap, IMAP_STEPS)] {
        for step in steps {
            assert!(asked.iter().any(|own| own.is(protocol, step)), "{protocol:?} {step}");
        }
    }
    let lines: Vec<&str> = asked.iter().map(|own| own.line.as_str()).collect();
    assert_eq!(lines[..5], ["greeting", "HELO client.test", "STARTTLS", "TLS", "EHLO client.test"]);
    assert!(lines.contains(&"RCPT TO:<bo@postlet.test>") && lines.contains(&"+ APPEND INBOX {1}"));
    let user = |step| asked.iter().find(|own| own.line == step).unwrap().user.as_deref();
    assert_eq!((user("AUTH PLAIN"), user(".")), (None, Some(ANN_ADDRESS)));
    assert_eq!(user("UID MOVE 1 Sent"), Some(ANN_ADDRESS));
}

#[tokio::test]
async fn the_log_contains_no_credentials() {
    let room = mailroom().await;
    let address = "ann@postlet.test";
    for fault in [None, Some(Fault::No("no".into())), Some(Fault::Line(b"* odd".to_vec()))] {
        for step in ["LOGIN", "AUTHENTICATE", "+", "AUTH"] {
            for protocol in [Protocol::Imap, Protocol::Smtp] {
                let script = fault.clone().map(|fault| once(protocol, step, fault));
                room.misbehave(script.unwrap_or_default());
                for said in [
                    format!("a LOGIN {address} secret\r\n"),
                    format!("a login \"{address}\" \"secret\"\r\n"),
                    format!("a LOGIN {{16+}}\r\n{address} {{6+}}\r\nsecret\r\n"),
                    format!("a LOGIN {{16}}\r\n{address} {{6}}\r\nsecret\r\n"),
                    format!("a  LOGIN {address} secret\r\n"),
                    format!("a AUTHENTICATE PLAIN {ANN}\r\n"),
                    format!("a AUTHENTICATE PLAIN\r\n{ANN}\r\n"),
                    format!("a AUTHENTICATE X {ANN}\r\n{ANN}\r\n"),
                    format!("AUTHENTICATE PLAIN {ANN}\r\n"),
                ] {
                    let mut client = Client::tls(room.imaps(), &room).await;
                    client.send(&format!("{said}z LOGOUT\r\n")).await;
                    client.is_hung_up().await;
                }
                for said in [
                    format!("AUTH PLAIN {ANN}\r\n"),
                    format!("auth plain\r\n{ANN}\r\n"),
                    format!("AUTH {ANN}\r\n"),
                    "AUTH LOGIN\r\nYW5uQHBvc3RsZXQudGVzdA==\r\nc2VjcmV0\r\n".to_owned(),
                    "AUTH LOGIN YW5uQHBvc3RsZXQudGVzdA==\r\nc2VjcmV0\r\n".to_owned(),
                    "AUTHc2VjcmV0\r\n AUTH PLAIN c2VjcmV0\r\n".to_owned(),
                ] {
                    let mut client = Client::tls(room.submissions(), &room).await;
                    client.send(&format!("EHLO x\r\n{said}QUIT\r\n")).await;
                    client.is_hung_up().await;
                }
            }
        }
    }
    let asked = room.asked();
    let seen = |line: &str| asked.iter().any(|own| own.line == line);
    assert!(seen("LOGIN") && seen("AUTH LOGIN") && seen("AUTHENTICATE PLAIN") && seen("?"));
    for LoggedCommand { line, .. } in &asked {
        for secret in ["secret", ANN, "YW5u", "c2Vjcm", address] {
            assert!(!line.contains(secret), "{line}");
        }
    }
}

#[tokio::test]
async fn the_log_keeps_the_last_ten_thousand_steps() {
    let room = mailroom().await;
    let mut client = Client::submitter(&room).await;
    client.send(&format!("{}VRFY x\r\n", "NOOP\r\n".repeat(10_010))).await;
    room.until_asked(Protocol::Smtp, "VRFY", 1).await;
    let asked = room.asked();
    assert_eq!((asked.len(), asked[0].line.as_str()), (10_000, "NOOP"));
    assert_eq!(asked[9_999].line, "VRFY x");
    client.send(&format!("VRFY {}\r\n", "x".repeat(5_000))).await;
    room.until_asked(Protocol::Smtp, "VRFY", 2).await;
    assert_eq!(room.asked()[9_999].line.len(), 500);
}

#[tokio::test]
async fn a_delivered_message_is_read_octet_for_octet() {
    let room = mailroom().await;
    assert_eq!(room.deliver("bo@postlet.test", "Junk", b"A: b\r\n\r\nc").unwrap(), 1);
    assert!(room.deliver("bo@postlet.test", "nowhere", b"x").is_err());
    assert!(room.deliver("nobody@postlet.test", "INBOX", b"x").is_err());
    let mut client = Client::reader(&room, "bo@postlet.test", "Junk").await;
    let row = client.run("FETCH 1 BODY.PEEK[]").await;
    assert_eq!(row[..4], ["* 1 FETCH (BODY[] {9}", "A: b", "", "c)"]);
}
