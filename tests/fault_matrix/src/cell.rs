//! A cell of the fault matrix: the fault, its step, the permitted outcomes, and the deadline.

use std::fmt;
use std::time::Duration;

use mailroom::{Fault, Protocol, Rule};
use model::problem::Code;

use crate::pipe::HANDSHAKE_LIMIT;

/// Whether there is a session already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// None: the call connects, and the fault happens every time.
    Cold,
    /// One from an earlier call. The fault happens once, so that a wrong retry would do its work
    /// twice.
    Warm,
}

/// Both states.
pub const STARTS: [Start; 2] = [Start::Cold, Start::Warm];

/// Every fault of a step.
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

/// A cell of the matrix.
#[derive(Clone, Debug)]
pub struct Cell {
    /// The name of the call.
    pub call: &'static str,
    /// Whether there is a session.
    pub start: Start,
    /// The protocol.
    pub protocol: Protocol,
    /// The step.
    pub step: &'static str,
    /// The fault.
    pub fault: Fault,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { call, start, protocol, step, fault } = self;
        write!(f, "{call}, {start:?}, {protocol:?} {step}, {fault:?}")
    }
}

impl Cell {
    /// The fault as a rule for the mailroom.
    #[must_use]
    pub fn rule(&self) -> Rule {
        Rule {
            protocol: self.protocol,
            step: self.step.to_owned(),
            fault: self.fault.clone(),
            times: (self.start == Start::Warm).then_some(1),
        }
    }

    /// Whether the server refuses, with NO or with BAD.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self.fault, Fault::No(_) | Fault::Bad(_))
    }

    /// The maximum duration of the call. Only a stalled server costs time at all.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        /// For loops that poll.
        const GRACE: Duration = Duration::from_secs(1);
        if self.fault != Fault::Stall {
            return GRACE;
        }
        let step = match (self.protocol, self.step) {
            (_, "TLS") => HANDSHAKE_LIMIT,
            (Protocol::Imap, "greeting") => Duration::from_secs(30),
            (_, "LOGOUT" | "QUIT") => Duration::from_secs(1),
            (Protocol::Smtp, "DATA") => Duration::from_secs(120),
            // A small message has left the client when the server stops reading.
            (Protocol::Smtp, "body" | ".") => Duration::from_secs(600),
            _ => Duration::from_secs(60),
        };
        step + GRACE
    }

    /// Whether a problem with this code describes the fault.
    #[must_use]
    pub fn explains(&self, code: Code) -> bool {
        const LOGIN: [&str; 2] = ["LOGIN", "AUTHENTICATE"];
        let at = |steps: &[&str]| steps.contains(&self.step);
        let table: &[(Code, bool)] = match self.fault {
            Fault::Stall => &[(Code::UpstreamTimeout, true)],
            Fault::No(_) | Fault::Bad(_) => &[
                (Code::UpstreamRefused, true),
                // A refusal before the login is no verdict on the call.
                (Code::UpstreamBusy, at(&["greeting", "CAPABILITY", "STARTTLS", "ID"])),
                (Code::UpstreamBusy, at(&LOGIN)),
                (Code::CredentialsRefused, at(&LOGIN)),
                // Plain text in place of a handshake: after STARTTLS, that may be an attacker's
                // injection.
                (Code::UpstreamMisbehaved, at(&["greeting", "TLS"])),
                // In verification, another greeting means another kind of server.
                (Code::WrongProtocol, at(&["greeting"])),
                (Code::TlsUnavailable, at(&["TLS"])),
                // Sent too early, so the server closes the connection.
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

/// Fails with a list of every failed cell.
///
/// # Panics
/// When a cell failed.
#[track_caller]
pub fn hold(ran: usize, wrong: &[String]) {
    assert!(ran > 0, "no cell was run");
    assert!(wrong.is_empty(), "{} of {ran} cells failed:\n{}", wrong.len(), wrong.join("\n"));
}
