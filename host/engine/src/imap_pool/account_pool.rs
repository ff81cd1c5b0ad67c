//! The session pool of one account: permits, idle sessions, lock-out, and the last list of
//! mailboxes.

use parking_lot::Mutex;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future;
use model::account::{Account, MailServer};
use model::mail::mailbox::{Mailbox, MailboxName};
use model::port::clock::Clock;
use model::port::imap::{ImapConnect, ImapError, ImapSession};
use model::problem::{Problem, Protocol};
use tokio::sync::{Notify, Semaphore};

use crate::login::advice::AuthKind;
use crate::login::attempts::LoginOutcome;
use crate::login::lockout::Lockout;
use crate::login::refusal_text;
use crate::logins::Logins;
use crate::problems;

/// For how long no further connection is opened after the server refused one for lack of capacity.
const FULL: Duration = Duration::from_secs(2);

/// Opens sessions with current credentials.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) imap: Arc<dyn ImapConnect>,
    pub(crate) logins: Logins,
}

/// The pool of one account at its IMAP server.
#[derive(Debug)]
pub(crate) struct AccountPool {
    account: Account,
    server: MailServer,
    clock: Arc<dyn Clock>,
    imap: Arc<dyn ImapConnect>,
    logins: Logins,
    pub(crate) permits: Arc<Semaphore>,
    /// Sessions in use, and logins under way.
    lent: AtomicUsize,
    /// Notified when a session was returned or closed.
    returned: Notify,
    inside: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    closed: bool,
    /// Idle sessions; the most recently used one is last.
    idle: Vec<IdleSession>,
    lockout: Lockout,
    /// Until then the server is at capacity, and no login is tried.
    full_until: Duration,
    /// Counts changes made by this account's sessions, which the other sessions do not see at
    /// first.
    changes: u64,
    mailboxes: Option<(Duration, Arc<Vec<Mailbox>>)>,
    /// Most rows of the last page were not cached.
    exploring: bool,
}

/// Counts one session in use, or one login.
#[derive(Debug)]
pub(crate) struct BorrowedSession(Arc<AccountPool>);

impl Drop for BorrowedSession {
    fn drop(&mut self) {
        self.0.lent.fetch_sub(1, Ordering::Relaxed);
        self.0.returned.notify_one();
    }
}

/// An idle session.
#[derive(Debug)]
pub(crate) struct IdleSession {
    pub(crate) session: Box<dyn ImapSession>,
    /// When it became idle.
    pub(crate) since: Duration,
    /// When the server last reported changes to it.
    pub(crate) synced: SyncPoint,
}

/// How current a session's view is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SyncPoint {
    /// Monotonic.
    pub(crate) at: Duration,
    /// The counter of own changes at that time.
    pub(crate) changes: u64,
}

impl AccountPool {
    pub(crate) fn new(
        account: Account,
        server: MailServer,
        permits: Arc<Semaphore>,
        connector: &Connector,
    ) -> Self {
        let (lent, returned) = (AtomicUsize::new(0), Notify::new());
        let Connector { clock, imap, logins } = connector.clone();
        Self {
            account,
            server,
            clock,
            imap,
            logins,
            permits,
            lent,
            returned,
            inside: Mutex::default(),
        }
    }

    /// Counts a session in use, or a login, until the returned value is dropped.
    pub(crate) fn lend(self: &Arc<Self>) -> BorrowedSession {
        self.lent.fetch_add(1, Ordering::Relaxed);
        BorrowedSession(Arc::clone(self))
    }

    /// Whether the server refused a further connection when last asked. Then no other session is
    /// available until one is returned.
    pub(crate) fn is_full(&self) -> bool {
        self.lent.load(Ordering::Relaxed) > 0 && self.now() < self.inside.lock().full_until
    }

