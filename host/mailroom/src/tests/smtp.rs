//! Tests of submission: delivery, and refusals with their replies.
#![cfg(test)]

use crate::tests::client::{ANN, Client, mailroom};

#[tokio::test]
async fn a_message_sent_over_starttls_is_read_over_starttls() {
    let room = mailroom().await;
    let mut client = Client::plain(room.submission()).await;
    assert!(client.reply().await.starts_with("220 localhost ESMTP"));
    let hello = client.ask("EHLO client.test").await;
    assert!(hello.contains("|250 STARTTLS") && !hello.contains("AUTH"), "{hello}");
    assert!(client.ask(&format!("AUTH PLAIN {ANN}")).await.starts_with("538"));
    assert!(client.ask("MAIL FROM:<ann@postlet.test>").await.starts_with("530"));
    assert!(client.ask("STARTTLS").await.starts_with("220"));
    let mut client = client.upgrade(&room).await;
    assert!(client.ask("AUTH PLAIN =").await.starts_with("503"), "EHLO is forgotten by TLS");
    let hello = client.ask("EHLO client.test").await;
    for offered in ["PIPELINING", "SIZE 36700160", "8BITMIME", "SMTPUTF8", "AUTH PLAIN LOGIN"] {
        assert!(hello.contains(offered), "{offered} in {hello}");
    }
    assert!(client.ask("MAIL FROM:<ann@postlet.test>").await.starts_with("530"));
    // Username and password one after the other.
    assert_eq!(client.ask("AUTH LOGIN").await, "334 VXNlcm5hbWU6");
    assert_eq!(client.ask("YW5uQHBvc3RsZXQudGVzdA==").await, "334 UGFzc3dvcmQ6");
    assert!(client.ask("c2VjcmV0").await.starts_with("235"));
    let sent = client.submit(&["bo@postlet.test"], "Subject: hi\r\n\r\n..dot\r\nend").await;
    assert!(sent.starts_with("250 2.0.0"), "{sent}");
    assert!(client.ask("QUIT").await.starts_with("221"));

    let mut reader = Client::plain(room.imap()).await;
    reader.line().await;
    assert!(
        reader.run("LOGIN bo@postlet.test secret").await[0].starts_with("NO [PRIVACYREQUIRED]")
    );
    assert!(reader.run("STARTTLS").await[0].starts_with("OK"));
    let mut reader = reader.upgrade(&room).await;
    reader.run("LOGIN bo@postlet.test secret").await;
    reader.run("SELECT INBOX").await;
    let body = reader.run("FETCH 1 BODY.PEEK[TEXT]").await;
    assert_eq!(body[..3], ["* 1 FETCH (BODY[TEXT] {11}", ".dot", "end"]);
    let header = reader.run("FETCH 1 BODY.PEEK[HEADER]").await;
    assert_eq!(header[1], "Return-Path: <ann@postlet.test>");
    assert!(header[2].starts_with("Received: from client.test"), "{header:?}");
}

#[tokio::test]
async fn one_message_reaches_several_inboxes_once_each() {
    let room = mailroom().await;
    let mut client = Client::submitter(&room).await;
    let to = ["bo@postlet.test", "ann+list@postlet.test", "BO@postlet.test"];
    assert!(client.submit(&to, "Subject: all\r\n\r\nx").await.starts_with("250"));
    for email in ["ann@postlet.test", "bo@postlet.test"] {
        let mut reader = Client::reader(&room, email, "INBOX").await;
        assert_eq!(reader.run("SEARCH ALL").await[0], "* SEARCH 1", "{email}");
    }
}

