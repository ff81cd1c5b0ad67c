//! DiscoveryResult: how the servers of an address were looked for, step by step.
//!
//! Every step is kept, used or not, so that whoever reads the answer can see why
//! it is what it is. The policy is `engine`'s.
//!
//! Invariant: a step's reason names what was asked and what came of it, and never
//! repeats bytes that a stranger's server sent.

use std::time::Duration;

use crate::provider::{Localised, Profile};

/// What discovery has to say about a domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiscoveryResult {
    /// None when no source had an answer that may be used.
    pub profile: Option<Profile>,
    /// A server lies outside the mail domain and its mail exchanger's, or who named it could be
    /// anybody: a person has to agree before a password is sent there (RFC 6186 §6).
    pub confirm: bool,
    /// Which protocol for what, and why; one text in each of some languages, English among them.
    pub recommendation: Vec<Localised>,
    /// The strongest source first.
    pub steps: Vec<Step>,
}

/// One source that was asked, or was not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Who was asked.
    pub source: Source,
    /// What exactly: a domain, an address of the web, the name of a DNS record.
    pub asked: String,
    /// From the question to the answer.
    pub took: Duration,
    /// What came of it.
    pub outcome: Outcome,
    /// Why, in a few words.
    pub reason: String,
}

/// Who can be asked; the strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The tenant's own files.
    Tenant,
    /// The table of this host.
    Table,
    /// What was found a short while ago.
    Cache,
    /// The table again, by the mail exchanger (RFC 5321 §5).
    Mx,
    /// `https://autoconfig.DOMAIN/`.
    Autoconfig,
    /// `https://DOMAIN/.well-known/autoconfig/`.
    WellKnown,
    /// The database of mail services that the operator named.
    Ispdb,
    /// DNS records of the services themselves (RFC 6186, RFC 8314 §5.1).
    Srv,
    /// Microsoft's Autodiscover, "plain old XML", of the domain itself.
    Autodiscover,
}

impl Source {
    /// As components write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Table => "table",
            Self::Cache => "cache",
            Self::Mx => "mx",
            Self::Autoconfig => "autoconfig",
            Self::WellKnown => "well-known",
            Self::Ispdb => "ispdb",
            Self::Srv => "srv",
            Self::Autodiscover => "autodiscover",
        }
    }
}

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It is the answer.
    Used,
    /// It had an answer, or was not waited for: a stronger source had one.
    Unused,
    /// It knows nothing about the domain.
    Nothing,
    /// What it said is not safe to use.
    Refused,
    /// No answer, or one that cannot be read.
    Failed,
    /// It was not asked: the operator has not switched it on.
    Off,
}

impl Outcome {
    /// As components write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Used => "used",
            Self::Unused => "unused",
            Self::Nothing => "nothing",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Off => "off",
        }
    }
}
