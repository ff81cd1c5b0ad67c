//! Tests of fault injection, at every step of both protocols.
#![cfg(test)]

use std::time::Duration;

use crate::fault_injection::{Fault, FaultScript, Protocol, Rule, SMTP_STEPS};
use crate::tests::client::{ANN, Client, mailroom, once};

const ANN_ADDRESS: &str = "ann@postlet.test";

#[tokio::test]
async fn a_stalled_submission_is_silent_until_the_mailroom_ends() {
    for step in SMTP_STEPS.iter().filter(|step| !["TLS", "HELO", "STARTTLS", "body"].contains(step))
    {
        let room = mailroom().await;
        room.misbehave(once(Protocol::Smtp, step, Fault::Stall));
        let mut client = Client::tls(room.submissions(), &room).await;
        let auth = format!("AUTH PLAIN {ANN}");
        let talk = async {
            client.reply().await;
            for line in [
                "EHLO x",
                &auth,
                "MAIL FROM:<ann@postlet.test>",
                "RCPT TO:<bo@postlet.test>",
                "DATA",
                "x\r\n.",
                "RSET",
                "NOOP",
                "VRFY bo",
                "QUIT",
            ] {
                client.ask(line).await;
            }
        };
        tokio::select! {
            () = talk => panic!("{step}: answered to the end"),
            () = room.until_asked(Protocol::Smtp, step, 1) => {}
        }
        drop(room);
        assert!(client.is_hung_up().await, "{step}");
    }
}

#[tokio::test]
async fn a_stalled_imap_command_is_silent_until_the_mailroom_ends() {
    for step in ["NOOP", "UID FETCH", "APPEND", "+", "IDLE", "LOGOUT"] {
        let room = mailroom().await;
        let mut client = Client::reader(&room, ANN_ADDRESS, "INBOX").await;
        room.misbehave(once(Protocol::Imap, step, Fault::Stall));
        let line = match step {
            "UID FETCH" => "UID FETCH 1:* FLAGS",
            "APPEND" => "APPEND INBOX {1+}\r\nx",
            "+" => "APPEND INBOX {1}",
            other => other,
        };
        client.send(&format!("a {line}\r\nb NOOP\r\n")).await;
        room.until_asked(Protocol::Imap, step, 1).await;
        drop(room);
        assert!(client.is_hung_up().await, "{step}");
    }
}

#[tokio::test]
async fn a_handshake_may_stall_or_be_cut() {
    for fault in [Fault::Stall, Fault::Cut, Fault::CutAfter] {
        let room = mailroom().await;
        for (protocol, address) in
            [(Protocol::Imap, room.imaps()), (Protocol::Smtp, room.submissions())]
        {
            room.misbehave(once(protocol, "TLS", fault.clone()));
            let mut client = Client::plain(address).await;
            room.until_asked(protocol, "TLS", 1).await;
            if fault != Fault::Stall {
                assert!(client.is_hung_up().await, "{protocol:?} {fault:?}");
            }
        }
    }
}

#[tokio::test]
async fn starttls_may_be_cut_after_it_was_received() {
    let room = mailroom().await;
    for (protocol, address, line) in [
        (Protocol::Imap, room.imap(), "a STARTTLS"),
        (Protocol::Smtp, room.submission(), "STARTTLS"),
    ] {
        room.misbehave(once(protocol, "STARTTLS", Fault::CutAfter));
        let mut client = Client::plain(address).await;
        client.line().await;
        assert_eq!(client.ask(line).await, "");
        assert!(!room.asked().iter().any(|own| own.is(protocol, "TLS")), "{line}");
    }
}

#[tokio::test]
async fn a_message_may_be_stalled_or_cut_while_it_is_sent() {
    for fault in [Fault::Stall, Fault::Cut, Fault::CutAfter, Fault::No("full".into())] {
        let room = mailroom().await;
        let mut client = Client::submitter(&room).await;
        client.ask("MAIL FROM:<ann@postlet.test>").await;
        client.ask("RCPT TO:<bo@postlet.test>").await;
        room.misbehave(once(Protocol::Smtp, "body", fault.clone()));
        assert!(client.ask("DATA").await.starts_with("354"));
        let mut reader = Client::reader(&room, ANN_ADDRESS, "INBOX").await;
        room.until_asked(Protocol::Smtp, "body", 1).await;
        room.misbehave(once(Protocol::Imap, "literal", fault.clone()));
        reader.send("a APPEND INBOX {5}\r\n").await;
        assert!(reader.line().await.starts_with("+ "));
        room.until_asked(Protocol::Imap, "literal", 1).await;
        if let Fault::No(_) = fault {
            assert_eq!(
                (client.line().await, reader.line().await),
                ("550 full".into(), "a NO full".into())
            );
        }
        assert!(!room.asked().iter().any(|own| own.line == "." || own.line.starts_with("APPEND")));
        drop(room);
        assert!(client.is_hung_up().await && reader.is_hung_up().await, "{fault:?}");
    }
}

