//! The dispatcher: handles one request, from its head to its response.
//!
//! Tenant → token → route → operation → scope → query → body → component. Each step continues or ends
//! in a problem document, and no component instance exists before the last one.

mod context;
mod host_route;
mod component_request;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use model::ids::RequestId;
use model::port::clock::ten_bytes;
use model::problem::{Code, Problem};
use runtime::body::Body;
use tracing::field::Empty;
use tracing::{Instrument, Span};

use crate::auth::authenticator::Authenticator;
use crate::deploy::application::{Deployment, RouteTarget};
use crate::dispatch::component_request::MatchedRoute;
use crate::dispatch::context::{RequestContext, no_token};
use crate::host::Host;
use crate::http::no_route::{no_public_route, no_route};
use crate::http::{request_head, response};

const REQUEST_ID: HeaderName = HeaderName::from_static("postlet-request-id");

/// Handles one request. Every failure, also a panic, becomes a problem document (RFC 9457).
pub(crate) async fn answer(host: Arc<Host>, request: Request<Incoming>) -> Response<Body> {
    let id = RequestId::generate(ten_bytes(&*host.entropy));
    let method = request.method().clone();
    let last = request_head::is_coded(request.headers());
    let began = host.api.clock.monotonic();
    let mut pattern = None;
    // Fields of every log entry of this request; empty ones are recorded later.
    let span = tracing::error_span!(
        "request",
        request = id.as_str(),
        tenant = Empty,
        anonymous = Empty,
        component = Empty,
        method = Empty,
        path = Empty
    );
    let routing = route(&host, request, &id, &mut pattern).instrument(span.clone());
    let routed = AssertUnwindSafe(routing).catch_unwind().await;
    let mut response = span.in_scope(|| match routed {
        Ok(Ok(response)) => response,
        Ok(Err(problem)) => response::problem(&problem, &id),
        // A panic fails one request only; the panic hook has logged it.
        Err(_) => {
            response::problem(&Problem::new(Code::Internal, "an internal error occurred"), &id)
        }
    });
    let took = host.api.clock.monotonic().saturating_sub(began);
    let status = response.status();
    tracing::info!(
        request = id.as_str(),
        %method,
        route = pattern.as_deref().unwrap_or("none"),
        status = status.as_u16(),
        milliseconds = took.as_millis(),
        "answered"
    );
    host.api.metrics.answered(&method, pattern, status, took);
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    if last {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    rate_limit(&mut response);
    if method == Method::HEAD {
        return response.map(|_| response::full(Bytes::new()));
    }
    response
}

/// Adds RateLimit and Retry-After to a 429 response (draft-ietf-httpapi-ratelimit-headers-10).
fn rate_limit(response: &mut Response<Body>) {
    if response.status() != StatusCode::TOO_MANY_REQUESTS {
        return;
    }
    let headers = response.headers_mut();
    let after = headers.entry(header::RETRY_AFTER).or_insert(HeaderValue::from_static("1"));
    let limit = after.to_str().ok().filter(|after| after.bytes().all(|b| b.is_ascii_digit()));
    if let Some(limit) = limit.and_then(|t| format!("\"tenant\";r=0;t={t}").parse().ok()) {
        headers.entry("ratelimit").or_insert(limit);
    }
}

async fn route(
    host: &Arc<Host>,
    request: Request<Incoming>,
    id: &RequestId,
    pattern: &mut Option<String>,
) -> Result<Response<Body>, Problem> {
    let (mut head, body) = request.into_parts();
    request_head::check(&head)?;
    let place = host.tenants.place(&mut head)?;
    let context = RequestContext { host, place, id };
    let path = head.uri.path().to_owned();
    // The host's routes are the same for all tenants, and no application may take a path from them.
    if let Some(found) = host.routes.find(&path) {
        *pattern = Some(found.pattern.to_string());
        return context.host_route(&found, &head, body).await;
    }
    let common = host.api.deployments.default().routes.find(&path);
    if let Some(found) = &common {
        *pattern = Some(found.pattern.to_string());
        if let RouteTarget::Static(fixed) = found.value {
            return Ok(response::fixed(fixed));
        }
    }
    let shows_token = head.headers.contains_key(header::AUTHORIZATION);
    let caller = if shows_token { Some(context.caller(&head).await?) } else { None };
    let tenant = caller.as_ref().map(|caller| &caller.tenant).or(context.place.tenant.as_ref());
    let Some(tenant) = tenant else {
        if common.is_some() {
            return Err(no_token());
        }
        return Err(no_public_route(&path, exists_in(host, host.api.deployments.default())));
    };
    if caller.is_none() {
        Span::current().record("tenant", tenant.as_str()).record("anonymous", true);
    }
    // Kept for the whole request: a new deployment applies to later requests.
    let deployment: Arc<Deployment> = host.api.deployments.of(tenant);
    let Some(found) = deployment.routes.find(&path) else {
        return Err(no_route(&path, exists_in(host, &deployment)));
    };
    let matched = found.pattern.to_string();
    *pattern = Some(matched.clone());
    match found.value {
        RouteTarget::Static(fixed) => Ok(response::fixed(fixed)),
        RouteTarget::Component(served) => {
            let caller = match caller {
                Some(caller) => caller,
                None => {
                    let anonymous = Authenticator::anonymous(tenant, &head, id.clone())?;
                    served.anonymous_caller(anonymous).ok_or_else(no_token)?
                }
            };
            let matched =
                MatchedRoute { pattern: &matched, params: &found.params, rest: &found.rest };
            context.component(served, head, body, caller, &matched).await
        }
    }
}

/// Whether a path has a route of the host or of a deployment.
fn exists_in(host: &Host, deployment: &Deployment) -> impl Fn(&str) -> bool {
    move |path| host.routes.find(path).is_some() || deployment.routes.find(path).is_some()
}
