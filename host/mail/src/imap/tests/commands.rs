//! Tests of every command: refused, interrupted, and answered in all the ways of real servers.

use model::mail::mailbox::{Role, RoleSource};
use model::mail::message::FlagChange;
use model::port::imap::{
    AppendUid, CopyUid, FetchItem, ImapError, ImapSession, Messages, NoCode, Removal,
};

use crate::imap::tests::script::{
    BARE, FULL, answer, every_command, fetch, name, raw, selected, session,
};

#[tokio::test]
async fn a_no_response_to_any_command_is_an_error() {
    let says = "{tag} NO [OVERQUOTA] schade: voll\r\n";
    let judge = |number, outcome| match outcome {
        Err(ImapError::No { code: NoCode::OverQuota, reply }) => assert_eq!(reply, "schade: voll"),
        other => panic!("command {number} gave {other:?}"),
    };
    every_command(FULL, 0, says, judge).await;
    every_command(BARE, 0, says, judge).await;
    // COPY, then STORE, then EXPUNGE: each may be refused.
    for nth in [1, 2] {
        every_command(BARE, nth, says, judge).await;
    }
}

#[tokio::test]
async fn a_bad_response_to_any_command_is_an_error_and_ends_the_session() {
    for nth in 0..3 {
        every_command(BARE, nth, "{tag} BAD what?\r\n", |number, outcome| {
            assert!(matches!(outcome, Err(ImapError::Bad { .. })), "{number} gave {outcome:?}");
        })
        .await;
    }
    let (mut session, mut peer) = session(FULL).await;
    let (outcome, _) = tokio::join!(session.noop(), answer(&mut peer, "{tag} BAD what?\r\n"));
    assert!(outcome.is_err());
    assert!(matches!(session.noop().await, Err(ImapError::Lost(_))));
}

#[tokio::test]
async fn a_connection_lost_before_the_tagged_response_is_an_error() {
    for says in ["", "* 1 FETCH (UID 7 FLAGS ())\r\n", "* 1 FETCH (UID 7 BODY[] {100}\r\nabc"] {
        every_command(FULL, 0, says, |number, outcome| {
            assert!(matches!(outcome, Err(ImapError::Lost(_))), "{number} gave {outcome:?}");
        })
        .await;
    }
    every_command(FULL, 0, "* BYE [UNAVAILABLE] going\r\n", |number, outcome| {
        let Err(ImapError::Bye { reply }) = outcome else { panic!("{number} gave {outcome:?}") };
        assert_eq!(reply, "going");
    })
    .await;
}

#[tokio::test]
async fn a_session_is_usable_after_a_no_response() {
    let (mut session, mut peer) = session(FULL).await;
    let (outcome, _) = tokio::join!(session.noop(), answer(&mut peer, "{tag} NO no\r\n"));
    assert!(matches!(outcome, Err(ImapError::No { code: NoCode::Other, .. })));
    let (outcome, _) = tokio::join!(session.noop(), answer(&mut peer, "{tag} OK\r\n"));
    outcome.unwrap();
}

#[tokio::test]
async fn select_returns_exists_and_uidvalidity_and_both_stay_current() {
    let (mut session, mut peer) = selected(FULL).await;
    let says = "* 2 EXPUNGE\r\n* 2 EXPUNGE\r\n* 8 EXISTS\r\n* 1 EXPUNGE\r\n{tag} OK\r\n";
    let (outcome, _) = tokio::join!(session.noop(), answer(&mut peer, says));
    outcome.unwrap();
    let now = session.selected().unwrap();
    assert_eq!((now.exists, now.uid_validity, now.mailbox.wire()), (7, 4, "INBOX"));
    // After a failed SELECT no mailbox is selected.
    let no = "{tag} NO [NONEXISTENT] none\r\n";
    let missing = name("x");
    let (outcome, _) = tokio::join!(session.select(&missing), answer(&mut peer, no));
    assert!(matches!(outcome, Err(ImapError::No { code: NoCode::NoSuchMailbox, .. })));
    assert!(session.selected().is_none());
    let silent = "* 1 EXISTS\r\n{tag} OK\r\n";
    let (outcome, _) = tokio::join!(session.select(&missing), answer(&mut peer, silent));
    assert!(matches!(outcome, Err(ImapError::Unsupported(_))));
}

