//! Deployments: what a tenant is served, built whole and swapped in one step.
//!
//! manifest → compile and describe → routes → OpenAPI → swap. Every tenant is
//! served the default application, and its own beside it. Whatever is wrong is
//! told by file, line and key, and leaves the running deployment as it was.
//!
//! Invariant: a [`Deployment`] never changes. A request holds the one that it
//! began with.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::Context;
use bytes::Bytes;
use engine::engine::Engine;
use engine::manifest;
use engine::manifest::Manifest;
use engine::manifest::component::Component as Written;
use engine::manifest::fault::ManifestFault;
use engine::manifest::trigger;
use engine::manifest::trigger::{Route, StaticResponse, Target};
use engine::routes::{Pattern, Routes};
use futures_util::future::try_join_all;
use model::filter::{Binding, Mode, OnError};
use model::ids::TenantId;
use model::port::capabilities::Capabilities;
use runtime::Runtime;
use runtime::error::chain;
use runtime::limits::Limits;

use crate::accounts::written::MERGE_PATCH;
use crate::checkers::Checkers;
use crate::compiling::{Compiled, Compiler, MOST_WASM};
use crate::file;
use crate::filters;
use crate::filters::Declared;
use crate::hostroute;
use crate::hostroute::{HOST_ROUTES, HostRoute};
use crate::openapi;
use crate::openapi::Group;
use crate::operation;
use crate::operation::Served;
use crate::tenancy::PREFIX;

/// Who answers a route.
#[derive(Clone, Debug)]
pub(crate) enum Owner {
    /// The host itself.
    Host(HostRoute),
    /// A component.
    Component(Arc<Served>),
    /// Always the same answer.
    Static(Arc<StaticResponse>),
}

/// What one tenant is served.
#[derive(Debug)]
pub(crate) struct Deployment {
    pub(crate) routes: Routes<Owner>,
    /// `/-/openapi.json`.
    pub(crate) openapi: Bytes,
}

/// What is wrong with an application, and where.
#[derive(Debug, thiserror::Error)]
#[error("{}: {fault}", manifest.display())]
pub struct DeployFault {
    /// The file.
    pub manifest: PathBuf,
    /// Where in it, and what to do.
    pub fault: ManifestFault,
}

/// One application, compiled.
#[derive(Debug)]
struct Application {
    title: String,
    version: String,
    routes: Vec<(Route, Owner)>,
    served: Vec<(Arc<Served>, Option<String>)>,
}

/// The values of an application's variables, by name.
pub type Variables = BTreeMap<String, String>;

/// Every deployment that is served now.
#[derive(Debug)]
pub(crate) struct Deployments {
    runtime: Runtime,
    engine: Arc<Engine>,
    capabilities: Arc<dyn Capabilities>,
    limits: Limits,
    compiler: Compiler,
    checkers: Arc<Checkers>,
    application: Application,
    default: Arc<Deployment>,
    own: RwLock<HashMap<TenantId, Arc<Deployment>>>,
    /// Tenants that have an application and are served only the default one, and why.
    undeployed: RwLock<BTreeMap<TenantId, String>>,
}

impl Deployments {
    /// Links the embedded application; `engine` is what imports lead to, and what asks the filters.
    pub(crate) fn new(
        runtime: Runtime,
        engine: Arc<Engine>,
        limits: Limits,
        compiler: Compiler,
        embedded: BTreeMap<String, Compiled>,
    ) -> anyhow::Result<Self> {
        let capabilities: Arc<dyn Capabilities> = Arc::clone(&engine) as _;
        let manifest = manifest::parse(components::MANIFEST).context("the embedded spin.toml")?;
        let link = Link {
            runtime: &runtime,
            capabilities: &capabilities,
            limits: &limits,
            checkers: None,
        };
        let application = link
            .application(manifest, embedded, &Variables::new())
            .context("the embedded spin.toml")?;
        let default = assemble(&application, None).context("the embedded spin.toml")?;
        Ok(Self {
            runtime,
            engine,
            capabilities,
            limits,
            checkers: Checkers::new(compiler.program().to_owned()),
            compiler,
            application,
            default: Arc::new(default),
            own: RwLock::default(),
            undeployed: RwLock::default(),
        })
    }