#[tokio::test]
async fn smtp_replies_follow_the_script() {
    let text = || "no".to_owned();
    for step in ["EHLO", "AUTH", "MAIL", "RCPT", "DATA", ".", "RSET", "NOOP", "QUIT"] {
        check_submission(step, Fault::No(text()), "550 no").await;
        check_submission(step, Fault::Bad(text()), "500 no").await;
        check_submission(step, Fault::Reply("451-4.3.0 a\r\n451 b".into()), "451-4.3.0 a|451 b")
            .await;
        check_submission(step, Fault::Cut, "").await;
        check_submission(step, Fault::CutAfter, "").await;
        check_submission(step, Fault::CutWithin(2), "25|35|23|22").await;
        check_submission(step, Fault::Reply("421 gone".into()), "421 gone").await;
        check_submission(step, Fault::Line(b"421 gone".to_vec()), "421 gone").await;
        check_submission(step, Fault::Line(b"??".to_vec()), "??").await;
    }
    for step in ["STARTTLS", "HELO", "greeting"] {
        let room = mailroom().await;
        room.misbehave(once(Protocol::Smtp, step, Fault::No(text())));
        let mut client = Client::plain(room.submission()).await;
        let mut reply = client.reply().await;
        if step != "greeting" {
            reply = client.ask(&format!("{step} x").replace("TLS x", "TLS")).await;
        }
        assert_eq!(reply, "550 no", "{step}");
        assert!(client.ask("EHLO x").await.starts_with("250"), "{step}");
    }
}

/// `want` may list several acceptable replies.
async fn check_submission(step: &str, fault: Fault, want: &str) {
    let room = mailroom().await;
    room.misbehave(once(Protocol::Smtp, step, fault.clone()));
    let mut client = Client::tls(room.submissions(), &room).await;
    client.reply().await;
    let auth = format!("AUTH PLAIN {ANN}");
    let mut got = String::new();
    for (verb, line) in [
        ("NOOP", "NOOP"),
        ("RSET", "RSET"),
        ("EHLO", "EHLO x"),
        ("AUTH", &auth),
        ("MAIL", "MAIL FROM:<ann@postlet.test>"),
        ("RCPT", "RCPT TO:<bo@postlet.test>"),
        ("DATA", "DATA"),
        (".", "Subject: x\r\n\r\nx\r\n."),
        ("QUIT", "QUIT"),
    ] {
        got = client.ask(line).await;
        if verb == step {
            break;
        }
    }
    let will_do = got == want || (!got.is_empty() && want.split('|').any(|one| one == got));
    assert!(will_do, "{step} {fault:?}: {got}, not {want}");
    let ends =
        matches!(fault, Fault::Cut | Fault::CutAfter | Fault::CutWithin(_)) || want == "421 gone";
    if ends {
        assert!(client.is_hung_up().await, "{step} {fault:?}");
    } else if matches!(fault, Fault::Line(_)) {
        assert!(!client.reply().await.is_empty(), "{step} {fault:?}");
    } else {
        assert!(!client.ask("NOOP").await.is_empty(), "{step} {fault:?}");
    }
    let delivered = matches!(fault, Fault::CutAfter | Fault::CutWithin(_))
        || fault == Fault::Line(b"??".to_vec());
    room.misbehave(FaultScript::default());
    if step == "." {
        let mut reader = Client::reader(&room, "bo@postlet.test", "INBOX").await;
        let found = if delivered { "* SEARCH 1" } else { "* SEARCH" };
        assert_eq!(reader.run("SEARCH ALL").await[0], found, "{fault:?}");
    }
}

