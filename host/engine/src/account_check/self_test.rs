//! Self-test of an account: sends a message to itself, waits for it, and removes it.
//!
//! Only a message that went through a mailbox proves that it works. It is composed by `mime` like
//! every other, but bypasses the outbox: the caller waits for the result, and a retry tomorrow
//! would not help.
//!
//! Invariants: only the message with the Message-ID generated for the test is removed; the IMAP
//! login comes first, so that nothing is sent that could not be removed.

use std::sync::Arc;
use std::time::Duration;

use model::account::{Account, Credentials};
use model::mail::address::Address;
use model::mail::draft::Draft;
use model::mail::mailbox::{Mailbox, MailboxName, Role, RoleSource};
use model::port::imap::{FetchItem, ImapError, ImapSession, Messages, Removal};
use model::port::smtp::{Activity, BeforeDot, Data, Reply, SmtpError};
use model::problem::{Code, Problem, Protocol};

use crate::account_check::checker::Checker;
use crate::account_check::verify;
use crate::login::advice;
use crate::login::attempts::LoginOutcome;
use crate::login::trace::{StepName, StepRecorder};
use crate::problems;
use crate::submit::submitter;

/// How many of the newest messages are searched: others arrive meanwhile.
const NEWEST: u32 = 50;
/// The first and the longest pause between two searches.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The result of a self-test.
#[derive(Clone, Debug, Default)]
pub struct SelfTest {
    /// Of the test message, without angle brackets; none when none was composed.
    pub message_id: Option<String>,
    /// In order; the last one failed, if there is a problem.
    pub steps: Vec<SelfTestStep>,
    /// Where the message arrived.
    pub arrived: Option<Arrival>,
    /// Nothing of it is left in the mailbox.
    pub removed: bool,
    /// Why it ended early.
    pub problem: Option<Problem>,
}

/// Where the message arrived.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The mailbox's decoded name.
    pub mailbox: String,
    /// The service filed it as junk.
    pub junk: bool,
}

/// One step of a self-test.
#[derive(Clone, Copy, Debug)]
pub struct SelfTestStep {
    /// `imap`, `compose`, `smtp`, `send`, `arrive`, `remove`.
    pub name: &'static str,
    pub ok: bool,
    pub took: Duration,
}

/// Runs the self-test. `wait` limits the time until arrival.
pub(crate) async fn run(
    checker: &Checker,
    account: &Account,
    credentials: &Credentials,
    wait: Duration,
) -> SelfTest {
    let mut run =
        Run { checker, account, trial: SelfTest::default(), last: checker.clock.monotonic() };
    if let Err(problem) = run.through(credentials, wait).await {
        run.trial.problem = Some(problem);
    }
    run.trial
}

struct Run<'a> {
    checker: &'a Checker,
    account: &'a Account,
    trial: SelfTest,
    last: Duration,
}

/// A mailbox in which the message may arrive.
struct SearchedMailbox {
    name: MailboxName,
    junk: bool,
}

