//! Builds a deployment from compiled components: the route table and the OpenAPI document.
//!
//! Errors have the line and the key of the manifest. Independent of where the components
//! come from, and of which deployment is served.
//!
//! Invariant: no route of an application covers a path of the host.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use engine::app::manifest;
use engine::app::manifest::Manifest;
use engine::app::manifest::component::Component as Written;
use engine::app::manifest::fault::ManifestFault;
use engine::app::manifest::trigger::{Route, StaticResponse, Target};
use engine::app::route_table::{Pattern, Routes};
use model::filter::Binding;
use model::port::capabilities::Capabilities;
use runtime::Runtime;
use runtime::error::chain;
use runtime::limits::Limits;

use crate::auth::tenant::PREFIX;
use crate::compile::Compiled;
use crate::deploy::filters::DeclaredFilter;
use crate::openapi::document;
use crate::openapi::document::{Group, HostOperation};
use crate::openapi::operation::DeployedComponent;
use crate::schema::child_pool::SchemaChildren;

/// The values of an application's variables, by name.
pub type Variables = BTreeMap<String, String>;

/// The handler of an application's route.
#[derive(Clone, Debug)]
pub(crate) enum RouteTarget {
    /// A component.
    Component(Arc<DeployedComponent>),
    /// A constant response.
    Static(Arc<StaticResponse>),
}

/// A deployment: everything that is served for one tenant beside the host's own routes.
#[derive(Debug)]
pub(crate) struct Deployment {
    pub(crate) routes: Routes<RouteTarget>,
    /// The OpenAPI document at `/-/openapi.json`.
    pub(crate) openapi: Bytes,
}

/// A compiled and linked application.
#[derive(Debug)]
pub(crate) struct Application {
    title: String,
    version: String,
    routes: Vec<(Route, RouteTarget)>,
    served: Vec<(Arc<DeployedComponent>, Option<String>)>,
}

/// Links compiled components to the host's capabilities.
pub(crate) struct ApplicationLinker<'a> {
    pub(crate) runtime: &'a Runtime,
    pub(crate) capabilities: &'a Arc<dyn Capabilities>,
    pub(crate) limits: &'a Limits,
    /// The child processes that check bodies against a tenant's schemas; none for the embedded
    /// application.
    pub(crate) checkers: Option<&'a Arc<SchemaChildren>>,
}

impl ApplicationLinker<'_> {
    /// Links every component, except those that are filters only.
    pub(crate) fn application(
        &self,
        manifest: Manifest,
        mut compiled: BTreeMap<String, Compiled>,
        given: &Variables,
    ) -> Result<Application, ManifestFault> {
        let mut environments = manifest.environments(given)?;
        let mut routes_of: BTreeMap<&str, Vec<Route>> = BTreeMap::new();
        for route in &manifest.routes {
            if let Target::Component(id) = &route.target {
                routes_of.entry(id).or_default().push(route.clone());
            }
        }
        let filters = manifest.filters.iter();
        let filters: BTreeSet<&str> = filters.map(|binding| binding.component.as_str()).collect();
        let mut served = BTreeMap::new();
        for (name, written) in &manifest.components {
            let Some(compiled) = compiled.remove(name) else { continue };
            let environment = environments.remove(name).unwrap_or_default();
            let routes = routes_of.remove(name.as_str()).unwrap_or_default();
            // A component that is only a filter serves nothing.
            if filters.contains(name.as_str()) && routes.is_empty() {
                continue;
            }
            let one = self
                .serve(name, written, compiled, environment, &routes)
                .map_err(|advice| at_source(name, written, advice))?;
            served.insert(name.clone(), (Arc::new(one), written.description.clone()));
        }
        let routes = manifest
            .routes
            .into_iter()
            .filter_map(|route| {
                let owner = match &route.target {
                    Target::Static(answer) => RouteTarget::Static(Arc::new(answer.clone())),
                    // The manifest is checked: every named component exists.
                    Target::Component(name) => {
                        RouteTarget::Component(Arc::clone(&served.get(name)?.0))
                    }
                };
                Some((route, owner))
            })
            .collect();
        Ok(Application {
            title: manifest.name,
            version: manifest.version.unwrap_or_else(|| "0".to_owned()),
            routes,
            served: served.into_values().collect(),
        })
    }

    fn serve(
        &self,
        name: &str,
        written: &Written,
        compiled: Compiled,
        environment: Vec<(String, String)>,
        routes: &[Route],
    ) -> Result<DeployedComponent, String> {
        let limits = confined(self.limits, &written.limits);
        let endpoint = self
            .runtime
            .endpoint(&compiled.component, Arc::clone(self.capabilities), limits)
            .map_err(|error| chain(&error))?
            .with_environment(environment);
        let grants = written.grants.clone();
        DeployedComponent::new(name, endpoint, compiled.operations, routes, grants, self.checkers)
            .map_err(|error| error.to_string())
    }
}