#[tokio::test]
async fn imap_responses_follow_the_script() {
    check_store(Fault::No("[INUSE] later".into()), &["a NO [INUSE] later"], false).await;
    check_store(Fault::Bad("what?".into()), &["a BAD what?"], false).await;
    check_store(Fault::Reply("OK as if".into()), &["a OK as if"], false).await;
    check_store(Fault::Reply("* BYE gone".into()), &["* BYE gone", ""], false).await;
    check_store(Fault::Cut, &[""], false).await;
    check_store(Fault::CutAfter, &[""], true).await;
    check_store(Fault::CutWithin(7), &["* 1 FET", ""], true).await;
    let told = "* 1 FETCH (UID 1 FLAGS (\\Seen))";
    check_store(Fault::Line(b"* ODD {3".to_vec()), &["* ODD {3", told, "a OK stored"], true).await;
    check_store(Fault::Line(b"* BYE gone".to_vec()), &["* BYE gone", ""], false).await;
    check_store(Fault::Slow(Duration::from_micros(10)), &[told, "a OK stored"], true).await;
}

async fn check_store(fault: Fault, want: &[&str], done: bool) {
    let room = mailroom().await;
    assert_eq!(room.deliver(ANN_ADDRESS, "INBOX", b"Subject: x\r\n\r\nx\r\n").unwrap(), 1);
    let mut client = Client::reader(&room, ANN_ADDRESS, "INBOX").await;
    room.misbehave(once(Protocol::Imap, "UID STORE", fault.clone()));
    client.send("a UID STORE 1 +FLAGS (\\Seen)\r\n").await;
    for want in want {
        assert_eq!(&client.line().await, want, "{fault:?}");
    }
    let mut other = Client::reader(&room, ANN_ADDRESS, "INBOX").await;
    let found = if done { "* SEARCH 1" } else { "* SEARCH" };
    assert_eq!(other.run("SEARCH SEEN").await[0], found, "{fault:?}");
}

#[tokio::test]
async fn a_literal_may_be_refused_before_it_is_sent() {
    for (fault, want) in [
        (Fault::No("[OVERQUOTA] full".into()), "a NO [OVERQUOTA] full"),
        (Fault::Bad("no".into()), "a BAD no"),
        (Fault::Reply("* BYE gone".into()), "* BYE gone"),
        (Fault::Line(b"* ODD".to_vec()), "* ODD"),
        (Fault::Cut, ""),
        (Fault::CutAfter, ""),
    ] {
        let room = mailroom().await;
        let mut client = Client::reader(&room, ANN_ADDRESS, "INBOX").await;
        room.misbehave(once(Protocol::Imap, "+ APPEND", fault.clone()));
        client.send("a APPEND INBOX {5}\r\n").await;
        assert_eq!(client.line().await, want, "{fault:?}");
        if matches!(fault, Fault::Line(_)) {
            assert!(client.line().await.starts_with("+ "));
        }
    }
}

#[tokio::test]
async fn the_first_matching_rule_decides_and_rules_are_used_up() {
    let room = mailroom().await;
    let rule = |step: &str, text: &str, times| {
        let fault = Fault::No(text.into());
        Rule { protocol: Protocol::Imap, step: step.into(), fault, times }
    };
    let rules = vec![
        rule("SELECT Sent", "one", Some(1)),
        rule("select", "two", Some(2)),
        rule("LIST", "always", None),
    ];
    let mut client = Client::reader(&room, ANN_ADDRESS, "INBOX").await;
    room.misbehave(FaultScript { rules, ..FaultScript::default() });
    for (line, want) in [
        ("SELECT Sent", "NO one"),
        ("SELECT Sent", "NO two"),
        ("LIST \"\" *", "NO always"),
        ("SELECT Sent", "NO two"),
        ("SELECT Sent", "OK [READ-WRITE] opened"),
        ("LIST \"\" *", "NO always"),
    ] {
        assert_eq!(client.run(line).await.last().unwrap(), want, "{line}");
    }
}

#[tokio::test]
async fn a_slow_response_pauses_after_each_octet() {
    let room = mailroom().await;
    let mut client = Client::submitter(&room).await;
    let pause = Duration::from_millis(2);
    room.misbehave(once(Protocol::Smtp, "NOOP", Fault::Slow(pause)));
    let begun = tokio::time::Instant::now();
    let reply = client.ask("NOOP").await;
    assert_eq!(reply, "250 2.0.0 here");
    assert!(begun.elapsed() >= pause * u32::try_from(reply.len()).unwrap());
}
