//! Handlers of the system pages: health, readiness, metrics, the WIT package and the documentation.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use model::port::maintenance::Condition;
use model::problem::{Code, Problem};
use runtime::body::Body;
use runtime::wrong_file::CONTRACT;
use serde_json::json;

use crate::api::metrics::{CONTENT_TYPE, Metrics, Queue};
use crate::api::wit_archive;
use crate::http::response;

/// `GET /-/health`: liveness, and the version.
pub(crate) fn health() -> Response<Body> {
    response::json(StatusCode::OK, &json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}))
}

/// `GET /-/openapi.json`: the document of a deployment.
pub(crate) fn openapi(document: Bytes) -> Response<Body> {
    let mut answer = response::typed(StatusCode::OK, "application/json", document);
    // The document depends on the token's tenant.
    let headers = answer.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("authorization"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    answer
}

/// `GET /-/docs`: a page that renders the document, without resources of other origins.
pub(crate) fn docs() -> Response<Body> {
    let page = include_str!("../docs.html");
    let mut answer = response::typed(StatusCode::OK, "text/html; charset=utf-8", page);
    // The document contains tenants' texts. They are rendered as text; the policy is a second barrier.
    let policy = "default-src 'none'; connect-src 'self'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    answer
}

/// `GET /-/ready`: readiness for requests.
///
/// # Errors
/// 503 with Retry-After while the host is stopping, or if its disk failed.
pub(crate) fn ready(
    stopping: bool,
    store: Condition,
    undeployed: usize,
) -> Result<Response<Body>, Problem> {
    let soon = |problem: Problem| problem.with_retry_after(Duration::from_secs(15));
    if store == Condition::Failed {
        let problem =
            Problem::new(Code::StoreUnavailable, "the disk failed; the host is shutting down");
        return Err(soon(problem));
    }
    if stopping {
        return Err(soon(Problem::new(Code::Unavailable, "the host is stopping")));
    }
    // A number only, since no token is needed: the log names tenant, file, line and key.
    Ok(response::json(
        StatusCode::OK,
        &json!({
            "status": "ready",
            "store": store.as_str(),
            "applicationsNotDeployed": undeployed,
        }),
    ))
}

/// `GET /-/metrics`: the metrics in the OpenMetrics text format.
pub(crate) fn metrics(
    metrics: &Metrics,
    queue: &Queue,
    undeployed: usize,
) -> Result<Response<Body>, Problem> {
    let text = metrics.text(queue, undeployed).map_err(|error| {
        Problem::new(Code::Internal, "the metrics cannot be encoded").with_cause(error)
    })?;
    Ok(response::typed(StatusCode::OK, CONTENT_TYPE, text))
}

/// `GET /-/wit.tar`: the WIT package as an archive.
pub(crate) fn wit_archive() -> Response<Body> {
    response::typed(StatusCode::OK, "application/x-tar", wit_archive::archive())
}

/// `GET /-/wit`: the names of the files of the WIT package; with a path, one file as text.
pub(crate) fn wit(path: Option<&str>) -> Result<Response<Body>, Problem> {
    let Some(path) = path else {
        let files: Vec<&str> = components::WIT.iter().map(|(path, _)| *path).collect();
        return Ok(response::json(
            StatusCode::OK,
            &json!({"package": format!("postlet:mail@{CONTRACT}"), "files": files}),
        ));
    };
    match components::WIT.iter().find(|(known, _)| *known == path) {
        Some((_, text)) => Ok(response::typed(StatusCode::OK, "text/plain; charset=utf-8", *text)),
        None => {
            Err(Problem::new(Code::NotFound, "the WIT package has no such file; /-/wit lists them"))
        }
    }
}
