//! HTTP responses: JSON, text, downloads and problems.
//!
//! A short response carries its length and is written at once. A download is copied from the host's
//! `octets` in 64 KiB chunks and obeys Range, If-Range and If-None-Match.
//!
//! Invariant: a download that fails midway is aborted, so that no client can take it for the whole;
//! one that fails at its first chunk is a problem.
//!
//! Standards: RFC 9110 sections 8.8.3, 13.1.2, 13.1.5, 14.2 and 15.3.7.

use serde::Serialize;
use wasip2::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use wasip2::io::streams::OutputStream;

use crate::bindings::postlet::mail::types::Octets;
use crate::http::range::{Wanted, wanted};
use crate::problem::{Code, Problem};
use crate::request::Request;

/// A response.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Header fields; the names are in lower case.
    pub fields: Vec<(&'static str, String)>,
    pub content: Content,
}

/// The body of a response.
#[derive(Debug)]
pub enum Content {
    Bytes(Vec<u8>),
    /// Bytes of an `octets` handle: `first` was read already, the rest lies between `at` and `end`.
    Held {
        octets: Octets,
        first: Vec<u8>,
        at: u64,
        end: u64,
    },
}

/// The header fields of a download.
#[derive(Debug)]
pub struct Download {
    pub content_type: String,
    /// The entity tag. The bytes never change, since those of a message do not.
    pub etag: String,
    pub disposition: Option<String>,
}

/// Content-Security-Policy for content of a message: nothing of it may run in a browser.
pub const SANDBOX: &str = "sandbox; default-src 'none'";

const PIECE: u32 = 65_536;

impl Answer {
    /// `value` as JSON, with a line break, so that a terminal's prompt begins on a line of its own.
    ///
    /// # Errors
    /// `internal` when it cannot be serialised.
    pub fn json(status: u16, value: &impl Serialize) -> Result<Self, Problem> {
        let mut bytes = serde_json::to_vec(value)
            .map_err(|error| Problem::new(Code::Internal, error.to_string()))?;
        bytes.push(b'\n');
        Ok(Self::bytes(status, "application/json", bytes))
    }

    /// A response with bytes of that content type.
    #[must_use]
    pub fn bytes(status: u16, content_type: &str, bytes: Vec<u8>) -> Self {
        let fields = vec![
            ("content-type", content_type.to_owned()),
            ("content-length", bytes.len().to_string()),
        ];
        Self { status, fields, content: Content::Bytes(bytes) }
    }

    /// 204, without content.
    #[must_use]
    pub fn nothing() -> Self {
        Self { status: 204, fields: Vec::new(), content: Content::Bytes(Vec::new()) }
    }

    /// Adds a header field.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// A download, as far as the request's conditions and Range select it.
    ///
    /// # Errors
    /// `invalid-range`, or the problem of reading the first chunk.
    pub fn download(request: &Request, octets: Octets, how: Download) -> Result<Self, Problem> {
        let mut fields = vec![("etag", how.etag.clone())];
        if request.field("if-none-match").is_some_and(|tags| names(&tags, &how.etag)) {
            return Ok(Self { status: 304, fields, content: Content::Bytes(Vec::new()) });
        }
        fields.push(("content-type", how.content_type));
        fields.push(("x-content-type-options", "nosniff".to_owned()));
        fields.push(("content-security-policy", SANDBOX.to_owned()));
        fields.extend(how.disposition.map(|value| ("content-disposition", value)));

        let size = octets.size();
        let wish = match (size, request.field("range")) {
            (Some(size), Some(range))
                if request.field("if-range").is_none_or(|tag| tag == how.etag) =>
            {
                wanted(&range, size)
            }
            (Some(_) | None, Some(_) | None) => Wanted::Whole,
        };
        let (status, at, end) = match wish {
            Wanted::Whole => (200, 0, size.unwrap_or(u64::MAX)),
            Wanted::Slice { start, end } => (206, start, end),
            Wanted::Nothing => {
                let size = size.unwrap_or_default();
                let mut problem =
                    Problem::new(Code::InvalidRange, format!("the content has {size} bytes"));
                problem.fields.push(("content-range", format!("bytes */{size}")));
                return Err(problem);
            }
        };
        if let Some(size) = size {
            fields.push(("accept-ranges", "bytes".to_owned()));
            fields.push(("content-length", (end - at).to_string()));
            if status == 206 {
                fields.push(("content-range", format!("bytes {at}-{}/{size}", end - 1)));
            }
        }
        let first = piece(&octets, at, end)?;
        let at = at.saturating_add(first.len() as u64);
        Ok(Self { status, fields, content: Content::Held { octets, first, at, end } })
    }

