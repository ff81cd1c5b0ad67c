//! Route table of the host itself, with methods, scopes and OpenAPI operations.
//!
//! A route of an application that conflicts with one of these is refused. Independent of how requests
//! are handled.

use http::Method;
use model::caller::Scope;
use runtime::component::{Described, Operation, Parameter};

use crate::api::accounts::oauth_consent::HTML;
use crate::api::accounts::request;
use crate::api::{metrics, tokens};
use crate::http::content_type::MERGE_PATCH;
use crate::openapi::document::{PROBLEM, PUBLIC};
use crate::openapi::host_schemas;

/// A route that the host serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HostRoute {
    /// Without a token.
    Public(PublicRoute),
    /// Under a scope.
    Token(TokenRoute),
}

/// A route that needs no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PublicRoute {
    Health,
    Ready,
    Wit,
    WitFile,
    WitArchive,
    OpenApi,
    Docs,
    ConsentAnswer,
}

/// A route that needs a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenRoute {
    Metrics,
    Tokens,
    Token,
    Accounts,
    VerifyNew,
    Account,
    VerifyAccount,
    KeyRotation,
    Identities,
    TestAccount,
    Consent,
}

/// Every route of the host, by its pattern.
pub(crate) const HOST_ROUTES: &[(&str, HostRoute)] = &[
    ("/-/health", HostRoute::Public(PublicRoute::Health)),
    ("/-/ready", HostRoute::Public(PublicRoute::Ready)),
    ("/-/wit", HostRoute::Public(PublicRoute::Wit)),
    ("/-/wit/...", HostRoute::Public(PublicRoute::WitFile)),
    ("/-/wit.tar", HostRoute::Public(PublicRoute::WitArchive)),
    ("/-/openapi.json", HostRoute::Public(PublicRoute::OpenApi)),
    ("/-/docs", HostRoute::Public(PublicRoute::Docs)),
    ("/-/oauth/callback", HostRoute::Public(PublicRoute::ConsentAnswer)),
    ("/-/metrics", HostRoute::Token(TokenRoute::Metrics)),
    ("/-/key/rotate", HostRoute::Token(TokenRoute::KeyRotation)),
    ("/v1/tokens", HostRoute::Token(TokenRoute::Tokens)),
    ("/v1/tokens/:token", HostRoute::Token(TokenRoute::Token)),
    ("/v1/accounts", HostRoute::Token(TokenRoute::Accounts)),
    ("/v1/accounts/verify", HostRoute::Token(TokenRoute::VerifyNew)),
    ("/v1/accounts/:account", HostRoute::Token(TokenRoute::Account)),
    ("/v1/accounts/:account/verify", HostRoute::Token(TokenRoute::VerifyAccount)),
    ("/v1/accounts/:account/test", HostRoute::Token(TokenRoute::TestAccount)),
    ("/v1/accounts/:account/oauth", HostRoute::Token(TokenRoute::Consent)),
    ("/v1/accounts/:account/identities", HostRoute::Token(TokenRoute::Identities)),
];

impl TokenRoute {
    /// The scope that a method requires; none if every token is sufficient.
    pub(crate) fn scope(self, method: &Method) -> Option<Scope> {
        match self {
            Self::Metrics | Self::Tokens | Self::Token | Self::KeyRotation => Some(Scope::Operate),
            // Every token may list the accounts that it may open.
            Self::Accounts | Self::Account | Self::Identities if method == Method::GET => None,
            Self::Accounts
            | Self::VerifyNew
            | Self::Account
            | Self::VerifyAccount
            | Self::TestAccount
            | Self::Consent
            | Self::Identities => Some(Scope::Accounts),
        }
    }

    /// Whether a request body is refused.
    pub(crate) const fn takes_nothing(self) -> bool {
        matches!(self, Self::VerifyAccount | Self::TestAccount | Self::Consent | Self::KeyRotation)
    }

