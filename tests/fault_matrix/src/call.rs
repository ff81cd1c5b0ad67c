//! Calls that read or change mail, and what has to hold of each whatever the server does.

use std::collections::BTreeSet;
use std::time::Duration;

use mailroom::{Fault, Protocol};
use model::account::Security;
use model::mail::message::{FlagChange, Moved};
use model::port::capabilities::{Body, Mailboxes, Messages};
use model::problem::{Code, Problem};
use tokio::time::Instant;

use crate::cell::{Cell, Start, cells};
use crate::world::{ANN, Setting, World, inbox, on_an_owned_clock};

/// The message that the call is about, and one that it is not about.
const TARGET: &str = "target";
const BYSTANDER: &str = "bystander";
/// Longer than any call could take, in the test's own time.
const PATIENCE: Duration = Duration::from_secs(60 * 60);

/// What is called.
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

/// A call in a setting.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// For whoever reads a failure.
    pub name: &'static str,
    /// What is called.
    pub kind: Kind,
    /// How the server is reached, and what it lacks.
    pub setting: Setting,
}

const fn call(name: &'static str, kind: Kind) -> Call {
    Call { name, kind, setting: Setting::PLAIN }
}

/// Calls that change nothing.
pub const READING: [Call; 5] = [
    call("list", Kind::List),
    call("fetch", Kind::Fetch),
    call("mailboxes", Kind::Mailboxes),
    Call {
        name: "list over STARTTLS",
        kind: Kind::List,
        setting: Setting { security: Security::StartTls, without: &[] },
    },
    Call {
        name: "list after LOGIN",
        kind: Kind::List,
        setting: Setting { security: Security::Tls, without: &["AUTH=PLAIN"] },
    },
];

/// Logins and nothing else.
pub const VERIFYING: [Call; 2] = [
    call("verify", Kind::Verify),
    Call {
        name: "verify over STARTTLS",
        kind: Kind::Verify,
        setting: Setting { security: Security::StartTls, without: &[] },
    },
];

/// Calls that change something.
pub const CHANGING: [Call; 6] = [
    call("flag", Kind::Flag),
    call("move", Kind::Move),
    call("copy", Kind::Copy),
    call("trash", Kind::Trash),
    call("expunge", Kind::Expunge),
    Call {
        name: "move without MOVE",
        kind: Kind::Move,
        setting: Setting { security: Security::Tls, without: &["MOVE"] },
    },
];

impl Call {
    /// Every fault at every step that the call comes to when nothing goes wrong.
    #[must_use]
    pub fn cells(self, start: Start) -> Vec<Cell> {
        cells(self.name, start, [Protocol::Imap, Protocol::Smtp], |protocol| {
            self.steps(start, protocol)
        })
    }

    /// The steps that the call comes to when nothing goes wrong.
    ///
    /// # Panics
    /// When something does.
    #[must_use]
    pub fn steps(self, start: Start, protocol: Protocol) -> BTreeSet<&'static str> {
        let mut steps = BTreeSet::new();
        on_an_owned_clock(async {
            let stage = self.stage(start).await;
            let mark = stage.world.mark();
            self.act(&stage.world, &stage.target).await.unwrap();
            self.effect(&stage.world, TARGET, Told::Done).unwrap();
            steps = stage.world.steps_since(mark, protocol);
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
        let Stage { world, target, bystander } = self.stage(cell.start).await;
        world.misbehave(cell.rule());
        let (mark, begun) = (world.mark(), Instant::now());
        let answer = self.act(&world, &target).await;
        let took = begun.elapsed();
        if !world.steps_since(mark, cell.protocol).contains(cell.step) {
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
                return Err("a refusal was told as a success".to_owned());
            }
            Err(problem) if !cell.explains(problem.code) => {
                return Err(format!("told as {problem:?}"));
            }
            _ => {}
        }
        self.effect(&world, TARGET, told)?;
        untouched(&world)?;

        world.behave();
        let begun = Instant::now();
        let next = self.act(&world, &bystander).await;
        next.map_err(|problem| format!("the next call: {problem:?}"))?;
        if begun.elapsed() > Duration::from_secs(1) {
            return Err(format!("the next call took {:?}", begun.elapsed()));
        }
        self.effect(&world, BYSTANDER, Told::Done)?;
        self.effect(&world, TARGET, told).map_err(|what| format!("after the next call: {what}"))
    }