#[tokio::test]
async fn fetch_responses_are_matched_by_uid() {
    let (mut session, mut peer) = selected(FULL).await;
    let says = concat!(
        "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n* ESEARCH (TAG \"a\") UID ALL 1:3\r\n",
        "* FOOBAR {5}\r\nab\r\nc x\r\n* 3 FOO\r\n* OK [HIGHESTMODSEQ 9]\u{e9}t\u{e9}\r\n",
        "* 5 FETCH (FLAGS (\\Seen))\r\n* 4 FETCH (FLAGS (x) UID 99)\r\n",
        "* 3 FETCH (UID 7 RFC822.SIZE 12 INTERNALDATE NIL BODY[HEADER.FIELDS (\"FROM\")] {9}\r\n",
        "From: a\r\n BODYSTRUCTURE (\"text\" (\"(\" NIL)) FLAGS (\\Seen $a))\r\n",
        "* 2 FETCH (INTERNALDATE \" 1-Jan-2026 00:00:00 +0000\" BODY[] {3}\r\n)\r\n UID 8)\r\n",
        "* 3 FETCH (FLAGS (\\Answered) UID 7)\r\n{tag} OK done\r\n",
    );
    let asked = Messages::Uids(vec![8, 7]);
    let items = [
        FetchItem::Flags,
        FetchItem::Received,
        FetchItem::Size,
        FetchItem::HeaderFields(&["FROM"]),
        FetchItem::Whole,
    ];
    let (rows, command) =
        tokio::join!(fetch(&mut *session, &asked, &items), answer(&mut peer, says));
    assert_eq!(
        command,
        "UID FETCH 7:8 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (FROM)] BODY.PEEK[])"
    );
    let rows = rows.unwrap();
    assert_eq!(rows.iter().map(|row| row.uid).collect::<Vec<_>>(), [7, 8]);
    assert_eq!(rows[0].flags.as_deref().unwrap(), ["\\Answered"]);
    assert_eq!((rows[0].size, rows[0].received), (Some(12), None));
    assert_eq!(rows[0].header.as_deref().unwrap(), b"From: a\r\n");
    assert_eq!(rows[1].whole.as_deref().unwrap(), b")\r\n");
    assert_eq!(rows[1].received.unwrap().to_string(), "2026-01-01T00:00:00Z");
}

#[tokio::test]
async fn permanent_flags_are_read_when_a_mailbox_is_selected() {
    let (mut session, mut peer) = selected(FULL).await;
    let keeps = |session: &dyn ImapSession, flag: &str| {
        session.selected().unwrap().keeps(&flag.parse().unwrap())
    };
    assert!(keeps(&*session, "work") && keeps(&*session, "\\Seen"), "it did not say");
    for (told, keyword, seen) in [
        ("()", false, false),
        ("(\\seen $a)", false, true),
        ("(\\Answered WORK)", true, false),
        ("(\\Seen \\*)", true, true),
    ] {
        let says = format!(
            "* 9 EXISTS\r\n* OK [UIDVALIDITY 4] ok\r\n* OK [PERMANENTFLAGS {told}] ok\r\n{{tag}} OK\r\n"
        );
        let inbox = name("inbox");
        let (outcome, _) = tokio::join!(session.select(&inbox), answer(&mut peer, &says));
        outcome.unwrap();
        let kept = (keeps(&*session, "work"), keeps(&*session, "\\Seen"));
        assert_eq!(kept, (keyword, seen), "{told}");
    }
}

#[tokio::test]
async fn the_flags_after_a_store_come_from_the_server() {
    let (mut session, mut peer) = selected(FULL).await;
    let change = FlagChange::Edit {
        add: vec!["\\Seen".parse().unwrap()],
        remove: vec!["$a".parse().unwrap()],
    };
    let play = async {
        let says = "* 1 FETCH (UID 7 FLAGS (\\Seen $a))\r\n{tag} OK\r\n";
        assert_eq!(answer(&mut peer, says).await, "UID STORE 7:8 +FLAGS (\\Seen)");
        let says = "* 1 FETCH (FLAGS (\\Seen) UID 7)\r\n{tag} OK\r\n";
        assert_eq!(answer(&mut peer, says).await, "UID STORE 7:8 -FLAGS ($a)");
    };
    let (flags, ()) = tokio::join!(session.store(&[8, 7], &change), play);
    let flags = flags.unwrap();
    assert_eq!(flags.len(), 1, "nothing was told about UID 8");
    assert_eq!((flags[0].uid, flags[0].flags.as_slice()), (7, &["\\Seen".to_owned()][..]));
}

