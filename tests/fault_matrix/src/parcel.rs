//! Submissions: accepted once, delivered once, or the doubt is told.

use std::collections::BTreeSet;
use std::time::Duration;

use mailroom::{Fault, Protocol};
use model::account::Security;
use model::mail::address::Address;
use model::mail::draft::Draft;
use model::port::capabilities::Submissions;
use model::submission::{State, SubmissionStatus};
use tokio::time::Instant;

use crate::cell::{Cell, Start, cells};
use crate::world::{ANN, BO, Setting, World, on_an_owned_clock};

const TARGET: &str = "target";
/// Longer than the mailroom's warm session is kept, and than a copy to Sent may take.
const SETTLING: Duration = Duration::from_secs(130);
/// For the retries after the server behaves again.
const RETRIES: Duration = Duration::from_secs(10 * 60);
/// Longer than a cell could take, in the test's own time.
const PATIENCE: Duration = Duration::from_secs(2 * 60 * 60);

/// What was sent over the session before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// A message that arrived.
    Delivered,
    /// A message that nobody took: its transaction has to be reset.
    Refused,
}

/// A send in a setting.
#[derive(Clone, Copy, Debug)]
pub struct Parcel {
    /// For whoever reads a failure.
    pub name: &'static str,
    /// What a warm session was used for.
    pub before: Before,
    /// How the servers are reached.
    pub setting: Setting,
}

/// Every way to send. Each is followed by a copy to the mailbox for sent mail.
pub const PARCELS: [Parcel; 3] = [
    Parcel { name: "send", before: Before::Delivered, setting: Setting::PLAIN },
    Parcel { name: "send after a refusal", before: Before::Refused, setting: Setting::PLAIN },
    Parcel {
        name: "send over STARTTLS",
        before: Before::Delivered,
        setting: Setting { security: Security::StartTls, without: &[] },
    },
];

impl Parcel {
    /// Every fault at every step that the send comes to when nothing goes wrong.
    #[must_use]
    pub fn cells(self, start: Start) -> Vec<Cell> {
        cells(self.name, start, [Protocol::Smtp, Protocol::Imap], |protocol| {
            self.steps(start, protocol)
        })
    }

    /// The steps that the send, and what follows it, comes to when nothing goes wrong.
    ///
    /// # Panics
    /// When something does.
    #[must_use]
    pub fn steps(self, start: Start, protocol: Protocol) -> BTreeSet<&'static str> {
        let mut steps = BTreeSet::new();
        on_an_owned_clock(async {
            let world = self.stage(start).await;
            let mark = world.mark();
            let id = submit(&world, TARGET, BO).await;
            let entry = until(&world, &id, Duration::from_secs(1), is_final).await.unwrap();
            assert_eq!(entry.receipt.state, State::Sent);
            tokio::time::sleep(SETTLING).await;
            steps = world.steps_since(mark, protocol);
        });
        steps
    }

    /// Plays one cell; says what was wrong.
    ///
    /// # Errors
    /// With the cell and what did not hold.
    pub fn play(self, cell: &Cell) -> Result<(), String> {
        let mut outcome = Err("it never ended".to_owned());
        on_an_owned_clock(async {
            if let Ok(ended) = tokio::time::timeout(PATIENCE, self.run(cell)).await {
                outcome = ended;
            }
        });
        outcome.map_err(|what| format!("{cell}: {what}"))
    }

    async fn run(self, cell: &Cell) -> Result<(), String> {
        let world = self.stage(cell.start).await;
        world.misbehave(cell.rule());
        let mark = world.mark();
        let id = submit(&world, TARGET, BO).await;
        let seen = until(&world, &id, cell.deadline(), |entry| !is_under_way(entry)).await?;
        let state = seen.receipt.state;
        // What happens after the verdict happens while the script is on.
        if state == State::Sent {
            tokio::time::sleep(SETTLING).await;
        }
        if !world.steps_since(mark, cell.protocol).contains(cell.step) {
            return Err("the step was not reached".to_owned());
        }
        check_first(cell, &seen)?;
        if state == State::Sent && world.count(BO, "INBOX", TARGET) != 1 {
            return Err("told as sent, but it is not there once".to_owned());
        }

        world.behave();
        let entry = until(&world, &id, RETRIES, is_final).await?;
        tokio::time::sleep(SETTLING).await;
        check_end(cell, &seen, &entry, &world)?;

        let next = submit(&world, "next", BO).await;
        let entry = until(&world, &next, Duration::from_secs(1), is_final).await?;
        let arrived = world.count(BO, "INBOX", "next");
        if entry.receipt.state == State::Sent && arrived == 1 && !entry.possible_duplicate {
            return Ok(());
        }
        Err(format!("the next one is there {arrived} times: {entry:?}"))
    }

    async fn stage(self, start: Start) -> World {
        let world = World::new(self.setting).await;
        if start == Start::Warm {
            let to = match self.before {
                Before::Delivered => BO,
                Before::Refused => "bounce@x.test",
            };
            let id = submit(&world, "before", to).await;
            until(&world, &id, Duration::from_secs(1), is_final).await.unwrap();
            // Its copy is filed, and the session is still kept.
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        world
    }
}

