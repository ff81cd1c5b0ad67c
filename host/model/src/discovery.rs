//! Mail server discovery: its result, and each step that led to it.
//!
//! Every step is kept, used or not, so that the reader of the result can see why it is what it is.
//! The policy is `engine`'s.
//!
//! Invariant: a step's reason names the question and the outcome, and never repeats bytes that a
//! foreign server sent.

use std::time::Duration;

use crate::provider::{Localised, Profile};

/// The result of discovery for a domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiscoveryResult {
    /// None when no source had a usable answer.
    pub profile: Option<Profile>,
    /// A server lies outside the mail domain and its mail exchanger's, or its source is not
    /// authenticated: a person has to confirm before a password is sent there (RFC 6186 §6).
    pub confirm: bool,
    /// Which protocol for what, and why; one text in each of several languages, always in English
    /// too.
    pub recommendation: Vec<Localised>,
    /// The strongest source first.
    pub steps: Vec<Step>,
}

/// One source, whether it was queried or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The source.
    pub source: Source,
    /// The query: a domain, a URL or the name of a DNS record.
    pub asked: String,
    /// Duration of the query.
    pub took: Duration,
    /// The outcome.
    pub outcome: Outcome,
    /// The reason for the outcome, in a few words.
    pub reason: String,
}

/// The sources of discovery, the strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The tenant's own provider files.
    Tenant,
    /// The built-in provider table.
    Table,
    /// The cache of recent results.
    Cache,
    /// The provider table, looked up by mail exchanger (RFC 5321 §5).
    Mx,
    /// `https://autoconfig.DOMAIN/`.
    Autoconfig,
    /// `https://DOMAIN/.well-known/autoconfig/`.
    WellKnown,
    /// The provider database that the operator configured.
    Ispdb,
    /// SRV records of the mail services (RFC 6186, RFC 8314 §5.1).
    Srv,
    /// Microsoft's Autodiscover ("plain old XML") at the domain itself.
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

/// The outcome of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Its answer is the result.
    Used,
    /// It answered, or was not waited for, and a stronger source had an answer.
    Unused,
    /// It has no entry for the domain.
    Nothing,
    /// Its answer is not safe to use.
    Refused,
    /// No answer, or one that cannot be parsed.
    Failed,
    /// Not queried: the operator has not enabled it.
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