#[tokio::test]
async fn a_move_returns_the_new_uid_of_each_message() {
    let want = Some(CopyUid { uid_validity: 5, pairs: vec![(7, 70), (8, 71), (9, 72)] });
    for says in [
        "* OK [COPYUID 5 7:9 70:72] moved\r\n* 1 EXPUNGE\r\n{tag} OK done\r\n",
        "{tag} OK [COPYUID 5 7,8:9 72:70] done\r\n",
    ] {
        let (mut session, mut peer) = selected(FULL).await;
        let target = name("Archive");
        let (copied, command) =
            tokio::join!(session.move_to(&[9, 7, 8], &target), answer(&mut peer, says));
        assert_eq!(command, "UID MOVE 7:9 \"Archive\"");
        assert_eq!(copied.unwrap(), want);
    }
    // A set of a billion messages in forty bytes is ignored.
    let (mut session, mut peer) = selected(FULL).await;
    let (target, says) = (name("x"), "{tag} OK [COPYUID 5 1:4294967295 1:4294967295] done\r\n");
    let (copied, _) = tokio::join!(session.move_to(&[7], &target), answer(&mut peer, says));
    assert_eq!(copied.unwrap(), None);
}

#[tokio::test]
async fn without_move_a_message_is_copied_marked_and_expunged() {
    let (mut session, mut peer) = selected(BARE).await;
    let target = name("x");
    let play = async {
        let says = "{tag} OK [COPYUID 5 7 70] done\r\n";
        assert_eq!(answer(&mut peer, says).await, "UID COPY 7 \"x\"");
        let says = "{tag} OK\r\n";
        assert_eq!(answer(&mut peer, says).await, "UID STORE 7 +FLAGS.SILENT (\\Deleted)");
        let says = "* 1 EXPUNGE\r\n{tag} OK\r\n";
        assert_eq!(answer(&mut peer, says).await, "UID EXPUNGE 7");
    };
    let (copied, ()) = tokio::join!(session.move_to(&[7], &target), play);
    assert_eq!(copied.unwrap(), Some(CopyUid { uid_validity: 5, pairs: vec![(7, 70)] }));
    assert_eq!(session.selected().unwrap().exists, 8);

    let (mut session, _peer) = selected("IMAP4rev1").await;
    assert!(matches!(session.move_to(&[7], &target).await, Err(ImapError::Unsupported(_))));
    assert!(matches!(session.expunge_forever(&[7]).await, Err(ImapError::Unsupported(_))));
}

#[tokio::test]
async fn append_sends_the_message_byte_for_byte() {
    let (mut session, mut peer) = selected(FULL).await;
    let text = "a1 DELETE x\r\n".repeat(20_000);
    let (raw, target) = (raw(&text), name("Sent"));
    let flags = ["\\Seen".parse().unwrap()];
    let says = "{tag} OK [APPENDUID 5 99] done\r\n";
    let (appended, command) =
        tokio::join!(session.append(&target, &flags, &raw), answer(&mut peer, says));
    assert_eq!(appended.unwrap(), Some(AppendUid { uid_validity: 5, uid: 99 }));
    assert_eq!(command, format!("APPEND \"Sent\" (\\Seen) {{{}}}{text}", text.len()));
    // A server may refuse before a byte of it is sent; then none is.
    let refuse = async {
        let line = peer.hear().await;
        peer.say(format!("{} NO [TRYCREATE] none\r\n", line.split(' ').next().unwrap())).await;
        answer(&mut peer, "{tag} OK\r\n").await
    };
    let both = async {
        let outcome = session.append(&target, &flags, &raw).await;
        assert!(matches!(outcome, Err(ImapError::No { code: NoCode::NoSuchMailbox, .. })));
        session.noop().await
    };
    let (noop, command) = tokio::join!(both, refuse);
    noop.unwrap();
    assert_eq!(command, "NOOP");
}

#[tokio::test]
async fn a_header_search_sends_one_string() {
    let (mut session, mut peer) = selected(FULL).await;
    let id = "a \"b\" DELETED@example.net";
    let (found, command) = tokio::join!(
        session.search_header("Message-ID", id),
        answer(&mut peer, "* SEARCH 7 9\r\n* SEARCH\r\n{tag} OK\r\n")
    );
    assert_eq!(found.unwrap(), [7, 9]);
    assert_eq!(command, "UID SEARCH HEADER Message-ID \"a \\\"b\\\" DELETED@example.net\"");
    let says = "{tag} NO not here\r\n";
    let (refused, _) =
        tokio::join!(session.search_header("Message-ID", id), answer(&mut peer, says));
    assert!(matches!(refused, Err(ImapError::No { .. })));
}

