//! Submissions in the fault matrix: accepted once, delivered once, or marked as a possible
//! duplicate.

use std::collections::BTreeSet;
use std::time::Duration;

use mailroom::{Fault, Protocol};
use model::mail::address::Address;
use model::mail::draft::Draft;
use model::port::capabilities::Submissions;
use model::submission::{State, SubmissionStatus};
use tokio::time::Instant;

use crate::cell::{Cell, Start};
use crate::fixture::{ANN, BO, Fixture, Setting};
use crate::scenario::Scenario;

const TARGET: &str = "target";
/// Longer than an idle SMTP session is kept, and than a copy to Sent may take.
const SETTLING: Duration = Duration::from_secs(130);
/// Time for retries after the fault has ended.
const RETRIES: Duration = Duration::from_secs(10 * 60);

/// The outcome of the previous message of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// It was delivered.
    Delivered,
    /// It was refused: the transaction is reset.
    Refused,
}

/// A submission with the settings of the servers.
#[derive(Clone, Copy, Debug)]
pub struct Submission {
    /// The name, for messages of failed tests.
    pub name: &'static str,
    /// The previous message of the session.
    pub before: Before,
    /// How the servers are reached.
    pub setting: Setting,
}

/// Every way to send. Each is followed by a copy to the mailbox for sent mail.
pub const SUBMISSIONS: [Submission; 3] = [
    Submission { name: "send", before: Before::Delivered, setting: Setting::PLAIN },
    Submission { name: "send after a refusal", before: Before::Refused, setting: Setting::PLAIN },
    Submission {
        name: "send over STARTTLS",
        before: Before::Delivered,
        setting: Setting::STARTTLS,
    },
];

impl Scenario for Submission {
    const PROTOCOLS: [Protocol; 2] = [Protocol::Smtp, Protocol::Imap];
    const PATIENCE: Duration = Duration::from_secs(2 * 60 * 60);

    fn name(self) -> &'static str {
        self.name
    }

    async fn walk(self, start: Start, protocol: Protocol) -> BTreeSet<&'static str> {
        let fixture = self.stage(start).await;
        let mark = fixture.mark();
        let id = submit(&fixture, TARGET, BO).await;
        let entry = until(&fixture, &id, Duration::from_secs(1), is_final).await.unwrap();
        assert_eq!(entry.receipt.state, State::Sent);
        tokio::time::sleep(SETTLING).await;
        fixture.steps_since(mark, protocol)
    }

    async fn run(self, cell: &Cell) -> Result<(), String> {
        let fixture = self.stage(cell.start).await;
        fixture.misbehave(cell.rule());
        let mark = fixture.mark();
        let id = submit(&fixture, TARGET, BO).await;
        let seen = until(&fixture, &id, cell.deadline(), |entry| !is_under_way(entry)).await?;
        let state = seen.receipt.state;
        // The fault lasts until the steps after the verdict are done.
        if state == State::Sent {
            tokio::time::sleep(SETTLING).await;
        }
        if !fixture.steps_since(mark, cell.protocol).contains(cell.step) {
            return Err("the step was not reached".to_owned());
        }
        check_first(cell, &seen)?;
        if state == State::Sent && fixture.count(BO, "INBOX", TARGET) != 1 {
            return Err("reported as sent, but did not arrive exactly once".to_owned());
        }

        fixture.behave();
        let entry = until(&fixture, &id, RETRIES, is_final).await?;
        tokio::time::sleep(SETTLING).await;
        check_end(cell, &seen, &entry, &fixture)?;

        let next = submit(&fixture, "next", BO).await;
        let entry = until(&fixture, &next, Duration::from_secs(1), is_final).await?;
        let arrived = fixture.count(BO, "INBOX", "next");
        if entry.receipt.state == State::Sent && arrived == 1 && !entry.possible_duplicate {
            return Ok(());
        }
        Err(format!("the next message arrived {arrived} times: {entry:?}"))
    }
}