    /// What a tenant is served.
    pub(crate) fn of(&self, tenant: &TenantId) -> Arc<Deployment> {
        let own = self.own.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(own.get(tenant).unwrap_or(&self.default))
    }

    /// What is served to whoever shows no token.
    pub(crate) fn default(&self) -> &Arc<Deployment> {
        &self.default
    }

    /// Builds a tenant's application beside the running one, then swaps them.
    pub(crate) async fn deploy(
        &self,
        tenant: &TenantId,
        manifest: &Path,
        given: &Variables,
    ) -> Result<(), DeployFault> {
        let place = |fault| DeployFault { manifest: manifest.to_owned(), fault };
        let (deployment, declared) = self.build(tenant, manifest, given).await.map_err(place)?;
        // The filters first: a message must not slip out between two deployments unjudged.
        let linked = filters::deploy(&self.runtime, &self.engine, tenant.clone(), declared);
        linked.map_err(|error| {
            place(ManifestFault {
                key: "trigger.mail".to_owned(),
                line: 1,
                advice: format!("{error:#}"),
            })
        })?;
        let mut own = self.own.write().unwrap_or_else(PoisonError::into_inner);
        own.insert(tenant.clone(), Arc::new(deployment));
        drop(own);
        self.undeployed.write().unwrap_or_else(PoisonError::into_inner).remove(tenant);
        tracing::info!(tenant = tenant.as_str(), manifest = %manifest.display(), "deployed");
        Ok(())
    }

    /// For a tenant whose application could not be deployed: what a fail-closed filter should have
    /// judged is not sent unjudged. Nobody knows the filters of a manifest that cannot be read.
    pub(crate) async fn withhold(&self, tenant: &TenantId, manifest: &Path, fault: &DeployFault) {
        self.note(tenant, fault);
        let names = match read_manifest(manifest).await {
            Ok(manifest) => manifest
                .filters
                .into_iter()
                .filter(|bound| bound.on_error == trigger::OnError::Closed)
                .filter(|bound| bound.mode == trigger::Mode::Live)
                .map(|bound| bound.component)
                .collect(),
            Err(_) => vec!["of the application".to_owned()],
        };
        filters::withhold(&self.engine, tenant.clone(), names);
    }

    fn note(&self, tenant: &TenantId, fault: &DeployFault) {
        let mut undeployed = self.undeployed.write().unwrap_or_else(PoisonError::into_inner);
        undeployed.insert(tenant.clone(), fault.to_string());
    }

    /// Tenants whose own application is not served, and why.
    pub(crate) fn undeployed(&self) -> BTreeMap<TenantId, String> {
        self.undeployed.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn build(
        &self,
        tenant: &TenantId,
        path: &Path,
        given: &Variables,
    ) -> Result<(Deployment, Vec<Declared>), ManifestFault> {
        let manifest = read_manifest(path).await?;
        filters::runnable(&manifest)?;
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            Some(_) | None => Path::new("."),
        };
        let mut compiled = BTreeMap::new();
        for (name, written) in &manifest.components {
            let wasm = read(directory, name, written).await?;
            let result = self.compiler.compile(&self.runtime, name, &wasm).await;
            let made = result.map_err(|error| at_source(name, written, error.to_string()))?;
            if let Some(operations) = &made.operations {
                let looked = operation::examine(&self.checkers, tenant, operations).await;
                looked.map_err(|fault| at_source(name, written, fault.to_string()))?;
            }
            compiled.insert(name.clone(), made);
        }
        let link = Link {
            runtime: &self.runtime,
            capabilities: &self.capabilities,
            limits: &self.limits,
            checkers: Some(&self.checkers),
        };
        let declared = declared(&manifest, &compiled, given)?;
        let own = link.application(manifest, compiled, given)?;
        Ok((assemble(&self.application, Some(&own))?, declared))
    }
}

/// Bytes of a manifest: the largest of ours has 3 KiB.
const MOST_MANIFEST: u64 = 1 << 20;

