//! One request, from its head to its answer.
//!
//! token → caller → route → operation → scope → query → body → component. Each
//! step either goes on or ends in a problem, and no component instance exists
//! before the last one.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderName, HeaderValue, Method, Request, Response, header, request};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body as _, Incoming};
use model::caller::{Caller, Scope};
use model::ids::RequestId;
use model::port::clock::ten_bytes;
use model::problem::{Code, Problem};
use runtime::body::Body;
use runtime::error::{BodyError, EndpointError};

use crate::answer;
use crate::deployment::{Deployment, Owner};
use crate::host::Host;
use crate::hostroute::{HostRoute, Page, Resource};
use crate::operation::{Served, Taking, wrong_method};
use crate::pages;

const LONGEST_URI: usize = 8 << 10;
const REQUEST_ID: HeaderName = HeaderName::from_static("postlet-request-id");

/// Answers one request; never fails, never panics.
pub(crate) async fn answer(host: Arc<Host>, request: Request<Incoming>) -> Response<Body> {
    let id = RequestId::generate(ten_bytes(&*host.entropy));
    let method = request.method().clone();
    let began = host.clock.monotonic();
    let mut pattern = None;
    let routed = AssertUnwindSafe(route(&host, request, &id, &mut pattern)).catch_unwind().await;
    let mut response = match routed {
        Ok(Ok(response)) => response,
        Ok(Err(problem)) => answer::problem(&problem, &id),
        // A mistake of ours costs one request; the panic itself is in the log already.
        Err(_) => {
            answer::problem(&Problem::new(Code::Internal, "the request met a mistake of ours"), &id)
        }
    };
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
    if method == Method::HEAD {
        return response.map(|_| answer::full(Bytes::new()));
    }
    response
}

async fn route(
    host: &Arc<Host>,
    request: Request<Incoming>,
    id: &RequestId,
    pattern: &mut Option<String>,
) -> Result<Response<Body>, Problem> {
    if request.uri().path_and_query().is_some_and(|path| path.as_str().len() > LONGEST_URI) {
        return Err(Problem::new(Code::UriTooLong, "an address has at most 8 KiB"));
    }
    let (head, body) = request.into_parts();
    once(&head)?;
    let path = head.uri.path().to_owned();
    // The host's routes are the same for everybody; some of them need no token.
    let common = host.deployments.default().routes.find(&path);
    if let Some(found) = &common {
        *pattern = Some(found.pattern.to_string());
        match found.value {
            Owner::Host(HostRoute::Page(kind)) => {
                return page(host, *kind, &head, &found.rest, id).await;
            }
            Owner::Host(HostRoute::Resource(kind)) => {
                return resource(host, *kind, &head, body, id, &found.params).await;
            }
            Owner::Static(fixed) => return Ok(answer::fixed(fixed)),
            Owner::Component(_) => {}
        }
    }
    // Whose routes count is known by the token alone.
    if common.is_none() && !head.headers.contains_key(header::AUTHORIZATION) {
        let detail =
            "no route of the default application leads here; a tenant's own need its token";
        return Err(Problem::new(Code::NotFound, detail));
    }
    let caller = host.keyring.caller(&head.headers, &head.method, id.clone()).await?;
    // Held to the end: whatever is deployed meanwhile is for the next request.
    let deployment: Arc<Deployment> = host.deployments.of(&caller.tenant);
    let Some(found) = deployment.routes.find(&path) else {
        let detail = "no route leads here; /-/docs shows those that there are";
        return Err(Problem::new(Code::NotFound, detail));
    };
    let matched = found.pattern.to_string();
    *pattern = Some(matched.clone());
    match found.value {
        Owner::Host(HostRoute::Page(kind)) => page(host, *kind, &head, &found.rest, id).await,
        Owner::Host(HostRoute::Resource(kind)) => {
            resource(host, *kind, &head, body, id, &found.params).await
        }
        Owner::Static(fixed) => Ok(answer::fixed(fixed)),
        Owner::Component(served) => {
            component(host, served, head, body, caller, &matched, &found.params, &found.rest).await
        }
    }
}

/// Fields that two readers could understand differently when they are there twice, or together:
/// a proxy in front might have read the other one (RFC 9112 §3.2, §6.1).
fn once(head: &request::Parts) -> Result<(), Problem> {
    let refuse = |detail: String| Err(Problem::new(Code::MalformedRequest, detail));
    let single =
        [header::HOST, header::AUTHORIZATION, header::CONTENT_TYPE, header::CONTENT_LENGTH];
    for name in single.iter().map(HeaderName::as_str).chain(["idempotency-key"]) {
        if head.headers.get_all(name).iter().nth(1).is_some() {
            return refuse(format!("the header `{name}` is there twice"));
        }
    }
    if head.headers.contains_key(header::TRANSFER_ENCODING)
        && head.headers.contains_key(header::CONTENT_LENGTH)
    {
        return refuse("Transfer-Encoding and Content-Length exclude each other".to_owned());
    }
    Ok(())
}