    fn of(problem: &Problem, request_id: Option<&str>) -> Self {
        let inner = &problem.told;
        let document = problem.document(request_id);
        let mut answer = Self::bytes(inner.status, "application/problem+json", document);
        answer.fields.extend(problem.fields.iter().cloned());
        answer.fields.extend(inner.retry_after_seconds.map(|s| ("retry-after", s.to_string())));
        answer
    }

    fn send(self, out: ResponseOutparam) {
        let fields: Vec<_> = self
            .fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), visible(value).into_bytes()))
            .collect();
        let response =
            OutgoingResponse::new(Fields::from_list(&fields).unwrap_or_else(|_| Fields::new()));
        if response.set_status_code(self.status).is_err() {
            let detail = format!("{} is not an HTTP status", self.status);
            return Self::of(&Problem::new(Code::Internal, detail), None).send(out);
        }
        let body = response.body();
        ResponseOutparam::set(out, Ok(response));
        let Ok(body) = body else { return };
        let Ok(stream) = body.write() else { return };
        let whole = match self.content {
            Content::Bytes(bytes) => write(&stream, &bytes),
            Content::Held { octets, first, at, end } => copy(&stream, &octets, first, at, end),
        };
        drop(stream);
        // A body that is dropped without `finish` is aborted, and the client sees that.
        if whole.is_ok() {
            let _ = OutgoingBody::finish(body, None);
        }
    }
}

/// Responds to one request with the result of `handle`.
pub fn serve(
    inner: IncomingRequest,
    out: ResponseOutparam,
    handle: impl FnOnce(&Request) -> Result<Answer, Problem>,
) {
    let request = Request::new(inner);
    let answer = handle(&request).unwrap_or_else(|problem| {
        Answer::of(&problem, request.field("postlet-request-id").as_deref())
    });
    answer.send(out);
}

/// The client disconnected, or the host failed to read further.
struct CutOff;

fn copy(
    stream: &OutputStream,
    octets: &Octets,
    first: Vec<u8>,
    mut at: u64,
    end: u64,
) -> Result<(), CutOff> {
    let mut bytes = first;
    while !bytes.is_empty() {
        write(stream, &bytes)?;
        bytes = piece(octets, at, end).map_err(|_| CutOff)?;
        at = at.saturating_add(bytes.len() as u64);
    }
    // Shorter than Content-Length.
    if at < end && end != u64::MAX { Err(CutOff) } else { Ok(()) }
}

fn piece(octets: &Octets, at: u64, end: u64) -> Result<Vec<u8>, Problem> {
    match u32::try_from(end - at).unwrap_or(PIECE).min(PIECE) {
        0 => Ok(Vec::new()),
        length => Ok(octets.read(at, length)?),
    }
}

fn write(stream: &OutputStream, mut bytes: &[u8]) -> Result<(), CutOff> {
    while !bytes.is_empty() {
        match stream.check_write() {
            Ok(0) => stream.subscribe().block(),
            Ok(permitted) => {
                let permitted = usize::try_from(permitted).unwrap_or(usize::MAX).min(bytes.len());
                let (now, later) = bytes.split_at(permitted);
                stream.write(now).map_err(|_| CutOff)?;
                bytes = later;
            }
            Err(_) => return Err(CutOff),
        }
    }
    Ok(())
}

/// Whether an If-None-Match lists the tag; weak comparison (RFC 9110 section 13.1.2).
fn names(tags: &str, etag: &str) -> bool {
    let same = |tag: &str| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag;
    tags.split(',').any(|tag| same(tag.trim()))
}

/// Replaces control characters, which a field value cannot hold (RFC 9110 section 5.5).
fn visible(value: String) -> String {
    if value.bytes().any(|byte| byte.is_ascii_control()) {
        value.replace(|c: char| c.is_ascii_control(), "?")
    } else {
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entity_tag_is_found_in_a_list() {
        for (tags, found) in
            [("\"a\"", true), ("\"b\", W/\"a\"", true), ("*", true), ("\"b\"", false), ("a", false)]
        {
            assert_eq!(names(tags, "\"a\""), found, "{tags:?}");
        }
    }

    #[test]
    fn a_json_answer_ends_its_line_and_counts_that() {
        let answer = Answer::json(200, &[1]).unwrap();
        assert!(matches!(&answer.content, Content::Bytes(bytes) if bytes == b"[1]\n"));
        assert!(answer.fields.contains(&("content-length", "4".to_owned())));
    }

    #[test]
    fn a_header_field_stays_in_its_line() {
        assert_eq!(visible("a\r\nset-cookie: b".to_owned()), "a??set-cookie: b");
    }
}
