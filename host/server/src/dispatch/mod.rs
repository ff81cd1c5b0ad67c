//! One request, from its head to its answer.
//!
//! place → token → caller → route → operation → scope → query → body → component.
//! Each step either goes on or ends in a problem, and no component instance
//! exists before the last one.

mod component_request;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header, request};
use hyper::body::{Body as _, Incoming};
use model::caller::{Caller, Scope};
use model::ids::{AccountId, RequestId};
use model::port::clock::ten_bytes;
use model::problem::{Code, Problem};
use runtime::body::Body;
use runtime::error::{EndpointError, seconds};
use tracing::field::Empty;
use tracing::{Instrument, Span};

use crate::api::accounts::oauth_consent;
use crate::api::metrics::Queue;
use crate::api::routes::{HostRoute, PublicRoute, TokenRoute};
use crate::api::system;
use crate::auth::authenticator::{Authenticator, unknown_token};
use crate::auth::tenant::TenantAddress;
use crate::deploy::application::{Deployment, RouteTarget};
use crate::dispatch::component_request::{MatchedRoute, prepare};
use crate::host::Host;
use crate::http::request_body::{collect, forms_are_larger, json_body, merge_patch, stream, text};
use crate::http::{request_head, response};
use crate::openapi::operation::{BodyHandling, DeployedComponent, wrong_method};
use crate::schema::child_pool::Asking;

const REQUEST_ID: HeaderName = HeaderName::from_static("postlet-request-id");

/// Answers one request; never fails, never panics.
pub(crate) async fn answer(host: Arc<Host>, request: Request<Incoming>) -> Response<Body> {
    let id = RequestId::generate(ten_bytes(&*host.entropy));
    let method = request.method().clone();
    let last = request_head::is_coded(request.headers());
    let began = host.clock.monotonic();
    let mut pattern = None;
    // On every entry that is written meanwhile, whoever writes it; the rest is known later.
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
        // A mistake of ours costs one request; the panic itself is in the log already.
        Err(_) => response::problem(
            &Problem::new(Code::Internal, "the request met a mistake of ours"),
            &id,
        ),
    });
    let took = host.clock.monotonic().saturating_sub(began);
    let status = response.status();
    tracing::info!(
        request = id.as_str(),
        %method,
        route = pattern.as_deref().unwrap_or("none"),
        status = status.as_u16(),
        milliseconds = took.as_millis(),
        "answered"
    );
    host.metrics.answered(&method, pattern, status, took);
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

/// Nothing is left now, and when it is worth trying again (draft-ietf-httpapi-ratelimit-headers-10).
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
    let place = host.tenancy.place(&mut head)?;
    let asked = RequestContext { host, place, id };
    let path = head.uri.path().to_owned();
    // The host's routes are the same for everybody; some of them need no token.
    let common = host.deployments.default().routes.find(&path);
    if let Some(found) = &common {
        *pattern = Some(found.pattern.to_string());
        match found.value {
            RouteTarget::Host(HostRoute::Page(kind)) => {
                return asked.page(*kind, &head, &found.rest).await;
            }
            RouteTarget::Host(HostRoute::Resource(kind)) => {
                return asked.resource(*kind, &head, body, &found.params).await;
            }
            RouteTarget::Static(fixed) => return Ok(response::fixed(fixed)),
            RouteTarget::Component(_) => {}
        }
    }
    let shows_token = head.headers.contains_key(header::AUTHORIZATION);
    let caller = if shows_token { Some(asked.caller(&head).await?) } else { None };
    let tenant = caller.as_ref().map(|caller| &caller.tenant).or(asked.place.tenant.as_ref());
    let Some(tenant) = tenant else {
        if common.is_some() {
            return Err(no_token());
        }
        let detail = "no route leads here without a token; the routes of a tenant's own application \
                      are reached with its token, under its host name, or below /t/{tenant}";
        return Err(Problem::new(Code::NotFound, detail));
    };
    if caller.is_none() {
        Span::current().record("tenant", tenant.as_str()).record("anonymous", true);
    }
    // Held to the end: whatever is deployed meanwhile is for the next request.
    let deployment: Arc<Deployment> = host.deployments.of(tenant);
    let Some(found) = deployment.routes.find(&path) else {
        let detail = "no route leads here; /-/docs shows those that there are";
        return Err(Problem::new(Code::NotFound, detail));
    };
    let matched = found.pattern.to_string();
    *pattern = Some(matched.clone());
    match found.value {
        RouteTarget::Host(HostRoute::Page(kind)) => asked.page(*kind, &head, &found.rest).await,
        RouteTarget::Host(HostRoute::Resource(kind)) => {
            asked.resource(*kind, &head, body, &found.params).await
        }
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
            asked.component(served, head, body, caller, &matched).await
        }
    }
}