/// The pages that need no token.
async fn page(
    host: &Host,
    page: Page,
    head: &request::Parts,
    rest: &str,
    id: &RequestId,
) -> Result<Response<Body>, Problem> {
    if head.method != Method::GET && head.method != Method::HEAD {
        return Err(wrong_method(&head.method, ["GET"].into_iter()));
    }
    match page {
        Page::Health => Ok(pages::health()),
        Page::Ready => pages::ready(host.stopping.load(Ordering::Relaxed)),
        Page::Docs => Ok(pages::docs()),
        // Whoever shows a token sees the tenant's own routes too.
        Page::OpenApi if head.headers.contains_key(header::AUTHORIZATION) => {
            let caller = host.keyring.caller(&head.headers, &head.method, id.clone()).await?;
            Ok(pages::openapi(host.deployments.of(&caller.tenant).openapi.clone()))
        }
        Page::OpenApi => Ok(pages::openapi(host.deployments.default().openapi.clone())),
        Page::Wit => pages::wit(None),
        Page::WitFile => pages::wit(Some(rest.trim_start_matches('/'))),
    }
}

/// The host's own resources, each under a scope.
async fn resource(
    host: &Arc<Host>,
    resource: Resource,
    head: &request::Parts,
    body: Incoming,
    id: &RequestId,
    params: &[(String, String)],
) -> Result<Response<Body>, Problem> {
    let caller = host.keyring.caller(&head.headers, &head.method, id.clone()).await?;
    allow(&caller, resource.scope())?;
    let param = params.first().map_or("", |(_, value)| value.as_str());
    let method = if head.method == Method::HEAD { &Method::GET } else { &head.method };
    let cap = host.limits.json_body;
    let cursor = cursor(resource, head.uri.query().unwrap_or_default())?;
    match (resource, method) {
        (Resource::Metrics, &Method::GET) => pages::metrics(&host.metrics),
        (Resource::Tokens, &Method::GET) => host.keyring.list().await,
        (Resource::Tokens, &Method::POST) => {
            host.keyring.create(&caller, &json_body(head, body, cap).await?).await
        }
        (Resource::Token, &Method::DELETE) => host.keyring.revoke(param).await,
        (Resource::Accounts, &Method::GET) => host.desk.list(&caller, cursor.as_deref()).await,
        (Resource::Accounts, &Method::POST) => {
            host.desk.create(&caller, &json_body(head, body, cap).await?).await
        }
        (Resource::Account, &Method::GET) => host.desk.get(&caller, param).await,
        (Resource::Account, &Method::DELETE) => host.desk.delete(&caller, param).await,
        (Resource::VerifyNew, &Method::POST) => {
            host.desk.verify_new(&caller, &json_body(head, body, cap).await?).await
        }
        (Resource::VerifyAccount, &Method::POST) => host.desk.verify(&caller, param).await,
        (resource, _) => Err(wrong_method(&head.method, resource.methods().iter().copied())),
    }
}

/// The one query parameter of the host's own resources: where a list of accounts goes on.
fn cursor(resource: Resource, query: &str) -> Result<Option<String>, Problem> {
    let mut cursor = None;
    for (name, value) in form_urlencoded::parse(query.as_bytes()).into_owned() {
        if resource != Resource::Accounts || name != "cursor" {
            let detail = format!(
                "`{}` is not a query parameter of this resource",
                model::problem::printable(&name)
            );
            return Err(Problem::new(Code::InvalidQuery, detail));
        }
        cursor = Some(value);
    }
    Ok(cursor)
}

#[expect(clippy::too_many_arguments, reason = "the parts of one request and of its route")]
async fn component(
    host: &Arc<Host>,
    served: &Served,
    mut head: request::Parts,
    body: Incoming,
    caller: Caller,
    pattern: &str,
    params: &[(String, String)],
    rest: &str,
) -> Result<Response<Body>, Problem> {
    let operation = served.operation(&head.method, head.uri.path())?;
    let mut charge = None;
    let body: Body = match operation {
        Some(operation) => {
            if let Some(scope) = operation.scope {
                allow(&caller, scope)?;
            }
            operation.check_query(head.uri.query().unwrap_or_default())?;
            match operation.taking(text(&head, header::CONTENT_TYPE))? {
                Taking::Json(schema) => {
                    let cap = host.limits.json_body;
                    let size = usize::try_from(body.size_hint().upper().unwrap_or(u64::MAX))
                        .unwrap_or(cap);
                    charge = Some(host.budget.charge(&caller.tenant, size.min(cap)).await?);
                    let bytes = collect(body, cap).await.map_err(forms_are_larger)?;
                    host.budget.check(schema, &bytes).await?;
                    answer::full(bytes)
                }
                Taking::Stream => stream(body, host.limits.body)?,
            }
        }
        None => stream(body, host.limits.body)?,
    };
    prepare(&mut head, &caller, pattern, params, rest)?;
    let id = caller.request.clone();
    let confined = Arc::new(served.confine(caller));
    let answered = served.endpoint.handle(confined, Request::from_parts(head, body)).await;
    // By now the component has read what it wanted of the body.
    drop(charge);
    match answered {
        Ok(response) => Ok(response),
        Err(error) => Err(failed(&served.name, &id, error)),
    }
}

