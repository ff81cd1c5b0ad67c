//! Problem details (RFC 9457): an error as the API returns it, and its cause for the log.
//!
//! The codes are in `rules`, since components raise them too. Nothing here writes HTTP: one file in
//! `server` and one in the guests' kit do.
//!
//! Standard: RFC 9457.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

pub use rules::problem_code::Code;

/// An error as a caller sees it (RFC 9457). `cause` goes only to the log.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}: {detail}", code.as_str())]
pub struct Problem {
    /// The problem type.
    pub code: Code,
    /// What happened in this case; safe to show.
    pub detail: String,
    /// When to try again.
    pub retry_after: Option<Duration>,
    /// Every fault of the body.
    pub faults: Vec<Fault>,
    /// The mail server's reply.
    pub upstream: Option<Box<Upstream>>,
    /// Extension members (RFC 9457 §3.2).
    pub extras: Vec<(String, String)>,
    /// For the log only.
    #[source]
    pub cause: Option<Arc<dyn Error + Send + Sync>>,
}

/// One fault of a request body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// JSON Pointer (RFC 6901) into the body.
    pub pointer: String,
    /// A code in kebab-case.
    pub code: String,
    /// How to correct it.
    pub detail: String,
}

/// A mail server's reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// The protocol of the server.
    pub protocol: Protocol,
    /// Cut to 200 printable characters by `rules::foreign_text`.
    pub reply: String,
    /// The enhanced status code (RFC 3463).
    pub enhanced_code: Option<String>,
}

/// Which mail protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// RFC 5321.
    Smtp,
    /// RFC 9051.
    Imap,
}

impl Problem {
    /// A problem with its detail; with a Retry-After where the status asks for one.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            retry_after: code.retry_after(),
            faults: Vec::new(),
            upstream: None,
            extras: Vec::new(),
            cause: None,
        }
    }

    /// Adds faults of the body.
    #[must_use]
    pub fn with_faults(mut self, faults: Vec<Fault>) -> Self {
        self.faults = faults;
        self
    }

    /// Adds the server's reply.
    #[must_use]
    pub fn with_upstream(mut self, upstream: Upstream) -> Self {
        self.upstream = Some(Box::new(upstream));
        self
    }

    /// Adds a Retry-After.
    #[must_use]
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// Adds an extension member.
    #[must_use]
    pub fn with_extra(mut self, name: &str, value: impl Into<String>) -> Self {
        self.extras.push((name.to_owned(), value.into()));
        self
    }

    /// Adds a cause for the log.
    #[must_use]
    pub fn with_cause(mut self, cause: impl Error + Send + Sync + 'static) -> Self {
        self.cause = Some(Arc::new(cause));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_says_when_to_come_back_as_its_code_does_or_better() {
        for code in Code::ALL {
            assert_eq!(Problem::new(*code, "").retry_after, code.retry_after(), "{code:?}");
        }
        let told = Problem::new(Code::Unavailable, "").with_retry_after(Duration::from_secs(60));
        assert_eq!(told.retry_after, Some(Duration::from_secs(60)));
    }
}