#[tokio::test]
async fn refusals_have_their_reply_codes() {
    let room = mailroom().await;
    let mut client = Client::submitter(&room).await;
    check(&mut client, "RCPT TO:<bo@postlet.test>", "503 5.5.1").await;
    check(&mut client, "MAIL FROM:<bo@postlet.test>", "553 5.7.1").await;
    check(&mut client, "MAIL FROM:<>", "553 5.7.1").await;
    check(&mut client, "MAIL FROM:<ann@postlet.test> SIZE=36700161", "552 5.3.4").await;
    check(&mut client, "MAIL FROM:<ann@postlet.test> RET=HDRS", "555 5.5.4").await;
    check(&mut client, "MAIL FROM:<ann+shop@postlet.test> SIZE=5 BODY=8BITMIME", "250").await;
    check(&mut client, "RCPT TO:<nobody@postlet.test>", "550 5.1.1").await;
    check(&mut client, "RCPT TO:<bounce@elsewhere.test>", "550 5.1.1").await;
    check(&mut client, "RCPT TO:<tempfail@postlet.test>", "451 4.3.0").await;
    check(&mut client, "RCPT TO:<bo@elsewhere.test>", "550 5.7.1").await;
    check(&mut client, "RCPT TO:<b\u{f6}@postlet.test>", "553 5.6.7").await;
    check(&mut client, "DATA", "554 5.5.1").await;
    check(&mut client, "RCPT TO:<drop@elsewhere.test>", "250").await;
    check(&mut client, "DATA", "354").await;
    check(&mut client, "gone\r\n.", "250").await;
    check(&mut client, "VRFY bo", "252").await;
    check(&mut client, "NOOP", "250").await;
    check(&mut client, "JUMP", "500").await;
    check(&mut client, "NO\u{1}OP", "500").await;
    check(&mut client, &"x".repeat(20_000), "500 5.5.2").await;
    check(&mut client, "RSET", "250").await;
}

#[tokio::test]
async fn a_bare_line_end_in_a_message_is_refused_and_nothing_arrives() {
    let room = mailroom().await;
    let mut client = Client::submitter(&room).await;
    let smuggled = "a\n.\r\nMAIL FROM:<ann@postlet.test>\r\nRCPT TO:<bo@postlet.test>\r\nDATA\r\nb";
    let reply = client.submit(&["bo@postlet.test"], smuggled).await;
    assert!(reply.starts_with("554 5.6.0"), "{reply}");
    check(&mut client, "NOOP", "250").await;
    let mut reader = Client::reader(&room, "bo@postlet.test", "INBOX").await;
    assert_eq!(reader.run("SEARCH ALL").await[0], "* SEARCH");
}

#[tokio::test]
async fn a_wrong_password_is_refused() {
    let room = mailroom().await;
    let mut client = Client::tls(room.submissions(), &room).await;
    client.reply().await;
    check(&mut client, "EHLO x", "250").await;
    check(&mut client, "AUTH CRAM-MD5", "504").await;
    check(&mut client, "AUTH PLAIN !", "501").await;
    check(&mut client, "AUTH PLAIN", "334").await;
    check(&mut client, "*", "501 5.0.0").await;
    check(&mut client, "AUTH PLAIN AGFubkBwb3N0bGV0LnRlc3QAd3Jvbmc=", "535 5.7.8").await;
    check(&mut client, "MAIL FROM:<ann@postlet.test>", "530").await;
}

#[tokio::test]
async fn commands_injected_after_starttls_close_the_connection() {
    let room = mailroom().await;
    let mut client = Client::plain(room.submission()).await;
    client.reply().await;
    client.send("STARTTLS\r\nEHLO attacker\r\n").await;
    assert!(client.is_hung_up().await);
    let mut client = Client::plain(room.imap()).await;
    client.line().await;
    client.send("a STARTTLS\r\nb LOGIN x y\r\n").await;
    assert!(client.is_hung_up().await);
}

#[tokio::test]
async fn pipelined_commands_are_answered_in_order() {
    let room = mailroom().await;
    let mut client = Client::submitter(&room).await;
    client.send("MAIL FROM:<ann@postlet.test>\r\nRCPT TO:<x@y.z>\r\nRCPT TO:<bo@postlet.test>\r\nDATA\r\n").await;
    for want in ["250 2.1.0", "550 5.7.1", "250 2.1.5", "354"] {
        let reply = client.reply().await;
        assert!(reply.starts_with(want), "{reply}, not {want}");
    }
    check(&mut client, "x\r\n.", "250 2.0.0").await;
}

#[tokio::test]
async fn a_dropped_mailroom_closes_its_connections() {
    let room = mailroom().await;
    let address = room.submissions();
    let mut client = Client::submitter(&room).await;
    drop(room);
    assert!(client.is_hung_up().await);
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

async fn check(client: &mut Client, line: &str, want: &str) {
    let reply = client.ask(line).await;
    assert!(reply.starts_with(want), "{line:.60}: {reply}, not {want}");
}
