//! Lease: a session borrowed by one request.
//!
//! An idle session may be dead without a sign of it. Only its first command can find that out, and
//! only commands that change nothing are then sent again, once, on a new session: after a lost
//! response to a STORE or MOVE its effect is unknown, and that is reported instead. The same
//! applies to a BYE in place of a response, whenever it comes.
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

/// How often a login is retried while the server is at capacity.
const BUSY_TRIES: u32 = 2;

/// A borrowed session. Return it with [`Lease::keep`].
#[derive(Debug)]
pub(crate) struct Lease {
    session: Box<dyn ImapSession>,
    /// It was idle, and no response has come since.
    doubtful: bool,
    broken: bool,
    /// It is not the first session of this lease.
    renewed: bool,
    synced: SyncPoint,
    freshness: Duration,
    room: Arc<AccountPool>,
    // Declared last, so that the session is closed before another may open.
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

    /// Returns the session to the pool, unless an error made it unusable.
    pub(crate) fn keep(self) {
        if !self.broken {
            self.room.put(self.session, self.synced);
        }
    }

    /// Number of messages in the selected mailbox, as last reported by the server.
    pub(crate) fn exists(&self) -> u32 {
        self.session.selected().map_or(0, |selected| selected.exists)
    }

    /// The first of these flags that the server does not keep in the selected mailbox, and the
    /// flags it keeps.
    pub(crate) fn unkept<'a>(
        &self,
        flags: impl IntoIterator<Item = &'a Flag>,
    ) -> Option<(&'a Flag, &[String])> {
        let selected = self.session.selected()?;
        let unkept = flags.into_iter().find(|flag| !selected.keeps(flag))?;
        Some((unkept, selected.keeps.as_deref().unwrap_or_default()))
    }

    /// Whether a mailbox is selected: not where a new session could not select the previous one.
    pub(crate) fn has_mailbox(&self) -> bool {
        self.session.selected().is_some()
    }

    /// The pool of the account.
    pub(crate) fn room(&self) -> &AccountPool {
        &self.room
    }

    /// Selects `mailbox`, with a view no older than the pool's freshness.
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

    /// FETCH in the selected mailbox; all rows or an error.
    pub(crate) async fn fetch(
        &mut self,
        messages: &Messages,
        items: &[FetchItem],
    ) -> Result<Vec<FetchRow>, SessionError> {
        let mut rows = Vec::new();
        self.fetch_into(&mut rows, messages, items).await?;
        Ok(rows)
    }

    /// FETCH; `rows` holds the rows received, also when it ended with an error.
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

    /// Opens a new session, in the mailbox that was selected.
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

    /// UID SEARCH HEADER in the selected mailbox.
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

    /// Before the command, so that a lost response counts as a change too.
    fn note_change(&mut self) {
        self.synced = self.room.note_change(self.synced);
    }

    async fn renew(&mut self) -> Result<(), SessionError> {
        // Some servers allow one connection only: it must be closed first.
        self.session = Box::new(ClosedSession);
        self.session = connect(&self.room).await.map_err(SessionError::NoSession)?;
        self.broken = false;
        self.renewed = true;
        self.synced = self.room.present();
        Ok(())
    }

    /// A response, or the finding that the session was dead before the command.
    fn judge<T>(&mut self, answer: Result<T, ImapError>) -> Result<Verdict<T>, SessionError> {
        let was_doubtful = self.doubtful;
        match self.last(answer) {
            Ok(value) => Ok(Verdict::Answered(value)),
            // A BYE in place of a response may have been for any session of the server.
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

/// A server may count the session that was just closed, but only for a moment.
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
