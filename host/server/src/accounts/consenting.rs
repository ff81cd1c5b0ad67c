//! OAuth 2 for a mailbox: the address where its owner agrees, and what comes back.
//!
//! The answer comes through a browser, without a token: the state in it says whose it is.

use engine::engine::Engine;
use http::{HeaderValue, Response, StatusCode, header};
use model::caller::Caller;
use model::problem::{Code, Problem};
use runtime::body::Body;
use serde_json::json;

use crate::accounts::desk::Desk;
use crate::answer;

const PAGE: &str = "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Postlet</title>\n\
    <h1>The mailbox is connected</h1>\n<p>You can close this window.</p>\n</html>\n";

impl Desk {
    /// Where the owner of the mailbox has to agree.
    pub(crate) async fn begin_consent(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<Response<Body>, Problem> {
        let account = self.find(caller, id).await?;
        let begun = self.engine.begin_consent(&account).await?;
        Ok(answer::json(
            StatusCode::OK,
            &json!({"authorizeUrl": begun.address, "expires": begun.expires.to_string()}),
        ))
    }
}

/// What the authorization server sent a browser back with (RFC 6749 §4.1.2).
pub(crate) async fn come_back(engine: &Engine, query: &str) -> Result<Response<Body>, Problem> {
    let (mut state, mut code, mut error) = (None, None, None);
    for (name, value) in form_urlencoded::parse(query.as_bytes()).into_owned() {
        match name.as_str() {
            "state" => state = Some(value),
            "code" => code = Some(value),
            "error" => error = Some(value),
            // Servers add what they like.
            _ => {}
        }
    }
    if let Some(error) = error {
        let detail = format!(
            "the mailbox is not connected: the authorization server says `{}`; ask whoever sent you there to begin again",
            model::problem::printable(&error)
        );
        return Err(Problem::new(Code::InvalidConsent, detail));
    }
    let (Some(state), Some(code)) = (state, code) else {
        let detail = "an authorization server sends people here with `state` and `code`";
        return Err(Problem::new(Code::InvalidConsent, detail));
    };
    engine.end_consent(&state, &code).await?;
    let mut page = answer::typed(StatusCode::OK, "text/html; charset=utf-8", PAGE);
    let headers = page.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // The code stands in the address.
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Ok(page)
}
