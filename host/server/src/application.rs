//! The default application: its manifest and components, ready to serve.
//!
//! Built once at start from what is embedded in the binary. The routes of the
//! application and those of the host stand in one table, so that a clash is
//! found when it is made and not when it is met.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, bail};
use engine::manifest;
use engine::manifest::Manifest;
use engine::manifest::trigger::{StaticResponse, Target};
use engine::routes::{Pattern, Routes};
use http::Method;
use model::caller::Scope;
use model::port::capabilities::Capabilities;
use model::problem::{Code, Problem};
use runtime::Runtime;
use runtime::component::Operation;
use runtime::endpoint::Endpoint;
use runtime::limits::Limits;

use crate::schema::Schema;

/// Who answers a route.
#[derive(Debug)]
pub(crate) enum Owner {
    /// The host itself.
    Host(HostRoute),
    /// A component.
    Component(Arc<Served>),
    /// Always the same answer.
    Static(StaticResponse),
}

/// The routes of the host: the one table of what is not served by components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HostRoute {
    Health,
    Wit,
    WitFile,
    Tokens,
    Token,
    Accounts,
    VerifyNew,
    Account,
    VerifyAccount,
}

const HOST_ROUTES: &[(&str, HostRoute)] = &[
    ("/-/health", HostRoute::Health),
    ("/-/wit", HostRoute::Wit),
    ("/-/wit/...", HostRoute::WitFile),
    ("/v1/tokens", HostRoute::Tokens),
    ("/v1/tokens/:token", HostRoute::Token),
    ("/v1/accounts", HostRoute::Accounts),
    ("/v1/accounts/verify", HostRoute::VerifyNew),
    ("/v1/accounts/:account", HostRoute::Account),
    ("/v1/accounts/:account/verify", HostRoute::VerifyAccount),
];

/// A component that serves, and what it said of itself.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) name: String,
    pub(crate) endpoint: Endpoint,
    operations: Option<Routes<Vec<Checked>>>,
}

/// One operation, with its schemas compiled.
#[derive(Debug)]
pub(crate) struct Checked {
    method: Method,
    pub(crate) scope: Option<Scope>,
    parameters: Vec<(String, bool, Schema)>,
    body: Option<Schema>,
    other_types: Vec<String>,
}

/// How a body is to be taken.
#[derive(Debug)]
pub(crate) enum Taking<'a> {
    /// Collect it, check it, then hand it on.
    Json(&'a Schema),
    /// Hand it on as it comes.
    Stream,
}

fn table(
    served: &BTreeMap<String, Arc<Served>>,
    manifest: Manifest,
) -> anyhow::Result<Routes<Owner>> {
    let mut routes = Routes::default();
    for (text, route) in HOST_ROUTES {
        let pattern: Pattern = text.parse().with_context(|| format!("the host's route {text}"))?;
        routes.insert(pattern, Owner::Host(*route))?;
    }
    for route in manifest.routes {
        let owner = match route.target {
            Target::Static(answer) => Owner::Static(answer),
            Target::Component(name) => match served.get(&name) {
                Some(component) => Owner::Component(Arc::clone(component)),
                None => bail!("line {}: there is no component `{name}`", route.line),
            },
        };
        routes.insert(route.pattern, owner).with_context(|| format!("line {}", route.line))?;
    }
    Ok(routes)
}

/// Compiles the embedded components; `capabilities` is what their imports lead to.
pub(crate) async fn build(
    runtime: &Runtime,
    capabilities: &Arc<dyn Capabilities>,
    limits: &Limits,
) -> anyhow::Result<Routes<Owner>> {
    let manifest = manifest::parse(components::MANIFEST).context("the embedded spin.toml")?;
    let mut served = BTreeMap::new();
    for (name, component) in &manifest.components {
        let embedded = components::COMPONENTS
            .iter()
            .find(|embedded| embedded.source == component.source)
            .with_context(|| {
                format!("`component.{name}.source` is not embedded: {}", component.source)
            })?;
        let compiled = runtime
            .component(name, embedded.wasm)
            .with_context(|| format!("the component `{name}`"))?;
        let operations = match runtime
            .describe(&compiled)
            .await
            .with_context(|| format!("describe of `{name}`"))?
        {
            Some(operations) => {
                Some(check(operations).with_context(|| format!("describe of `{name}`"))?)
            }
            None => None,
        };
        let endpoint = runtime
            .endpoint(&compiled, Arc::clone(capabilities), limits.clone())
            .with_context(|| format!("the component `{name}`"))?;
        served.insert(name.clone(), Arc::new(Served { name: name.clone(), endpoint, operations }));
    }
    table(&served, manifest)
}

