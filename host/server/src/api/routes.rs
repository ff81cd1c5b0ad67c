//! The routes of the host itself: the one table of what no component serves.
//!
//! A route of an application that would take a path from one of these is
//! refused. Refuses to know how they are answered.

use http::Method;
use model::caller::Scope;
use runtime::component::{Described, Operation, Parameter};

use crate::api::accounts::oauth_consent::HTML;
use crate::api::accounts::request;
use crate::api::{metrics, tokens};
use crate::http::content_type::MERGE_PATCH;
use crate::openapi::document::{PROBLEM, PUBLIC};
use crate::openapi::host_schemas;

/// Something that the host answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HostRoute {
    /// Without a token.
    Public(PublicRoute),
    /// Under a scope.
    Token(TokenRoute),
}

/// What the host serves to anybody.
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

/// What the host serves to tokens.
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

/// Every route of the host.
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
    /// What a token must allow; none where any will do.
    pub(crate) fn scope(self, method: &Method) -> Option<Scope> {
        match self {
            Self::Metrics | Self::Tokens | Self::Token | Self::KeyRotation => Some(Scope::Operate),
            // Whoever may use an account may see which ones there are to use.
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

    /// Whether a body would be of no effect.
    pub(crate) const fn takes_nothing(self) -> bool {
        matches!(self, Self::VerifyAccount | Self::TestAccount | Self::Consent | Self::KeyRotation)
    }

    /// What it answers.
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
        shows("Health", get("/-/health", PUBLIC, "Say that it runs, and which version")),
        shows("Readiness", get("/-/ready", PUBLIC, "Say whether it takes requests")),
        shows("WitPackage", get("/-/wit", PUBLIC, "List the files of the WIT package")),
        Operation {
            answers: vec![answer(200, "text/plain; charset=utf-8", "The file")],
            ..get("/-/wit/:file", PUBLIC, "Show a file of the WIT package")
        },
        Operation {
            answers: vec![answer(200, "application/x-tar", "The archive")],
            ..get("/-/wit.tar", PUBLIC, "Pack the WIT package, below `wit/`")
        },
        shows("OpenApiDocument", get("/-/openapi.json", PUBLIC, "Show this document")),
        Operation {
            answers: vec![answer(200, HTML, "The page")],
            ..get("/-/docs", PUBLIC, "Show this document as a page")
        },
        Operation {
            parameters: ["state", "code", "error"].map(consent_parameter).into(),
            answers: consent_answers(),
            ..get("/-/oauth/callback", PUBLIC, "End a consent: where people come back")
        },
        Operation {
            answers: vec![answer(200, metrics::CONTENT_TYPE, "In Prometheus' text format")],
            ..get("/-/metrics", "operate", "Show the host's metrics")
        },
        shows(
            "KeyRotation",
            post("/-/key/rotate", "operate", "Change the master key while serving"),
        ),
        shows("Tokens", get("/v1/tokens", "operate", "List tokens")),
        shows(
            "MadeToken",
            body(
                operation(
                    "POST",
                    "/v1/tokens",
                    "operate",
                    "Make a token; only this answer shows its text",
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
                "Try a mailbox's servers; nothing is stored",
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
                "Begin a consent: where the owner of the mailbox has to agree",
            ),
        ),
        shows(
            "Identities",
            get("/v1/accounts/:account/identities", "", "List whom it may send as"),
        ),
        shows(
            "Identities",
            body(
                operation(
                    "PUT",
                    "/v1/accounts/:account/identities",
                    "accounts",
                    "Replace whom it may send as; the first is the default",
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
                "Try the servers of an account, SMTP and IMAP apart",
            ),
        ),
        shows(
            "Trial",
            post(
                "/v1/accounts/:account/test",
                "accounts",
                "Send the account a mail from itself, wait for it, and remove it",
            ),
        ),
    ]
}

/// A page for people; a program that asks for it gets the problem document (see `consenting`).
fn consent_answers() -> Vec<Described> {
    let mut answers = vec![answer(200, HTML, "The mailbox is connected")];
    for status in [400, 404, 409, 422, 500, 502, 503, 504] {
        let told = "The mailbox is not connected";
        answers.extend([HTML, PROBLEM].map(|kind| answer(status, kind, told)));
    }
    answers
}

/// Its answer is the one of that name.
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
        summary: "As the authorization server gives it (RFC 6749, 4.1.2)".to_owned(),
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
    let told = match status {
        201 => "It is stored; Location names it",
        204 => "It is gone",
        _ => "The answer",
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
        answers: vec![answer(status, content_type, told)],
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
            let told = operations.iter().any(|known| route.covers(&known.path.parse().unwrap()));
            assert!(told, "{route}");
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