    async fn stage(self, start: Start) -> Stage {
        let world = World::new(self.setting).await;
        for subject in [TARGET, BYSTANDER] {
            let raw = format!(
                "From: bo@x.test\r\nTo: ann@x.test\r\nSubject: {subject}\r\n\r\nThe {subject}.\r\n"
            );
            world.mailroom.deliver(ANN, "INBOX", raw.as_bytes()).unwrap();
        }
        let (target, bystander) = (world.key(TARGET).await, world.key(BYSTANDER).await);
        match start {
            Start::Cold => {
                let account = &world.grant.account;
                world.engine.forget(&account.tenant, &account.id).await;
            }
            // What the session knows is old enough to be asked for again.
            Start::Warm => tokio::time::sleep(Duration::from_secs(2)).await,
        }
        Stage { world, target, bystander }
    }

    /// Whether this cell's refusal has to be told. A session that lay idle may answer nonsense
    /// because it is dead: what changes nothing is then asked once more.
    fn must_fail(self, cell: &Cell) -> bool {
        let courtesy = matches!((cell.step, &cell.fault), ("ID", Fault::No(_) | Fault::Bad(_)))
            || matches!(cell.step, "LOGOUT" | "QUIT");
        let once = cell.start == Start::Warm;
        let asked_again = once && matches!(cell.fault, Fault::Bad(_)) && !changes(cell.step);
        // One mailbox of many that cannot be counted does not hide the others.
        let one_of_many = once && cell.step == "STATUS";
        // A page that ends in NO is asked for in pieces.
        let in_pieces = once
            && matches!((cell.step, &cell.fault, self.kind), ("FETCH", Fault::No(_), Kind::List));
        cell.is_refusal() && !courtesy && !asked_again && !one_of_many && !in_pieces
    }

    async fn act(self, world: &World, key: &str) -> Result<(), Problem> {
        let World { engine, grant, .. } = world;
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
                let verified = engine.verify(&grant.account, &world.credentials).await?;
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

    /// What lies in the mailboxes fits to what was told, and nothing is lost or there twice.
    fn effect(self, world: &World, subject: &str, told: Told) -> Result<(), String> {
        let elsewhere = if self.kind == Kind::Trash { "Trash" } else { "Archive" };
        let here = world.flags(ANN, "INBOX", subject);
        let (count, there) = (here.len(), world.count(ANN, elsewhere, subject));
        let done = told == Told::Done;
        let flagged = || here.iter().any(|flags| flags.iter().any(|flag| flag == "\\Flagged"));
        let holds = match self.kind {
            // Not even \Seen is left behind.
            Kind::List | Kind::Fetch | Kind::Mailboxes | Kind::Verify => {
                (count, there) == (1, 0) && here.iter().all(Vec::is_empty)
            }
            Kind::Flag => (count, there) == (1, 0) && (flagged() || !done),
            Kind::Copy => count == 1 && there <= 1 && (there == 1 || !done),
            Kind::Expunge => there == 0 && count <= 1 && (count == 0 || !done),
            Kind::Move | Kind::Trash if done => (count, there) == (0, 1),
            // RFC 6851 §3.3: in pieces, so that it may lie in both. In neither it may never be.
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
    world: World,
    target: String,
    bystander: String,
}

/// What the caller was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Done,
    Problem,
}

fn untouched(world: &World) -> Result<(), String> {
    let flags = world.flags(ANN, "INBOX", BYSTANDER);
    let alone = flags.len() == 1 && flags.iter().all(Vec::is_empty);
    if alone { Ok(()) } else { Err(format!("the bystander is {flags:?}")) }
}

/// Commands that are never sent twice.
fn changes(step: &str) -> bool {
    ["UID STORE", "UID MOVE", "UID COPY", "UID EXPUNGE"].contains(&step)
}