impl Run<'_> {
    async fn through(&mut self, credentials: &Credentials, wait: Duration) -> Result<(), Problem> {
        let (checker, account) = (self.checker, self.account);
        let missing = |what: &str| {
            Problem::new(
                Code::NotConfigured,
                format!("a test needs both servers; the account has no {what}"),
            )
        };
        let server = account.imap.as_ref().ok_or_else(|| missing("IMAP server"))?;
        let smtp = account.smtp.as_ref().ok_or_else(|| missing("SMTP server"))?;

        let tried = verify::tried(checker, Protocol::Imap, credentials, server);
        let watch = StepRecorder::new(&*checker.clock, Protocol::Imap, server.security);
        let connected = checker.imap.connect(server, credentials, &watch).await;
        let connected = connected.map_err(|error| {
            advice::explain(problems::imap_login(error, tried.login), watch.at(), tried)
        });
        checker.healths.record(account, Protocol::Imap, connected.as_ref().err()).await;
        checker
            .refusals
            .record(account, LoginOutcome::of(&connected).map(|answer| (server, answer)));
        let mut imap = self.step("imap", connected)?;
        let mailboxes = imap.list().await.map_err(problems::imap)?;

        let message_id = submitter::message_id(&*checker.entropy, &account.email);
        let composed = self.compose(&message_id).await;
        let composed = self.step("compose", composed)?;

        let tried = verify::tried(checker, Protocol::Smtp, credentials, smtp);
        let watch = StepRecorder::new(&*checker.clock, Protocol::Smtp, smtp.security);
        let activity = Activity::new(Arc::clone(&checker.clock));
        let connected = checker.smtp.connect(smtp, credentials, &watch, &activity).await;
        let connected =
            connected.map_err(|error| advice::explain(problems::smtp(error), watch.at(), tried));
        checker.healths.record(account, Protocol::Smtp, connected.as_ref().err()).await;
        checker.refusals.record(account, LoginOutcome::of(&connected).map(|answer| (smtp, answer)));
        let mut session = self.step("smtp", connected)?;
        self.trial.message_id = Some(message_id.clone());
        let unrecorded: BeforeDot<'_> = Box::new(|| Box::pin(async { Ok(()) }));
        let sent = session.deliver(&composed.envelope, &composed.raw, unrecorded).await;
        let sent = sent.map_err(problems::smtp).and_then(|delivery| {
            let refused = delivery.recipients.into_iter().find(|reply| !reply.is_positive());
            match (refused, delivery.data) {
                (Some(reply), _) => Err(refusal("RCPT", reply)),
                (None, Data::Replied(reply)) if reply.is_positive() => Ok(()),
                (None, Data::Replied(reply)) => Err(refusal("the message", reply)),
                (None, Data::Ended(error) | Data::Lost(error)) => Err(problems::smtp(error)),
                (None, Data::Skipped) => Ok(()),
            }
        });
        let sent = sent.map_err(|problem| advice::explain(problem, StepName::Mail, tried));
        self.step("send", sent)?;
        session.quit().await;

        let places = places(&mailboxes);
        let found = self.arrival(&mut *imap, &places, &message_id, wait).await;
        let at = self.step("arrive", found)?;
        let arrival = Arrival { mailbox: at.name.decoded(), junk: at.junk };
        self.trial.arrived = Some(arrival);
        let removed = self.remove(&mut *imap, &places, &mailboxes, &message_id).await;
        self.step("remove", removed)?;
        self.trial.removed = true;
        imap.logout().await;
        Ok(())
    }

    async fn compose(&self, message_id: &str) -> Result<model::mail::draft::Composed, Problem> {
        let (checker, account) = (self.checker, self.account);
        let to = Address { name: account.name.clone(), email: account.email.as_str().to_owned() };
        let draft = Draft {
            sender: Some(to.clone()),
            to: vec![to],
            subject: Some("Postlet: a test of this mailbox".to_owned()),
            text: Some(
                "Postlet sent this message to find out whether the mailbox works, and removes it again. If you read it, that did not work: you can delete it.\r\n"
                    .to_owned(),
            ),
            ..Draft::default()
        };
        let now = checker.clock.now();
        checker.mime.compose(draft, message_id, now).await.map_err(problems::composing)
    }

    /// Searches the mailboxes in turn, at growing intervals, until the message is in one.
    async fn arrival<'p>(
        &self,
        imap: &mut dyn ImapSession,
        places: &'p [SearchedMailbox],
        message_id: &str,
        wait: Duration,
    ) -> Result<&'p SearchedMailbox, Problem> {
        let clock = &self.checker.clock;
        let began = clock.monotonic();
        let mut pause = FIRST_PAUSE;
        loop {
            for place in places {
                if !self.find_by_message_id(imap, &place.name, message_id).await?.is_empty() {
                    return Ok(place);
                }
            }
            if clock.monotonic().saturating_sub(began) + pause > wait {
                let detail = format!(
                    "the server took the message, and after {} seconds it lies neither in INBOX nor in the mailbox for junk. It may still come, and is then not removed: its subject is \"Postlet: a test of this mailbox\"",
                    wait.as_secs()
                );
                return Err(Problem::new(Code::UpstreamTimeout, detail));
            }
            clock.sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// The UIDs of the newest messages with this Message-ID. Selects again each time: on some
    /// servers a session sees a mailbox as it was at SELECT.
    async fn find_by_message_id(
        &self,
        imap: &mut dyn ImapSession,
        mailbox: &MailboxName,
        message_id: &str,
    ) -> Result<Vec<u32>, Problem> {
        let selected = imap.select(mailbox).await.map_err(problems::imap)?;
        if selected.exists == 0 {
            return Ok(Vec::new());
        }
        let first = selected.exists.saturating_sub(NEWEST - 1).max(1);
        let newest = Messages::Sequence(first..=selected.exists);
        let mut rows = Vec::new();
        let items = [FetchItem::HeaderFields(&["MESSAGE-ID"])];
        imap.fetch(&newest, &items, &mut rows).await.map_err(problems::imap)?;
        let (uids, blocks): (Vec<u32>, Vec<_>) =
            rows.into_iter().filter_map(|row| Some((row.uid, row.header?))).unzip();
        let read = self.checker.mime.summarise(blocks).await.map_err(problems::reading)?;
        let ours = uids.into_iter().zip(read).filter(|(_, facts)| {
            facts.as_ref().and_then(|facts| facts.message_id.as_deref()) == Some(message_id)
        });
        Ok(ours.map(|(uid, _)| uid).collect())
    }

    /// Removes the message from every mailbox that has it: where mail arrives, and the sent mail of
    /// a service that files copies. A mailbox that fails does not stop the others; the first error
    /// is returned.
    async fn remove(
        &self,
        imap: &mut dyn ImapSession,
        places: &[SearchedMailbox],
        mailboxes: &[Mailbox],
        message_id: &str,
    ) -> Result<(), Problem> {
        let files_itself = self
            .account
            .smtp
            .as_ref()
            .is_some_and(|server| self.checker.profiles.keeps_sent_mail(&server.host));
        let sent = with_role(mailboxes, Role::Sent).filter(|_| files_itself);
        let mut left = None;
        for name in places.iter().map(|place| &place.name).chain(sent) {
            let Err(problem) = self.clear(imap, name, message_id).await else { continue };
            let over = ends_session(&problem);
            left = left.or(Some(problem));
            if over {
                break;
            }
        }
        left.map_or(Ok(()), Err)
    }

    async fn clear(
        &self,
        imap: &mut dyn ImapSession,
        mailbox: &MailboxName,
        message_id: &str,
    ) -> Result<(), Problem> {
        let uids = self.find_by_message_id(imap, mailbox, message_id).await;
        let uids = uids.map_err(|problem| left_behind(problem, mailbox))?;
        if uids.is_empty() {
            return Ok(());
        }
        match imap.remove(&uids).await {
            Ok(Removal::Gone) => Ok(()),
            Ok(Removal::Marked) => Err(marked(mailbox)),
            Err(error) => Err(left_behind(problems::imap(error), mailbox)),
        }
    }

    fn step<T>(&mut self, name: &'static str, ended: Result<T, Problem>) -> Result<T, Problem> {
        let now = self.checker.clock.monotonic();
        let took = now.saturating_sub(std::mem::replace(&mut self.last, now));
        self.trial.steps.push(SelfTestStep { name, ok: ended.is_ok(), took });
        ended
    }
}

