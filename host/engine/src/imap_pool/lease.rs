//! A session in the hands of one request.
//!
//! A session that lay idle may be dead without anybody knowing. Only its first
//! command can find that out, and only commands that change nothing are then
//! sent again, once, on a new session: after a lost answer to a STORE or MOVE
//! nobody knows what happened, so that is said instead. The same goes for a BYE
//! in place of an answer, whenever it comes.
//!
//! Invariant: after any error but NO the session is never used again.

use std::sync::Arc;
use std::time::Duration;

use model::mail::mailbox::{Counters, Mailbox, MailboxName};
use model::mail::message::{Flag, FlagChange};
use model::octets::Octets;
use model::port::imap::{
    AppendUid, CopyUid, FetchItem, FetchRow, ImapError, ImapSession, Messages, Selected, UidFlags,
};
use model::problem::{Code, Problem};
use tokio::sync::OwnedSemaphorePermit;

use crate::imap_pool::SessionError;
use crate::imap_pool::account_pool::{AccountPool, BorrowedSession, SyncPoint};
use crate::imap_pool::closed_session::ClosedSession;

/// How often a new session is asked for while the server has no room for one.
const BUSY_TRIES: u32 = 2;

/// One session. Give it back with [`Lease::keep`].
#[derive(Debug)]
pub(crate) struct Lease {
    session: Box<dyn ImapSession>,
    /// It lay idle, and has not answered since.
    doubtful: bool,
    broken: bool,
    /// It is not the first session of this lease.
    renewed: bool,
    synced: SyncPoint,
    freshness: Duration,
    room: Arc<AccountPool>,
    // Last, so that the session is closed before another may open.
    _lent: BorrowedSession,
    _permit: OwnedSemaphorePermit,
}

impl Lease {
    pub(crate) fn fresh(
        room: Arc<AccountPool>,
        permit: OwnedSemaphorePermit,
        login: BorrowedSession,
        session: Box<dyn ImapSession>,
        freshness: Duration,
    ) -> Self {
        let synced = room.present();
        Self::new(room, permit, login, session, synced, freshness, false)
    }

    pub(crate) fn reused(
        room: Arc<AccountPool>,
        permit: OwnedSemaphorePermit,
        session: Box<dyn ImapSession>,
        synced: SyncPoint,
        freshness: Duration,
    ) -> Self {
        let lent = room.lend();
        Self::new(room, permit, lent, session, synced, freshness, true)
    }

    fn new(
        room: Arc<AccountPool>,
        permit: OwnedSemaphorePermit,
        lent: BorrowedSession,
        session: Box<dyn ImapSession>,
        synced: SyncPoint,
        freshness: Duration,
        doubtful: bool,
    ) -> Self {
        let (broken, renewed, _lent) = (false, false, lent);
        Self { session, doubtful, broken, renewed, synced, freshness, room, _lent, _permit: permit }
    }

    /// Back to the pool, unless an error spoilt it.
    pub(crate) fn keep(self) {
        if !self.broken {
            self.room.put(self.session, self.synced);
        }
    }

    /// Number of messages in the selected mailbox, as far as the server told.
    pub(crate) fn exists(&self) -> u32 {
        self.session.selected().map_or(0, |selected| selected.exists)
    }

