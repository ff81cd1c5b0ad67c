//! Tests of IMAP: commands, and their effects on other sessions.
#![cfg(test)]

use crate::mailbox::UIDVALIDITY;
use crate::tests::client::{ANN, Client, mailroom};

const ANN_ADDRESS: &str = "ann@postlet.test";
const NOTE: &str = "From: Bo <bo@x.test>\r\nSubject: =?utf-8?B?5L2g5aW9?=\r\n\
    Date: Fri, 02 Jan 2026 10:00:00 +0000\r\nMessage-ID: <1@x>\r\n\r\nhello there\r\n";

#[tokio::test]
async fn a_login_needs_the_right_password() {
    let room = mailroom().await;
    let mut client = Client::tls(room.imaps(), &room).await;
    assert!(client.line().await.starts_with("* OK [CAPABILITY IMAP4rev1 LITERAL+"));
    assert!(last(&client.run("SELECT INBOX").await).starts_with("BAD"));
    assert!(
        last(&client.run("LOGIN ann@postlet.test no").await)
            .starts_with("NO [AUTHENTICATIONFAILED]")
    );
    client.send("a AUTHENTICATE PLAIN\r\n").await;
    assert_eq!(client.line().await, "+ ");
    client.send("*\r\n").await;
    assert!(last(&client.until("a").await).starts_with("BAD"));
    client.send("b AUTHENTICATE PLAIN\r\n").await;
    assert_eq!(client.line().await, "+ ");
    client.send(&format!("{ANN}\r\n")).await;
    assert!(last(&client.until("b").await).starts_with("OK [CAPABILITY"));
    assert!(last(&client.run("LOGOUT").await).starts_with("OK"));
    assert!(client.is_hung_up().await);

    let mut client = Client::tls(room.imaps(), &room).await;
    client.line().await;
    let welcome = client.run(&format!("AUTHENTICATE PLAIN {ANN}")).await;
    assert!(last(&welcome).starts_with("OK"), "{welcome:?}");
    let answer = client.run("ID (\"name\" \"x\")").await;
    assert_eq!(answer[0], "* ID (\"name\" \"Postlet mailroom\")");
    assert_eq!(client.run("ENABLE CONDSTORE").await[0], "* ENABLED");
}

#[tokio::test]
async fn mailboxes_have_a_special_use_and_the_same_uidvalidity() {
    let room = mailroom().await;
    let mut client = Client::reader(&room, ANN_ADDRESS, "INBOX").await;
    let listed = client.run("LIST \"\" *").await;
    assert_eq!(listed[0], "* LIST (\\HasNoChildren \\Archive) \"/\" \"Archive\"");
    assert_eq!(listed.len(), 7);
    let drafts = client.run("LIST \"\" D%").await;
    assert_eq!(drafts[0], "* LIST (\\HasNoChildren \\Drafts) \"/\" \"Drafts\"");
    for name in ["INBOX", "Sent"] {
        let told =
            client.run(&format!("STATUS {name} (UIDVALIDITY UIDNEXT MESSAGES UNSEEN)")).await;
        let values = format!("(UIDVALIDITY {UIDVALIDITY} UIDNEXT 1 MESSAGES 0 UNSEEN 0)");
        assert_eq!(told[0], format!("* STATUS \"{name}\" {values}"));
    }
    client.run("CREATE work/&U,BTFw-").await;
    client.run("UNSUBSCRIBE work").await;
    assert_eq!(
        client.run("LSUB \"\" work*").await[0],
        "* LSUB (\\HasNoChildren) \"/\" \"work/&U,BTFw-\""
    );
    assert!(last(&client.run("DELETE work").await).starts_with("NO [HASCHILDREN]"));
    assert_eq!(
        client.run("LIST work/ %").await[0],
        "* LIST (\\HasNoChildren) \"/\" \"work/&U,BTFw-\""
    );
    for (command, code) in [
        ("SELECT nowhere", "NO [NONEXISTENT]"),
        ("STATUS nowhere (MESSAGES)", "NO [NONEXISTENT]"),
        ("DELETE nowhere", "NO [NONEXISTENT]"),
        ("CREATE Sent", "NO [ALREADYEXISTS]"),
        ("APPEND nowhere {1+}\r\nx", "NO [TRYCREATE]"),
        ("LIST (REMOTE) \"\" *", "BAD"),
    ] {
        let answer = client.run(command).await;
        assert!(last(&answer).starts_with(code), "{command}: {answer:?}");
    }
}