/// The host's limits, lowered where the manifest has lower ones.
fn confined(host: &Limits, asked: &manifest::component::Limits) -> Limits {
    let mut limits = host.clone();
    if let Some(mib) = asked.memory_mib {
        limits.memory = limits.memory.min((mib.get() as usize) << 20);
    }
    if let Some(seconds) = asked.time_seconds {
        limits.total = limits.total.min(std::time::Duration::from_secs(seconds.get().into()));
    }
    limits
}

/// Refuses routes that would take paths from the host's or the default application's. Called before
/// compilation, so that the error is about the route and not about its operations.
pub(crate) fn check_routes(
    routes: &[Route],
    host: &[HostOperation],
    default: Option<&Application>,
) -> Result<(), ManifestFault> {
    let ours = host.iter().map(|host| (&host.pattern, "the host's own".to_owned()));
    let place = |line: usize| format!("line {line} of the default application's spin.toml");
    let theirs = default.iter().flat_map(|default| &default.routes);
    let theirs = theirs.map(|(route, _)| (&route.pattern, place(route.line)));
    let known: Vec<(&Pattern, String)> = ours.chain(theirs).collect();
    routes.iter().try_for_each(|route| free(route, &known))
}

/// Checks that a route takes no path from the known ones.
fn free(route: &Route, known: &[(&Pattern, String)]) -> Result<(), ManifestFault> {
    let taken = known.iter().find(|(theirs, _)| route.pattern.takes_from(theirs));
    if let Some((theirs, place)) = taken {
        return Err(clash(route, &format!("`{theirs}`, which is {place}")));
    }
    // These prefixes are reserved for later routes of the host.
    for ours in ["/-/", PREFIX] {
        if route.pattern.to_string().starts_with(ours) {
            return Err(clash(route, &format!("`{ours}...`, which is the host's own")));
        }
    }
    Ok(())
}

/// Builds the route table from the routes of the default application and the tenant's own, which
/// [`check_routes`] accepted.
pub(crate) fn assemble(
    host: &[HostOperation],
    default: &Application,
    own: Option<&Application>,
) -> Result<Deployment, ManifestFault> {
    let mut routes = Routes::default();
    for (route, target) in [Some(default), own].into_iter().flatten().flat_map(|one| &one.routes) {
        routes.insert(route.pattern.clone(), target.clone()).map_err(|clash| ManifestFault {
            key: "trigger.http.route".to_owned(),
            line: route.line,
            advice: clash.to_string(),
        })?;
    }
    Ok(Deployment { routes, openapi: document(host, default, own) })
}

fn clash(route: &Route, with: &str) -> ManifestFault {
    ManifestFault {
        key: "trigger.http.route".to_owned(),
        line: route.line,
        advice: format!("`{}` would take paths from {with}; choose another path", route.pattern),
    }
}

fn document(host: &[HostOperation], default: &Application, own: Option<&Application>) -> Bytes {
    let applications = own.into_iter().chain([default]);
    let served: Vec<_> = applications
        .flat_map(|application| &application.served)
        .map(|(served, description)| (served, description.as_deref(), served.public_scopes()))
        .collect();
    let mut groups: Vec<Group<'_>> = served
        .iter()
        .map(|(served, description, public)| {
            let (operations, unchecked) = (served.described(), served.unchecked());
            Group::component(&served.name, *description, operations, public.as_deref(), unchecked)
        })
        .collect();
    groups.push(Group::host(host));
    let named = own.unwrap_or(default);
    let document = document::document(&named.title, &named.version, &groups);
    // A tenant's document is not indented: indentation would multiply its size.
    Bytes::from(if own.is_some() { document.to_string() } else { format!("{document:#}") })
}

/// The filters of an application, ready to be linked.
pub(crate) fn declared(
    manifest: &Manifest,
    compiled: &BTreeMap<String, Compiled>,
    given: &Variables,
) -> Result<Vec<DeclaredFilter>, ManifestFault> {
    let environments = manifest.environments(given)?;
    let declared = manifest.filters.iter().filter_map(|bound| {
        let written = manifest.components.get(&bound.component)?;
        let binding = Binding {
            name: bound.component.clone(),
            order: bound.order,
            on_error: bound.on_error,
            mode: bound.mode,
            edits: written.grants.edits.clone(),
        };
        Some(DeclaredFilter {
            binding,
            component: compiled.get(&bound.component)?.component.clone(),
            environment: environments.get(&bound.component).cloned().unwrap_or_default(),
            limits: confined(&Limits::for_filter(), &written.limits),
            line: written.line,
        })
    });
    Ok(declared.collect())
}

/// An error about the `source` of a component.
pub(crate) fn at_source(name: &str, written: &Written, advice: String) -> ManifestFault {
    ManifestFault { key: format!("component.{name}.source"), line: written.line, advice }
}