    /// The first of these flags that the server does not keep in the selected mailbox, and what it keeps.
    pub(crate) fn unkept<'a>(
        &self,
        flags: impl IntoIterator<Item = &'a Flag>,
    ) -> Option<(&'a Flag, &[String])> {
        let selected = self.session.selected()?;
        let unkept = flags.into_iter().find(|flag| !selected.keeps(flag))?;
        Some((unkept, selected.keeps.as_deref().unwrap_or_default()))
    }

    /// Whether the session is in a mailbox: not where a new one could not enter that of before.
    pub(crate) fn has_mailbox(&self) -> bool {
        self.session.selected().is_some()
    }

    /// What the account's sessions share.
    pub(crate) fn room(&self) -> &AccountPool {
        &self.room
    }

    /// Makes `mailbox` the selected one, with news no older than the pool's freshness.
    pub(crate) async fn select(&mut self, mailbox: &MailboxName) -> Result<Selected, SessionError> {
        let here = |session: &dyn ImapSession| {
            session.selected().filter(|selected| selected.mailbox == *mailbox).cloned()
        };
        if let Some(selected) = here(&*self.session) {
            if self.room.is_current(self.synced, self.freshness) {
                return Ok(selected);
            }
            let present = self.room.present();
            let answer = self.session.noop().await;
            match self.judge(answer)? {
                Verdict::Answered(()) => {
                    self.synced = present;
                    if let Some(selected) = here(&*self.session) {
                        return Ok(selected);
                    }
                }
                Verdict::Dead => self.renew().await?,
            }
        }
        self.select_anew(mailbox).await
    }

    async fn select_anew(&mut self, mailbox: &MailboxName) -> Result<Selected, SessionError> {
        let present = self.room.present();
        let answer = self.session.select(mailbox).await;
        let selected = match self.judge(answer)? {
            Verdict::Answered(selected) => selected,
            Verdict::Dead => {
                self.renew().await?;
                let answer = self.session.select(mailbox).await;
                self.last(answer)?
            }
        };
        self.synced = present;
        Ok(selected)
    }

    /// FETCH, in the mailbox that was entered; all of it or an error.
    pub(crate) async fn fetch(
        &mut self,
        messages: &Messages,
        items: &[FetchItem],
    ) -> Result<Vec<FetchRow>, SessionError> {
        let mut rows = Vec::new();
        self.fetch_into(&mut rows, messages, items).await?;
        Ok(rows)
    }

    /// FETCH; the rows that came are in `rows`, also when it ended with an error.
    pub(crate) async fn fetch_into(
        &mut self,
        rows: &mut Vec<FetchRow>,
        messages: &Messages,
        items: &[FetchItem],
    ) -> Result<(), SessionError> {
        if self.broken {
            self.reopen().await?;
        }
        let before = rows.len();
        let answer = self.session.fetch(messages, items, rows).await;
        match self.judge(answer)? {
            Verdict::Answered(()) => Ok(()),
            Verdict::Dead => {
                rows.truncate(before);
                self.reopen().await?;
                let answer = self.session.fetch(messages, items, rows).await;
                self.last(answer)
            }
        }
    }

    /// A new session, in the mailbox that was selected.
    async fn reopen(&mut self) -> Result<(), SessionError> {
        let before = self.session.selected().cloned();
        self.renew().await?;
        let Some(before) = before else { return Ok(()) };
        let selected = self.select(&before.mailbox).await?;
        if selected.uid_validity == before.uid_validity {
            return Ok(());
        }
        self.last(Err(ImapError::Protocol("the mailbox was renumbered meanwhile")))
    }

    /// UID SEARCH HEADER, in the mailbox that was entered just now.
    pub(crate) async fn search_header(
        &mut self,
        field: &'static str,
        text: &str,
    ) -> Result<Vec<u32>, SessionError> {
        let answer = self.session.search_header(field, text).await;
        self.last(answer)
    }

    /// LIST.
    pub(crate) async fn list(&mut self) -> Result<Vec<Mailbox>, SessionError> {
        let answer = self.session.list().await;
        match self.judge(answer)? {
            Verdict::Answered(mailboxes) => Ok(mailboxes),
            Verdict::Dead => {
                self.renew().await?;
                let answer = self.session.list().await;
                self.last(answer)
            }
        }
    }

    /// STATUS.
    pub(crate) async fn counters(
        &mut self,
        mailbox: &MailboxName,
    ) -> Result<Counters, SessionError> {
        let answer = self.session.counters(mailbox).await;
        match self.judge(answer)? {
            Verdict::Answered(counters) => Ok(counters),
            Verdict::Dead => {
                self.renew().await?;
                let answer = self.session.counters(mailbox).await;
                self.last(answer)
            }
        }
    }

    /// UID STORE. Never sent twice.
    pub(crate) async fn store(
        &mut self,
        uids: &[u32],
        change: &FlagChange,
    ) -> Result<Vec<UidFlags>, SessionError> {
        self.note_change();
        let answer = self.session.store(uids, change).await;
        self.last(answer)
    }

    /// UID MOVE. Never sent twice.
    pub(crate) async fn move_to(
        &mut self,
        uids: &[u32],
        mailbox: &MailboxName,
    ) -> Result<Option<CopyUid>, SessionError> {
        self.note_change();
        let answer = self.session.move_to(uids, mailbox).await;
        self.last(answer)
    }

    /// UID COPY. Never sent twice.
    pub(crate) async fn copy_to(
        &mut self,
        uids: &[u32],
        mailbox: &MailboxName,
    ) -> Result<Option<CopyUid>, SessionError> {
        self.note_change();
        let answer = self.session.copy_to(uids, mailbox).await;
        self.last(answer)
    }

    /// UID EXPUNGE. Never sent twice.
    pub(crate) async fn expunge_forever(&mut self, uids: &[u32]) -> Result<(), SessionError> {
        self.note_change();
        let answer = self.session.expunge_forever(uids).await;
        self.last(answer)
    }

    /// APPEND. Never sent twice.
    pub(crate) async fn append(
        &mut self,
        mailbox: &MailboxName,
        flags: &[Flag],
        raw: &Octets,
    ) -> Result<Option<AppendUid>, SessionError> {
        self.note_change();
        let answer = self.session.append(mailbox, flags, raw).await;
        self.last(answer)
    }

    /// Before the command, so that an answer that is lost counts as a change too.
    fn note_change(&mut self) {
        self.synced = self.room.note_change(self.synced);
    }

    async fn renew(&mut self) -> Result<(), SessionError> {
        // Its place at the server is needed: there are some that take one connection only.
        self.session = Box::new(ClosedSession);
        self.session = connect(&self.room).await.map_err(SessionError::NoSession)?;
        self.broken = false;
        self.renewed = true;
        self.synced = self.room.present();
        Ok(())
    }

    /// An answer, or the news that the session was dead before it was asked.
    fn judge<T>(&mut self, answer: Result<T, ImapError>) -> Result<Verdict<T>, SessionError> {
        let was_doubtful = self.doubtful;
        match self.last(answer) {
            Ok(value) => Ok(Verdict::Answered(value)),
            // A server that says goodbye in place of an answer may have meant any session of its own.
            Err(SessionError::Command(ImapError::Bye { .. })) if !self.renewed => Ok(Verdict::Dead),
            Err(SessionError::Command(
                ImapError::Lost(_) | ImapError::Bad { .. } | ImapError::Bye { .. },
            )) if was_doubtful => Ok(Verdict::Dead),
            Err(error) => Err(error),
        }
    }

    fn last<T>(&mut self, answer: Result<T, ImapError>) -> Result<T, SessionError> {
        self.doubtful = false;
        self.broken = !matches!(answer, Ok(_) | Err(ImapError::No { .. }));
        answer.map_err(SessionError::Command)
    }
}

/// Where the server counts the session that was just closed, it does so for a moment only.
async fn connect(room: &AccountPool) -> Result<Box<dyn ImapSession>, Problem> {
    for _ in 0..BUSY_TRIES {
        match room.connect().await {
            Err(no) if no.code == Code::UpstreamBusy => room.returned().await,
            connected => return connected,
        }
    }
    room.connect().await
}

enum Verdict<T> {
    Answered(T),
    Dead,
}
