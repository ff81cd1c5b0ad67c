//! One delivery attempt of one submission, from claim to verdict.
//!
//! Every step is recorded before it is taken: the attempt with its back-off by its claim, the dot
//! before it is sent. So wherever this future is dropped, the next attempt knows whether a
//! repetition could be a duplicate.
//!
//! Invariant: a submission ends only by a server's reply, by age, because its account is gone or
//! may not send as its sender any more, or because its bytes differ from those accepted.

use std::io::ErrorKind;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::{self, Either};
use model::account::{Account, MailServer};
use model::instant::Timestamp;
use model::mail::draft::Envelope;
use model::port::BoxFuture;
use model::port::outbox::{AttemptStep, Claim};
use model::port::smtp::{Activity, BeforeDot, Data, Delivery, SmtpError, SmtpSession};
use model::port::store_error::StoreError;
use model::problem::Protocol;
use model::submission::State;
use tokio::sync::watch;

use crate::login::attempts::LoginOutcome;
use crate::login::lockout::Lockout;
use crate::login::refusal_text;
use crate::outbox::concurrency::Fate;
use crate::outbox::delivery_slots::{SlotGuard, Verdict};
use crate::outbox::expiry::{self, Waited};
use crate::outbox::recording::{self, uncounted};
use crate::outbox::verdict::{self, Outcome};
use crate::outbox::worker::Worker;
use crate::outbox::{backoff, sent_copy};
use crate::problems;

/// A server that is silent for so long loses its slot to others. Its protocol deadlines are much
/// longer, and stay in force.
const SILENCE: Duration = Duration::from_secs(3);
/// How long a message waits whose server is silent while others wait for it.
const SILENT: Duration = Duration::from_secs(15);

/// A claim, and what its delivery needs.
#[derive(Debug)]
pub(crate) struct Attempt<'a> {
    worker: &'a Worker,
    claim: Claim,
    stopping: watch::Receiver<bool>,
    /// The final dot may have been sent.
    dot: AtomicBool,
}

/// The result of an attempt, before it is recorded.
enum Ending {
    /// To be recorded, with the time of the next attempt.
    Outcome { outcome: Outcome, due: Timestamp, counted: Counted },
    /// The bytes differ from those accepted, permanently.
    Damaged { reason: String },
    /// The claim belongs to another worker now.
    Lost,
}

/// Further facts at the end of an attempt.
#[derive(Default)]
struct EndDetails {
    /// No further attempt is possible, and this is why.
    state: Option<State>,
    /// A copy is to be filed in the account's sent mail.
    copy: bool,
}

/// The result of a session with a server.
enum ExchangeResult {
    /// It completed; with the session if that can be reused.
    Answered(Result<Delivery, SmtpError>, Option<Box<dyn SmtpSession>>),
    /// The host is stopping, and the session was not established yet.
    Stopped,
    /// The server is silent, and no more deliveries may wait for it.
    Silent,
}

/// Whether this attempt counts for the schedule.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Counted {
    Yes,
    No,
}

impl<'a> Attempt<'a> {
    pub(crate) fn new(
        worker: &'a Worker,
        mut claim: Claim,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        if claim.found == State::DotSent {
            verdict::mark_uncertain(&mut claim.recipients);
        }
        Self { worker, claim, stopping, dot: AtomicBool::new(false) }
    }

    /// Runs the attempt to its end. Returns nothing: the result is in the outbox.
    pub(crate) async fn run(self, mut place: SlotGuard<'a>) {
        // The previous claim expired while the store accepted no writes: its verdict still holds.
        if let Some(verdict) = self.worker.slots.take_verdict(&self.claim.id) {
            drop(place);
            let verdict = Verdict { step: uncounted(verdict.step), ..verdict };
            self.keep(verdict).await;
            return;
        }
        if *self.stopping.borrow() {
            return self.release_claim("the host is stopping", Duration::ZERO).await;
        }
        let Some((account, server)) = self.account().await else { return };
        if !place.settle(&server) {
            return self
                .put_back_unless_over("the SMTP server is silent, and others wait for it")
                .await;
        }
        let ending = self.attempt(&mut place, &account, &server).await;
        // The account's next message need not wait until this one is recorded.
        drop(place);
        let (outcome, due, counted) = match ending {
            Ending::Outcome { outcome, due, counted } => (outcome, due, counted),
            Ending::Damaged { reason } => {
                return self
                    .keep(Verdict { step: AttemptStep::Damaged { reason }, copy: false })
                    .await;
            }
            Ending::Lost => return,
        };
        let had = self.claim.recipients.iter().any(|known| known.state == State::Sent);
        let has = outcome.recipients.iter().any(|known| known.state == State::Sent);
        let copy = has && !had && sent_copy::is_wanted(self.worker, &account);
        self.end(outcome, due, counted, EndDetails { state: None, copy }).await;
    }

