//! An application, from compiled components to the routes and the document of a deployment.
//!
//! What is wrong is told by line and key. Refuses to know where the components
//! came from, and which deployment is served.
//!
//! Invariant: no route of an application takes a path from the host's.

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

use crate::api::routes;
use crate::api::routes::{HOST_ROUTES, HostRoute};
use crate::auth::tenant::PREFIX;
use crate::compile::Compiled;
use crate::deploy::filters::DeclaredFilter;
use crate::http::content_type::MERGE_PATCH;
use crate::openapi::document;
use crate::openapi::document::Group;
use crate::openapi::operation::DeployedComponent;
use crate::schema::child_pool::SchemaChildren;

/// The values of an application's variables, by name.
pub type Variables = BTreeMap<String, String>;

/// Who answers a route.
#[derive(Clone, Debug)]
pub(crate) enum RouteTarget {
    /// The host itself.
    Host(HostRoute),
    /// A component.
    Component(Arc<DeployedComponent>),
    /// Always the same answer.
    Static(Arc<StaticResponse>),
}

/// What one tenant is served.
#[derive(Debug)]
pub(crate) struct Deployment {
    pub(crate) routes: Routes<RouteTarget>,
    /// `/-/openapi.json`.
    pub(crate) openapi: Bytes,
}

/// One application, compiled.
#[derive(Debug)]
pub(crate) struct Application {
    title: String,
    version: String,
    routes: Vec<(Route, RouteTarget)>,
    served: Vec<(Arc<DeployedComponent>, Option<String>)>,
}

/// What turns a compiled component into one that serves.
pub(crate) struct ApplicationLinker<'a> {
    pub(crate) runtime: &'a Runtime,
    pub(crate) capabilities: &'a Arc<dyn Capabilities>,
    pub(crate) limits: &'a Limits,
    /// Who evaluates its schemas; none for the embedded ones.
    pub(crate) checkers: Option<&'a Arc<SchemaChildren>>,
}

impl ApplicationLinker<'_> {
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
        let judges: BTreeSet<&str> = filters.map(|binding| binding.component.as_str()).collect();
        let mut served = BTreeMap::new();
        for (name, written) in &manifest.components {
            let Some(compiled) = compiled.remove(name) else { continue };
            let environment = environments.remove(name).unwrap_or_default();
            let routes = routes_of.remove(name.as_str()).unwrap_or_default();
            // A component that only judges mail serves nothing.
            if judges.contains(name.as_str()) && routes.is_empty() {
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
                    // The manifest is checked: every component that is named exists.
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

/// The host's limits, or less where the manifest asks for less.
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

/// Refuses routes that would take paths from the host's or the default application's. Asked before anything is
/// compiled: what a component describes under such a route is right, and the route is not.
pub(crate) fn check_routes(routes: &[Route], default: &Application) -> Result<(), ManifestFault> {
    let place = |line: usize| format!("line {line} of the default application's spin.toml");
    let theirs = default.routes.iter().map(|(route, _)| (route.pattern.clone(), place(route.line)));
    let known: Vec<_> = host_routes()?.into_iter().chain(theirs).collect();
    routes.iter().try_for_each(|route| free(route, &known))
}

/// The host's own, with the words for where they stand.
fn host_routes() -> Result<Vec<(Pattern, String)>, ManifestFault> {
    let routes = HOST_ROUTES.iter().map(|(text, _)| {
        let pattern: Pattern = text.parse().map_err(|error| ManifestFault {
            key: String::new(),
            line: 0,
            advice: format!("the host's route {text}: {error}"),
        })?;
        Ok((pattern, "the host's own".to_owned()))
    });
    routes.collect()
}

/// Takes no path from those that are known.
fn free(route: &Route, known: &[(Pattern, String)]) -> Result<(), ManifestFault> {
    let taken = known.iter().find(|(theirs, _)| route.pattern.takes_from(theirs));
    if let Some((theirs, place)) = taken {
        return Err(clash(route, &format!("`{theirs}`, which is {place}")));
    }
    // What no route of the host has today belongs to it tomorrow.
    for ours in ["/-/", PREFIX] {
        if route.pattern.to_string().starts_with(ours) {
            return Err(clash(route, &format!("`{ours}...`, which is the host's own")));
        }
    }
    Ok(())
}

/// One table of the host's routes, the default application's and the tenant's own.
pub(crate) fn assemble(
    default: &Application,
    own: Option<&Application>,
) -> Result<Deployment, ManifestFault> {
    let mut routes = Routes::default();
    let known = host_routes()?;
    for ((pattern, _), (_, route)) in known.iter().zip(HOST_ROUTES) {
        insert(&mut routes, pattern.clone(), 0, RouteTarget::Host(*route))?;
    }
    for application in [Some(default), own].into_iter().flatten() {
        for (route, owner) in &application.routes {
            free(route, &known)?;
            insert(&mut routes, route.pattern.clone(), route.line, owner.clone())?;
        }
    }
    Ok(Deployment { routes, openapi: document(default, own) })
}

fn clash(route: &Route, with: &str) -> ManifestFault {
    ManifestFault {
        key: "trigger.http.route".to_owned(),
        line: route.line,
        advice: format!("`{}` would take paths from {with}; choose another path", route.pattern),
    }
}

fn insert(
    routes: &mut Routes<RouteTarget>,
    pattern: Pattern,
    line: usize,
    owner: RouteTarget,
) -> Result<(), ManifestFault> {
    routes.insert(pattern, owner).map_err(|clash| ManifestFault {
        key: "trigger.http.route".to_owned(),
        line,
        advice: clash.to_string(),
    })
}

fn document(default: &Application, own: Option<&Application>) -> Bytes {
    let host = routes::operations();
    let applications: Vec<&Application> = own.into_iter().chain([default]).collect();
    let served = applications.iter().flat_map(|application| &application.served);
    let told: Vec<_> = served
        .map(|(served, description)| {
            (served, description.as_deref(), served.documented().unwrap_or_default())
        })
        .collect();
    let mut groups: Vec<Group<'_>> = told
        .iter()
        .map(|(served, description, operations)| {
            Group::component(&served.name, *description, operations, served.unchecked())
        })
        .collect();
    groups.push(Group::host(&host, &[MERGE_PATCH]));
    let named = own.unwrap_or(default);
    let document = document::document(&named.title, &named.version, &groups);
    // Indented, a tenant's few megabytes of nested lists would be many times as many.
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

pub(crate) fn at_source(name: &str, written: &Written, advice: String) -> ManifestFault {
    ManifestFault { key: format!("component.{name}.source"), line: written.line, advice }
}
