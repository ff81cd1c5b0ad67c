//! Calls that read or change mail, with the properties that must hold whatever the server does.

use std::collections::BTreeSet;
use std::time::Duration;

use mailroom::{Fault, Protocol};
use model::mail::message::{FlagChange, Moved};
use model::port::capabilities::{Body, Mailboxes, Messages};
use model::problem::{Code, Problem};
use tokio::time::Instant;

use crate::cell::{Cell, Start};
use crate::fixture::{ANN, Fixture, Setting, inbox};
use crate::scenario::Scenario;

/// The message of the call, and another one that it must not change.
const TARGET: &str = "target";
const BYSTANDER: &str = "bystander";

/// The kind of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `GET …/messages`.
    List,
    /// `GET …/messages/{id}`.
    Fetch,
    /// `GET …/mailboxes`, with counters.
    Mailboxes,
    /// `POST …/verify`.
    Verify,
    /// `PATCH …/messages/{id}`.
    Flag,
    /// `POST …/move`.
    Move,
    /// `POST …/copy`.
    Copy,
    /// `DELETE …/messages/{id}`.
    Trash,
    /// `DELETE …/messages/{id}?permanent=true`.
    Expunge,
}

/// A call with the settings of the server.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// The name, for messages of failed tests.
    pub name: &'static str,
    /// The kind of the call.
    pub kind: Kind,
    /// How the server is reached, and what it does not offer.
    pub setting: Setting,
}

/// Calls that change nothing.
pub const READING: [Call; 5] = [
    call("list", Kind::List, Setting::PLAIN),
    call("fetch", Kind::Fetch, Setting::PLAIN),
    call("mailboxes", Kind::Mailboxes, Setting::PLAIN),
    call("list over STARTTLS", Kind::List, Setting::STARTTLS),
    call("list after LOGIN", Kind::List, Setting::without(&["AUTH=PLAIN"])),
];

/// Logins only.
pub const VERIFYING: [Call; 2] = [
    call("verify", Kind::Verify, Setting::PLAIN),
    call("verify over STARTTLS", Kind::Verify, Setting::STARTTLS),
];

/// Calls that change something.
pub const CHANGING: [Call; 6] = [
    call("flag", Kind::Flag, Setting::PLAIN),
    call("move", Kind::Move, Setting::PLAIN),
    call("copy", Kind::Copy, Setting::PLAIN),
    call("trash", Kind::Trash, Setting::PLAIN),
    call("expunge", Kind::Expunge, Setting::PLAIN),
    call("move without MOVE", Kind::Move, Setting::without(&["MOVE"])),
];

const fn call(name: &'static str, kind: Kind, setting: Setting) -> Call {
    Call { name, kind, setting }
}

impl Scenario for Call {
    const PROTOCOLS: [Protocol; 2] = [Protocol::Imap, Protocol::Smtp];
    const PATIENCE: Duration = Duration::from_secs(60 * 60);

    fn name(self) -> &'static str {
        self.name
    }

    async fn walk(self, start: Start, protocol: Protocol) -> BTreeSet<&'static str> {
        let Stage { fixture, target, .. } = self.stage(start).await;
        let mark = fixture.mark();
        self.act(&fixture, &target).await.unwrap();
        self.effect(&fixture, TARGET, Told::Done).unwrap();
        fixture.steps_since(mark, protocol)
    }

    async fn run(self, cell: &Cell) -> Result<(), String> {
        let Stage { fixture, target, bystander } = self.stage(cell.start).await;
        fixture.misbehave(cell.rule());
        let (mark, begun) = (fixture.mark(), Instant::now());
        let answer = self.act(&fixture, &target).await;
        let took = begun.elapsed();
        if !fixture.steps_since(mark, cell.protocol).contains(cell.step) {
            return Err("the step was not reached".to_owned());
        }
        if took > cell.deadline() {
            return Err(format!("took {took:?}, not {:?}: {answer:?}", cell.deadline()));
        }
        let told = match &answer {
            Ok(()) => Told::Done,
            Err(_) => Told::Problem,
        };
        match &answer {
            Ok(()) if self.must_fail(cell) => {
                return Err("a refusal was reported as a success".to_owned());
            }
            Err(problem) if !cell.explains(problem.code) => {
                return Err(format!("reported as {problem:?}"));
            }
            _ => {}
        }
        self.effect(&fixture, TARGET, told)?;
        untouched(&fixture)?;

        fixture.behave();
        let begun = Instant::now();
        let next = self.act(&fixture, &bystander).await;
        next.map_err(|problem| format!("the next call: {problem:?}"))?;
        if begun.elapsed() > Duration::from_secs(1) {
            return Err(format!("the next call took {:?}", begun.elapsed()));
        }
        self.effect(&fixture, BYSTANDER, Told::Done)?;
        self.effect(&fixture, TARGET, told).map_err(|what| format!("after the next call: {what}"))
    }
}

impl Call {
    async fn stage(self, start: Start) -> Stage {
        let fixture = Fixture::new(self.setting).await;
        for subject in [TARGET, BYSTANDER] {
            let raw = format!(
                "From: bo@x.test\r\nTo: ann@x.test\r\nSubject: {subject}\r\n\r\nThe {subject}.\r\n"
            );
            fixture.mailroom.deliver(ANN, "INBOX", raw.as_bytes()).unwrap();
        }
        let (target, bystander) = (fixture.key(TARGET).await, fixture.key(BYSTANDER).await);
        match start {
            Start::Cold => {
                let account = &fixture.grant.account;
                fixture.engine.forget(&account.tenant, &account.id).await;
            }
            // The session's state is old enough to be refreshed.
            Start::Warm => tokio::time::sleep(Duration::from_secs(2)).await,
        }
        Stage { fixture, target, bystander }
    }