    /// The current account; without one the attempt is over.
    async fn account(&self) -> Option<(Account, MailServer)> {
        let claim = &self.claim;
        let found = self.worker.accounts.get(&claim.tenant, &claim.account).await;
        match found {
            Err(error) => {
                tracing::error!(%error, "an account cannot be read");
                self.release_claim("the store did not answer", Duration::from_secs(60)).await;
            }
            Ok(None) => self.fail("the account was deleted").await,
            // Created again under the same id: perhaps by another person, and with another login.
            Ok(Some(account)) if account.generation != claim.generation => {
                self.fail("the account was deleted").await;
            }
            Ok(Some(account))
                if !account
                    .identities
                    .iter()
                    .any(|identity| identity.email.same_as(&claim.sender)) =>
            {
                self.fail("the sender is no longer one of the account's identities").await;
            }
            Ok(Some(account)) => match account.smtp.clone() {
                Some(server) => return Some((account, server)),
                None => {
                    // It follows the back-off schedule and counts: nothing waits for ever.
                    let why = "the account has no SMTP server";
                    let due = self.now().after(self.backoff());
                    let outcome = self.untried(State::Deferred, why);
                    self.end(outcome, due, Counted::Yes, EndDetails::default()).await;
                }
            },
        }
        None
    }

    /// Ends the submission for a reason other than a server's reply.
    async fn fail(&self, why: &str) {
        let outcome = self.untried(State::Failed, why);
        let over = EndDetails { state: Some(State::Failed), copy: false };
        self.end(outcome, self.now(), Counted::No, over).await;
    }

    async fn attempt(
        &self,
        place: &mut SlotGuard<'_>,
        account: &Account,
        server: &MailServer,
    ) -> Ending {
        let claim = &self.claim;
        let now = self.now();
        let recipients = verdict::pending(&claim.recipients);
        if recipients.is_empty() {
            let outcome = Outcome { recipients: claim.recipients.clone(), last_error: None };
            return Ending::Outcome { outcome, due: now, counted: Counted::No };
        }
        let monotonic = self.worker.clock.monotonic();
        let lockout = place.account_slots().with_lockout(|lockout| *lockout);
        // No refusal is recorded for the stored credentials; one may be for the login name.
        let left = if lockout.is_clear() {
            self.worker.logins.guesses.left(account)
        } else {
            lockout.left(monotonic)
        };
        if let Some(left) = left {
            let why = "the SMTP server refused the credentials several times and is left alone for a while";
            return self.without_attempt(why, now.after(left));
        }
        let pause = self.backoff();
        let envelope = Envelope { sender: claim.sender.clone(), recipients };
        let warm = place.account_slots().take_idle(server);
        let tried = match warm {
            Some(session) => match self.deliver(place, session, &envelope).await {
                // The idle session was dead. The dot was not sent, so a new session may try at
                // once.
                ExchangeResult::Answered(
                    Err(SmtpError::Lost(_) | SmtpError::Refused { .. }),
                    _,
                ) => self.connect_and_deliver(place, account, server, &envelope).await,
                tried @ (ExchangeResult::Answered(..)
                | ExchangeResult::Stopped
                | ExchangeResult::Silent) => tried,
            },
            None => self.connect_and_deliver(place, account, server, &envelope).await,
        };
        let (answer, session) = match tried {
            ExchangeResult::Answered(answer, session) => (answer, session),
            ExchangeResult::Stopped => {
                let why = "the host stopped before the message was sent";
                return self.without_attempt(why, self.now());
            }
            ExchangeResult::Silent => {
                let why = "the SMTP server is silent, and as many deliveries as may wait for silent servers do";
                let outcome = self.untried(State::Deferred, why);
                let due = self.now().after(pause);
                return Ending::Outcome { outcome, due, counted: Counted::Yes };
            }
        };
        place.answered();
        if let Some(session) = session {
            place.put_idle(session, server, self.worker.clock.monotonic());
        }
        if let Some(reason) = damage(&answer) {
            return Ending::Damaged { reason };
        }
        let now = self.now();
        let outcome = match &answer {
            Err(SmtpError::Unrecorded(error @ StoreError::LostClaim)) => {
                recording::failed(claim, error);
                return Ending::Lost;
            }
            Ok(delivery) => {
                verdict::delivered(&claim.recipients, &envelope.recipients, delivery, now)
            }
            Err(error) => verdict::broken_off(&claim.recipients, &envelope.recipients, error, now),
        };
        if let Ok(delivery) = &answer
            && verdict::goes_on(&claim.recipients, &outcome, &envelope.recipients, delivery)
        {
            return Ending::Outcome { outcome, due: now, counted: Counted::No };
        }
        // From the end: a slow server is not called again at once.
        Ending::Outcome { outcome, due: now.after(pause), counted: Counted::Yes }
    }

