//! The operations of a component, compiled for the checks of requests.
//!
//! `describe` returns texts; here they are parsed into schemas, methods and scopes, and a fault is
//! reported with its operation. Requests to a component that describes no operations are not checked.
//!
//! Invariant: a route of the component covers each operation, and the example of its body fits the
//! schema that is documented and enforced.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::app::manifest::component::{Auth, Grants, ReadGrant};
use engine::app::manifest::trigger::Route;
use engine::app::route_table::{Pattern, Routes};
use http::{HeaderMap, Method};
use model::caller::{Caller, Confinement, Scope};
use model::ids::TenantId;
use model::problem::{Code, Problem};
use runtime::component::Operation;
use runtime::endpoint::Endpoint;

use crate::http::content_type;
use crate::http::no_route::no_route;
use crate::openapi::description::{place, uncovered};
use crate::schema::Schema;
use crate::schema::child_pool::{SchemaChildren, Specimen, TenantSchema, Unfit};

/// A deployed component, with its operations and grants.
#[derive(Debug)]
pub(crate) struct DeployedComponent {
    pub(crate) name: String,
    pub(crate) endpoint: Endpoint,
    /// The operations as described; none if the component describes none.
    described: Option<Vec<Operation>>,
    /// The component's routes in the manifest.
    routes: Vec<Pattern>,
    operations: Option<Routes<Vec<CheckedOperation>>>,
    grants: Grants,
}

/// One operation, with its schemas compiled.
#[derive(Debug)]
pub(crate) struct CheckedOperation {
    method: Method,
    pub(crate) scope: Option<Scope>,
    /// Name, whether it is required, and the schema of its value.
    pub(crate) parameters: Vec<(String, bool, BodySchema)>,
    body: Option<BodySchema>,
    other_types: Vec<String>,
}

/// A schema, and where it is evaluated.
#[derive(Clone, Debug)]
pub(crate) enum BodySchema {
    /// A schema of this project's own, evaluated in this process.
    Own(Arc<Schema>),
    /// A tenant's, evaluated in a child process.
    Foreign(Arc<TenantSchema>, Arc<SchemaChildren>),
}

/// A fault of a description, with its operation.
#[derive(Debug, thiserror::Error)]
#[error("its description (`operations()`) is invalid: {place}: {fault}")]
pub(crate) struct OperationFault {
    place: String,
    fault: String,
}

/// Maximum number of operations of a component.
const MOST_OPERATIONS: usize = 200;

/// Maximum number of parameters, answers and content types of one operation, each.
const MOST_OF_EACH: usize = 100;
/// Maximum length of the name of a parameter or a content type, in bytes.
const MOST_NAME: usize = 200;

/// How a body is handled.
#[derive(Debug)]
pub(crate) enum BodyHandling<'a> {
    /// Collected and checked, then passed on.
    Json(&'a BodySchema),
    /// Passed on as a stream.
    Stream,
}

impl DeployedComponent {
    /// Checks a description. `routes` are the component's in the manifest; `checkers` evaluate a
    /// tenant's schemas, none for a built-in component.
    ///
    /// # Errors
    /// The first fault of the description.
    pub(crate) fn new(
        name: &str,
        endpoint: Endpoint,
        described: Option<Vec<Operation>>,
        routes: &[Route],
        grants: Grants,
        checkers: Option<&Arc<SchemaChildren>>,
    ) -> Result<Self, OperationFault> {
        // Some toolchains force an author to export `operations`; an empty list counts as none.
        let described = described.filter(|operations| !operations.is_empty());
        let read = |operations| check(operations, routes, checkers);
        let operations = described.as_deref().map(read).transpose()?;
        let name = name.to_owned();
        let routes = routes.iter().map(|route| route.pattern.clone()).collect();
        Ok(Self { name, endpoint, described, routes, operations, grants })
    }

    /// The caller as this component sees it, restricted to what the manifest grants.
    pub(crate) fn apply_grants(&self, mut caller: Caller) -> Caller {
        if let Some(granted) = &self.grants.accounts {
            caller.accounts =
                Some(granted.iter().filter(|account| caller.may_open(account)).cloned().collect());
        }
        let mut withheld = Vec::new();
        if caller.token.is_none() {
            withheld.extend(Scope::EVERY.into_iter().filter(|scope| !caller.may(*scope)));
        } else if self.grants.send == Some(false) && caller.may(Scope::Send) {
            caller.scopes.retain(|scope| *scope != Scope::Send);
            withheld.push(Scope::Send);
        }
        let accounts = caller.token.is_none() || self.grants.accounts.is_some();
        if accounts || !withheld.is_empty() {
            let component = self.name.clone();
            caller.confined = Some(Confinement { component, scopes: withheld, accounts });
        }
        caller
    }