fn allow(caller: &Caller, scope: Scope) -> Result<(), Problem> {
    if caller.may(scope) {
        return Ok(());
    }
    Err(Problem::new(Code::Forbidden, format!("the token lacks the scope `{scope}`"))
        .with_extra("scope", scope.as_str()))
}

/// What the component sees: no credential, and the host's words instead of the client's.
fn prepare(
    head: &mut request::Parts,
    caller: &Caller,
    pattern: &str,
    params: &[(String, String)],
    rest: &str,
) -> Result<(), Problem> {
    let path = head.uri.path().to_owned();
    let full =
        head.uri.path_and_query().map_or_else(|| path.clone(), |full| full.as_str().to_owned());
    let authority = head
        .uri
        .authority()
        .map(|authority| authority.as_str().to_owned())
        .or_else(|| text(head, header::HOST).map(str::to_owned));
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
    set("spin-full-url", &format!("http://{authority}{full}"));
    set("spin-matched-route", pattern);
    set("spin-path-info", rest);
    if params.iter().any(|(_, value)| value.chars().any(char::is_control)) {
        return Err(Problem::new(
            Code::NotFound,
            "nothing is called so: the path holds control characters",
        ));
    }
    for (name, value) in params {
        set(&format!("spin-path-match-{name}"), value);
    }
    set("postlet-request-id", caller.request.as_str());
    Ok(())
}

async fn json_body(head: &request::Parts, body: Incoming, cap: usize) -> Result<Bytes, Problem> {
    let given = text(head, header::CONTENT_TYPE)
        .map(|value| value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    if given.as_deref() != Some("application/json") {
        let given = given.unwrap_or_else(|| "no content type".to_owned());
        return Err(Problem::new(
            Code::UnsupportedMediaType,
            format!("{given} was sent; the operation takes application/json"),
        ));
    }
    collect(body, cap).await
}

async fn collect(body: Incoming, cap: usize) -> Result<Bytes, Problem> {
    if body.size_hint().lower() > cap as u64 {
        return Err(too_large(cap as u64));
    }
    match tokio::time::timeout(
        std::time::Duration::from_secs(60),
        Limited::new(body, cap).collect(),
    )
    .await
    {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            Err(too_large(cap as u64))
        }
        Ok(Err(_)) => Err(Problem::new(Code::MalformedRequest, "the body broke off")),
        Err(_) => {
            Err(Problem::new(Code::RequestTimeout, "the body did not arrive within 60 seconds"))
        }
    }
}

/// Handed on as it comes; the runtime counts the bytes.
fn stream(body: Incoming, cap: u64) -> Result<Body, Problem> {
    if body.size_hint().lower() > cap {
        return Err(too_large(cap));
    }
    Ok(body.map_err(|error| BodyError::Read(error.into())).boxed_unsync())
}

/// JSON ends earlier than other bodies: the way out is another content type.
fn forms_are_larger(problem: Problem) -> Problem {
    if problem.code != Code::BodyTooLarge {
        return problem;
    }
    let detail = format!("{}; send attachments as multipart/form-data", problem.detail);
    Problem { detail, ..problem }
}

fn too_large(cap: u64) -> Problem {
    Problem::new(Code::BodyTooLarge, format!("the body has more than {cap} bytes"))
}

fn text(head: &request::Parts, name: HeaderName) -> Option<&str> {
    head.headers.get(name).and_then(|value| value.to_str().ok())
}

/// What a component's failure means to the caller.
fn failed(name: &str, request: &RequestId, error: EndpointError) -> Problem {
    tracing::warn!(component = name, request = request.as_str(), error = %error, "a component failed");
    let (code, detail) = match &error {
        EndpointError::Trapped { .. } | EndpointError::NoAnswer | EndpointError::Declined(_) => (
            Code::ComponentFailed,
            format!("the component `{name}` failed; the request id names the log entry"),
        ),
        EndpointError::Limit(which) => {
            (Code::ComponentLimit, format!("the component `{name}` went over its limit of {which}"))
        }
        EndpointError::Timeout { budget, .. } => {
            (Code::ComponentTimeout, format!("the component `{name}` used up its {budget}"))
        }
        EndpointError::HostTimeout { limit } => (
            Code::UpstreamTimeout,
            format!(
                "the mail server was still at work when the request's {} s were over",
                limit.as_secs()
            ),
        ),
        EndpointError::Busy => (
            Code::TooManyRequests,
            "every place for this tenant's requests is taken; try again".to_owned(),
        ),
        EndpointError::BodyTooLarge { limit } => {
            (Code::BodyTooLarge, format!("the body has more than {limit} bytes"))
        }
        EndpointError::Request(_) => {
            (Code::MalformedRequest, "the request cannot be handed to a component".to_owned())
        }
    };
    let problem = Problem::new(code, detail).because(error);
    if code == Code::TooManyRequests {
        problem.with_retry_after(std::time::Duration::from_secs(1))
    } else {
        problem
    }
}