    async fn connect_and_deliver(
        &self,
        place: &mut SlotGuard<'_>,
        account: &Account,
        server: &MailServer,
        envelope: &Envelope,
    ) -> ExchangeResult {
        let activity = Activity::new(Arc::clone(&self.worker.clock));
        let login = self.unless_stopping(self.log_in(account, server, &activity));
        let connected = match self.watched(place, &activity, login).await {
            Some(Some(connected)) => connected,
            Some(None) => return ExchangeResult::Stopped,
            None => {
                let silent = SmtpError::Timeout { step: "the login" };
                let problem = problems::smtp_login(&silent);
                self.worker.logins.healths.record(account, Protocol::Smtp, Some(&problem)).await;
                return ExchangeResult::Silent;
            }
        };
        let courier = place.account_slots();
        let now = self.worker.clock.monotonic();
        let (healths, smtp) = (&self.worker.logins.healths, Protocol::Smtp);
        match connected {
            Ok(session) => {
                healths.record(account, smtp, None).await;
                courier.with_lockout(Lockout::accepted);
                self.worker.logins.guesses.record(account, [(server, LoginOutcome::Accepted)]);
                self.deliver(place, session, envelope).await
            }
            Err(error) => {
                let judged = matches!(&error, SmtpError::Credentials(no) if !refusal_text::is_busy(&no.text));
                if judged && courier.with_lockout(|lockout| lockout.refused(now)) {
                    self.worker.logins.guesses.record(account, [(server, LoginOutcome::Refused)]);
                }
                healths.record(account, smtp, Some(&problems::smtp_login(&error))).await;
                ExchangeResult::Answered(Err(error), None)
            }
        }
    }

    /// Logs in; with a refreshed token, should the server refuse the stored one.
    async fn log_in(
        &self,
        account: &Account,
        server: &MailServer,
        activity: &Activity,
    ) -> Result<Box<dyn SmtpSession>, SmtpError> {
        let (smtp, bearers) = (&self.worker.smtp, &self.worker.logins.bearers);
        let none = |problem| SmtpError::NoCredentials(Box::new(problem));
        let credentials = bearers.current(account).await.map_err(none)?;
        let connected = smtp.connect(server, &credentials, &(), activity).await;
        if matches!(&connected, Err(SmtpError::Credentials(no)) if !refusal_text::is_busy(&no.text))
            && let Some(other) =
                bearers.refresh_after_refusal(account, &credentials).await.map_err(none)?
        {
            return smtp.connect(server, &other, &(), activity).await;
        }
        connected
    }