    /// Records that the server refused a further connection; true when waiting for one of the
    /// pool's sessions may help.
    pub(crate) fn note_full(&self) -> bool {
        let mut inside = self.inside.lock();
        inside.full_until = self.now() + FULL;
        !inside.idle.is_empty() || self.lent.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn has_idle(&self) -> bool {
        !self.inside.lock().idle.is_empty()
    }

    /// Ready when a session may have been returned.
    pub(crate) async fn returned(&self) {
        let pause = self.clock.sleep(FULL);
        future::select(pin!(self.returned.notified()), pause).await;
    }

    pub(crate) fn serves(&self, server: &MailServer, generation: u32) -> bool {
        self.server == *server && self.account.generation == generation
    }

    pub(crate) fn now(&self) -> Duration {
        self.clock.monotonic()
    }

    pub(crate) fn check_lockout(&self) -> Result<(), Problem> {
        match self.inside.lock().lockout.left(self.now()) {
            Some(left) => Err(problems::locked_out(left)),
            None => Ok(()),
        }
    }

    /// Logs in a further session.
    pub(crate) async fn connect(&self) -> Result<Box<dyn ImapSession>, Problem> {
        self.check_lockout()?;
        // No refusal is recorded for the stored credentials; one may be for the login name.
        if self.inside.lock().lockout.is_clear() {
            self.logins.guesses.check(&self.account)?;
        }
        let connected = self.log_in().await;
        self.logins.healths.record(&self.account, Protocol::Imap, connected.as_ref().err()).await;
        connected
    }

    async fn log_in(&self) -> Result<Box<dyn ImapSession>, Problem> {
        let Self { imap, account, server, logins, .. } = self;
        let credentials = logins.bearers.current(account).await?;
        let mut connected = imap.connect(server, &credentials, &()).await;
        if matches!(&connected, Err(ImapError::Credentials { reply }) if !refusal_text::is_busy(reply))
            && let Some(other) = logins.bearers.refresh_after_refusal(account, &credentials).await?
        {
            connected = imap.connect(server, &other, &()).await;
        }
        self.note_lockout(&connected, self.now());
        connected.map_err(|error| problems::imap_login(error, AuthKind::by(&credentials)))
    }

    fn note_lockout<T>(&self, connected: &Result<T, ImapError>, now: Duration) {
        let mut inside = self.inside.lock();
        let answer = match connected {
            Ok(_) => {
                inside.lockout.accepted();
                Some(LoginOutcome::Accepted)
            }
            Err(ImapError::Credentials { reply }) if refusal_text::is_busy(reply) => None,
            Err(ImapError::Credentials { .. }) => {
                inside.lockout.refused(now).then_some(LoginOutcome::Refused)
            }
            Err(
                ImapError::Dial(_)
                | ImapError::NoTls
                | ImapError::NoMechanism
                | ImapError::No { .. }
                | ImapError::Bad { .. }
                | ImapError::Bye { .. }
                | ImapError::Lost(_)
                | ImapError::Timeout
                | ImapError::Protocol(_)
                | ImapError::Unsupported(_),
            ) => None,
        };
        drop(inside);
        self.logins.guesses.record(&self.account, answer.map(|answer| (&self.server, answer)));
    }

    /// The idle session that has `mailbox` selected, else the least recently used one. Those past
    /// `session_idle` are dropped: the server has probably closed them.
    pub(crate) fn take(
        &self,
        mailbox: Option<&MailboxName>,
        session_idle: Duration,
    ) -> Option<IdleSession> {
        let now = self.now();
        let mut inside = self.inside.lock();
        inside.idle.retain(|idle| now.saturating_sub(idle.since) < session_idle);
        if inside.idle.is_empty() {
            return None;
        }
        let fits = |idle: &IdleSession| {
            mailbox.is_some()
                && idle.session.selected().map(|selected| &selected.mailbox) == mailbox
        };
        let position = inside.idle.iter().rposition(fits).unwrap_or(0);
        Some(inside.idle.remove(position))
    }

    /// Returns a session; drops it when the account is closed.
    pub(crate) fn put(&self, session: Box<dyn ImapSession>, synced: SyncPoint) {
        let since = self.now();
        let mut inside = self.inside.lock();
        if !inside.closed {
            inside.idle.push(IdleSession { session, since, synced });
        }
    }

    /// Closes the pool: later returns are dropped.
    pub(crate) fn close(&self) -> Vec<Box<dyn ImapSession>> {
        let mut inside = self.inside.lock();
        inside.closed = true;
        inside.idle.drain(..).map(|idle| idle.session).collect()
    }

    /// Removes sessions that were idle for longer than `limit`.
    pub(crate) fn stale(&self, limit: Duration) -> Vec<Box<dyn ImapSession>> {
        let now = self.now();
        self.inside
            .lock()
            .idle
            .extract_if(.., |idle| now.saturating_sub(idle.since) >= limit)
            .map(|idle| idle.session)
            .collect()
    }

    /// Whether the pool has no state worth keeping.
    pub(crate) fn is_spent(&self) -> bool {
        let inside = self.inside.lock();
        inside.idle.is_empty() && inside.lockout.is_clear()
    }

    /// The sync point of a session that was synchronised just now.
    pub(crate) fn present(&self) -> SyncPoint {
        SyncPoint { at: self.now(), changes: self.inside.lock().changes }
    }

    /// Records a change by a session that was at `synced`. That session need not synchronise for
    /// it.
    pub(crate) fn note_change(&self, synced: SyncPoint) -> SyncPoint {
        let mut inside = self.inside.lock();
        let up_to_date = synced.changes == inside.changes;
        inside.changes += 1;
        let changes = if up_to_date { inside.changes } else { synced.changes };
        SyncPoint { changes, ..synced }
    }

    /// Whether the session has seen every own change, and all changes older than `freshness`.
    pub(crate) fn is_current(&self, synced: SyncPoint, freshness: Duration) -> bool {
        synced.changes == self.inside.lock().changes
            && self.now().saturating_sub(synced.at) < freshness
    }

    /// Whether the next page will probably hold messages that are not cached: the last one did.
    pub(crate) fn is_exploring(&self) -> bool {
        self.inside.lock().exploring
    }

    pub(crate) fn note_exploring(&self, exploring: bool) {
        self.inside.lock().exploring = exploring;
    }

    /// The list of mailboxes, when it is younger than `limit`.
    pub(crate) fn mailboxes(&self, limit: Duration) -> Option<Arc<Vec<Mailbox>>> {
        let inside = self.inside.lock();
        let (at, mailboxes) = inside.mailboxes.as_ref()?;
        (self.now().saturating_sub(*at) < limit).then(|| Arc::clone(mailboxes))
    }

    pub(crate) fn cache_mailboxes(&self, mailboxes: &Arc<Vec<Mailbox>>) {
        let now = self.now();
        self.inside.lock().mailboxes = Some((now, Arc::clone(mailboxes)));
    }
}
