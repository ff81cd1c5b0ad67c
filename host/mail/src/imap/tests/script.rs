//! Scripted sessions up to the state in which a test begins.

use std::sync::Arc;

use bytes::Bytes;
use model::account::{Credentials, Security};
use model::mail::mailbox::MailboxName;
use model::mail::message::FlagChange;
use model::octets::{Octets, in_memory};
use model::port::imap::{FetchItem, FetchRow, ImapConnect, ImapError, ImapSession, Messages};
use model::port::login_observer::LoginObserver;

use crate::imap::{Imap, ImapLimits};
use crate::scripted_peer::{OneWire, Peer, credentials, pair, server, talk};

pub(crate) const FULL: &str = "IMAP4rev1 AUTH=PLAIN MOVE UIDPLUS SPECIAL-USE LIST-EXTENDED";
pub(crate) const BARE: &str = "IMAP4rev1 UIDPLUS";

pub(crate) fn imap(dial: OneWire) -> Imap {
    Imap::new(Arc::new(dial), ImapLimits::default())
}

pub(crate) fn name(wire: &str) -> MailboxName {
    MailboxName::from_wire(wire).unwrap()
}

pub(crate) fn raw(text: &str) -> Octets {
    in_memory(Bytes::copy_from_slice(text.as_bytes()))
}

/// A command as the server sees it: its tag and the rest, literals in place.
pub(crate) async fn hear(peer: &mut Peer) -> (String, String) {
    let line = peer.hear().await;
    let (tag, mut command) = line
        .split_once(' ')
        .map(|(tag, command)| (tag.to_owned(), command.to_owned()))
        .unwrap_or_default();
    while let Some(size) = crate::imap::tokenizer::announced(command.as_bytes()) {
        peer.say("+ go\r\n").await;
        let bytes = peer.take(usize::try_from(size).unwrap()).await;
        command.push_str(&String::from_utf8(bytes).unwrap());
        command.push_str(&peer.hear().await);
    }
    (tag, command)
}

/// Answers the next command; `{tag}` stands for its tag.
pub(crate) async fn answer(peer: &mut Peer, says: &str) -> String {
    let (tag, command) = hear(peer).await;
    peer.say(says.replace("{tag}", &tag)).await;
    command
}

/// The rows of a fetch, all or none.
pub(crate) async fn fetch(
    session: &mut dyn ImapSession,
    messages: &Messages,
    items: &[FetchItem],
) -> Result<Vec<FetchRow>, ImapError> {
    let mut rows = Vec::new();
    session.fetch(messages, items, &mut rows).await.map(|()| rows)
}

pub(crate) async fn session(capabilities: &str) -> (Box<dyn ImapSession>, Peer) {
    limited(capabilities, ImapLimits::default()).await
}

pub(crate) async fn limited(
    capabilities: &str,
    limits: ImapLimits,
) -> (Box<dyn ImapSession>, Peer) {
    let (dial, mut peer) = pair();
    let imap = Imap::new(Arc::new(dial), limits);
    let (server, credentials) = (server(Security::Tls), credentials());
    let play = async {
        peer.say("* OK hi\r\n").await;
        answer(&mut peer, "* CAPABILITY IMAP4rev1\r\n{tag} OK done\r\n").await;
        let says = format!("{{tag}} OK [CAPABILITY {capabilities}] in\r\n");
        assert_eq!(answer(&mut peer, &says).await, "LOGIN \"ann\" \"pass word\"");
    };
    let (session, ()) = tokio::join!(imap.connect(&server, &credentials, &()), play);
    (session.unwrap(), peer)
}

/// A session with INBOX selected.
pub(crate) async fn selected(capabilities: &str) -> (Box<dyn ImapSession>, Peer) {
    let (mut session, mut peer) = session(capabilities).await;
    let says = "* 9 EXISTS\r\n* OK [UIDVALIDITY 4] ok\r\n{tag} OK [READ-WRITE] ok\r\n";
    let inbox = name("inbox");
    let (outcome, command) = tokio::join!(session.select(&inbox), answer(&mut peer, says));
    assert_eq!(command, "SELECT \"INBOX\"");
    assert_eq!(outcome.unwrap().exists, 9);
    (session, peer)
}

/// Connects while the peer sends one piece after each line that it receives.
pub(crate) async fn open(
    security: Security,
    says: &[&str],
) -> (Result<(), ImapError>, Vec<String>) {
    open_with(&credentials(), security, says).await
}

pub(crate) async fn open_with(
    credentials: &Credentials,
    security: Security,
    says: &[&str],
) -> (Result<(), ImapError>, Vec<String>) {
    let server = server(security);
    talk(says, async |dial| imap(dial).connect(&server, credentials, &()).await).await
}

pub(crate) async fn watched(
    security: Security,
    says: &[&str],
    steps: &dyn LoginObserver,
) -> (Result<(), ImapError>, Vec<String>) {
    let (server, credentials) = (server(security), credentials());
    talk(says, async |dial| imap(dial).connect(&server, &credentials, steps).await).await
}

/// Every command of the port, by number, as a result without its value; none past the last.
pub(crate) async fn run(
    session: &mut dyn ImapSession,
    number: usize,
) -> Option<Result<(), ImapError>> {
    let uids = Messages::Uids(vec![7]);
    let change = FlagChange::Set(vec!["\\Seen".parse().unwrap()]);
    Some(match number {
        0 => session.select(&name("x")).await.map(|_| ()),
        1 => session.list().await.map(|_| ()),
        2 => session.counters(&name("x")).await.map(|_| ()),
        3 => session.noop().await,
        4 => fetch(session, &uids, &[FetchItem::Whole]).await.map(|_| ()),
        5 => fetch(session, &Messages::Sequence(1..=2), &[FetchItem::Flags]).await.map(|_| ()),
        6 => session.store(&[7], &change).await.map(|_| ()),
        7 => session.move_to(&[7], &name("x")).await.map(|_| ()),
        8 => session.copy_to(&[7], &name("x")).await.map(|_| ()),
        9 => session.expunge_forever(&[7]).await,
        10 => session.append(&name("x"), &[], &raw("a\r\n")).await.map(|_| ()),
        11 => {
            session.store(&[7], &FlagChange::Edit { add: vec![], remove: vec![] }).await.map(|_| ())
        }
        12 => session.remove(&[7]).await.map(|_| ()),
        13 => session.search_header("Message-ID", "x").await.map(|_| ()),
        _ => return None,
    })
}

/// Runs every command against a server that answers the `nth` line of it so, and the lines before
/// with OK.
pub(crate) async fn every_command(
    capabilities: &str,
    nth: usize,
    says: &str,
    judge: impl Fn(usize, Result<(), ImapError>),
) {
    for number in 0.. {
        let (mut session, mut peer) = session(capabilities).await;
        let play = async {
            for _ in 0..nth {
                answer(&mut peer, "{tag} OK fine\r\n").await;
            }
            answer(&mut peer, says).await;
            peer
        };
        let run = run(&mut *session, number);
        tokio::pin!(run, play);
        let (outcome, peer) = tokio::select! {
            outcome = &mut run => (outcome, None),
            peer = &mut play => { drop(peer); (run.await, Some(())) }
        };
        let Some(outcome) = outcome else { return };
        // Commands of fewer lines have no such line.
        if nth == 0 || peer.is_some() {
            judge(number, outcome);
        }
    }
}
