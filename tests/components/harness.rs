//! Test harness: one component behind its routes, called with HTTP types.

use std::sync::Arc;

use bytes::Bytes;
use components::COMPONENTS;
use http::request::Builder;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use model::caller::Scope;
use runtime::Runtime;
use runtime::component::Operation;
use runtime::endpoint::Endpoint;
use runtime::limits::{Limits, Settings};
use serde_json::Value;

use crate::fake_capabilities::Desk;

pub(crate) struct House {
    pub(crate) desk: Arc<Desk>,
    pub(crate) operations: Vec<Operation>,
    endpoint: Endpoint,
}

impl House {
    pub(crate) async fn with(component: &str) -> Self {
        Self::over(component, Desk::default()).await
    }

    pub(crate) async fn over(component: &str, desk: Desk) -> Self {
        let file = format!("{}_component.wasm", component.replace('-', "_"));
        let embedded = COMPONENTS.iter().find(|embedded| embedded.source.ends_with(&file)).unwrap();
        let runtime = Runtime::new(Settings {
            instances: 10,
            mime_instances: 1,
            tenants: 1,
            ..Settings::default()
        })
        .unwrap();
        let compiled = runtime.component(component, embedded.wasm).unwrap();
        let operations = runtime.describe(&compiled).await.unwrap().unwrap();
        let desk = Arc::new(desk);
        let endpoint = runtime.endpoint(&compiled, desk.clone(), Limits::default()).unwrap();
        Self { desk, operations, endpoint }
    }

    /// `path` is the part after the account; `route` is where the component's own part begins.
    pub(crate) async fn ask(
        &self,
        method: &str,
        route: &str,
        path: &str,
        fields: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Response<Bytes> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://mail.test/v1/accounts/ann{path}"))
            .header("spin-matched-route", format!("/v1/accounts/:account{route}"))
            .header("spin-path-match-account", "ann");
        if let Some(fixed) = route.strip_suffix("/...") {
            let rest = path.split('?').next().unwrap().strip_prefix(fixed).unwrap();
            request = request.header("spin-path-info", rest);
        }
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        self.send(request, body).await
    }

    /// A request as the host passes it to a component.
    pub(crate) async fn send(&self, request: Builder, body: impl Into<Bytes>) -> Response<Bytes> {
        let request = request.header("postlet-request-id", "req_1");
        let body = Full::new(body.into()).map_err(|never| match never {}).boxed_unsync();
        let caller = fakes::caller::caller("ten", &Scope::EVERY);
        let answer =
            self.endpoint.handle(Arc::new(caller), request.body(body).unwrap()).await.unwrap();
        let (head, body) = answer.into_parts();
        Response::from_parts(head, body.collect().await.unwrap().to_bytes())
    }

    pub(crate) async fn get(&self, route: &str, path: &str) -> Response<Bytes> {
        self.ask("GET", route, path, &[], "").await
    }
}

#[track_caller]
pub(crate) fn json(answer: &Response<Bytes>) -> Value {
    serde_json::from_slice(answer.body()).unwrap()
}

#[track_caller]
pub(crate) fn is_problem(answer: &Response<Bytes>, status: u16, code: &str) {
    assert_eq!(answer.status(), status, "{answer:?}");
    assert_eq!(field(answer, "content-type"), "application/problem+json");
    let document = json(answer);
    assert_eq!(document["code"], code, "{document}");
    assert_eq!(document["status"], status);
    assert_eq!(document["requestId"], "req_1");
}

#[track_caller]
pub(crate) fn field<'a>(answer: &'a Response<Bytes>, name: &str) -> &'a str {
    answer.headers().get(name).unwrap_or_else(|| panic!("{name} in {answer:?}")).to_str().unwrap()
}