    /// The methods that it supports.
    pub(crate) const fn methods(self) -> &'static [&'static str] {
        match self {
            Self::Metrics => &["GET"],
            Self::Tokens | Self::Accounts => &["GET", "POST"],
            Self::Token => &["DELETE"],
            Self::Account => &["GET", "PATCH", "DELETE"],
            Self::Identities => &["GET", "PUT"],
            Self::VerifyNew
            | Self::VerifyAccount
            | Self::TestAccount
            | Self::Consent
            | Self::KeyRotation => &["POST"],
        }
    }
}

/// The same routes as operations, for the documentation.
pub(crate) fn operations() -> Vec<Operation> {
    let account_body = |operation| body(operation, request::SCHEMA, request::EXAMPLE);
    vec![
        shows("Health", get("/-/health", PUBLIC, "Show that the host runs, and its version")),
        shows("Readiness", get("/-/ready", PUBLIC, "Show whether the host accepts requests")),
        shows("WitPackage", get("/-/wit", PUBLIC, "List the files of the WIT package")),
        Operation {
            answers: vec![answer(200, "text/plain; charset=utf-8", "The file")],
            ..get("/-/wit/:file", PUBLIC, "Show a file of the WIT package")
        },
        Operation {
            answers: vec![answer(200, "application/x-tar", "The archive")],
            ..get("/-/wit.tar", PUBLIC, "Show the WIT package as an archive, below `wit/`")
        },
        shows("OpenApiDocument", get("/-/openapi.json", PUBLIC, "Show this document")),
        Operation {
            answers: vec![answer(200, HTML, "The page")],
            ..get("/-/docs", PUBLIC, "Show this document as a page")
        },
        Operation {
            parameters: ["state", "code", "error"].map(consent_parameter).into(),
            answers: consent_answers(),
            ..get(
                "/-/oauth/callback",
                PUBLIC,
                "End a consent: the redirect URI of authorization servers",
            )
        },
        Operation {
            answers: vec![answer(200, metrics::CONTENT_TYPE, "In the OpenMetrics text format")],
            ..get("/-/metrics", "operate", "Show the host's metrics")
        },
        shows(
            "KeyRotation",
            post("/-/key/rotate", "operate", "Rotate the master key while serving"),
        ),
        shows("Tokens", get("/v1/tokens", "operate", "List tokens")),
        shows(
            "MadeToken",
            body(
                operation(
                    "POST",
                    "/v1/tokens",
                    "operate",
                    "Create a token; only this response shows its text",
                    201,
                ),
                tokens::SCHEMA,
                tokens::EXAMPLE,
            ),
        ),
        operation("DELETE", "/v1/tokens/:token", "operate", "Revoke a token", 204),
        shows(
            "Accounts",
            Operation {
                parameters: vec![Parameter {
                    name: "cursor".to_owned(),
                    schema: r#"{"type":"string","maxLength":4000}"#.to_owned(),
                    required: false,
                    summary: "`nextCursor` of the page before".to_owned(),
                }],
                ..get("/v1/accounts", "", "List the accounts that the token may open")
            },
        ),
        shows(
            "Account",
            account_body(operation("POST", "/v1/accounts", "accounts", "Connect a mailbox", 201)),
        ),
        shows(
            "Verification",
            account_body(post(
                "/v1/accounts/verify",
                "accounts",
                "Verify a mailbox's servers; nothing is stored",
            )),
        ),
        shows("Account", get("/v1/accounts/:account", "", "Show an account")),
        shows(
            "Account",
            Operation {
                other_content_types: vec![MERGE_PATCH.to_owned()],
                ..body(
                    operation(
                        "PATCH",
                        "/v1/accounts/:account",
                        "accounts",
                        "Change an account by a merge patch; a new host needs the password again",
                        200,
                    ),
                    request::CHANGE_SCHEMA,
                    request::CHANGE_EXAMPLE,
                )
            },
        ),
        operation("DELETE", "/v1/accounts/:account", "accounts", "Remove an account", 204),
        shows(
            "Consent",
            post(
                "/v1/accounts/:account/oauth",
                "accounts",
                "Begin a consent: returns the URL that the owner of the mailbox has to open",
            ),
        ),
        shows(
            "Identities",
            get("/v1/accounts/:account/identities", "", "List the identities of an account"),
        ),
        shows(
            "Identities",
            body(
                operation(
                    "PUT",
                    "/v1/accounts/:account/identities",
                    "accounts",
                    "Replace the identities of an account; the first is the default",
                    200,
                ),
                request::IDENTITIES_SCHEMA,
                request::IDENTITIES_EXAMPLE,
            ),
        ),
        shows(
            "Verification",
            post(
                "/v1/accounts/:account/verify",
                "accounts",
                "Verify the servers of an account, SMTP and IMAP separately",
            ),
        ),
        shows(
            "Trial",
            post(
                "/v1/accounts/:account/test",
                "accounts",
                "Send a message from the account to itself, wait for it, and remove it",
            ),
        ),
    ]
}

