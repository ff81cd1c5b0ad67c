//! Route table of the host itself: a row for each operation.
//!
//! A new endpoint is a row here and its handler. The router, the `Allow` field, the checks of scope, query
//! and body, the paths that applications may not take, and the OpenAPI document are read from the rows.

use std::collections::BTreeMap;
use std::future::ready;

use anyhow::Context;
use engine::app::route_table::Routes;
use http::Response;
use model::caller::Scope;
use model::problem::Problem;
use runtime::body::Body;

use crate::api::accounts::handlers::{CURSOR, LIST};
use crate::api::accounts::oauth_consent;
use crate::api::accounts::request::{ACCOUNT_CHANGE, NEW_ACCOUNT, NEW_IDENTITIES};
use crate::api::host_route::{Answer, Answering, HostRoute, content, created, json, row};
use crate::api::metrics::CONTENT_TYPE as OPENMETRICS;
use crate::api::{system, tokens};
use crate::http::content_type::HTML;
use crate::openapi::document::{HostOperation, PROBLEM};

/// Every operation of the host. Those of one path are in the order of its `Allow` field.
pub(crate) static HOST_ROUTES: &[HostRoute] = &[
    row("GET", "/-/health", "getHealth", "Show that the host runs, and its version")
        .any_query(&[])
        .answer(json("Health"))
        .public(|_, _| now(Ok(system::health()))),
    row("GET", "/-/ready", "getReadiness", "Show whether the host accepts requests")
        .any_query(&[])
        .answer(json("Readiness"))
        .public(|api, _| now(system::ready(api))),
    row("GET", "/-/wit", "listWitFiles", "List the files of the WIT package")
        .answer(json("WitPackage"))
        .public(|_, _| now(Ok(system::wit()))),
    row("GET", "/-/wit/...", "getWitFile", "Show a file of the WIT package")
        .answer(content(&[system::TEXT], "The file"))
        .public(|_, request| now(system::wit_file(request.rest.trim_start_matches('/')))),
    row("GET", "/-/wit.tar", "getWitArchive", "Show the WIT package as an archive, below `wit/`")
        .answer(content(&[system::TAR], "The archive"))
        .public(|_, _| now(Ok(system::wit_archive()))),
    row("GET", "/-/openapi.json", "getOpenApiDocument", "Show this document")
        .answer(json("OpenApiDocument"))
        .optional_token(|api, caller, _| now(Ok(system::openapi(api, caller)))),
    row("GET", "/-/docs", "getDocs", "Show this document as a page")
        .answer(content(&[HTML], "The page"))
        .public(|_, _| now(Ok(system::docs()))),
    row(
        "GET",
        "/-/oauth/callback",
        "endConsent",
        "End a consent: the redirect URI of authorization servers",
    )
    .any_query(&oauth_consent::AUTHORIZATION_RESPONSE)
    .answer(content(&[HTML], "The mailbox is connected"))
    .failures(&[Answer {
        statuses: &[400, 404, 409, 422, 500, 502, 503, 504],
        content_types: &[HTML, PROBLEM],
        schema: None,
        summary: "The mailbox is not connected",
    }])
    .public(|api, request| {
        Box::pin(
            async move { Ok(oauth_consent::oauth_callback(&api.accounts.engine, request).await) },
        )
    }),
    row("GET", "/-/metrics", "getMetrics", "Show the host's metrics")
        .answer(content(&[OPENMETRICS], "In the OpenMetrics text format"))
        .scope(Scope::Operate, |api, _, _| Box::pin(system::metrics(api))),
    row("POST", "/-/key/rotate", "rotateKey", "Rotate the master key while serving")
        .answer(json("KeyRotation"))
        .scope(Scope::Operate, |api, caller, _| Box::pin(api.rotation.rotate(caller))),
    row("GET", "/v1/tokens", "listTokens", "List tokens")
        .answer(json("Tokens"))
        .scope(Scope::Operate, |api, _, _| Box::pin(tokens::list(&api.authenticator))),
    row("POST", "/v1/tokens", "createToken", "Create a token; only this response shows its text")
        .body(&tokens::NEW_TOKEN)
        .answer(created("MadeToken"))
        .scope(Scope::Operate, |api, caller, request| {
            let accounts = &*api.accounts.accounts;
            Box::pin(tokens::create(&api.authenticator, accounts, caller, &request.body))
        }),
    row("DELETE", "/v1/tokens/:token", "deleteToken", "Revoke a token")
        .scope(Scope::Operate, |api, _, request| {
            Box::pin(tokens::revoke(&api.authenticator, request.path_parameter()))
        }),
    row("GET", "/v1/accounts", "listAccounts", "List the accounts that the token may open")
        .query(&LIST)
        .answer(json("Accounts"))
        .any_token(|api, caller, request| {
            Box::pin(api.accounts.list(caller, request.query_parameter(CURSOR)))
        }),
    row("POST", "/v1/accounts", "createAccount", "Connect a mailbox")
        .body(&NEW_ACCOUNT)
        .answer(created("Account"))
        .scope(Scope::Accounts, |api, caller, request| {
            Box::pin(api.accounts.create(caller, request.accept_language(), &request.body))
        }),
    row(
        "POST",
        "/v1/accounts/verify",
        "verifyServers",
        "Verify a mailbox's servers; nothing is stored",
    )
    .body(&NEW_ACCOUNT)
    .answer(json("Verification"))
    .scope(Scope::Accounts, |api, caller, request| {
        Box::pin(api.accounts.verify_new(caller, request.accept_language(), &request.body))
    }),
    row("GET", "/v1/accounts/:account", "getAccount", "Show an account")
        .answer(json("Account"))
        .any_token(|api, caller, request| {
            Box::pin(api.accounts.get(caller, request.path_parameter()))
        }),
    row(
        "PATCH",
        "/v1/accounts/:account",
        "updateAccount",
        "Change an account by a merge patch; a new host needs the password again",
    )
    .body(&ACCOUNT_CHANGE)
    .answer(json("Account"))
    .scope(Scope::Accounts, |api, caller, request| {
        Box::pin(api.accounts.change(caller, request.path_parameter(), &request.body))
    }),
    row("DELETE", "/v1/accounts/:account", "deleteAccount", "Remove an account")
        .scope(Scope::Accounts, |api, caller, request| {
            Box::pin(api.accounts.delete(caller, request.path_parameter()))
        }),
    row(
        "POST",
        "/v1/accounts/:account/oauth",
        "beginConsent",
        "Begin a consent: returns the URL that the owner of the mailbox has to open",
    )
    .answer(json("Consent"))
    .scope(Scope::Accounts, |api, caller, request| {
        Box::pin(api.accounts.begin_consent(caller, request.path_parameter()))
    }),
    row(
        "GET",
        "/v1/accounts/:account/identities",
        "listIdentities",
        "List the identities of an account",
    )
    .answer(json("Identities"))
    .any_token(|api, caller, request| {
        Box::pin(api.accounts.identities(caller, request.path_parameter()))
    }),
    row(
        "PUT",
        "/v1/accounts/:account/identities",
        "replaceIdentities",
        "Replace the identities of an account; the first is the default",
    )
    .body(&NEW_IDENTITIES)
    .answer(json("Identities"))
    .scope(Scope::Accounts, |api, caller, request| {
        Box::pin(api.accounts.set_identities(caller, request.path_parameter(), &request.body))
    }),
    row(
        "POST",
        "/v1/accounts/:account/verify",
        "verifyAccount",
        "Verify the servers of an account, SMTP and IMAP separately",
    )
    .answer(json("Verification"))
    .scope(Scope::Accounts, |api, caller, request| {
        let language = request.accept_language();
        Box::pin(api.accounts.verify(caller, language, request.path_parameter()))
    }),
    row(
        "POST",
        "/v1/accounts/:account/test",
        "testAccount",
        "Send a message from the account to itself, wait for it, and remove it",
    )
    .answer(json("Trial"))
    .scope(Scope::Accounts, |api, caller, request| {
        Box::pin(api.accounts.test(caller, request.path_parameter()))
    }),
];