impl Submission {
    async fn stage(self, start: Start) -> Fixture {
        let fixture = Fixture::new(self.setting).await;
        if start == Start::Warm {
            let to = match self.before {
                Before::Delivered => BO,
                Before::Refused => "bounce@x.test",
            };
            let id = submit(&fixture, "before", to).await;
            until(&fixture, &id, Duration::from_secs(1), is_final).await.unwrap();
            // Its copy is filed, and the session is still kept.
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        fixture
    }
}

/// Checks the state of the submission after the fault.
fn check_first(cell: &Cell, seen: &SubmissionStatus) -> Result<(), String> {
    let state = seen.receipt.state;
    let verdictless = cell.protocol == Protocol::Smtp && !cell.is_refusal();
    let in_doubt = verdictless && cell.step == ".";
    // A server that stops reading may have received everything, or not.
    let perhaps = verdictless && cell.step == "body";
    if in_doubt && state != State::Uncertain {
        return Err(format!(
            "the dot was sent without a verdict, but the state is not uncertain: {seen:?}"
        ));
    }
    if state == State::Uncertain && !in_doubt && !perhaps {
        return Err(format!("uncertain without a reason: {seen:?}"));
    }
    // An idle session may be dead, so a new one is tried at once; a cold start has no idle session.
    let transaction =
        ["greeting", "TLS", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", ".", "body"];
    let refused = cell.start == Start::Cold
        && cell.protocol == Protocol::Smtp
        && cell.is_refusal()
        && transaction.contains(&cell.step);
    if refused && state == State::Sent {
        return Err(format!("a refusal was reported as a success: {seen:?}"));
    }
    if state == State::Failed && !may_fail(cell) {
        return Err(format!("failed, although no server refused the message: {seen:?}"));
    }
    if cell.protocol == Protocol::Imap && state != State::Sent {
        return Err(format!("the copy to Sent changed the verdict: {seen:?}"));
    }
    let silent = !is_final(seen) && seen.last_error.is_none();
    if silent { Err(format!("the reason for the delay is missing: {seen:?}")) } else { Ok(()) }
}

/// Checks the final state of the submission.
fn check_end(
    cell: &Cell,
    seen: &SubmissionStatus,
    entry: &SubmissionStatus,
    fixture: &Fixture,
) -> Result<(), String> {
    let arrived = fixture.count(BO, "INBOX", TARGET);
    let filed = fixture.count(ANN, "Sent", TARGET);
    let wrong =
        |what: &str| Err(format!("{what}: arrived {arrived} times, {filed} in Sent, {entry:?}"));
    let doubted = seen.receipt.state == State::Uncertain;
    if entry.possible_duplicate != doubted {
        return wrong("a possible duplicate is not marked, or marked without a reason");
    }
    let state = entry.receipt.state;
    if state == State::Failed && may_fail(cell) && arrived == 0 && filed == 0 {
        return Ok(());
    }
    if state != State::Sent {
        return wrong("not final");
    }
    match (arrived, filed) {
        (0, _) => wrong("lost"),
        (2.., _) if !doubted => wrong("sent twice"),
        (3.., _) => wrong("sent again after a verdict"),
        (_, 2..) => wrong("filed twice"),
        // The copy is tried once; only a fault of the copy itself may leave none.
        (_, 0) if cell.protocol == Protocol::Smtp => wrong("not filed"),
        _ => Ok(()),
    }
}

/// Whether the server's reply is a final refusal of the message.
fn may_fail(cell: &Cell) -> bool {
    let about = ["MAIL", "RCPT", "DATA", "body", "."].contains(&cell.step);
    cell.protocol == Protocol::Smtp && matches!(cell.fault, Fault::No(_) | Fault::Bad(_)) && about
}

fn is_under_way(entry: &SubmissionStatus) -> bool {
    let state = entry.receipt.state;
    matches!(state, State::Accepted | State::Claimed | State::Dialing | State::DotSent)
}

fn is_final(entry: &SubmissionStatus) -> bool {
    entry.receipt.state.is_final()
}

async fn submit(fixture: &Fixture, subject: &str, to: &str) -> String {
    let draft = Draft {
        to: vec![Address { name: None, email: to.to_owned() }],
        subject: Some(subject.to_owned()),
        text: Some("Words.".to_owned()),
        ..Draft::default()
    };
    let accepted = fixture.engine.submit(&fixture.grant, draft).await.unwrap();
    accepted.receipt.submission.to_string()
}

/// Waits until the submission is in a state, at most until the deadline.
async fn until(
    fixture: &Fixture,
    id: &str,
    deadline: Duration,
    reached: impl Fn(&SubmissionStatus) -> bool,
) -> Result<SubmissionStatus, String> {
    let begun = Instant::now();
    loop {
        let entry = fixture.engine.submission(&fixture.grant, id).await.unwrap();
        if reached(&entry) {
            return Ok(entry);
        }
        if begun.elapsed() > deadline {
            return Err(format!("the state was not reached after {deadline:?}: {entry:?}"));
        }
        // Polling costs no time on this clock.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