/// The embedded components, by name.
pub(crate) async fn embedded(
    compiler: &Compiler,
    runtime: &Runtime,
) -> anyhow::Result<BTreeMap<String, Compiled>> {
    let manifest = manifest::parse(components::MANIFEST).context("the embedded spin.toml")?;
    let compiling = manifest.components.iter().map(async |(name, written)| {
        let place = || format!("the component `{name}`");
        let embedded = components::COMPONENTS
            .iter()
            .find(|embedded| embedded.source == written.source)
            .with_context(|| format!("{} is not embedded: {}", place(), written.source))?;
        let compiled = compiler.compile(runtime, name, embedded.wasm).await;
        anyhow::Ok((name.clone(), compiled.with_context(place)?))
    });
    Ok(try_join_all(compiling).await?.into_iter().collect())
}

/// The filters of an application, ready to be linked.
fn declared(
    manifest: &Manifest,
    compiled: &BTreeMap<String, Compiled>,
    given: &Variables,
) -> Result<Vec<Declared>, ManifestFault> {
    let environments = manifest.environments(given)?;
    let declared = manifest.filters.iter().filter_map(|bound| {
        let written = manifest.components.get(&bound.component)?;
        let binding = Binding {
            name: bound.component.clone(),
            order: bound.order,
            on_error: match bound.on_error {
                trigger::OnError::Open => OnError::Open,
                trigger::OnError::Closed => OnError::Closed,
            },
            mode: match bound.mode {
                trigger::Mode::Live => Mode::Live,
                trigger::Mode::Shadow => Mode::Shadow,
            },
            edits: written.grants.edits.clone(),
        };
        Some(Declared {
            binding,
            component: compiled.get(&bound.component)?.component.clone(),
            environment: environments.get(&bound.component).cloned().unwrap_or_default(),
            limits: confined(&Limits::for_filter(), &written.limits),
        })
    });
    Ok(declared.collect())
}

async fn read_manifest(path: &Path) -> Result<Manifest, ManifestFault> {
    let unreadable = |error: std::io::Error| ManifestFault {
        key: String::new(),
        line: 1,
        advice: format!("it cannot be read: {error}"),
    };
    let bytes = contents(path.to_owned(), MOST_MANIFEST).await.map_err(unreadable)?;
    let text =
        String::from_utf8(bytes).map_err(|error| unreadable(std::io::Error::other(error)))?;
    manifest::parse(&text)
}

async fn contents(path: PathBuf, most: u64) -> std::io::Result<Vec<u8>> {
    let read = tokio::task::spawn_blocking(move || file::read(&path, most));
    read.await.map_err(std::io::Error::other)?
}

/// A component's bytes. They are the tenant's to name, and the host may read more than the tenant.
async fn read(base: &Path, name: &str, written: &Written) -> Result<Vec<u8>, ManifestFault> {
    let (base, path) = (base.to_owned(), base.join(&written.source));
    let shown = path.display().to_string();
    let read = move || file::read_within(&base, &path, MOST_WASM as u64);
    let read = tokio::task::spawn_blocking(read).await.map_err(std::io::Error::other);
    read.and_then(|read| read).map_err(|error| {
        let advice = match (&written.build, error.kind()) {
            (_, std::io::ErrorKind::InvalidInput) => "",
            (Some(_), _) => "; `postlet build` makes it",
            (None, _) => "",
        };
        at_source(name, written, format!("{shown} cannot be read: {error}{advice}"))
    })
}

fn at_source(name: &str, written: &Written, advice: String) -> ManifestFault {
    ManifestFault { key: format!("component.{name}.source"), line: written.line, advice }
}

/// What turns a compiled component into one that serves.
struct Link<'a> {
    runtime: &'a Runtime,
    capabilities: &'a Arc<dyn Capabilities>,
    limits: &'a Limits,
    /// Who evaluates its schemas; none for the embedded ones.
    checkers: Option<&'a Arc<Checkers>>,
}

