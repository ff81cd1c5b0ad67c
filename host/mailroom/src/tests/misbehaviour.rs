//! The mailroom misbehaves as it is told, and tells what it was asked.
#![cfg(test)]

use std::time::Duration;

use crate::house::Mailroom;
use crate::script::{Asked, Fault, IMAP_STEPS, Protocol, Rule, SMTP_STEPS, Script};
use crate::tests::client::{ANN, Client, mailroom};

const ANN_ADDRESS: &str = "ann@postlet.test";

/// One fault, once.
fn once(protocol: Protocol, step: &str, fault: Fault) -> Script {
    let rule = Rule { protocol, step: step.into(), fault, times: Some(1) };
    Script { rules: vec![rule], ..Script::default() }
}

fn without(names: &[&str]) -> Script {
    Script { without: names.iter().map(|name| (*name).to_owned()).collect(), ..Script::default() }
}

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
async fn every_listed_step_is_one_that_the_mailroom_comes_to() {
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
async fn a_stalled_submission_says_nothing_and_ends_with_the_mailroom() {
    for step in SMTP_STEPS.iter().filter(|step| !["TLS", "HELO", "STARTTLS"].contains(step)) {
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
async fn a_stalled_imap_command_says_nothing_and_ends_with_the_mailroom() {
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
async fn a_submission_is_answered_as_the_script_says() {
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

/// `want` may list several replies that will do.
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
    room.misbehave(Script::default());
    if step == "." {
        let mut reader = Client::reader(&room, "bo@postlet.test", "INBOX").await;
        let found = if delivered { "* SEARCH 1" } else { "* SEARCH" };
        assert_eq!(reader.run("SEARCH ALL").await[0], found, "{fault:?}");
    }
}

#[tokio::test]
async fn an_imap_command_is_answered_as_the_script_says() {
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
async fn a_rule_is_used_up_and_the_first_that_fits_decides() {
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
    room.misbehave(Script { rules, ..Script::default() });
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
async fn a_slow_answer_pauses_after_each_octet() {
    let room = mailroom().await;
    let mut client = Client::submitter(&room).await;
    let pause = Duration::from_millis(2);
    room.misbehave(once(Protocol::Smtp, "NOOP", Fault::Slow(pause)));
    let begun = tokio::time::Instant::now();
    let reply = client.ask("NOOP").await;
    assert_eq!(reply, "250 2.0.0 here");
    assert!(begun.elapsed() >= pause * u32::try_from(reply.len()).unwrap());
}

#[tokio::test]
async fn what_is_switched_off_in_imap_is_neither_told_nor_obeyed() {
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
async fn what_is_switched_off_in_smtp_is_neither_told_nor_obeyed() {
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

#[tokio::test]
async fn no_credentials_stand_in_the_log() {
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
    for Asked { line, .. } in &asked {
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