/// A response that needs no waiting.
fn now<'a>(answer: Result<Response<Body>, Problem>) -> Answering<'a> {
    Box::pin(ready(answer))
}

/// The rows of each path.
pub(crate) type HostRoutes = Routes<Vec<&'static HostRoute>>;

/// The rows by path, for the dispatcher.
///
/// # Errors
/// When a path is not a pattern, or two claim the same paths.
pub(crate) fn by_path() -> anyhow::Result<HostRoutes> {
    let mut by_path: BTreeMap<&str, Vec<&'static HostRoute>> = BTreeMap::new();
    for route in HOST_ROUTES {
        by_path.entry(route.path).or_default().push(route);
    }
    let mut routes = HostRoutes::default();
    for (path, rows) in by_path {
        let pattern = path.parse().with_context(|| format!("the host's route {path}"))?;
        routes.insert(pattern, rows)?;
    }
    Ok(routes)
}

/// The rows as operations, for the OpenAPI document and for the check of an application's routes.
///
/// # Errors
/// When a path is not a pattern.
pub(crate) fn operations() -> anyhow::Result<Vec<HostOperation>> {
    let documented = |route: &HostRoute| {
        route.documented().with_context(|| format!("the host's route {}", route.path))
    };
    HOST_ROUTES.iter().map(documented).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use model::problem::Code;

    use super::*;
    use crate::openapi::operation_names;
    use crate::schema::Schema;

    #[test]
    fn every_operation_is_in_the_table_once_and_its_path_parameters_are_described() {
        let (mut operations, mut ids) = (HashSet::new(), HashSet::new());
        for route in HOST_ROUTES {
            assert!(operations.insert((route.method, route.path)), "{route:?}");
            assert!(ids.insert(route.id), "{route:?}");
            let path = route.documented().unwrap().operation.path;
            for name in path.split('/').filter_map(|segment| segment.strip_prefix(':')) {
                assert!(operation_names::parameter(name).is_some(), "{path}");
            }
        }
        by_path().unwrap();
    }

    #[test]
    fn every_schema_of_a_row_is_valid_and_the_examples_fit() {
        for route in HOST_ROUTES {
            if let Some(body) = route.body {
                body.schema.check(body.example.as_bytes()).unwrap();
            }
            for parameter in route.query.parameters() {
                parameter.schema.compiled().unwrap();
            }
            for answer in route.documented().unwrap().operation.answers {
                if let Some(schema) = answer.schema {
                    Schema::compile(&schema).unwrap();
                }
            }
        }
    }

    #[test]
    fn only_health_checks_and_authorization_servers_may_add_query_parameters() {
        let mut unchecked = Vec::new();
        for route in HOST_ROUTES {
            assert!(route.query.read("").is_ok(), "{route:?}");
            match route.query.read("a%20b=1&c") {
                Ok(_) => unchecked.push(route.path),
                Err(problem) => {
                    assert_eq!(problem.code, Code::InvalidQuery, "{route:?}");
                    assert!(problem.detail.contains("`a b`"), "{}", problem.detail);
                }
            }
        }
        assert_eq!(unchecked, ["/-/health", "/-/ready", "/-/oauth/callback"]);
    }
}
