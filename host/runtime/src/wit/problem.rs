//! Conversion of problems for guests.
//!
//! The one place where a [`Problem`] is passed to a guest: its cause stays here, in the log, beside
//! the request's id.

use std::io;

use model::ids::RequestId;
use model::port::spool::SpoolError;
use model::problem::{Code, Problem};

use crate::error;
use crate::wit::bindings::capabilities::postlet::mail::types as wit;
use crate::wit::convert::Convert;

/// Logs the cause and returns the rest for the guest.
pub(crate) fn refuse(problem: Problem, request: Option<&RequestId>) -> wit::Problem {
    let request = request.map(RequestId::as_str);
    let code = problem.code;
    if let Some(cause) = &problem.cause {
        let cause = error::chain(cause.as_ref());
        if code.status() >= 500 {
            tracing::warn!(request, code = code.as_str(), %cause, "{}", problem.detail);
        } else {
            tracing::debug!(request, code = code.as_str(), %cause, "{}", problem.detail);
        }
    }
    wit::Problem {
        code: code.as_str().to_owned(),
        status: code.status(),
        title: code.title().to_owned(),
        detail: problem.detail,
        retryable: code.retryable(),
        retry_after_seconds: problem.retry_after.map(|after| {
            // Rounded up: a client that comes back too early is refused again.
            let rounded = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            u32::try_from(rounded).unwrap_or(u32::MAX)
        }),
        faults: problem.faults.convert(),
        upstream: problem.upstream.map(|upstream| upstream.convert()),
        extras: problem.extras,
    }
}

/// A spool that accepts no more bytes.
pub(crate) fn spool(error: SpoolError) -> Problem {
    match error {
        SpoolError::TooLarge { limit } => too_large(limit),
        SpoolError::Full { limit } => Problem::new(
            Code::TooManyRequests,
            format!("more than {limit} bytes are being uploaded at once; try again when they are finished"),
        )
        .with_retry_after(std::time::Duration::from_secs(5)),
        SpoolError::Io(_) => Problem::new(Code::StoreUnavailable, "the upload cannot be stored now")
            .with_cause(error)
            .with_retry_after(std::time::Duration::from_secs(15)),
    }
}

/// An upload beyond its limit.
pub(crate) fn too_large(limit: u64) -> Problem {
    Problem::new(Code::BodyTooLarge, format!("more than {limit} bytes"))
}

/// Bytes that could not be read.
pub(crate) fn unreadable(error: io::Error) -> Problem {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, TimedOut, UnexpectedEof};
    let lost = [BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof];
    let code = if error.kind() == TimedOut {
        Code::UpstreamTimeout
    } else if lost.contains(&error.kind()) {
        Code::UpstreamUnreachable
    } else {
        Code::StoreUnavailable
    };
    Problem::new(code, "the bytes cannot be read now").with_cause(error)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_cause_stays_with_the_host() {
        let problem = Problem::new(Code::StoreUnavailable, "later")
            .with_cause(io::Error::other("/var/secret/path"))
            .with_retry_after(Duration::from_millis(1200));
        let seen = refuse(problem, None);
        assert_eq!((seen.code.as_str(), seen.status), ("store-unavailable", 503));
        assert!(seen.retryable);
        assert_eq!(seen.retry_after_seconds, Some(2));
        assert!(!format!("{seen:?}").contains("secret"));
    }
}