    /// One transaction, and the session if it can be reused.
    async fn deliver(
        &self,
        place: &mut SlotGuard<'_>,
        mut session: Box<dyn SmtpSession>,
        envelope: &Envelope,
    ) -> ExchangeResult {
        // Policy for doubt: send again, and mark the submission as a possible duplicate.
        let before_dot: BeforeDot<'_> = Box::new(|| {
            self.dot.store(true, Ordering::SeqCst);
            Box::pin(self.record(AttemptStep::DotSent))
        });
        let activity = session.activity().clone();
        let transaction = session.deliver(envelope, &self.claim.raw, before_dot);
        let Some(answer) = self.watched(place, &activity, transaction).await else {
            return ExchangeResult::Silent;
        };
        let usable = match &answer {
            Ok(delivery) => delivery.leaves_session(),
            Err(_) => false,
        };
        ExchangeResult::Answered(answer, usable.then_some(session))
    }

    /// The result of `work`, however long it takes: once the server has been silent for a while, it
    /// goes on as a slow delivery. None when it may not.
    async fn watched<T>(
        &self,
        place: &mut SlotGuard<'_>,
        activity: &Activity,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let mut work = pin!(work);
        loop {
            let silence = pin!(activity.silence(SILENCE));
            if let Either::Left((value, _)) = future::select(work.as_mut(), silence).await {
                return Some(value);
            }
            match place.fall_silent(self.dot.load(Ordering::SeqCst)) {
                Fate::Slow => return Some(work.await),
                Fate::Stays => activity.note(),
                Fate::Cut => return None,
            }
        }
    }

    async fn unless_stopping<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut stopping = self.stopping.clone();
        let stop = pin!(stopping.wait_for(|stopping| *stopping));
        match future::select(pin!(work), stop).await {
            Either::Left((value, _)) => Some(value),
            Either::Right(_) => None,
        }
    }

    fn without_attempt(&self, why: &str, due: Timestamp) -> Ending {
        let outcome = self.untried(State::Deferred, why);
        Ending::Outcome { outcome, due, counted: Counted::No }
    }

    /// The outcome of an attempt in which no server was contacted.
    fn untried(&self, state: State, why: &str) -> Outcome {
        verdict::without_attempt(&self.claim.recipients, state, why, self.now())
    }

    /// As [`Self::release_claim`], unless the submission has waited long enough: releases are not
    /// counted, so nothing else would end it.
    async fn put_back_unless_over(&self, why: &str) {
        let due = self.now().after(SILENT);
        if self.is_over(due, Counted::No) {
            let outcome = self.untried(State::Deferred, why);
            self.end(outcome, due, Counted::No, EndDetails::default()).await;
        } else {
            self.release_claim(why, SILENT).await;
        }
    }

    /// Releases the claim: back to the outbox, as if it had not been claimed.
    async fn release_claim(&self, why: &str, pause: Duration) {
        let state = match self.claim.found {
            State::DotSent | State::Uncertain => State::Uncertain,
            State::Accepted | State::Claimed => State::Accepted,
            State::Dialing
            | State::Sent
            | State::Deferred
            | State::Failed
            | State::Cancelled
            | State::Expired => State::Deferred,
        };
        tracing::debug!(id = %self.claim.id, why, "a claim is put back");
        let step = AttemptStep::Uncounted {
            state,
            recipients: self.claim.recipients.clone(),
            due: self.now().after(pause),
            last_error: None,
        };
        // As persistently as a verdict: nothing else releases the claim before it expires.
        self.keep(Verdict { step, copy: false }).await;
    }

    /// Whether no further attempt would be made at `due`.
    fn is_over(&self, due: Timestamp, counted: Counted) -> bool {
        let waited = Waited {
            age: due.since(self.claim.created),
            attempts: self.claim.attempts.saturating_add(u32::from(counted == Counted::Yes)),
        };
        let settings = &self.worker.settings;
        expiry::is_over(waited, &settings.backoff, settings.give_up_after)
    }

    /// Records the outcome.
    async fn end(&self, mut outcome: Outcome, due: Timestamp, counted: Counted, over: EndDetails) {
        let mut state = over.state.unwrap_or_else(|| outcome.state());
        if !state.is_final() && self.is_over(due, counted) {
            outcome.expire(self.now());
            state = State::Expired;
        }
        // A final submission is not due: the time is when it ended.
        let due = if state.is_final() { self.now() } else { due };
        let Outcome { recipients, last_error } = outcome;
        let step = AttemptStep::Ended { state, recipients, due, last_error };
        let step = if counted == Counted::Yes { step } else { uncounted(step) };
        self.keep(Verdict { step, copy: over.copy }).await;
    }

    async fn keep(&self, verdict: Verdict) {
        recording::keep(self.worker, &self.claim, &verdict, self.stopping.clone()).await;
    }

    fn record(&self, step: AttemptStep) -> BoxFuture<'_, Result<(), StoreError>> {
        self.worker.outbox.record(&self.claim.id, self.claim.epoch, step)
    }

    fn backoff(&self) -> Duration {
        let Worker { entropy, settings, .. } = self.worker;
        backoff::pause(&settings.backoff, self.claim.attempts, &**entropy)
    }

    fn now(&self) -> Timestamp {
        self.worker.clock.now()
    }
}

/// The damage of the stored bytes, where that is why nothing was sent. A disk that cannot read them
/// now may do so later, and a directory without them may be mounted later.
fn damage(answer: &Result<Delivery, SmtpError>) -> Option<String> {
    let (Err(SmtpError::Unreadable(error))
    | Ok(Delivery { data: Data::Ended(SmtpError::Unreadable(error)), .. })) = answer
    else {
        return None;
    };
    let damaged = matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof);
    damaged.then(|| format!("its bytes are damaged: {error}"))
}