#[tokio::test]
async fn list_returns_paths_and_roles() {
    let (mut session, mut peer) = session(FULL).await;
    let says = concat!(
        "* LIST () \"/\" inbox\r\n* LIST (\\SENT \\HasNoChildren) \"/\" \"INBOX/Gesendet\"\r\n",
        "* LIST (\\NoSelect) \"/\" {5}\r\n&ZeU-\r\n* LIST () \"/\" \"a \\\"b\\\"/Trash\"\r\n",
        "* LIST () \"/\" Entw&APw-rfe (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n{tag} OK\r\n",
    );
    let (list, command) = tokio::join!(session.list(), answer(&mut peer, says));
    assert_eq!(command, "LIST \"\" \"*\" RETURN (SPECIAL-USE)");
    let list = list.unwrap();
    let rows: Vec<_> =
        list.iter().map(|row| (row.path.join("|"), row.role, row.selectable)).collect();
    assert_eq!(
        rows,
        [
            ("INBOX".to_owned(), Some((Role::Inbox, RoleSource::Name)), true),
            ("INBOX|Gesendet".to_owned(), Some((Role::Sent, RoleSource::SpecialUse)), true),
            ("日".to_owned(), None, false),
            ("a \"b\"|Trash".to_owned(), None, true),
            ("Entwürfe".to_owned(), Some((Role::Drafts, RoleSource::Name)), true),
        ]
    );
    assert_eq!(list[3].name.wire(), "a \"b\"/Trash");
}

#[tokio::test]
async fn any_mailbox_name_makes_exactly_one_command() {
    for wire in ["a\" b", "a\\", "{5}", "a {5}", "x) (y", "%*", "Entwürfe", "\" DELETE INBOX"] {
        let (mut session, mut peer) = session(FULL).await;
        let mailbox = name(wire);
        let says = "* STATUS x (MESSAGES 3 UNSEEN 1)\r\n{tag} OK\r\n";
        let (counters, command) = tokio::join!(session.counters(&mailbox), answer(&mut peer, says));
        assert_eq!(counters.unwrap().messages, 3);
        let quoted = wire.replace('\\', "\\\\").replace('"', "\\\"");
        let want = if wire.is_ascii() {
            format!("STATUS \"{quoted}\" (MESSAGES UNSEEN)")
        } else {
            format!("STATUS {{{}}}{wire} (MESSAGES UNSEEN)", wire.len())
        };
        assert_eq!(command, want);
        drop(session);
        assert_eq!(peer.rest().await, b"", "{wire:?}");
    }
}

/// A plain EXPUNGE removes all that is marked, so it is sent only where no other message is.
#[tokio::test]
async fn without_uidplus_an_expunge_removes_no_other_clients_messages() {
    for (found, gone) in [
        ("* SEARCH 7 8\r\n", true),
        ("* SEARCH 8\r\n* SEARCH 7\r\n", true),
        ("* SEARCH 6 7 8\r\n", false),
        ("* SEARCH\r\n", false),
        ("", false),
    ] {
        let (mut session, mut peer) = selected("IMAP4rev1").await;
        let server = async {
            let mut heard = vec![answer(&mut peer, "{tag} OK\r\n").await];
            heard.push(answer(&mut peer, &format!("{found}{{tag}} OK\r\n")).await);
            if gone {
                heard.push(answer(&mut peer, "* 3 EXPUNGE\r\n* 2 EXPUNGE\r\n{tag} OK\r\n").await);
            }
            heard
        };
        let (removal, heard) = tokio::join!(session.remove(&[7, 8]), server);
        let want = if gone { Removal::Gone } else { Removal::Marked };
        assert_eq!(removal.unwrap(), want, "{found:?}");
        let begin = ["UID STORE 7:8 +FLAGS.SILENT (\\Deleted)", "UID SEARCH DELETED"];
        assert_eq!(heard[..2], begin);
        assert_eq!(heard.get(2).map(String::as_str), gone.then_some("EXPUNGE"));
    }
    let (mut session, mut peer) = selected(BARE).await;
    let server = async {
        answer(&mut peer, "{tag} OK\r\n").await;
        answer(&mut peer, "{tag} OK\r\n").await
    };
    let (removal, heard) = tokio::join!(session.remove(&[7]), server);
    assert_eq!((removal.unwrap(), heard.as_str()), (Removal::Gone, "UID EXPUNGE 7"));
}