    /// The caller without a token, with what the manifest grants; none if a token is required.
    pub(crate) fn anonymous_caller(&self, mut anonymous: Caller) -> Option<Caller> {
        anonymous.scopes = self.public_scopes()?;
        anonymous.accounts = Some(self.grants.accounts.clone().unwrap_or_default());
        Some(anonymous)
    }

    /// The scopes granted without a token; none if a token is required.
    pub(crate) fn public_scopes(&self) -> Option<Vec<Scope>> {
        if self.grants.auth == Auth::Token {
            return None;
        }
        let reads = self.grants.read == Some(ReadGrant::All);
        let sends = self.grants.send == Some(true);
        let granted = [(Scope::Read, reads), (Scope::Send, sends)];
        Some(granted.into_iter().filter(|(_, given)| *given).map(|(scope, _)| scope).collect())
    }

    /// The operations as described; empty if requests are not checked.
    pub(crate) fn described(&self) -> &[Operation] {
        self.described.as_deref().unwrap_or_default()
    }

    /// Its routes if requests are not checked, else none.
    pub(crate) fn unchecked(&self) -> &[Pattern] {
        if self.described.is_some() { &[] } else { &self.routes }
    }

    /// The operation of a request; none if the component describes none.
    ///
    /// # Errors
    /// [`Code::NotFound`] or [`Code::MethodNotAllowed`] if no operation matches.
    pub(crate) fn operation(
        &self,
        method: &Method,
        path: &str,
    ) -> Result<Option<&CheckedOperation>, Problem> {
        let Some(operations) = &self.operations else { return Ok(None) };
        let Some(found) = operations.find(path) else {
            return Err(no_route(path, |path| operations.find(path).is_some()));
        };
        // HEAD is GET without the body (RFC 9110 §9.3.2).
        let wanted = if method == Method::HEAD { &Method::GET } else { method };
        match found.value.iter().find(|operation| operation.method == *wanted) {
            Some(operation) => Ok(Some(operation)),
            None => Err(wrong_method(
                method,
                found.value.iter().map(|operation| operation.method.as_str()),
            )),
        }
    }
}

impl CheckedOperation {
    /// How a body with this content type is handled.
    ///
    /// # Errors
    /// [`Code::UnsupportedMediaType`].
    pub(crate) fn taking(&self, headers: &HeaderMap) -> Result<BodyHandling<'_>, Problem> {
        let Some(rule) = &self.body else { return Ok(BodyHandling::Stream) };
        let given = content_type::kind(headers);
        let known = std::iter::once("application/json")
            .chain(self.other_types.iter().map(String::as_str))
            .collect::<Vec<_>>();
        match given.as_deref() {
            Some("application/json") => {
                content_type::check_json(headers, &known)?;
                Ok(BodyHandling::Json(rule))
            }
            Some(other) if known.contains(&other) => Ok(BodyHandling::Stream),
            other => Err(content_type::other_type(other, &known)),
        }
    }
}

/// Compiles the operations of a description; `routes` are the component's in the manifest.
fn check(
    operations: &[Operation],
    routes: &[Route],
    checkers: Option<&Arc<SchemaChildren>>,
) -> Result<Routes<Vec<CheckedOperation>>, OperationFault> {
    let fault = |place: &str, fault: String| OperationFault { place: place.to_owned(), fault };
    few(operations)?;
    let mut by_path: BTreeMap<&str, (Pattern, Vec<CheckedOperation>)> = BTreeMap::new();
    for operation in operations {
        let place = place(operation);
        let pattern: Pattern =
            operation.path.parse().map_err(|error| fault(&place, format!("{error}")))?;
        if !routes.iter().any(|route| route.pattern.covers(&pattern)) {
            return Err(fault(&place, uncovered(routes)));
        }
        let checked =
            CheckedOperation::read(operation, checkers).map_err(|error| fault(&place, error))?;
        let (_, known) = by_path.entry(&operation.path).or_insert_with(|| (pattern, Vec::new()));
        if known.iter().any(|other| other.method == checked.method) {
            return Err(fault(&place, "it is described twice".to_owned()));
        }
        known.push(checked);
    }
    let mut known = Routes::default();
    for (path, (pattern, checked)) in by_path {
        known.insert(pattern, checked).map_err(|clash| fault(path, clash.to_string()))?;
    }
    Ok(known)
}

