//! Request bodies: collected for the host's own checks, or streamed to a component.

use bytes::Bytes;
use http::{HeaderName, request};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body as _, Incoming};
use model::problem::{Code, Problem};
use runtime::body::Body;
use runtime::error::BodyError;

use crate::config::limits::MinRate;
use crate::http::content_type;
use crate::http::slow_client::{RateCheckedBody, SlowBody};

/// Collects a JSON body of one of the host's own operations, sent as one of `types`.
///
/// # Errors
/// [`Code::UnsupportedMediaType`] for another type, and those of [`collect`].
pub(crate) async fn json_body(
    head: &request::Parts,
    body: Incoming,
    types: &[&str],
    cap: usize,
    pace: MinRate,
) -> Result<Bytes, Problem> {
    let given = content_type::kind(&head.headers);
    if !given.as_deref().is_some_and(|given| types.contains(&given)) {
        return Err(content_type::other_type(given.as_deref(), types));
    }
    content_type::check_json(&head.headers, types)?;
    collect(body, cap, pace).await
}

/// Collects the whole body, at most `cap` bytes.
///
/// # Errors
/// [`Code::BodyTooLarge`]; [`Code::RequestTimeout`] below the rate of `pace` or after 60 seconds;
/// [`Code::MalformedRequest`] if the body is incomplete.
pub(crate) async fn collect(body: Incoming, cap: usize, pace: MinRate) -> Result<Bytes, Problem> {
    if body.size_hint().lower() > cap as u64 {
        return Err(too_large(cap as u64));
    }
    match tokio::time::timeout(
        std::time::Duration::from_secs(60),
        Limited::new(RateCheckedBody::new(body, pace), cap).collect(),
    )
    .await
    {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            Err(too_large(cap as u64))
        }
        Ok(Err(error)) if matches!(error.downcast_ref(), Some(SlowBody::TooSlow)) => {
            let rate = pace.bytes;
            let detail =
                format!("the body came too slowly: at least {rate} bytes a second are needed");
            Err(Problem::new(Code::RequestTimeout, detail))
        }
        Ok(Err(_)) => Err(Problem::new(Code::MalformedRequest, "the body is incomplete")),
        Err(_) => {
            Err(Problem::new(Code::RequestTimeout, "the body did not arrive within 60 seconds"))
        }
    }
}

/// Streams a body to a component; the runtime enforces `cap`, in bytes.
///
/// # Errors
/// [`Code::BodyTooLarge`] if Content-Length exceeds `cap`.
pub(crate) fn stream(body: Incoming, cap: u64, pace: MinRate) -> Result<Body, Problem> {
    if body.size_hint().lower() > cap {
        return Err(too_large(cap));
    }
    let paced = RateCheckedBody::new(body, pace).map_err(move |error| match error {
        SlowBody::TooSlow => BodyError::TooSlow { rate: pace.bytes },
        SlowBody::Read(_) => BodyError::Read(error.into()),
    });
    Ok(paced.boxed_unsync())
}

/// Adds to [`Code::BodyTooLarge`] of JSON that other content types have a higher limit.
pub(crate) fn forms_are_larger(problem: Problem) -> Problem {
    if problem.code != Code::BodyTooLarge {
        return problem;
    }
    let detail = format!("{}; send attachments as multipart/form-data", problem.detail);
    Problem { detail, ..problem }
}

fn too_large(cap: u64) -> Problem {
    Problem::new(Code::BodyTooLarge, format!("the body has more than {cap} bytes"))
}

/// The value of a header field, if it is visible ASCII.
pub(crate) fn text(head: &request::Parts, name: HeaderName) -> Option<&str> {
    head.headers.get(name).and_then(|value| value.to_str().ok())
}