impl Link<'_> {
    fn application(
        &self,
        manifest: Manifest,
        mut compiled: BTreeMap<String, Compiled>,
        given: &Variables,
    ) -> Result<Application, ManifestFault> {
        let mut environments = manifest.environments(given)?;
        let mut served = BTreeMap::new();
        for (name, written) in &manifest.components {
            let Some(compiled) = compiled.remove(name) else { continue };
            let environment = environments.remove(name).unwrap_or_default();
            let routes: Vec<Pattern> = manifest
                .routes
                .iter()
                .filter(|route| matches!(&route.target, Target::Component(id) if id == name))
                .map(|route| route.pattern.clone())
                .collect();
            // A component that only judges mail serves nothing.
            let judges = manifest.filters.iter().any(|binding| binding.component == *name);
            if judges && routes.is_empty() {
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
                    Target::Static(answer) => Owner::Static(Arc::new(answer.clone())),
                    // The manifest is checked: every component that is named exists.
                    Target::Component(name) => Owner::Component(Arc::clone(&served.get(name)?.0)),
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
        routes: &[Pattern],
    ) -> Result<Served, String> {
        let limits = confined(self.limits, &written.limits);
        let endpoint = self
            .runtime
            .endpoint(&compiled.component, Arc::clone(self.capabilities), limits)
            .map_err(|error| chain(&error))?
            .with_environment(environment);
        let grants = written.grants.clone();
        Served::new(name, endpoint, compiled.operations, routes, grants, self.checkers)
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

/// One table of the host's routes, the default application's and the tenant's own.
fn assemble(default: &Application, own: Option<&Application>) -> Result<Deployment, ManifestFault> {
    let mut routes = Routes::default();
    let mut known: Vec<(Pattern, String)> = Vec::new();
    for (text, route) in HOST_ROUTES {
        let pattern: Pattern = text.parse().map_err(|error| ManifestFault {
            key: String::new(),
            line: 0,
            advice: format!("the host's route {text}: {error}"),
        })?;
        known.push((pattern.clone(), "the host's own".to_owned()));
        insert(&mut routes, pattern, 0, Owner::Host(*route))?;
    }
    let default_place = |line: usize| format!("line {line} of the default application's spin.toml");
    let applications = [(Some(default), true), (own, false)];
    for (application, is_default) in applications {
        let Some(application) = application else { continue };
        let before = known.clone();
        for (route, owner) in &application.routes {
            let taken = before.iter().find(|(theirs, _)| route.pattern.takes_from(theirs));
            if let Some((theirs, place)) = taken {
                return Err(clash(route, &format!("`{theirs}`, which is {place}")));
            }
            // What no route of the host has today belongs to it tomorrow.
            for ours in ["/-/", PREFIX] {
                if route.pattern.to_string().starts_with(ours) {
                    return Err(clash(route, &format!("`{ours}...`, which is the host's own")));
                }
            }
            if is_default {
                known.push((route.pattern.clone(), default_place(route.line)));
            }
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
    routes: &mut Routes<Owner>,
    pattern: Pattern,
    line: usize,
    owner: Owner,
) -> Result<(), ManifestFault> {
    routes.insert(pattern, owner).map_err(|clash| ManifestFault {
        key: "trigger.http.route".to_owned(),
        line,
        advice: clash.to_string(),
    })
}

fn document(default: &Application, own: Option<&Application>) -> Bytes {
    let host = hostroute::operations();
    let applications: Vec<&Application> = own.into_iter().chain([default]).collect();
    let served = applications.iter().flat_map(|application| &application.served);
    let told: Vec<_> = served
        .filter_map(|(served, description)| {
            Some((served, description.as_deref(), served.documented()?))
        })
        .collect();
    let mut groups: Vec<Group<'_>> = told
        .iter()
        .map(|(served, description, operations)| {
            Group::component(&served.name, *description, operations)
        })
        .collect();
    groups.push(Group::host(&host, &[MERGE_PATCH]));
    let named = own.unwrap_or(default);
    let document = openapi::document(&named.title, &named.version, &groups);
    // Indented, a tenant's few megabytes of nested lists would be many times as many.
    Bytes::from(if own.is_some() { document.to_string() } else { format!("{document:#}") })
}