/// Checks every schema of a tenant's description, and the examples, in a child process.
///
/// # Errors
/// The first schema that is invalid or too costly, or the first example that does not fit.
pub(crate) async fn examine(
    checkers: &SchemaChildren,
    tenant: &TenantId,
    operations: &[Operation],
) -> Result<(), OperationFault> {
    few(operations)?;
    let mut specimens = Vec::new();
    let mut places = Vec::new();
    for operation in operations {
        for (what, text, example) in schemas(operation) {
            specimens.push(Specimen { text, example });
            places.push((operation, what));
        }
    }
    checkers.examine(tenant, &specimens).await.map_err(|(at, why)| {
        let (place, what) = places
            .get(at)
            .map_or_else(Default::default, |(operation, what)| (place(operation), what.as_str()));
        let fault = match why {
            Unfit::Schema(why) => format!("{what}: {why}"),
            Unfit::Example(_) => why.to_string(),
        };
        OperationFault { place, fault }
    })
}

/// Limits what is searched for each request; each name can be part of a problem's detail.
fn few(operations: &[Operation]) -> Result<(), OperationFault> {
    let fault = |place: String, fault: String| Err(OperationFault { place, fault });
    if operations.len() > MOST_OPERATIONS {
        return fault("all of it".to_owned(), format!("more than {MOST_OPERATIONS} operations"));
    }
    for operation in operations {
        let counts = [
            ("parameters", operation.parameters.len()),
            ("answers", operation.answers.len()),
            ("content types", operation.other_content_types.len()),
        ];
        if let Some((what, _)) = counts.iter().find(|(_, count)| *count > MOST_OF_EACH) {
            return fault(place(operation), format!("more than {MOST_OF_EACH} {what}"));
        }
        let names = operation.parameters.iter().map(|parameter| &parameter.name);
        if names.chain(&operation.other_content_types).any(|name| name.len() > MOST_NAME) {
            let advice = format!("a parameter or a content type has more than {MOST_NAME} bytes");
            return fault(place(operation), advice);
        }
    }
    Ok(())
}

/// Every schema of an operation: what it describes, its text, and an example that has to fit.
fn schemas(operation: &Operation) -> Vec<(String, &str, Option<&str>)> {
    let parameters = operation.parameters.iter().map(|parameter| {
        (format!("the parameter `{}`", parameter.name), parameter.schema.as_str(), None)
    });
    let body = operation
        .body_schema
        .iter()
        .map(|text| ("the body".to_owned(), text.as_str(), operation.body_example.as_deref()));
    let answers = operation.answers.iter().filter_map(|answer| {
        Some((format!("the answer {}", answer.status), answer.schema.as_deref()?, None))
    });
    parameters.chain(body).chain(answers).collect()
}

impl CheckedOperation {
    fn read(operation: &Operation, checkers: Option<&Arc<SchemaChildren>>) -> Result<Self, String> {
        // A tenant's schema was examined before, in a child process.
        let rule = |what: &str, text: &str| match checkers {
            Some(checkers) => {
                Ok(BodySchema::Foreign(Arc::new(TenantSchema::new(text)), Arc::clone(checkers)))
            }
            None => match Schema::compile(text) {
                Ok(schema) => Ok(BodySchema::Own(Arc::new(schema))),
                Err(error) => Err(format!("{what}: {error}")),
            },
        };
        let mut parameters: Vec<(String, bool, BodySchema)> =
            Vec::with_capacity(operation.parameters.len());
        for parameter in &operation.parameters {
            let what = format!("the parameter `{}`", parameter.name);
            if parameters.iter().any(|(name, ..)| *name == parameter.name) {
                return Err(format!("{what} is described twice"));
            }
            let rule = rule(&what, &parameter.schema)?;
            parameters.push((parameter.name.clone(), parameter.required, rule));
        }
        let body = operation.body_schema.as_deref().map(|text| rule("the body", text));
        let body = body.transpose()?;
        for answer in &operation.answers {
            if let Some(text) = &answer.schema {
                rule(&format!("the answer {}", answer.status), text)?;
            }
        }
        match (&body, operation.body_example.as_deref()) {
            (Some(BodySchema::Own(schema)), Some(example)) => {
                if let Err(problem) = schema.check(example.as_bytes()) {
                    return Err(format!("the example does not fit the schema: {}", problem.detail));
                }
            }
            (None, Some(_)) => return Err("there is an example, but no schema".to_owned()),
            (Some(_), _) | (None, None) => {}
        }
        let scope = match operation.scope.as_str() {
            "" => None,
            text => Some(match Scope::parse(text) {
                Some(scope @ (Scope::Read | Scope::Change | Scope::Send)) => scope,
                Some(Scope::Accounts | Scope::Operate) | None => {
                    return Err(format!("{text:?} is not one of read, change and send"));
                }
            }),
        };
        let method = match operation.method.as_str() {
            text @ ("GET" | "POST" | "PUT" | "PATCH" | "DELETE") => {
                text.parse().map_err(|_| "not a method".to_owned())?
            }
            other => {
                return Err(format!("{other:?} is not one of GET, POST, PUT, PATCH and DELETE"));
            }
        };
        let other_types = operation
            .other_content_types
            .iter()
            .map(|name| name.trim().to_ascii_lowercase())
            .collect();
        Ok(Self { method, scope, parameters, body, other_types })
    }
}

