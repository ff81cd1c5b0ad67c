//! One cell of the matrix: what goes wrong, where, and what may then be said, and by when.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use mailroom::{Fault, Protocol, Rule};
use model::problem::Code;

use crate::pipe::HANDSHAKE_LIMIT;

/// Whether there is a session already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// None: the call connects. Then the fault happens every time.
    Cold,
    /// One from the call before. Then the fault happens once, so that whoever tries again could
    /// do so twice as much as he should.
    Warm,
}

/// Both.
pub const STARTS: [Start; 2] = [Start::Cold, Start::Warm];

/// Everything that may go wrong at a step.
#[must_use]
pub fn faults() -> [Fault; 6] {
    [
        Fault::Stall,
        Fault::Cut,
        Fault::CutAfter,
        Fault::CutWithin(1),
        Fault::No("not today".to_owned()),
        Fault::Bad("never heard of it".to_owned()),
    ]
}

/// Every fault at each of the steps, which are asked for one protocol after the other.
pub fn cells(
    call: &'static str,
    start: Start,
    protocols: [Protocol; 2],
    steps: impl Fn(Protocol) -> BTreeSet<&'static str>,
) -> Vec<Cell> {
    let mut cells = Vec::new();
    for protocol in protocols {
        for step in steps(protocol) {
            cells.extend(faults().map(|fault| Cell { call, start, protocol, step, fault }));
        }
    }
    cells
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Cell {
    /// What is called.
    pub call: &'static str,
    /// Where it begins.
    pub start: Start,
    /// With whom.
    pub protocol: Protocol,
    /// When.
    pub step: &'static str,
    /// What goes wrong.
    pub fault: Fault,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { call, start, protocol, step, fault } = self;
        write!(f, "{call}, {start:?}, {protocol:?} {step}, {fault:?}")
    }
}

impl Cell {
    /// For the mailroom.
    #[must_use]
    pub fn rule(&self) -> Rule {
        Rule {
            protocol: self.protocol,
            step: self.step.to_owned(),
            fault: self.fault.clone(),
            times: (self.start == Start::Warm).then_some(1),
        }
    }

    /// The server says no, in one way or the other.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self.fault, Fault::No(_) | Fault::Bad(_))
    }

    /// How long the call may take until it says something. Only a stalled server costs time at all.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        /// For whoever looks round only now and then.
        const GRACE: Duration = Duration::from_secs(1);
        if self.fault != Fault::Stall {
            return GRACE;
        }
        let step = match (self.protocol, self.step) {
            (_, "TLS") => HANDSHAKE_LIMIT,
            (Protocol::Imap, "greeting") => Duration::from_secs(30),
            (_, "LOGOUT" | "QUIT") => Duration::from_secs(1),
            (Protocol::Smtp, "DATA") => Duration::from_secs(120),
            // Small messages are in the server's hands when it stops reading.
            (Protocol::Smtp, "body" | ".") => Duration::from_secs(600),
            _ => Duration::from_secs(60),
        };
        step + GRACE
    }

    /// Whether a problem with this code tells what went wrong.
    #[must_use]
    pub fn explains(&self, code: Code) -> bool {
        const LOGIN: [&str; 2] = ["LOGIN", "AUTHENTICATE"];
        let at = |steps: &[&str]| steps.contains(&self.step);
        let table: &[(Code, bool)] = match self.fault {
            Fault::Stall => &[(Code::UpstreamTimeout, true)],
            Fault::No(_) | Fault::Bad(_) => &[
                (Code::UpstreamRefused, true),
                // What is refused before the login is no verdict on the call.
                (Code::UpstreamBusy, at(&["greeting", "CAPABILITY", "STARTTLS", "ID"])),
                (Code::UpstreamBusy, at(&LOGIN)),
                (Code::CredentialsRefused, at(&LOGIN)),
                // In place of a handshake, words: behind STARTTLS that is how an attacker injects some.
                (Code::UpstreamMisbehaved, at(&["greeting", "TLS"])),
                // What is only tried: who greets in another way is taken for another kind of server.
                (Code::WrongProtocol, at(&["greeting"])),
                (Code::TlsUnavailable, at(&["TLS"])),
                // Too early to be understood, so the server closes.
                (Code::UpstreamUnreachable, at(&["literal"])),
            ],
            Fault::Cut
            | Fault::CutAfter
            | Fault::CutWithin(_)
            | Fault::Reply(_)
            | Fault::Line(_)
            | Fault::Slow(_) => {
                &[(Code::UpstreamUnreachable, true), (Code::TlsUnavailable, at(&["TLS"]))]
            }
        };
        table.contains(&(code, true))
    }
}

/// Fails with every cell that went wrong, not only the first.
///
/// # Panics
/// When one did.
#[track_caller]
pub fn hold(ran: usize, wrong: &[String]) {
    assert!(ran > 0, "no cell was run");
    assert!(wrong.is_empty(), "{} of {ran} cells went wrong:\n{}", wrong.len(), wrong.join("\n"));
}
