//! The request as a component receives it, and the mapping of failures to problems.
//!
//! Credentials are removed, and so are `spin-` and `postlet-` fields of the client. The host's fields
//! have Spin's names, so that components for Spin work unchanged.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, Request, Response, header, request};
use hyper::body::{Body as _, Incoming};
use model::caller::Caller;
use model::problem::{Code, Problem};
use runtime::body::Body;
use runtime::error::{EndpointError, seconds};
use tracing::Span;

use crate::auth::tenant::{TenantAddress, authority};
use crate::dispatch::context::{RequestContext, allow};
use crate::http::request_body::{collect, forms_are_larger, stream};
use crate::http::response;
use crate::openapi::operation::{BodyHandling, DeployedComponent};
use crate::schema::child_pool::Asking;

/// The route that a path matched.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MatchedRoute<'a> {
    pub(crate) pattern: &'a str,
    /// Name and value of each `:name`, decoded.
    pub(crate) params: &'a [(String, String)],
    /// The part of the path that `/...` matched.
    pub(crate) rest: &'a str,
}

impl RequestContext<'_> {
    /// Checks a request against the component's operation, and handles it in a new instance.
    ///
    /// # Errors
    /// The first check that fails. A failure of the component itself is a response, logged already.
    pub(crate) async fn component(
        &self,
        served: &DeployedComponent,
        mut head: request::Parts,
        body: Incoming,
        caller: Caller,
        route: &MatchedRoute<'_>,
    ) -> Result<Response<Body>, Problem> {
        let host = self.host;
        Span::current()
            .record("component", &*served.name)
            .record("method", head.method.as_str())
            .record("path", head.uri.path());
        let operation = served.operation(&head.method, head.uri.path())?;
        let mut charge = None;
        let body: Body = match operation {
            Some(operation) => {
                if let Some(scope) = operation.scope {
                    allow(&caller, scope)?;
                }
                let asking = Asking { caller: &caller, component: &served.name };
                operation.check_query(asking, head.uri.query().unwrap_or_default()).await?;
                match operation.taking(&head.headers)? {
                    BodyHandling::Json(rule) => {
                        let cap = host.limits.json_body;
                        let size = usize::try_from(body.size_hint().upper().unwrap_or(u64::MAX))
                            .unwrap_or(cap);
                        charge = Some(host.body_memory.charge(&caller, size.min(cap)).await?);
                        let bytes =
                            collect(body, cap, host.limits.pace).await.map_err(forms_are_larger)?;
                        host.body_memory.check(asking, rule, &bytes).await?;
                        response::full(bytes)
                    }
                    BodyHandling::Stream => stream(body, host.limits.body, host.limits.pace)?,
                }
            }
            None => stream(body, host.limits.body, host.limits.pace)?,
        };
        prepare(&mut head, &caller, &self.place, route)?;
        let id = caller.request.clone();
        let confined = Arc::new(served.apply_grants(caller));
        let answered = served.endpoint.handle(confined, Request::from_parts(head, body)).await;
        // The component has read what it needs of the body.
        drop(charge);
        match answered {
            Ok(response) => Ok(response),
            Err(error) => Ok(response::logged(&failed(served, error), &id)),
        }
    }
}

/// Prepares the head for a component: removes credentials, and replaces reserved fields.
fn prepare(
    head: &mut request::Parts,
    caller: &Caller,
    place: &TenantAddress,
    route: &MatchedRoute<'_>,
) -> Result<(), Problem> {
    let MatchedRoute { pattern, params, rest } = route;
    let path = head.uri.path().to_owned();
    let full =
        head.uri.path_and_query().map_or_else(|| path.clone(), |full| full.as_str().to_owned());
    let authority = authority(&head.uri, &head.headers).map(str::to_owned);
    let Some(authority) = authority else {
        return Err(Problem::new(Code::MalformedRequest, "the Host header is missing"));
    };
    head.uri = http::Uri::builder()
        .scheme("http")
        .authority(authority.as_str())
        .path_and_query(full.as_str())
        .build()
        .map_err(|_| Problem::new(Code::MalformedRequest, "the Host header is not a host"))?;
    let stale: Vec<HeaderName> = head
        .headers
        .keys()
        .filter(|name| {
            **name == header::AUTHORIZATION
                || **name == header::PROXY_AUTHORIZATION
                || name.as_str().starts_with("spin-")
                || name.as_str().starts_with("postlet-")
        })
        .cloned()
        .collect();
    for name in stale {
        head.headers.remove(name);
    }
    let mut set = |name: &str, value: &str| {
        if let (Ok(name), Ok(value)) =
            (HeaderName::try_from(name), HeaderValue::from_bytes(value.as_bytes()))
        {
            head.headers.insert(name, value);
        }
    };
    set("spin-full-url", &format!("http://{authority}{}{full}", place.base));
    // Spin's value for an empty base path.
    set("spin-base-path", if place.base.is_empty() { "/" } else { &place.base });
    set("spin-matched-route", pattern);
    set("spin-path-info", rest);
    if params.iter().any(|(_, value)| value.chars().any(char::is_control)) {
        return Err(Problem::new(
            Code::NotFound,
            "no resource has this path: it contains control characters",
        ));
    }
    for (name, value) in *params {
        set(&format!("spin-path-match-{name}"), value);
    }
    set("postlet-request-id", caller.request.as_str());
    Ok(())
}

/// The problem of a component's failure, which is logged already.
fn failed(served: &DeployedComponent, error: EndpointError) -> Problem {
    let name = &served.name;
    let (code, detail) = match &error {
        EndpointError::Trapped { .. }
        | EndpointError::NoAnswer
        | EndpointError::Declined(_)
        | EndpointError::Answer(_) => (
            Code::ComponentFailed,
            format!("the component `{name}` failed; the request id identifies the log entry"),
        ),
        EndpointError::Limit(which) => {
            let bound = served.endpoint.limits().told(*which);
            (Code::ComponentLimit, format!("the component `{name}` exceeded its limit of {bound}"))
        }
        EndpointError::Timeout { budget, limit } => (
            Code::ComponentTimeout,
            format!("the component `{name}` used up its {budget} of {}", seconds(*limit)),
        ),
        EndpointError::HostTimeout { limit } => (
            Code::UpstreamTimeout,
            format!(
                "the mail server did not finish within the request's limit of {} s",
                limit.as_secs()
            ),
        ),
        // 429 if the tenant's own requests use up the limit (RFC 6585 §4), 503 if others do.
        EndpointError::Busy(full) => {
            let code = if full.is_own() { Code::TooManyRequests } else { Code::Unavailable };
            (code, format!("{full}: wait, then try again"))
        }
        EndpointError::BodyTooLarge { limit } => {
            (Code::BodyTooLarge, format!("the body has more than {limit} bytes"))
        }
        EndpointError::BodyTooSlow { .. } => (Code::RequestTimeout, error.to_string()),
        EndpointError::Request(_) => {
            (Code::MalformedRequest, "the request cannot be passed to a component".to_owned())
        }
    };
    let problem = Problem::new(code, detail).with_cause(error);
    if matches!(code, Code::TooManyRequests | Code::Unavailable) {
        problem.with_retry_after(std::time::Duration::from_secs(1))
    } else {
        problem
    }
}