/// [`Code::MethodNotAllowed`], with the supported methods for Allow (RFC 9110 §15.5.6).
pub(crate) fn wrong_method<'a>(method: &Method, known: impl Iterator<Item = &'a str>) -> Problem {
    let mut known: Vec<&str> = known.collect();
    // Every resource with GET supports HEAD (RFC 9110 §9.3.2).
    if let Some(at) = known.iter().position(|method| *method == "GET")
        && !known.contains(&"HEAD")
    {
        known.insert(at + 1, "HEAD");
    }
    let allow = known.join(", ");
    Problem::new(
        Code::MethodNotAllowed,
        format!("{method} is not supported here; this resource supports {allow}"),
    )
    .with_extra("allow", allow)
}

#[cfg(test)]
mod tests {
    use runtime::component::Parameter;

    use super::*;

    #[test]
    fn head_is_named_once_where_there_is_get() {
        let allow = |known: &[&'static str]| {
            let problem = wrong_method(&Method::TRACE, known.iter().copied());
            let (_, allow) = problem.extras.into_iter().find(|(name, _)| *name == "allow").unwrap();
            allow
        };
        assert_eq!(allow(&["GET", "POST"]), "GET, HEAD, POST");
        assert_eq!(allow(&["POST", "GET", "HEAD"]), "POST, GET, HEAD");
        assert_eq!(allow(&["HEAD", "GET"]), "HEAD, GET");
        assert_eq!(allow(&["DELETE"]), "DELETE");
    }

    #[test]
    fn a_description_names_few_things_and_briefly() {
        let parameter = |name: String| Parameter {
            name,
            schema: "true".to_owned(),
            required: false,
            summary: String::new(),
        };
        let with = |parameters, types| Operation {
            method: "GET".to_owned(),
            path: "/things".to_owned(),
            summary: String::new(),
            scope: String::new(),
            parameters,
            body_schema: None,
            body_example: None,
            other_content_types: types,
            answers: Vec::new(),
            long_lived: false,
        };
        let many = |most: usize| (0..most).map(|at| parameter(at.to_string())).collect();
        check(&[with(many(100), vec!["a/b".to_owned()])], "");
        check(&[with(many(101), Vec::new())], "GET /things: more than 100 parameters");
        check(
            &[with(Vec::new(), vec![String::new(); 101])],
            "GET /things: more than 100 content types",
        );
        let long = "GET /things: a parameter or a content type has more than 200 bytes";
        check(&[with(vec![parameter("x".repeat(201))], Vec::new())], long);
        check(&[with(Vec::new(), vec!["x".repeat(201)])], long);
        check(&vec![with(Vec::new(), Vec::new()); 201], "all of it: more than 200 operations");
    }

    #[track_caller]
    fn check(operations: &[Operation], want: &str) {
        let got = match few(operations) {
            Ok(()) => String::new(),
            Err(fault) => fault.to_string(),
        };
        assert!(got.ends_with(want) && got.is_empty() == want.is_empty(), "{got}");
        let whole = super::check(operations, &[], None).unwrap_err().to_string();
        assert!(whole == got || want.is_empty(), "{whole}");
    }
}
