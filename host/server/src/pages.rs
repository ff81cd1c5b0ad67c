//! Pages that need no token: health and the WIT package.

use http::{Response, StatusCode};
use model::problem::{Code, Problem};
use runtime::body::Body;
use serde_json::json;

use crate::answer;

/// Alive, and which version.
pub(crate) fn health() -> Response<Body> {
    answer::json(StatusCode::OK, &json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}))
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
