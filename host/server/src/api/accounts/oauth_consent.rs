//! OAuth 2 authorization code flow for a mailbox: the authorization URL, and the redirection endpoint.
//!
//! The redirect comes from a browser, without a token; its `state` identifies the account. The reader
//! is the owner of a mailbox, so every response is an HTML page, unless a program asks for a problem
//! document.
//!
//! Invariant: a response is not cached or framed, runs no scripts, and sends no Referer: its URL
//! contains the code.
//!
//! Standard: RFC 6749 §4.1.

use engine::engine::Engine;
use http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use model::caller::Caller;
use model::ids::RequestId;
use model::problem::{Code, Problem};
use runtime::body::Body;
use serde_json::json;

use crate::api::accounts::handlers::AccountsApi;
use crate::api::host_request::{HostRequest, QueryParameter};
use crate::http::content_type::HTML;
use crate::http::response;
use crate::openapi::operation::wrong_method;
use crate::schema::own_schema::OwnSchema;

/// The query of the redirection endpoint; unrecognised parameters are ignored (RFC 6749 §4.1.2).
pub(crate) static AUTHORIZATION_RESPONSE: [QueryParameter; 3] =
    [parameter("state"), parameter("code"), parameter("error")];

const fn parameter(name: &'static str) -> QueryParameter {
    QueryParameter {
        name,
        schema: OwnSchema::new(r#"{"type":"string"}"#),
        required: false,
        summary: "From the authorization server (RFC 6749, 4.1.2)",
    }
}

/// Header fields of every response.
const FIELDS: [(HeaderName, &str); 4] = [
    (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (CACHE_CONTROL, "no-store"),
];

impl AccountsApi {
    /// Starts a consent; responds with the URL that the owner of the mailbox has to open, and when it
    /// expires.
    pub(crate) async fn begin_consent(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<Response<Body>, Problem> {
        let account = self.find(caller, id).await?;
        let begun = self.engine.begin_consent(&account).await?;
        Ok(response::json(
            StatusCode::OK,
            &json!({"authorizeUrl": begun.address, "expires": begun.expires.to_string()}),
        ))
    }
}

/// The redirection endpoint (RFC 6749 §3.1.2): a browser comes from the authorization server.
pub(crate) async fn oauth_callback(engine: &Engine, request: &HostRequest<'_>) -> Response<Body> {
    let HostRequest { head, id, .. } = *request;
    // HEAD must not use up the code.
    let ended = if head.method == Method::GET {
        end(engine, head.uri.query().unwrap_or_default()).await
    } else {
        Err(wrong_method(&head.method, ["GET"].into_iter()))
    };
    let mut answer = match ended {
        Ok(()) => {
            let text = "You can close this window and go back to where you started.";
            response::typed(StatusCode::OK, HTML, page("Your consent was received", text))
        }
        Err(problem) => {
            let mut answer = response::problem(&problem, id);
            if !wants_json(&head.headers) {
                *answer.body_mut() = response::full(refusal(&problem, id));
                answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(HTML));
            }
            answer
        }
    };
    let fields = FIELDS.map(|(name, value)| (name, HeaderValue::from_static(value)));
    answer.headers_mut().extend(fields);
    answer
}

/// Evaluates the authorization response (RFC 6749 §4.1.2, §4.1.2.1).
async fn end(engine: &Engine, query: &str) -> Result<(), Problem> {
    let (mut state, mut code, mut error) = (None, None, None);
    for (name, value) in form_urlencoded::parse(query.as_bytes()).into_owned() {
        match name.as_str() {
            "state" => state = Some(value),
            "code" => code = Some(value),
            "error" => error = Some(value),
            // Unrecognised parameters are ignored (RFC 6749 §4.1.2).
            _ => {}
        }
    }
    if let Some(error) = error {
        if let Some(state) = &state {
            engine.refuse_consent(state, &error).await;
        }
        let detail = format!(
            "the authorization server returned `{}`; ask the sender of the link to start again",
            rules::foreign_text::printable(&error)
        );
        return Err(Problem::new(Code::InvalidConsent, detail));
    }
    let (Some(state), Some(code)) = (state, code) else {
        let detail = "an authorization server redirects here with `state` and `code`, and one of them is missing; ask the sender of the link to start again";
        return Err(Problem::new(Code::InvalidConsent, detail));
    };
    engine.end_consent(&state, &code).await.map(drop)
}

/// The page of a failure, with advice for the owner of the mailbox.
fn refusal(problem: &Problem, request: &RequestId) -> String {
    let way = if problem.code == Code::InvalidConsent {
        // The detail has it.
        ""
    } else if problem.code.retryable() {
        " Reload this page in a moment. If it still fails, show it to the sender of the link."
    } else {
        " Show this page to the sender of the link."
    };
    let mut letters = problem.detail.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    let (detail, code) = (escaped(&format!("{first}{}.", letters.as_str())), problem.code.as_str());
    page(
        "The mailbox is not connected",
        &format!("{detail}{way}</p>\n<p><small>{code}, {}</small>", request.as_str()),
    )
}

/// An HTML page; `text` is HTML.
fn page(heading: &str, text: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Postlet</title>\n\
         <h1>{heading}</h1>\n<p>{text}</p>\n</html>\n"
    )
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

/// Whether Accept names JSON and not HTML. Browsers name HTML, and a client that names neither may show
/// the response to a person.
fn wants_json(headers: &HeaderMap) -> bool {
    let accepted: Vec<String> = headers
        .get_all(ACCEPT)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|range| range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
        .collect();
    let names = |kinds: [&str; 2]| accepted.iter().any(|range| kinds.contains(&range.as_str()));
    names(["application/problem+json", "application/json"])
        && !names(["text/html", "application/xhtml+xml"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_sent_unless_a_program_asks_for_json() {
        check(&[], false);
        check(&["*/*"], false);
        check(&["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"], false);
        check(&["application/json, text/html"], false);
        check(&["application/problem+json"], true);
        check(&["text/plain", "Application/JSON; q=0.5"], true);
    }

    #[track_caller]
    fn check(accept: &[&str], want: bool) {
        let mut headers = HeaderMap::new();
        for value in accept {
            headers.append(ACCEPT, value.parse().unwrap());
        }
        assert_eq!(wants_json(&headers), want, "{accept:?}");
    }

    #[test]
    fn foreign_text_is_escaped_on_the_page() {
        let detail = "it says `<script>alert('&\"')</script>`";
        let page =
            refusal(&Problem::new(Code::InvalidConsent, detail), &RequestId::generate([0; 10]));
        let shown = "It says `&lt;script&gt;alert(&#39;&amp;&quot;&#39;)&lt;/script&gt;`.";
        assert!(page.contains(shown) && !page.contains("<script"), "{page}");
    }
}