/// One request's surroundings.
struct RequestContext<'a> {
    host: &'a Arc<Host>,
    place: TenantAddress,
    id: &'a RequestId,
}

impl RequestContext<'_> {
    /// Who shows the token; one of another tenant is unknown at this address.
    async fn caller(&self, head: &request::Parts) -> Result<Caller, Problem> {
        let keyring = &self.host.keyring;
        let caller = keyring.caller(&head.headers, &head.method, self.id.clone()).await?;
        if !self.place.admits(&caller.tenant) {
            return Err(unknown_token());
        }
        Span::current().record("tenant", caller.tenant.as_str());
        Ok(caller)
    }

    /// The pages that need no token.
    async fn page(
        &self,
        page: PublicRoute,
        head: &request::Parts,
        rest: &str,
    ) -> Result<Response<Body>, Problem> {
        let reads = head.method == Method::GET || head.method == Method::HEAD;
        if !reads && page != PublicRoute::ConsentAnswer {
            return Err(wrong_method(&head.method, ["GET"].into_iter()));
        }
        plain(page, head.uri.query().unwrap_or_default())?;
        let deployments = &self.host.deployments;
        match page {
            PublicRoute::Health => Ok(system::health()),
            PublicRoute::Ready => {
                let stopping = self.host.stopping.load(Ordering::Relaxed);
                let store = self.host.outbox.condition();
                system::ready(stopping, store, deployments.undeployed().len())
            }
            PublicRoute::Docs => Ok(system::docs()),
            PublicRoute::ConsentAnswer => {
                Ok(oauth_consent::oauth_callback(&self.host.engine, head, self.id).await)
            }
            // Whoever shows a token sees the tenant's own routes too.
            PublicRoute::OpenApi if head.headers.contains_key(header::AUTHORIZATION) => {
                let caller = self.caller(head).await?;
                Ok(system::openapi(deployments.of(&caller.tenant).openapi.clone()))
            }
            PublicRoute::OpenApi => Ok(system::openapi(deployments.default().openapi.clone())),
            PublicRoute::Wit => system::wit(None),
            PublicRoute::WitArchive => Ok(system::wit_archive()),
            PublicRoute::WitFile => system::wit(Some(rest.trim_start_matches('/'))),
        }
    }

    /// The host's own resources, each under a scope.
    async fn resource(
        &self,
        resource: TokenRoute,
        head: &request::Parts,
        body: Incoming,
        params: &[(String, String)],
    ) -> Result<Response<Body>, Problem> {
        let host = self.host;
        let caller = self.caller(head).await?;
        let param = params.first().map_or("", |(_, value)| value.as_str());
        let method = if head.method == Method::HEAD { &Method::GET } else { &head.method };
        if !resource.methods().contains(&method.as_str()) {
            return Err(wrong_method(&head.method, resource.methods().iter().copied()));
        }
        if let Some(scope) = resource.scope(method) {
            allow(&caller, scope)?;
        }
        let cap = host.limits.json_body;
        let accept = text(head, header::ACCEPT_LANGUAGE).unwrap_or_default();
        let cursor = cursor(resource, head.uri.query().unwrap_or_default())?;
        if resource.takes_nothing() && !body.is_end_stream() {
            let detail = "this takes no body: it is about what is stored";
            return Err(Problem::new(Code::InvalidBody, detail));
        }
        match (resource, method) {
            (TokenRoute::Metrics, &Method::GET) => {
                let queue = Queue::look(&*host.outbox, host.clock.now()).await;
                system::metrics(&host.metrics, &queue, host.deployments.undeployed().len())
            }
            (TokenRoute::Tokens, &Method::GET) => host.keyring.list().await,
            (TokenRoute::Tokens, &Method::POST) => {
                host.keyring
                    .create(&caller, &json_body(head, body, cap, host.limits.pace).await?)
                    .await
            }
            (TokenRoute::Token, &Method::DELETE) => host.keyring.revoke(param).await,
            (TokenRoute::Accounts, &Method::GET) => {
                host.desk.list(&caller, cursor.as_deref()).await
            }
            (TokenRoute::Accounts, &Method::POST) => {
                let body = json_body(head, body, cap, host.limits.pace).await?;
                host.desk.create(&caller, accept, &body).await
            }
            (TokenRoute::Account, &Method::PATCH) => {
                let body = merge_patch(head, body, cap, host.limits.pace).await?;
                host.desk.change(&caller, param, &body).await
            }
            (TokenRoute::Identities, &Method::GET) => host.desk.identities(&caller, param).await,
            (TokenRoute::Identities, &Method::PUT) => {
                let body = json_body(head, body, cap, host.limits.pace).await?;
                host.desk.set_identities(&caller, param, &body).await
            }
            (TokenRoute::Account, &Method::GET) => host.desk.get(&caller, param).await,
            (TokenRoute::Account, &Method::DELETE) => host.desk.delete(&caller, param).await,
            (TokenRoute::VerifyNew, &Method::POST) => {
                let body = json_body(head, body, cap, host.limits.pace).await?;
                host.desk.verify_new(&caller, accept, &body).await
            }
            (TokenRoute::Consent, &Method::POST) => host.desk.begin_consent(&caller, param).await,
            (TokenRoute::TestAccount, &Method::POST) => host.desk.test(&caller, param).await,
            (TokenRoute::VerifyAccount, &Method::POST) => {
                host.desk.verify(&caller, accept, param).await
            }
            (TokenRoute::KeyRotation, &Method::POST) => host.rotation.rotate(&caller).await,
            (resource, _) => Err(wrong_method(&head.method, resource.methods().iter().copied())),
        }
    }

    async fn component(
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
                        charge = Some(host.budget.charge(&caller, size.min(cap)).await?);
                        let bytes =
                            collect(body, cap, host.limits.pace).await.map_err(forms_are_larger)?;
                        host.budget.check(asking, rule, &bytes).await?;
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
        // By now the component has read what it wanted of the body.
        drop(charge);
        match answered {
            Ok(response) => Ok(response),
            Err(error) => Ok(response::logged(&failed(served, error), &id)),
        }
    }
}