fn check(operations: Vec<Operation>) -> anyhow::Result<Routes<Vec<Checked>>> {
    let mut by_path: BTreeMap<String, Vec<Checked>> = BTreeMap::new();
    for operation in operations {
        let place = format!("{} {}", operation.method, operation.path);
        let schema = |what: &str, text: &str| {
            Schema::compile(text).with_context(|| format!("{place}: {what}"))
        };
        let parameters = operation
            .parameters
            .iter()
            .map(|parameter| {
                Ok((
                    parameter.name.clone(),
                    parameter.required,
                    schema(&parameter.name, &parameter.schema)?,
                ))
            })
            .collect::<anyhow::Result<_>>()?;
        let body =
            operation.body_schema.as_deref().map(|text| schema("the body", text)).transpose()?;
        let scope = match operation.scope.as_str() {
            "" => None,
            text => Some(
                Scope::parse(text).with_context(|| format!("{place}: `{text}` is not a scope"))?,
            ),
        };
        let method = operation.method.parse().with_context(|| format!("{place}: not a method"))?;
        by_path.entry(operation.path).or_default().push(Checked {
            method,
            scope,
            parameters,
            body,
            other_types: operation.other_content_types,
        });
    }
    let mut routes = Routes::default();
    for (path, checked) in by_path {
        routes.insert(path.parse()?, checked).with_context(|| path.clone())?;
    }
    Ok(routes)
}

impl Served {
    /// The operation that a request means; none where the component did not describe itself.
    pub(crate) fn operation(
        &self,
        method: &Method,
        path: &str,
    ) -> Result<Option<&Checked>, Problem> {
        let Some(operations) = &self.operations else { return Ok(None) };
        let Some(found) = operations.find(path) else {
            return Err(Problem::new(
                Code::NotFound,
                "no operation of this application lies at this path",
            ));
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

impl Checked {
    /// Every parameter is known and fits.
    pub(crate) fn check_query(&self, query: &str) -> Result<(), Problem> {
        let refuse = |detail: String| Err(Problem::new(Code::InvalidQuery, detail));
        let mut seen: Vec<String> = Vec::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()).into_owned() {
            let Some((_, _, schema)) = self.parameters.iter().find(|(known, ..)| *known == name)
            else {
                let known: Vec<_> =
                    self.parameters.iter().map(|(known, ..)| format!("`{known}`")).collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                return refuse(format!(
                    "`{name}` is not a query parameter of this operation; it takes {known}"
                ));
            };
            if seen.contains(&name) {
                return refuse(format!("`{name}` is given twice"));
            }
            if let Some(fault) = schema.faults("", &schema.query_value(&value)).first() {
                return refuse(format!("`{name}`: {}", fault.detail));
            }
            seen.push(name);
        }
        match self.parameters.iter().find(|(name, required, _)| *required && !seen.contains(name)) {
            Some((name, ..)) => refuse(format!("`{name}` is needed")),
            None => Ok(()),
        }
    }

    /// Whether and how a body of this type is taken.
    pub(crate) fn taking(&self, content_type: Option<&str>) -> Result<Taking<'_>, Problem> {
        let given = content_type
            .map(|value| value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
        let Some(schema) = &self.body else { return Ok(Taking::Stream) };
        match given.as_deref() {
            Some("application/json") => Ok(Taking::Json(schema)),
            Some(other) if self.other_types.iter().any(|known| known == other) => {
                Ok(Taking::Stream)
            }
            other => {
                let known = std::iter::once("application/json")
                    .chain(self.other_types.iter().map(String::as_str))
                    .collect::<Vec<_>>()
                    .join(", ");
                let given = other.unwrap_or("no content type");
                Err(Problem::new(
                    Code::UnsupportedMediaType,
                    format!("{given} was sent; the operation takes {known}"),
                ))
            }
        }
    }
}

/// The problem of a method that a path does not answer.
pub(crate) fn wrong_method<'a>(method: &Method, known: impl Iterator<Item = &'a str>) -> Problem {
    let allow = known.collect::<Vec<_>>().join(", ");
    Problem::new(Code::MethodNotAllowed, format!("{method} is not answered here; {allow} is"))
        .with_extra("allow", allow)
}
