//! A route of the host itself: one row of the route table.
//!
//! A row has everything that is known of an operation: the dispatcher reads which requests it takes, and
//! the OpenAPI document what it says. Independent of which rows there are.

use engine::app::route_table::InvalidRoute;
use http::Response;
use model::caller::{Caller, Scope};
use model::port::BoxFuture;
use model::problem::Problem;
use runtime::body::Body;
use runtime::component::{Described, Operation, Parameter};

use crate::api::host_api::HostApi;
use crate::api::host_request::{HostRequest, JsonBody, Query, QueryParameter};
use crate::http::content_type::JSON;
use crate::openapi::document::HostOperation;
use crate::openapi::host_schemas;

/// The response of a handler, when it is done.
pub(crate) type Answering<'a> = BoxFuture<'a, Result<Response<Body>, Problem>>;

/// A handler without a caller.
pub(crate) type PublicHandler = for<'a> fn(&'a HostApi, &'a HostRequest<'a>) -> Answering<'a>;

/// A handler whose caller is known, if the request has a token.
pub(crate) type OptionalTokenHandler =
    for<'a> fn(&'a HostApi, Option<&'a Caller>, &'a HostRequest<'a>) -> Answering<'a>;

/// A handler with a caller.
pub(crate) type TokenHandler =
    for<'a> fn(&'a HostApi, &'a Caller, &'a HostRequest<'a>) -> Answering<'a>;

/// What handles a request, and which token the request needs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Handler {
    Public(PublicHandler),
    OptionalToken(OptionalTokenHandler),
    AnyToken(TokenHandler),
    Scope(Scope, TokenHandler),
}

/// One operation of the host. A `HostRoute<()>` is a row without its end, the handler.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HostRoute<H = Handler> {
    /// GET includes HEAD.
    pub(crate) method: &'static str,
    /// The pattern of its path.
    pub(crate) path: &'static str,
    /// The `operationId`.
    pub(crate) id: &'static str,
    /// One line.
    pub(crate) summary: &'static str,
    pub(crate) query: Query,
    /// A POST without one refuses a body.
    pub(crate) body: Option<&'static JsonBody>,
    /// The response if all is well.
    answer: Answer,
    /// Responses that are not, if they are documented separately.
    failures: &'static [Answer],
    pub(crate) handler: H,
}

/// Responses of an operation: each of the statuses in each of the content types.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub(crate) statuses: &'static [u16],
    /// An empty one for a response without content.
    pub(crate) content_types: &'static [&'static str],
    /// The name of its schema in `answers.json`.
    pub(crate) schema: Option<&'static str>,
    /// One line.
    pub(crate) summary: &'static str,
}

/// 200 with JSON; `schema` is its name in `answers.json`.
pub(crate) const fn json(schema: &'static str) -> Answer {
    let summary = "The response";
    Answer { statuses: &[200], content_types: &[JSON], schema: Some(schema), summary }
}

/// 201 with JSON; `schema` is its name in `answers.json`.
pub(crate) const fn created(schema: &'static str) -> Answer {
    Answer { statuses: &[201], summary: "Created", ..json(schema) }
}

/// 200 with content that is not JSON.
pub(crate) const fn content(kind: &'static [&'static str], summary: &'static str) -> Answer {
    Answer { statuses: &[200], content_types: kind, schema: None, summary }
}

impl Answer {
    /// 204.
    const REMOVED: Self =
        Self { statuses: &[204], content_types: &[""], schema: None, summary: "Removed" };

    fn described(&self) -> impl Iterator<Item = Described> {
        self.statuses.iter().flat_map(move |status| {
            self.content_types.iter().map(move |content_type| Described {
                status: *status,
                content_type: (*content_type).to_owned(),
                schema: self.schema.map(host_schemas::answer),
                summary: self.summary.to_owned(),
            })
        })
    }
}

