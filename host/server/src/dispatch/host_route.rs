//! The routes of the host itself: public ones, and those under a scope.

use std::sync::atomic::Ordering;

use http::{Method, Response, header, request};
use hyper::body::{Body as _, Incoming};
use model::problem::{Code, Problem};
use runtime::body::Body;

use crate::api::accounts::oauth_consent;
use crate::api::metrics::Queue;
use crate::api::routes::{PublicRoute, TokenRoute};
use crate::api::{system, tokens};
use crate::dispatch::context::{RequestContext, allow};
use crate::http::request_body::{json_body, merge_patch, text};
use crate::openapi::operation::wrong_method;
use crate::openapi::query::wrong_parameter;

impl RequestContext<'_> {
    /// Answers a route that needs no token.
    pub(crate) async fn page(
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

    /// Answers a route that needs a token with its scope.
    pub(crate) async fn resource(
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
            (TokenRoute::Tokens, &Method::GET) => tokens::list(&host.authenticator).await,
            (TokenRoute::Tokens, &Method::POST) => {
                let body = json_body(head, body, cap, host.limits.pace).await?;
                tokens::create(&host.authenticator, &*host.accounts_api.accounts, &caller, &body)
                    .await
            }
            (TokenRoute::Token, &Method::DELETE) => {
                tokens::revoke(&host.authenticator, param).await
            }
            (TokenRoute::Accounts, &Method::GET) => {
                host.accounts_api.list(&caller, cursor.as_deref()).await
            }
            (TokenRoute::Accounts, &Method::POST) => {
                let body = json_body(head, body, cap, host.limits.pace).await?;
                host.accounts_api.create(&caller, accept, &body).await
            }
            (TokenRoute::Account, &Method::PATCH) => {
                let body = merge_patch(head, body, cap, host.limits.pace).await?;
                host.accounts_api.change(&caller, param, &body).await
            }
            (TokenRoute::Identities, &Method::GET) => {
                host.accounts_api.identities(&caller, param).await
            }
            (TokenRoute::Identities, &Method::PUT) => {
                let body = json_body(head, body, cap, host.limits.pace).await?;
                host.accounts_api.set_identities(&caller, param, &body).await
            }
            (TokenRoute::Account, &Method::GET) => host.accounts_api.get(&caller, param).await,
            (TokenRoute::Account, &Method::DELETE) => {
                host.accounts_api.delete(&caller, param).await
            }
            (TokenRoute::VerifyNew, &Method::POST) => {
                let body = json_body(head, body, cap, host.limits.pace).await?;
                host.accounts_api.verify_new(&caller, accept, &body).await
            }
            (TokenRoute::Consent, &Method::POST) => {
                host.accounts_api.begin_consent(&caller, param).await
            }
            (TokenRoute::TestAccount, &Method::POST) => {
                host.accounts_api.test(&caller, param).await
            }
            (TokenRoute::VerifyAccount, &Method::POST) => {
                host.accounts_api.verify(&caller, accept, param).await
            }
            (TokenRoute::KeyRotation, &Method::POST) => host.rotation.rotate(&caller).await,
            (resource, _) => Err(wrong_method(&head.method, resource.methods().iter().copied())),
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
    wrong_parameter(&name, detail)
}

/// The one query parameter of the host's own resources: where a list of accounts goes on.
fn cursor(resource: TokenRoute, query: &str) -> Result<Option<String>, Problem> {
    let mut cursor = None;
    for (name, value) in form_urlencoded::parse(query.as_bytes()).into_owned() {
        if resource != TokenRoute::Accounts || name != "cursor" {
            return Err(unknown_parameter(&name, "resource"));
        }
        cursor = Some(value);
    }
    Ok(cursor)
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
