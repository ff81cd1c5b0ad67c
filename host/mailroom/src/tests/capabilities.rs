//! Tests of capabilities and EHLO keywords, each disabled in turn.
#![cfg(test)]

use crate::fault_injection::FaultScript;
use crate::tests::client::{ANN, Client, mailroom};

const ANN_ADDRESS: &str = "ann@postlet.test";

fn without(names: &[&str]) -> FaultScript {
    FaultScript {
        without: names.iter().map(|name| (*name).to_owned()).collect(),
        ..FaultScript::default()
    }
}

#[tokio::test]
async fn a_disabled_imap_capability_is_neither_announced_nor_accepted() {
    for (name, line) in [
        ("ID", "ID NIL"),
        ("ENABLE", "ENABLE X"),
        ("idle", "IDLE"),
        ("MOVE", "UID MOVE 1 Sent"),
        ("MOVE", "MOVE 1 Sent"),
        ("UIDPLUS", "UID EXPUNGE 1"),
        ("UNSELECT", "UNSELECT"),
        ("LITERAL+", "STATUS {5+}\r\nINBOX (MESSAGES)"),
    ] {
        let room = mailroom().await;
        let mut client = Client::reader(&room, ANN_ADDRESS, "INBOX").await;
        let all = client.run("CAPABILITY").await[0].clone();
        room.misbehave(without(&[name]));
        let answer = client.run(line).await;
        assert!(answer.last().unwrap().starts_with("BAD"), "{line}: {answer:?}");
        let told = client.run("CAPABILITY").await[0].clone();
        let left: Vec<&str> =
            all.split(' ').filter(|word| !word.eq_ignore_ascii_case(name)).collect();
        assert_eq!(told, left.join(" "), "{name}");
        assert_ne!(told, all, "{name}");
    }
    let room = mailroom().await;
    room.misbehave(without(&["UIDPLUS", "CHILDREN", "SPECIAL-USE"]));
    room.deliver(ANN_ADDRESS, "INBOX", b"x\r\n").unwrap();
    let mut client = Client::reader(&room, ANN_ADDRESS, "INBOX").await;
    assert_eq!(client.append("Sent", "x").await, ["OK done"]);
    assert_eq!(client.run("COPY 1 Sent").await, ["OK done"]);
    assert_eq!(client.run("MOVE 1 Sent").await, ["* 1 EXPUNGE", "OK moved"]);
    assert_eq!(client.run("LIST \"\" Sent").await[0], "* LIST () \"/\" \"Sent\"");

    for (off, want) in [("SASL-IR", "BAD"), ("AUTH=PLAIN", "BAD"), ("LITERAL+", "OK")] {
        room.misbehave(without(&[off]));
        let mut client = Client::tls(room.imaps(), &room).await;
        assert!(!client.line().await.contains(off));
        let answer = client.run(&format!("AUTHENTICATE PLAIN {ANN}")).await;
        assert!(answer[0].starts_with(want), "{off}: {answer:?}");
    }
    room.misbehave(without(&["STARTTLS"]));
    let mut client = Client::plain(room.imap()).await;
    assert!(!client.line().await.contains("STARTTLS"));
    assert_eq!(client.run("STARTTLS").await, ["BAD not offered"]);
}

#[tokio::test]
async fn a_disabled_ehlo_keyword_is_neither_announced_nor_accepted() {
    let room = mailroom().await;
    for (off, line) in [
        ("SIZE", "MAIL FROM:<ann@postlet.test> SIZE=5"),
        ("8BITMIME", "MAIL FROM:<ann@postlet.test> BODY=8BITMIME"),
        ("SMTPUTF8", "MAIL FROM:<ann@postlet.test> SMTPUTF8"),
        ("PIPELINING", "RSET\r\nNOOP"),
    ] {
        let mut client = Client::submitter(&room).await;
        room.misbehave(without(&[off]));
        assert!(!client.ask("EHLO x").await.contains(off));
        let reply = client.ask(line).await;
        assert!(reply.starts_with('5'), "{off}: {reply}");
    }
    room.misbehave(without(&["enhancedstatuscodes"]));
    let mut client = Client::submitter(&room).await;
    assert!(!client.ask("EHLO x").await.contains("ENHANCED"));
    assert_eq!(client.ask("NOOP").await, "250 here");
    assert_eq!(client.ask("RCPT TO:<x>").await, "503 first MAIL");

    for (off, hello, line, want) in [
        ("AUTH", "", "AUTH LOGIN", "500"),
        ("AUTH=PLAIN", "250 AUTH LOGIN", "AUTH PLAIN =", "500"),
        ("AUTH=LOGIN", "250 AUTH PLAIN", "AUTH LOGIN", "500"),
        ("AUTH=PLAIN", "250 AUTH LOGIN", "AUTH LOGIN", "334"),
    ] {
        room.misbehave(without(&[off]));
        let mut client = Client::tls(room.submissions(), &room).await;
        client.reply().await;
        let told = client.ask("EHLO x").await;
        assert!(told.ends_with(hello) && told.contains("AUTH") != hello.is_empty(), "{told}");
        let reply = client.ask(line).await;
        assert!(reply.starts_with(want), "{off} {line}: {reply}");
    }
    room.misbehave(without(&["STARTTLS"]));
    let mut client = Client::plain(room.submission()).await;
    client.reply().await;
    assert!(!client.ask("EHLO x").await.contains("STARTTLS"));
    assert!(client.ask("STARTTLS").await.starts_with("500"));
}