/// A row that takes no query parameters and no body, and answers 204; `id` is the `operationId`.
pub(crate) const fn row(
    method: &'static str,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
) -> HostRoute<()> {
    let (query, body, answer) = (Query::Checked(&[]), None, Answer::REMOVED);
    HostRoute { method, path, id, summary, query, body, answer, failures: &[], handler: () }
}

impl HostRoute<()> {
    pub(crate) const fn query(self, parameters: &'static [QueryParameter]) -> Self {
        Self { query: Query::Checked(parameters), ..self }
    }

    /// Any query is accepted; these parameters are documented.
    pub(crate) const fn any_query(self, documented: &'static [QueryParameter]) -> Self {
        Self { query: Query::Unchecked(documented), ..self }
    }

    pub(crate) const fn body(self, body: &'static JsonBody) -> Self {
        Self { body: Some(body), ..self }
    }

    pub(crate) const fn answer(self, answer: Answer) -> Self {
        Self { answer, ..self }
    }

    /// Failures that are not only problem documents.
    pub(crate) const fn failures(self, failures: &'static [Answer]) -> Self {
        Self { failures, ..self }
    }

    /// No token is needed, and one that is sent is not looked at.
    pub(crate) const fn public(self, handler: PublicHandler) -> HostRoute {
        self.handled(Handler::Public(handler))
    }

    /// No token is needed; one that is sent has to be valid.
    pub(crate) const fn optional_token(self, handler: OptionalTokenHandler) -> HostRoute {
        self.handled(Handler::OptionalToken(handler))
    }

    /// Every token is sufficient.
    pub(crate) const fn any_token(self, handler: TokenHandler) -> HostRoute {
        self.handled(Handler::AnyToken(handler))
    }

    /// A token with this scope is needed.
    pub(crate) const fn scope(self, scope: Scope, handler: TokenHandler) -> HostRoute {
        self.handled(Handler::Scope(scope, handler))
    }

    const fn handled(self, handler: Handler) -> HostRoute {
        let Self { method, path, id, summary, query, body, answer, failures, .. } = self;
        HostRoute { method, path, id, summary, query, body, answer, failures, handler }
    }
}

impl HostRoute {
    /// Whether a request without a token is refused.
    pub(crate) fn needs_token(&self) -> bool {
        match self.handler {
            Handler::Public(_) | Handler::OptionalToken(_) => false,
            Handler::AnyToken(_) | Handler::Scope(..) => true,
        }
    }

    /// The operation for the OpenAPI document.
    ///
    /// # Errors
    /// When its path is not a pattern.
    pub(crate) fn documented(&self) -> Result<HostOperation, InvalidRoute> {
        let scope = match self.handler {
            Handler::Scope(scope, _) => scope.as_str(),
            Handler::Public(_) | Handler::OptionalToken(_) | Handler::AnyToken(_) => "",
        };
        let parameters = self.query.parameters().iter().map(|parameter| Parameter {
            name: parameter.name.to_owned(),
            schema: parameter.schema.text().to_owned(),
            required: parameter.required,
            summary: parameter.summary.to_owned(),
        });
        let other_types = self.body.iter().flat_map(|body| body.content_types);
        let answers = std::iter::once(&self.answer).chain(self.failures);
        let operation = Operation {
            method: self.method.to_owned(),
            // OpenAPI has no parameter for several segments.
            path: self.path.replace("/...", "/:file"),
            summary: self.summary.to_owned(),
            scope: scope.to_owned(),
            parameters: parameters.collect(),
            body_schema: self.body.map(|body| body.schema.text().to_owned()),
            body_example: self.body.map(|body| body.example.to_owned()),
            other_content_types: other_types
                .filter(|kind| **kind != JSON)
                .map(|kind| (*kind).to_owned())
                .collect(),
            answers: answers.flat_map(Answer::described).collect(),
            long_lived: false,
        };
        let is_public = !self.needs_token();
        Ok(HostOperation { id: self.id, pattern: self.path.parse()?, operation, is_public })
    }
}