/// The responses of the redirection endpoint: an HTML page, or a problem document for programs (see
/// [`crate::api::accounts::oauth_consent`]).
fn consent_answers() -> Vec<Described> {
    let mut answers = vec![answer(200, HTML, "The mailbox is connected")];
    for status in [400, 404, 409, 422, 500, 502, 503, 504] {
        let summary = "The mailbox is not connected";
        answers.extend([HTML, PROBLEM].map(|kind| answer(status, kind, summary)));
    }
    answers
}

/// Sets the schema of the responses to the one of that name.
fn shows(name: &str, mut operation: Operation) -> Operation {
    for answer in &mut operation.answers {
        answer.schema = Some(host_schemas::answer(name));
    }
    operation
}

fn consent_parameter(name: &str) -> Parameter {
    Parameter {
        name: name.to_owned(),
        schema: r#"{"type":"string"}"#.to_owned(),
        required: false,
        summary: "From the authorization server (RFC 6749, 4.1.2)".to_owned(),
    }
}

fn get(path: &str, scope: &str, summary: &str) -> Operation {
    operation("GET", path, scope, summary, 200)
}

fn post(path: &str, scope: &str, summary: &str) -> Operation {
    operation("POST", path, scope, summary, 200)
}

fn operation(method: &str, path: &str, scope: &str, summary: &str, status: u16) -> Operation {
    let content_type = if status == 204 { "" } else { "application/json" };
    let description = match status {
        201 => "Created",
        204 => "Removed",
        _ => "The response",
    };
    Operation {
        method: method.to_owned(),
        path: path.to_owned(),
        summary: summary.to_owned(),
        scope: scope.to_owned(),
        parameters: Vec::new(),
        body_schema: None,
        body_example: None,
        other_content_types: Vec::new(),
        answers: vec![answer(status, content_type, description)],
        long_lived: false,
    }
}

fn body(operation: Operation, schema: &str, example: &str) -> Operation {
    Operation {
        body_schema: Some(schema.to_owned()),
        body_example: Some(example.to_owned()),
        ..operation
    }
}

fn answer(status: u16, content_type: &str, summary: &str) -> Described {
    Described {
        status,
        content_type: content_type.to_owned(),
        schema: None,
        summary: summary.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use engine::app::route_table::Pattern;

    use super::*;
    use crate::schema::Schema;

    #[test]
    fn every_route_of_the_host_is_documented() {
        let operations = operations();
        for (route, _) in HOST_ROUTES {
            let route: Pattern = route.parse().unwrap();
            let documented =
                operations.iter().any(|known| route.covers(&known.path.parse().unwrap()));
            assert!(documented, "{route}");
        }
        for operation in &operations {
            let path: Pattern = operation.path.parse().unwrap();
            let served = HOST_ROUTES
                .iter()
                .any(|(route, _)| route.parse::<Pattern>().unwrap().covers(&path));
            assert!(served, "{path}");
        }
    }

    #[test]
    fn the_examples_of_the_host_fit_their_schemas() {
        for operation in operations() {
            let (Some(schema), Some(example)) = (operation.body_schema, operation.body_example)
            else {
                continue;
            };
            Schema::compile(&schema).unwrap().check(example.as_bytes()).unwrap();
        }
    }
}
