//! Tests of overlong attributes: each is dropped for its message only.

use model::port::imap::{FetchItem, ImapError, Messages};

use crate::imap::ImapLimits;
use crate::imap::tests::script::{FULL, answer, fetch, hear, limited, name, selected};

const ITEMS: [FetchItem; 2] = [FetchItem::Flags, FetchItem::HeaderFields(&["FROM"])];

#[tokio::test]
async fn a_literal_that_is_too_long_is_skipped_and_the_session_continues() {
    let (mut session, mut peer) = selected(FULL).await;
    let long = "x".repeat(300 << 10);
    let size = long.len();
    let says = format!(
        "* 1 FETCH (UID 7 BODY[HEADER.FIELDS (FROM)] {{{size}}}\r\n{long} FLAGS (\\Seen))\r\n\
         * 2 FETCH (UID 8 FLAGS () BODY[HEADER.FIELDS (FROM)] {{2}}\r\n\r\n)\r\n\
         * 3 FETCH (UID 9 BODY[HEADER.FIELDS (FROM)] NIL)\r\n{{tag}} OK\r\n"
    );
    let asked = Messages::Uids(vec![7, 8, 9]);
    let (rows, _) = tokio::join!(fetch(&mut *session, &asked, &ITEMS), answer(&mut peer, &says));
    let rows = rows.unwrap();
    let read: Vec<_> =
        rows.iter().map(|row| (row.uid, row.header.is_some(), row.header_unread)).collect();
    assert_eq!(read, [(7, false, true), (8, true, false), (9, false, true)]);
    assert_eq!(rows[0].flags.as_deref().unwrap(), ["\\Seen"]);
    let (alive, _) = tokio::join!(session.noop(), answer(&mut peer, "{tag} OK\r\n"));
    alive.unwrap();
}

#[tokio::test]
async fn a_line_that_is_too_long_is_read_up_to_its_limit() {
    let (mut session, mut peer) = selected(FULL).await;
    let flags = "a-rather-long-keyword ".repeat(100_000);
    let says = format!(
        "* 1 FETCH (UID 7 FLAGS ({flags}) BODY[HEADER.FIELDS (FROM)] {{4}}\r\n)\r\nx MODSEQ (1))\r\n\
         * 2 FETCH (UID 8 FLAGS () BODY[HEADER.FIELDS (FROM)] {{2}}\r\n\r\n)\r\n{{tag}} OK\r\n"
    );
    let asked = Messages::Uids(vec![7, 8]);
    let (rows, _) = tokio::join!(fetch(&mut *session, &asked, &ITEMS), answer(&mut peer, &says));
    let rows = rows.unwrap();
    assert_eq!(rows.iter().map(|row| row.uid).collect::<Vec<_>>(), [7, 8]);
    assert_eq!((rows[0].header.as_ref(), rows[0].flags.as_ref()), (None, None));
    assert!(rows[1].header.is_some());
}

#[tokio::test]
async fn too_many_bytes_to_skip_end_the_session_after_the_response() {
    let (mut session, mut peer) = selected(FULL).await;
    let play = async {
        hear(&mut peer).await;
        peer.say(concat!(
            "* 1 FETCH (UID 7 FLAGS () BODY[HEADER.FIELDS (FROM)] {2}\r\n\r\n)\r\n",
            "* 2 FETCH (UID 8 BODY[HEADER.FIELDS (FROM)] {99000000}\r\nFrom: a",
        ))
        .await;
        peer
    };
    let asked = Messages::Uids(vec![7, 8, 9]);
    let mut rows = Vec::new();
    let (outcome, _peer) = tokio::join!(session.fetch(&asked, &ITEMS, &mut rows), play);
    assert!(matches!(outcome, Err(ImapError::Protocol("a literal is too long"))), "{outcome:?}");
    let read: Vec<_> = rows.iter().map(|row| (row.uid, row.header_unread)).collect();
    assert_eq!(read, [(7, false), (8, true)]);
}

#[tokio::test]
async fn skipped_bytes_are_counted() {
    let limits = ImapLimits { skipped: 1 << 20, ..ImapLimits::default() };
    let (mut session, mut peer) = limited(FULL, limits).await;
    let says = "* 1 EXISTS\r\n* OK [UIDVALIDITY 1]\r\n{tag} OK\r\n";
    let inbox = name("INBOX");
    let (entered, _) = tokio::join!(session.select(&inbox), answer(&mut peer, says));
    entered.unwrap();
    let flood = async {
        hear(&mut peer).await;
        let row = format!("* 1 FETCH (UID 7 X {{300000}}\r\n{})\r\n", "x".repeat(300_000));
        while peer.say(&row).await {}
    };
    let asked = Messages::Uids(vec![7]);
    let fetched = async {
        let outcome = fetch(&mut *session, &asked, &ITEMS).await;
        drop(session);
        outcome
    };
    let (outcome, ()) = tokio::join!(fetched, flood);
    assert!(matches!(outcome, Err(ImapError::Protocol("a literal is too long"))), "{outcome:?}");
}

#[tokio::test]
async fn header_fields_are_fetched_partially() {
    let (mut session, mut peer) = selected(FULL).await;
    let items = [FetchItem::HeaderFieldsStart(&["FROM"])];
    let says = "* 1 FETCH (UID 7 BODY[HEADER.FIELDS (FROM)]<0> {2}\r\n\r\n)\r\n{tag} OK\r\n";
    let asked = Messages::Uids(vec![7]);
    let (rows, command) =
        tokio::join!(fetch(&mut *session, &asked, &items), answer(&mut peer, says));
    assert_eq!(command, "UID FETCH 7 (UID BODY.PEEK[HEADER.FIELDS (FROM)]<0.262144>)");
    assert!(rows.unwrap()[0].header.is_some());
}

#[tokio::test]
async fn the_beginning_of_a_message_is_fetched_instead_of_the_whole() {
    let (mut session, mut peer) = selected(FULL).await;
    let asked = Messages::Uids(vec![7]);
    let says = "* 1 FETCH (UID 7 BODY[]<0> {5}\r\nstart)\r\n{tag} OK\r\n";
    let (rows, command) = tokio::join!(
        fetch(&mut *session, &asked, &[FetchItem::WholeStart]),
        answer(&mut peer, says)
    );
    assert_eq!(command, "UID FETCH 7 (UID BODY.PEEK[]<0.262144>)");
    assert_eq!(rows.unwrap()[0].whole.as_deref(), Some(b"start".as_slice()));
}
