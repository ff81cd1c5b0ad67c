//! Dispatch of the host's own routes, as their rows say: method, token, scope, query, body, handler.

use engine::app::route_table::Match;
use http::{Method, Response, header, request};
use hyper::body::{Body as _, Incoming};
use model::problem::{Code, Problem};
use runtime::body::Body;
use serde_json::Value;

use crate::api::host_request::HostRequest;
use crate::api::host_route::{Handler, HostRoute};
use crate::dispatch::context::{RequestContext, allow};
use crate::http::request_body::json_body;
use crate::openapi::operation::wrong_method;

impl RequestContext<'_> {
    /// Handles a request to one of the host's own routes.
    ///
    /// # Errors
    /// The first check that fails, and the problem of the handler.
    pub(crate) async fn host_route(
        &self,
        found: &Match<'_, Vec<&'static HostRoute>>,
        head: &request::Parts,
        body: Incoming,
    ) -> Result<Response<Body>, Problem> {
        let api = &self.host.api;
        // HEAD is GET without the body (RFC 9110 §9.3.2).
        let method = if head.method == Method::HEAD { "GET" } else { head.method.as_str() };
        let Some(route) = found.value.iter().find(|route| route.method == method) else {
            if found.value.iter().all(|route| route.needs_token()) {
                // As for components: the token is checked first.
                self.caller(head).await?;
            }
            let known = found.value.iter().map(|route| route.method);
            return Err(wrong_method(&head.method, known));
        };
        match route.handler {
            Handler::Public(handler) => {
                let request = self.checked(route, found, head, body).await?;
                handler(api, &request).await
            }
            Handler::OptionalToken(handler) => {
                let has_token = head.headers.contains_key(header::AUTHORIZATION);
                let caller = if has_token { Some(self.caller(head).await?) } else { None };
                let request = self.checked(route, found, head, body).await?;
                handler(api, caller.as_ref(), &request).await
            }
            Handler::AnyToken(handler) => {
                let caller = self.caller(head).await?;
                let request = self.checked(route, found, head, body).await?;
                handler(api, &caller, &request).await
            }
            Handler::Scope(scope, handler) => {
                let caller = self.caller(head).await?;
                allow(&caller, scope)?;
                let request = self.checked(route, found, head, body).await?;
                handler(api, &caller, &request).await
            }
        }
    }

    /// Checks the query and the body of a request.
    async fn checked<'a>(
        &'a self,
        route: &HostRoute,
        found: &'a Match<'_, Vec<&'static HostRoute>>,
        head: &'a request::Parts,
        body: Incoming,
    ) -> Result<HostRequest<'a>, Problem> {
        let query = route.query.read(head.uri.query().unwrap_or_default())?;
        let body = match route.body {
            Some(expected) => {
                let (cap, pace) = (self.host.limits.json_body, self.host.limits.pace);
                let bytes = json_body(head, body, expected.content_types, cap, pace).await?;
                expected.schema.check(&bytes)?
            }
            // Content of GET and DELETE has no meaning (RFC 9110 §9.3.1, §9.3.5), and is ignored.
            None if route.method == "POST" && !body.is_end_stream() => {
                return Err(Problem::new(Code::InvalidBody, "this operation takes no body"));
            }
            None => Value::Null,
        };
        Ok(HostRequest { id: self.id, head, params: &found.params, rest: &found.rest, query, body })
    }
}