#[tokio::test]
async fn an_appended_message_is_fetched_unchanged() {
    let room = mailroom().await;
    let mut client = Client::reader(&room, ANN_ADDRESS, "Drafts").await;
    let size = NOTE.len();
    client
        .send(&format!(
            "a APPEND Drafts (\\Draft $Own) \" 2-Jan-2026 10:00:00 +0800\" {{{size}}}\r\n"
        ))
        .await;
    assert!(client.line().await.starts_with("+ "));
    client.send(&format!("{NOTE}\r\n")).await;
    let answer = client.until("a").await;
    assert_eq!(answer[0], "* 1 EXISTS");
    assert_eq!(answer[1], format!("OK [APPENDUID {UIDVALIDITY} 1] appended"));

    let row = client.run("UID FETCH 1 (FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])").await;
    let head = format!(
        "* 1 FETCH (UID 1 FLAGS (\\Draft $Own) INTERNALDATE \" 2-Jan-2026 10:00:00 +0800\" \
         RFC822.SIZE {size} BODY[] {{{size}}}"
    );
    assert_eq!(row[0], head);
    assert_eq!(format!("{}\r\n", row[1..row.len() - 2].join("\r\n")), NOTE);
    let part = client
        .run("UID FETCH 1:* (BODY.PEEK[TEXT]<6.5> BODY.PEEK[HEADER.FIELDS (Message-ID)])")
        .await;
    assert_eq!(part[0], "* 1 FETCH (UID 1 BODY[TEXT]<6> {5}");
    assert_eq!(part[1], "there BODY[HEADER.FIELDS (Message-ID)] {21}");
    assert_eq!(part[2..4], ["Message-ID: <1@x>", ""]);
    let missing = client.run("FETCH 1 (BODY.PEEK[2] BODY.PEEK[1]<99.1>)").await;
    assert_eq!(missing[0], "* 1 FETCH (BODY[2] NIL BODY[1]<99> {0}");
    let read = client.run("FETCH 1 BODY[1]").await;
    assert!(read.contains(&" FLAGS (\\Draft $Own \\Seen))".to_owned()), "{read:?}");
    let full = client.run("FETCH 1 FULL").await.join("\r\n");
    assert!(
        full.contains(r#"((NIL NIL "bo" "x.test"))"#)
            || full.contains(r#"(("Bo" NIL "bo" "x.test"))"#)
    );
    assert!(full.contains(r#"BODY ("text" "plain" NIL NIL NIL "7bit" 13 1)"#), "{full}");
    assert!(last(&client.run("FETCH 2 FLAGS").await).starts_with("BAD"));
    assert_eq!(client.run("UID FETCH 7 FLAGS").await, ["OK fetched"]);
}

#[tokio::test]
async fn search_matches_decoded_text() {
    let room = mailroom().await;
    let mut client = Client::reader(&room, ANN_ADDRESS, "INBOX").await;
    client.append("INBOX", NOTE).await;
    client
        .append("INBOX (\\Flagged) \"01-Feb-2026 10:00:00 +0000\"", "Subject: other\r\n\r\nbye\r\n")
        .await;
    for (keys, want) in [
        ("ALL", " 1 2"),
        ("CHARSET UTF-8 SUBJECT {6+}\r\n\u{4f60}\u{597d}", " 1"),
        ("FROM BO@X", " 1"),
        ("BODY Hello", " 1"),
        ("TEXT other", " 2"),
        ("HEADER Message-ID <1@x>", " 1"),
        ("FLAGGED", " 2"),
        ("UNSEEN NOT FLAGGED", " 1"),
        ("OR FLAGGED BODY hello", " 1 2"),
        ("BEFORE 2-Feb-2026", " 2"),
        ("SINCE 2-Feb-2026", " 1"),
        ("SENTON 2-Jan-2026", " 1"),
        ("SMALLER 40", " 2"),
        ("LARGER 40", " 1"),
        ("UID 2:*", " 2"),
        ("DELETED", ""),
        ("KEYWORD $Own", ""),
    ] {
        let found = client.run(&format!("UID SEARCH {keys}")).await;
        assert_eq!(found[0], format!("* SEARCH{want}"), "{keys}");
    }
    assert!(last(&client.run("SEARCH CHARSET KOI8-R ALL").await).starts_with("NO [BADCHARSET"));
    assert!(last(&client.run("SEARCH 9").await).starts_with("BAD"));
}

#[tokio::test]
async fn flags_set_by_one_session_are_reported_to_the_other() {
    let room = mailroom().await;
    let mut one = Client::reader(&room, ANN_ADDRESS, "INBOX").await;
    one.append("INBOX", NOTE).await;
    let mut other = Client::reader(&room, ANN_ADDRESS, "INBOX").await;
    let stored = one.run("UID STORE 1 +FLAGS (\\Flagged)").await;
    assert_eq!(stored, ["* 1 FETCH (UID 1 FLAGS (\\Flagged))", "OK stored"]);
    assert_eq!(one.run("STORE 1 +FLAGS.SILENT (\\Seen)").await, ["OK stored"]);
    assert_eq!(one.run("NOOP").await, ["OK here"]);
    assert_eq!(other.run("NOOP").await, ["* 1 FETCH (UID 1 FLAGS (\\Flagged \\Seen))", "OK here"]);
    assert_eq!(other.run("UID STORE 1 -FLAGS.SILENT (\\Flagged)").await, ["OK stored"]);
    assert_eq!(one.run("CHECK").await[0], "* 1 FETCH (UID 1 FLAGS (\\Seen))");
    other.run("EXAMINE INBOX").await;
    assert!(last(&other.run("STORE 1 FLAGS (\\Deleted)").await).starts_with("NO"));
}

#[tokio::test]
async fn move_returns_the_new_uids_and_renumbers_only_when_permitted() {
    let room = mailroom().await;
    let mut one = Client::reader(&room, ANN_ADDRESS, "INBOX").await;
    for _ in 0..3 {
        one.append("INBOX", NOTE).await;
    }
    one.append("Archive", NOTE).await;
    let mut other = Client::reader(&room, ANN_ADDRESS, "INBOX").await;
    let moved = one.run("UID MOVE 1:2 Archive").await;
    let code = format!("* OK [COPYUID {UIDVALIDITY} 1:2 2:3] moved");
    assert_eq!(moved, [&code, "* 2 EXPUNGE", "* 1 EXPUNGE", "OK moved"]);
    // The other session uses sequence numbers: they must not change.
    let rows = other.run("FETCH 1:3 UID").await;
    assert_eq!(rows, ["* 3 FETCH (UID 3)", "OK fetched"]);
    assert_eq!(other.run("NOOP").await, ["* 2 EXPUNGE", "* 1 EXPUNGE", "OK here"]);
    let copied = other.run("COPY 1 Trash").await;
    assert_eq!(copied, [format!("OK [COPYUID {UIDVALIDITY} 3 1] copied")]);
    assert_eq!(other.run("MOVE 1 Junk").await[1..], ["* 1 EXPUNGE", "OK moved"]);
    assert!(last(&one.run("UID MOVE 1 nowhere").await).starts_with("NO [TRYCREATE]"));
    assert_eq!(other.run("UID COPY 99 Trash").await, ["OK there was nothing to do"]);
}

#[tokio::test]
async fn uid_expunge_removes_only_the_named_messages() {
    let room = mailroom().await;
    let mut client = Client::reader(&room, ANN_ADDRESS, "INBOX").await;
    for _ in 0..4 {
        client.append("INBOX", NOTE).await;
    }
    client.run("STORE 1:3 +FLAGS.SILENT (\\Deleted)").await;
    assert_eq!(client.run("UID EXPUNGE 2,4").await, ["* 2 EXPUNGE", "OK expunged"]);
    assert_eq!(client.run("EXPUNGE").await, ["* 2 EXPUNGE", "* 1 EXPUNGE", "OK expunged"]);
    assert_eq!(client.run("UID SEARCH ALL").await[0], "* SEARCH 4");
    client.run("STORE 1 +FLAGS.SILENT (\\Deleted)").await;
    assert_eq!(client.run("CLOSE").await, ["OK closed"]);
    assert!(last(&client.run("EXPUNGE").await).starts_with("BAD"));
    assert!(client.run("SELECT INBOX").await.contains(&"* 0 EXISTS".to_owned()));
}

#[tokio::test]
async fn idle_reports_mail_flags_and_expunges_immediately() {
    let room = mailroom().await;
    let mut idler = Client::reader(&room, "bo@postlet.test", "INBOX").await;
    idler.send("i IDLE\r\n").await;
    assert_eq!(idler.line().await, "+ idling");
    let mut sender = Client::submitter(&room).await;
    sender.submit(&["bo@postlet.test"], "Subject: hi\r\n\r\nx").await;
    assert_eq!(idler.line().await, "* 1 EXISTS");
    let mut other = Client::reader(&room, "bo@postlet.test", "INBOX").await;
    other.run("STORE 1 +FLAGS (\\Deleted)").await;
    assert_eq!(idler.line().await, "* 1 FETCH (UID 1 FLAGS (\\Deleted))");
    other.run("EXPUNGE").await;
    assert_eq!(idler.line().await, "* 1 EXPUNGE");
    idler.send("DONE\r\n").await;
    assert_eq!(idler.until("i").await, ["OK rested"]);
}

#[tokio::test]
async fn an_invalid_command_is_bad_and_too_many_end_the_session() {
    let room = mailroom().await;
    let mut client = Client::reader(&room, ANN_ADDRESS, "INBOX").await;
    for nonsense in
        ["", "FETCH", "UID", "FETCH 1 BODY[", "SEARCH ((", "\u{4f60}", "STORE 0 FLAGS ()"]
    {
        let answer = client.run(nonsense).await;
        assert!(last(&answer).starts_with("BAD"), "{nonsense}: {answer:?}");
    }
    let huge = client.run("APPEND INBOX {400000000}").await;
    assert!(last(&huge).starts_with("NO [TOOBIG]"), "{huge:?}");
    client.send("z APPEND INBOX {400000000+}\r\n").await;
    assert!(client.line().await.starts_with("* BYE"));
    assert!(client.is_hung_up().await);
    let mut client = Client::reader(&room, ANN_ADDRESS, "INBOX").await;
    client.send(&format!("z SEARCH {}\r\n", "x".repeat(70_000))).await;
    assert!(client.line().await.starts_with("* BYE"));
}

fn last(lines: &[String]) -> &str {
    lines.last().unwrap()
}
