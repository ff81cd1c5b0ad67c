//! One thing that was looked at, and what to do about it.

use serde_json::{Value, json};

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    Ok,
    /// Not looked at, because of another check or because nobody wanted it.
    Skipped,
    /// It works today.
    Warning,
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

/// What a look at something told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Check {
    /// One word, or a host and a port.
    pub(crate) name: String,
    pub(crate) state: State,
    /// What was seen.
    pub(crate) told: String,
    /// What to do; none when nothing has to be done.
    pub(crate) advice: Option<String>,
}

impl Check {
    pub(crate) fn ok(name: &str, told: impl Into<String>) -> Self {
        Self { name: name.to_owned(), state: State::Ok, told: told.into(), advice: None }
    }

    pub(crate) fn skipped(name: &str, told: impl Into<String>) -> Self {
        Self { state: State::Skipped, ..Self::ok(name, told) }
    }

    pub(crate) fn warning(name: &str, told: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { state: State::Warning, advice: Some(advice.into()), ..Self::ok(name, told) }
    }

    pub(crate) fn failed(name: &str, told: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { state: State::Failed, ..Self::warning(name, told, advice) }
    }

    pub(crate) fn shown(&self) -> Value {
        json!({"name": self.name, "state": self.state.as_str(), "told": self.told, "advice": self.advice})
    }
}
