//! The request body: streamed, in memory up to a cap, or parsed as JSON.
//!
//! The host limits bodies and validates JSON against the schema before an instance exists; a
//! component still returns a problem for an invalid body, since it may run under another host.
//!
//! Invariant: [`Body::whole`] never holds more than its cap and one chunk.

use serde::de::{Deserialize, IgnoredAny};
use serde_json::error::Category;
use wasip2::http::types::{ErrorCode, IncomingBody, http_error_code};
use wasip2::io::streams::{InputStream, StreamError};

use crate::multipart_form::Source;
use crate::problem::{Code, Problem};

/// A body that is being read.
#[derive(Debug)]
pub struct Body {
    // A stream is a child resource of its body and must be dropped first; fields are dropped in
    // order.
    stream: InputStream,
    _body: IncomingBody,
}

const CHUNK: u64 = 65_536;

impl Body {
    pub(crate) fn new(body: IncomingBody) -> Option<Self> {
        let stream = body.stream().ok()?;
        Some(Self { stream, _body: body })
    }

    /// The whole body, of at most `cap` bytes.
    ///
    /// # Errors
    /// `body-too-large`, or `malformed-request` when the client stopped before its end.
    pub fn whole(mut self, cap: usize) -> Result<Vec<u8>, Problem> {
        let mut whole = self.chunk()?.unwrap_or_default();
        while let Some(chunk) = self.chunk()? {
            if whole.len() + chunk.len() > cap {
                return Err(too_large(cap));
            }
            whole.extend_from_slice(&chunk);
        }
        if whole.len() > cap { Err(too_large(cap)) } else { Ok(whole) }
    }
}

impl Source for Body {
    type Error = Problem;

    fn chunk(&mut self) -> Result<Option<Vec<u8>>, Problem> {
        loop {
            match self.stream.blocking_read(CHUNK) {
                Ok(chunk) if chunk.is_empty() => {}
                Ok(chunk) => return Ok(Some(chunk)),
                Err(StreamError::Closed) => return Ok(None),
                Err(StreamError::LastOperationFailed(error)) => {
                    return Err(match http_error_code(&error) {
                        Some(ErrorCode::HttpRequestBodySize(limit)) => {
                            let limit =
                                limit.map_or_else(String::new, |most| format!(" of {most} bytes"));
                            let detail = format!("the body exceeds this host's limit{limit}");
                            Problem::new(Code::BodyTooLarge, detail)
                        }
                        Some(_) | None => {
                            let detail = "the body broke off";
                            Problem::new(Code::MalformedRequest, detail)
                        }
                    });
                }
            }
        }
    }
}

/// Parses `bytes` as a JSON object.
///
/// # Errors
/// `malformed-json`, or `invalid-body` when it is JSON that does not match the type.
pub fn json<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Problem> {
    let parsed = serde_json::from_slice(bytes).map_err(|error| match error.classify() {
        // serde reports the first of several faults; a body that is malformed further on is no
        // JSON.
        Category::Data if serde_json::from_slice::<IgnoredAny>(bytes).is_ok() => {
            Problem::at("", "schema", error.to_string())
        }
        Category::Data | Category::Syntax | Category::Eof | Category::Io => {
            Problem::new(Code::MalformedJson, error.to_string())
        }
    })?;
    // serde takes the values of a struct in an array, too.
    if bytes.trim_ascii_start().starts_with(b"[") {
        return Err(Problem::at("", "schema", "the body has to be an object, and is a list"));
    }
    Ok(parsed)
}

fn too_large(cap: usize) -> Problem {
    Problem::new(Code::BodyTooLarge, format!("the body has more than {cap} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_json_and_json_that_does_not_fit_are_told_apart() {
        check("{", "malformed-json");
        check("", "malformed-json");
        check("[1] x", "malformed-json");
        check("{\"a\": 1}", "invalid-body");
        check("[\"a\"]", "invalid-body");
        check(" [1]", "invalid-body");
    }

    #[track_caller]
    fn check(text: &str, code: &str) {
        let problem = json::<Vec<u8>>(text.as_bytes()).unwrap_err();
        assert_eq!(problem.told.code, code, "{text:?}");
    }
}
