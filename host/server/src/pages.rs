//! Pages about the host: health, readiness, metrics and the WIT package.

use http::{Response, StatusCode};
use model::problem::{Code, Problem};
use runtime::body::Body;
use serde_json::json;

use crate::answer;
use crate::metrics::{CONTENT_TYPE, Metrics};

/// Alive, and which version.
pub(crate) fn health() -> Response<Body> {
    answer::json(StatusCode::OK, &json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}))
}

/// Ready for requests; not any more once the host is stopping.
pub(crate) fn ready(stopping: bool) -> Result<Response<Body>, Problem> {
    if stopping {
        return Err(Problem::new(Code::Unavailable, "the host is stopping"));
    }
    Ok(answer::json(StatusCode::OK, &json!({"status": "ready"})))
}

/// For Prometheus.
pub(crate) fn metrics(metrics: &Metrics) -> Result<Response<Body>, Problem> {
    let text = metrics.text().map_err(|error| {
        Problem::new(Code::Internal, "the metrics cannot be written").because(error)
    })?;
    Ok(answer::typed(StatusCode::OK, CONTENT_TYPE, text))
}

/// Every file of the WIT package, or one of them as text.
pub(crate) fn wit(path: Option<&str>) -> Result<Response<Body>, Problem> {
    let Some(path) = path else {
        let files: Vec<&str> = components::WIT.iter().map(|(path, _)| *path).collect();
        return Ok(answer::json(
            StatusCode::OK,
            &json!({"package": "postlet:mail@0.1.0", "files": files}),
        ));
    };
    match components::WIT.iter().find(|(known, _)| *known == path) {
        Some((_, text)) => Ok(answer::typed(StatusCode::OK, "text/plain; charset=utf-8", *text)),
        None => {
            Err(Problem::new(Code::NotFound, "the WIT package has no such file; /-/wit lists them"))
        }
    }
}