/// Pages take no query parameters. Probes add some of their own, and so may an authorization
/// server (RFC 6749 §4.1.2 has what is unknown ignored).
fn plain(page: PublicRoute, query: &str) -> Result<(), Problem> {
    let free =
        matches!(page, PublicRoute::Health | PublicRoute::Ready | PublicRoute::ConsentAnswer);
    let given = form_urlencoded::parse(query.as_bytes()).next();
    match given.filter(|_| !free) {
        Some((name, _)) => Err(unknown_parameter(&name, "page")),
        None => Ok(()),
    }
}

fn unknown_parameter(name: &str, of: &str) -> Problem {
    let name = model::problem::printable(name);
    let detail = format!("`{name}` is not a query parameter of this {of}");
    Problem::new(Code::InvalidQuery, detail)
}

/// The one query parameter of the host's own resources: where a list of accounts goes on.
fn cursor(resource: TokenRoute, query: &str) -> Result<Option<String>, Problem> {
    let mut cursor = None;
    for (name, value) in form_urlencoded::parse(query.as_bytes()).into_owned() {
        if resource != TokenRoute::Accounts || name != "cursor" {
            return Err(unknown_parameter(&name, "resource"));
        }
        // It is the last id of the page before, so a cursor of any other list is none.
        if value.parse::<AccountId>().is_err() {
            let detail = "the cursor is not one of this list; start without one";
            return Err(Problem::new(Code::InvalidCursor, detail));
        }
        cursor = Some(value);
    }
    Ok(cursor)
}

