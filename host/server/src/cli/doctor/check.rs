//! Result of one check of `postlet doctor`, with advice.

use serde_json::{Value, json};

/// The outcome of a check, from good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    Ok,
    /// Not checked: another check failed, or a flag excludes it.
    Skipped,
    /// The host works, and something should be done.
    Warning,
    /// The host, or a part of it, does not work.
    Failed,
}

impl State {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skipped => "skipped",
            Self::Warning => "warning",
            Self::Failed => "failed",
        }
    }
}

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Check {
    /// One word, or `host:port`.
    pub(crate) name: String,
    pub(crate) state: State,
    /// What was found.
    pub(crate) finding: String,
    /// What to do; none when nothing has to be done.
    pub(crate) advice: Option<String>,
}

impl Check {
    pub(crate) fn ok(name: &str, finding: impl Into<String>) -> Self {
        Self { name: name.to_owned(), state: State::Ok, finding: finding.into(), advice: None }
    }

    pub(crate) fn skipped(name: &str, finding: impl Into<String>) -> Self {
        Self { state: State::Skipped, ..Self::ok(name, finding) }
    }

    pub(crate) fn warning(
        name: &str,
        finding: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self { state: State::Warning, advice: Some(advice.into()), ..Self::ok(name, finding) }
    }

    pub(crate) fn failed(
        name: &str,
        finding: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self { state: State::Failed, ..Self::warning(name, finding, advice) }
    }

    pub(crate) fn shown(&self) -> Value {
        json!({"name": self.name, "state": self.state.as_str(), "told": self.finding, "advice": self.advice})
    }
}