    /// Whether a refusal in this cell must be reported. An idle session may respond BAD because it
    /// is dead: commands that change nothing are then repeated once.
    fn must_fail(self, cell: &Cell) -> bool {
        let courtesy = matches!((cell.step, &cell.fault), ("ID", Fault::No(_) | Fault::Bad(_)))
            || matches!(cell.step, "LOGOUT" | "QUIT");
        let once = cell.start == Start::Warm;
        let asked_again = once && matches!(cell.fault, Fault::Bad(_)) && !changes(cell.step);
        // One mailbox whose counters fail does not hide the others.
        let one_of_many = once && cell.step == "STATUS";
        // A page whose FETCH ends in NO is fetched message by message.
        let in_pieces = once
            && matches!((cell.step, &cell.fault, self.kind), ("FETCH", Fault::No(_), Kind::List));
        cell.is_refusal() && !courtesy && !asked_again && !one_of_many && !in_pieces
    }

    async fn act(self, fixture: &Fixture, key: &str) -> Result<(), Problem> {
        let Fixture { engine, grant, .. } = fixture;
        let keys = [key.to_owned()];
        let moved = |mut answers: Vec<Result<Moved, Problem>>| answers.remove(0).map(drop);
        match self.kind {
            Kind::List => {
                let page = engine.find_messages(grant, inbox()).await?;
                if page.rows.iter().any(|row| row.unavailable) {
                    let detail = "a row says that the server does not give its message out";
                    return Err(Problem::new(Code::UpstreamRefused, detail));
                }
                let subjects: Vec<_> =
                    page.rows.iter().filter_map(|row| row.facts.subject.as_deref()).collect();
                assert_eq!(subjects, [BYSTANDER, TARGET]);
                Ok(())
            }
            Kind::Fetch => {
                let message = engine.open_message(grant, key).await?;
                let text = message.body(Body::Text, 100).await?.unwrap();
                assert!(text.starts_with("The "), "{text:?}");
                Ok(())
            }
            Kind::Mailboxes => {
                let mailboxes = engine.mailboxes(grant, true).await?;
                assert_eq!(mailboxes.len(), 6);
                Ok(())
            }
            Kind::Verify => {
                let verified = engine.verify(&grant.account, &fixture.credentials).await?;
                verified.imap.unwrap().result?;
                verified.smtp.unwrap().result
            }
            Kind::Flag => {
                let add = vec!["\\Flagged".parse().unwrap()];
                let change = FlagChange::Edit { add, remove: Vec::new() };
                let mut answers = engine.change_flags(grant, &keys, change).await;
                answers.remove(0).map(|flags| assert!(flags.contains(&"\\Flagged".to_owned())))
            }
            Kind::Move => moved(engine.move_messages(grant, &keys, "Archive").await),
            Kind::Copy => moved(engine.copy_messages(grant, &keys, "Archive").await),
            Kind::Trash => moved(engine.trash(grant, &keys).await),
            Kind::Expunge => engine.expunge_forever(grant, &keys).await.remove(0),
        }
    }

    /// The mailboxes agree with the result, and no message is lost or duplicated.
    fn effect(self, fixture: &Fixture, subject: &str, told: Told) -> Result<(), String> {
        let elsewhere = if self.kind == Kind::Trash { "Trash" } else { "Archive" };
        let here = fixture.flags(ANN, "INBOX", subject);
        let (count, there) = (here.len(), fixture.count(ANN, elsewhere, subject));
        let done = told == Told::Done;
        let flagged = || here.iter().any(|flags| flags.iter().any(|flag| flag == "\\Flagged"));
        let holds = match self.kind {
            // Not even \Seen is set.
            Kind::List | Kind::Fetch | Kind::Mailboxes | Kind::Verify => {
                (count, there) == (1, 0) && here.iter().all(Vec::is_empty)
            }
            Kind::Flag => (count, there) == (1, 0) && (flagged() || !done),
            Kind::Copy => count == 1 && there <= 1 && (there == 1 || !done),
            Kind::Expunge => there == 0 && count <= 1 && (count == 0 || !done),
            Kind::Move | Kind::Trash if done => (count, there) == (0, 1),
            // RFC 6851 §3.3: COPY and EXPUNGE, so that it may be in both mailboxes, but never in
            // neither.
            Kind::Move if self.setting.without.contains(&"MOVE") => {
                count <= 1 && there <= 1 && count + there >= 1
            }
            Kind::Move | Kind::Trash => count + there == 1,
        };
        if holds {
            return Ok(());
        }
        Err(format!(
            "{told:?}, but {subject} is {here:?} in INBOX and {there} times in {elsewhere}"
        ))
    }
}

struct Stage {
    fixture: Fixture,
    target: String,
    bystander: String,
}

/// The result of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Done,
    Problem,
}

fn untouched(fixture: &Fixture) -> Result<(), String> {
    let flags = fixture.flags(ANN, "INBOX", BYSTANDER);
    let alone = flags.len() == 1 && flags.iter().all(Vec::is_empty);
    if alone { Ok(()) } else { Err(format!("the bystander is {flags:?}")) }
}

/// Commands that are never sent twice.
fn changes(step: &str) -> bool {
    ["UID STORE", "UID MOVE", "UID COPY", "UID EXPUNGE"].contains(&step)
}