fn no_token() -> Problem {
    Problem::new(Code::Unauthenticated, "send the header `Authorization: Bearer <token>`")
}

fn allow(caller: &Caller, scope: Scope) -> Result<(), Problem> {
    if caller.may(scope) {
        return Ok(());
    }
    if caller.token.is_none() {
        let detail = format!("without a token this is not done: it needs one with `{scope}`");
        return Err(Problem::new(Code::Unauthenticated, detail));
    }
    Err(Problem::new(Code::Forbidden, format!("the token lacks the scope `{scope}`"))
        .with_extra("scope", scope.as_str()))
}

/// What a component's failure means to the caller. It is in the log already.
fn failed(served: &DeployedComponent, error: EndpointError) -> Problem {
    let name = &served.name;
    let (code, detail) = match &error {
        EndpointError::Trapped { .. }
        | EndpointError::NoAnswer
        | EndpointError::Declined(_)
        | EndpointError::Answer(_) => (
            Code::ComponentFailed,
            format!("the component `{name}` failed; the request id names the log entry"),
        ),
        EndpointError::Limit(which) => {
            let bound = served.endpoint.limits().told(*which);
            (Code::ComponentLimit, format!("the component `{name}` went over its limit of {bound}"))
        }
        EndpointError::Timeout { budget, limit } => (
            Code::ComponentTimeout,
            format!("the component `{name}` used up its {budget} of {}", seconds(*limit)),
        ),
        EndpointError::HostTimeout { limit } => (
            Code::UpstreamTimeout,
            format!(
                "the mail server was still at work when the request's {} s were over",
                limit.as_secs()
            ),
        ),
        // 429 where the tenant's own callers are in the way, 503 where others are (RFC 6585 §4).
        EndpointError::Busy(full) => {
            let code = if full.is_own() { Code::TooManyRequests } else { Code::Unavailable };
            (code, format!("{full}: wait, then try again"))
        }
        EndpointError::BodyTooLarge { limit } => {
            (Code::BodyTooLarge, format!("the body has more than {limit} bytes"))
        }
        EndpointError::BodyTooSlow { .. } => (Code::RequestTimeout, error.to_string()),
        EndpointError::Request(_) => {
            (Code::MalformedRequest, "the request cannot be handed to a component".to_owned())
        }
    };
    let problem = Problem::new(code, detail).with_cause(error);
    if matches!(code, Code::TooManyRequests | Code::Unavailable) {
        problem.with_retry_after(std::time::Duration::from_secs(1))
    } else {
        problem
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_refuse_query_parameters_and_probes_do_not() {
        for page in [
            PublicRoute::Wit,
            PublicRoute::WitFile,
            PublicRoute::WitArchive,
            PublicRoute::OpenApi,
            PublicRoute::Docs,
        ] {
            let problem = plain(page, "a%20b=1&c").unwrap_err();
            assert_eq!(problem.code, Code::InvalidQuery, "{page:?}");
            assert!(problem.detail.contains("`a b`"), "{}", problem.detail);
            assert!(plain(page, "").is_ok(), "{page:?}");
        }
        for page in [PublicRoute::Health, PublicRoute::Ready, PublicRoute::ConsentAnswer] {
            assert!(plain(page, "probe=1").is_ok(), "{page:?}");
        }
    }
}
