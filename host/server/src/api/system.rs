//! Handlers of the system pages: health, readiness, metrics, the WIT package and the documentation.

use std::sync::atomic::Ordering;
use std::time::Duration;

use http::{HeaderValue, Response, StatusCode, header};
use model::caller::Caller;
use model::port::maintenance::Condition;
use model::problem::{Code, Problem};
use runtime::body::Body;
use runtime::wrong_file::CONTRACT;
use serde_json::json;

use crate::api::host_api::HostApi;
use crate::api::metrics::{CONTENT_TYPE, Queue};
use crate::api::wit_archive;
use crate::http::content_type::{HTML, JSON};
use crate::http::response;

/// The media type of a file of the WIT package.
pub(crate) const TEXT: &str = "text/plain; charset=utf-8";
/// The media type of its archive.
pub(crate) const TAR: &str = "application/x-tar";

/// `GET /-/health`: liveness, and the version.
pub(crate) fn health() -> Response<Body> {
    response::json(StatusCode::OK, &json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}))
}

/// `GET /-/openapi.json`: the document; with a token it has the tenant's own operations too.
pub(crate) fn openapi(api: &HostApi, caller: Option<&Caller>) -> Response<Body> {
    let document = match caller {
        Some(caller) => api.deployments.of(&caller.tenant).openapi.clone(),
        None => api.deployments.default().openapi.clone(),
    };
    let mut answer = response::typed(StatusCode::OK, JSON, document);
    // The document depends on the token's tenant.
    let headers = answer.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("authorization"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    answer
}

/// `GET /-/docs`: a page that renders the document, without resources of other origins.
pub(crate) fn docs() -> Response<Body> {
    let page = include_str!("../docs.html");
    let mut answer = response::typed(StatusCode::OK, HTML, page);
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
pub(crate) fn ready(api: &HostApi) -> Result<Response<Body>, Problem> {
    let store = api.outbox.condition();
    let soon = |problem: Problem| problem.with_retry_after(Duration::from_secs(15));
    if store == Condition::Failed {
        let problem =
            Problem::new(Code::StoreUnavailable, "the disk failed; the host is shutting down");
        return Err(soon(problem));
    }
    if api.stopping.load(Ordering::Relaxed) {
        return Err(soon(Problem::new(Code::Unavailable, "the host is stopping")));
    }
    // A number only, since no token is needed: the log names tenant, file, line and key.
    Ok(response::json(
        StatusCode::OK,
        &json!({
            "status": "ready",
            "store": store.as_str(),
            "applicationsNotDeployed": api.deployments.undeployed().len(),
        }),
    ))
}

/// `GET /-/metrics`: the metrics in the OpenMetrics text format.
pub(crate) async fn metrics(api: &HostApi) -> Result<Response<Body>, Problem> {
    let queue = Queue::read(&*api.outbox, api.clock.now()).await;
    let text = api.metrics.text(&queue, api.deployments.undeployed().len()).map_err(|error| {
        Problem::new(Code::Internal, "the metrics cannot be encoded").with_cause(error)
    })?;
    Ok(response::typed(StatusCode::OK, CONTENT_TYPE, text))
}

/// `GET /-/wit`: the names of the files of the WIT package.
pub(crate) fn wit() -> Response<Body> {
    let files: Vec<&str> = components::WIT.iter().map(|(path, _)| *path).collect();
    response::json(
        StatusCode::OK,
        &json!({"package": format!("postlet:mail@{CONTRACT}"), "files": files}),
    )
}

/// `GET /-/wit/{file}`: one file of the WIT package; its path may have several segments.
///
/// # Errors
/// [`Code::NotFound`].
pub(crate) fn wit_file(path: &str) -> Result<Response<Body>, Problem> {
    match components::WIT.iter().find(|(known, _)| *known == path) {
        Some((_, text)) => Ok(response::typed(StatusCode::OK, TEXT, *text)),
        None => {
            Err(Problem::new(Code::NotFound, "the WIT package has no such file; /-/wit lists them"))
        }
    }
}

/// `GET /-/wit.tar`: the WIT package as an archive.
pub(crate) fn wit_archive() -> Response<Body> {
    response::typed(StatusCode::OK, TAR, wit_archive::archive())
}