fn places(mailboxes: &[Mailbox]) -> Vec<SearchedMailbox> {
    let inbox =
        MailboxName::from_wire("INBOX").ok().map(|name| SearchedMailbox { name, junk: false });
    let junk = with_role(mailboxes, Role::Junk);
    let junk = junk.map(|name| SearchedMailbox { name: name.clone(), junk: true });
    inbox.into_iter().chain(junk).collect()
}

/// A SPECIAL-USE attribute takes precedence over a well-known name.
fn with_role(mailboxes: &[Mailbox], role: Role) -> Option<&MailboxName> {
    let find = |source: RoleSource| {
        mailboxes.iter().find(|known| known.selectable && known.role == Some((role, source)))
    };
    let found = find(RoleSource::SpecialUse).or_else(|| find(RoleSource::Name));
    found.map(|mailbox| &mailbox.name)
}

fn refusal(step: &'static str, reply: Reply) -> Problem {
    problems::smtp(SmtpError::Refused { step, reply })
}

fn left_behind(mut problem: Problem, mailbox: &MailboxName) -> Problem {
    problem.detail = format!(
        "the test message arrived, and {} could not be cleared of it ({}); delete it by hand: its subject is \"Postlet: a test of this mailbox\"",
        mailbox.decoded(),
        problem.detail
    );
    problem
}

/// Without UIDPLUS (RFC 4315) an EXPUNGE would also remove messages that other clients marked.
fn marked(mailbox: &MailboxName) -> Problem {
    let detail = format!(
        "the test message arrived and is marked as deleted in {}, where it still lies: this server removes only all marked messages at once (it lacks UIDPLUS), and others are marked there that are not Postlet's to remove. It goes when a mail program next expunges (compacts, purges) the mailbox",
        mailbox.decoded()
    );
    Problem::new(Code::UpstreamUnsupported, detail)
}

/// After any error but NO no command may follow.
fn ends_session(problem: &Problem) -> bool {
    let cause = problem.cause.as_ref().and_then(|cause| cause.downcast_ref::<ImapError>());
    cause.is_some_and(|error| !matches!(error, ImapError::No { .. }))
}