/// What is seen of the submission after the fault.
fn check_first(cell: &Cell, seen: &SubmissionStatus) -> Result<(), String> {
    let state = seen.receipt.state;
    let verdictless = cell.protocol == Protocol::Smtp && !cell.is_refusal();
    let in_doubt = verdictless && cell.step == ".";
    // A server that stops reading may have everything by then, or may not.
    let perhaps = verdictless && cell.step == "body";
    if in_doubt && state != State::Uncertain {
        return Err(format!("the dot was sent and no verdict came: {seen:?}"));
    }
    if state == State::Uncertain && !in_doubt && !perhaps {
        return Err(format!("there is no doubt: {seen:?}"));
    }
    // A session that lay idle may be dead, so a new one is tried at once; before it there is none.
    let transaction =
        ["greeting", "TLS", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", ".", "body"];
    let refused = cell.start == Start::Cold
        && cell.protocol == Protocol::Smtp
        && cell.is_refusal()
        && transaction.contains(&cell.step);
    if refused && state == State::Sent {
        return Err(format!("a refusal was told as a success: {seen:?}"));
    }
    if state == State::Failed && !may_fail(cell) {
        return Err(format!("given up, though no server refused the message: {seen:?}"));
    }
    if cell.protocol == Protocol::Imap && state != State::Sent {
        return Err(format!("the copy to Sent changed the verdict: {seen:?}"));
    }
    let silent = !is_final(seen) && seen.last_error.is_none();
    if silent { Err(format!("why it waits is not told: {seen:?}")) } else { Ok(()) }
}

/// What became of it in the end.
fn check_end(
    cell: &Cell,
    seen: &SubmissionStatus,
    entry: &SubmissionStatus,
    world: &World,
) -> Result<(), String> {
    let arrived = world.count(BO, "INBOX", TARGET);
    let filed = world.count(ANN, "Sent", TARGET);
    let wrong =
        |what: &str| Err(format!("{what}: there {arrived} times, {filed} in Sent, {entry:?}"));
    let doubted = seen.receipt.state == State::Uncertain;
    if entry.possible_duplicate != doubted {
        return wrong("the doubt is not told, or told for nothing");
    }
    let state = entry.receipt.state;
    if state == State::Failed && may_fail(cell) && arrived == 0 && filed == 0 {
        return Ok(());
    }
    if state != State::Sent {
        return wrong("not at its end");
    }
    match (arrived, filed) {
        (0, _) => wrong("lost"),
        (2.., _) if !doubted => wrong("sent twice"),
        (3.., _) => wrong("sent again after a verdict"),
        (_, 2..) => wrong("filed twice"),
        // Filing is tried once; so only a fault of its own may leave none.
        (_, 0) if cell.protocol == Protocol::Smtp => wrong("not filed"),
        _ => Ok(()),
    }
}

/// Whether the server's words are about the message, and final.
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

async fn submit(world: &World, subject: &str, to: &str) -> String {
    let draft = Draft {
        to: vec![Address { name: None, email: to.to_owned() }],
        subject: Some(subject.to_owned()),
        text: Some("Words.".to_owned()),
        ..Draft::default()
    };
    let receipt = world.engine.submit(&world.grant, draft).await.unwrap();
    receipt.submission.to_string()
}

/// The submission once it is so, if that is by the deadline.
async fn until(
    world: &World,
    id: &str,
    deadline: Duration,
    reached: impl Fn(&SubmissionStatus) -> bool,
) -> Result<SubmissionStatus, String> {
    let begun = Instant::now();
    loop {
        let entry = world.engine.submission(&world.grant, id).await.unwrap();
        if reached(&entry) {
            return Ok(entry);
        }
        if begun.elapsed() > deadline {
            return Err(format!("nothing to be seen after {deadline:?}: {entry:?}"));
        }
        // A look costs nothing on this clock.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
