//! Tests of hostile servers: flooding, slow, nested, contradictory or silent.

use std::time::Duration;

use model::account::Security;
use model::port::imap::{FetchItem, ImapConnect, ImapError, Messages};

use crate::imap::ImapLimits;
use crate::imap::tests::script::{FULL, answer, fetch, hear, imap, limited, selected, session};
use crate::scripted_peer::{credentials, pair, server};

#[tokio::test]
async fn hostile_responses_end_with_a_typed_error() {
    let nested = |deep| format!("* 1 FETCH (BODYSTRUCTURE {}\r\n", "(".repeat(deep));
    for says in [
        nested(600),
        nested(100_000),
        "* 1 FETCH (UID 7 BODY[] {4294967295}\r\n".to_owned(),
        "* 1 FETCH (UID 7 BODY[] {99999999999999999999999}\r\n".to_owned(),
        "* LIST () \"/\" {1000000}\r\n".to_owned(),
        "* 1 FETCH (FOO a{100}\r\n".to_owned(),
        "* 99999999999999 EXISTS\r\n* 1 FETCH (UID x)\r\n".to_owned(),
        "+ more?\r\n".to_owned(),
        "a9999 OK done\r\n".to_owned(),
        "hello\r\n".to_owned(),
        "* OK a\nb\r\n".to_owned(),
        "* OK a\0b\r\n".to_owned(),
    ] {
        let (mut session, mut peer) = selected(FULL).await;
        let asked = Messages::Uids(vec![7]);
        let play = async {
            hear(&mut peer).await;
            peer.say(&says).await;
            peer
        };
        let (outcome, _peer) =
            tokio::join!(fetch(&mut *session, &asked, &[FetchItem::Whole]), play);
        let head = says.get(..60).unwrap_or(&says);
        assert!(matches!(outcome, Err(ImapError::Protocol(_))), "{head:?} gave {outcome:?}");
        assert!(matches!(session.noop().await, Err(ImapError::Lost(_))));
    }
}

#[tokio::test]
async fn floods_are_cut_off() {
    for piece in
        [vec![b'x'; 64 * 1024], b"* FOO bar\r\n".repeat(6000), b"* 1 EXISTS\r\n".repeat(6000)]
    {
        let limits = ImapLimits { response_total: 4 << 20, ..ImapLimits::default() };
        let (mut session, mut peer) = limited(FULL, limits).await;
        let flood = async {
            hear(&mut peer).await;
            let mut sent = 0_u64;
            while sent < 1 << 30 && peer.say(&piece).await {
                sent += piece.len() as u64;
            }
            sent
        };
        let noop = async {
            let outcome = session.noop().await;
            drop(session);
            outcome
        };
        let (outcome, sent) = tokio::join!(noop, flood);
        assert!(matches!(outcome, Err(ImapError::Protocol(_))), "{outcome:?}");
        assert!(sent <= limits.response_total + (1 << 20), "{sent} were taken");
    }
}

#[tokio::test(start_paused = true)]
async fn silence_and_a_slow_trickle_are_timeouts() {
    let (mut session, mut peer) = selected(FULL).await;
    let outcome = session.noop().await;
    assert!(matches!(outcome, Err(ImapError::Timeout)), "{outcome:?}");
    hear(&mut peer).await;

    let (mut session, mut peer) = selected(FULL).await;
    let trickle = async {
        hear(&mut peer).await;
        while peer.say("* OK x\r\n").await {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let noop = async {
        let outcome = session.noop().await;
        drop(session);
        outcome
    };
    let (outcome, ()) = tokio::join!(noop, trickle);
    assert!(matches!(outcome, Err(ImapError::Timeout)), "{outcome:?}");

    let (dial, _peer) = pair();
    let outcome = imap(dial).connect(&server(Security::Tls), &credentials(), &()).await;
    assert!(matches!(outcome, Err(ImapError::Timeout)));
}

#[tokio::test]
async fn a_dropped_command_ends_the_session() {
    let (mut session, mut peer) = selected(FULL).await;
    tokio::select! {
        _ = session.noop() => panic!("nobody answered"),
        (_, command) = hear(&mut peer) => assert_eq!(command, "NOOP"),
    }
    assert!(matches!(session.noop().await, Err(ImapError::Lost(_))));
}

#[tokio::test]
async fn neither_mail_nor_credentials_reach_an_error() {
    let (mut session, mut peer) = selected(FULL).await;
    let asked = Messages::Uids(vec![7]);
    let play = async {
        hear(&mut peer).await;
        peer.say("* 1 FETCH (UID 7 BODY[] {6}\r\nsecret secret\r\n").await;
    };
    let (outcome, ()) = tokio::join!(fetch(&mut *session, &asked, &[FetchItem::Whole]), play);
    let text = format!("{:?} {session:?}", outcome.unwrap_err());
    assert!(!text.contains("secret") && !text.contains("pass word"), "{text}");
}

#[tokio::test]
async fn logout_is_sent_once_and_its_response_not_awaited() {
    let (session, mut peer) = session(FULL).await;
    let says = "* BYE bye\r\n{tag} OK\r\n";
    let ((), command) = tokio::join!(session.logout(), answer(&mut peer, says));
    assert_eq!(command, "LOGOUT");
    assert_eq!(peer.rest().await, b"");
}

/// Fragments of responses in random order: every session ends with a value. A panic or a stack
/// overflow in the parser would fail the test.
#[tokio::test]
async fn random_mixtures_of_responses_cause_no_panic() {
    const PIECES: [&str; 40] = [
        "* ",
        "1 ",
        "FETCH ",
        "(",
        ")",
        "((((((((",
        "UID 7",
        " ",
        "\r\n",
        "BODY[] ",
        "BODY[]<0> ",
        "BODY[HEADER.FIELDS (",
        "\"",
        "\\",
        "]",
        "[",
        "{3}\r\n",
        "{0}\r\n",
        "{3+}\r\n",
        "~{3}\r\n",
        "abc",
        "FLAGS (\\Seen)",
        "INTERNALDATE NIL",
        "INTERNALDATE \"1\"",
        "NIL",
        "BODYSTRUCTURE (",
        "OK ",
        "NO ",
        "[ALERT]",
        "[BADCHARSET (",
        "[COPYUID 1 2 3]",
        "\u{e9}",
        "a3 ",
        "+",
        "LIST ",
        "() \"/\" ",
        "STATUS x (MESSAGES ",
        "CAPABILITY ",
        "EXISTS",
        "ENVELOPE (",
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |limit: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % limit as u64).unwrap()
    };
    let starts = ["", "* 1 FETCH (", "* 1 FETCH (UID 7 ", "* LIST () \"/\" ", "* OK [", "a3 OK ["];
    for _ in 0..4000 {
        let mut says = starts[below(starts.len())].to_owned();
        for _ in 0..below(24) {
            says.push_str(PIECES[below(PIECES.len())]);
        }
        says.push_str("\r\n");
        let (mut session, mut peer) = selected(FULL).await;
        let asked = Messages::Uids(vec![7]);
        let play = async {
            hear(&mut peer).await;
            peer.say(&says).await;
            drop(peer);
        };
        let (outcome, ()) = tokio::join!(fetch(&mut *session, &asked, &[FetchItem::Whole]), play);
        // A parse error here means that the guard passed on what it did not write.
        let slipped = matches!(outcome, Err(ImapError::Protocol("an answer cannot be parsed")));
        assert!(!slipped, "{says:?} reached the parser");
    }
}
