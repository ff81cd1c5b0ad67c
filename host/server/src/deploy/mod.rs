//! Deployments: what a tenant is served, built whole and swapped in one step.
//!
//! manifest → compile and describe → routes → OpenAPI → swap. Every tenant is
//! served the default application, and its own beside it. Whatever is wrong is
//! told by file, line and key, and leaves the running deployment as it was.
//!
//! Invariant: a [`Deployment`] never changes. A request holds the one that it
//! began with.

mod filters;
pub mod application;

use parking_lot::RwLock;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use engine::app::manifest;
use engine::app::manifest::Manifest;
use engine::app::manifest::component::Component as Written;
use engine::app::manifest::fault::ManifestFault;
use engine::engine::Engine;
use engine::submit::filter_registry::ActiveFilter;
use futures_util::future::try_join_all;
use model::filter::{Mode, OnError};
use model::ids::TenantId;
use model::port::capabilities::Capabilities;
use runtime::Runtime;
use runtime::limits::Limits;

use crate::compile::{Compiled, Compiler, MOST_WASM};
use crate::deploy::application::{
    Application, ApplicationLinker, Deployment, Variables, assemble, at_source, check_routes,
    declared,
};
use crate::openapi::operation;
use crate::os::untrusted_file;
use crate::schema::child_pool::SchemaChildren;

/// What is wrong with an application, and where: in the form that editors and terminals make a link of.
#[derive(Debug, thiserror::Error)]
#[error("{}:{}: {}", manifest.display(), fault.line, fault.words())]
pub struct DeployFault {
    /// The file.
    pub manifest: PathBuf,
    /// Where in it, and what to do.
    pub fault: ManifestFault,
}

/// Every deployment that is served now.
#[derive(Debug)]
pub(crate) struct Deployments {
    runtime: Runtime,
    engine: Arc<Engine>,
    capabilities: Arc<dyn Capabilities>,
    limits: Limits,
    compiler: Compiler,
    checkers: Arc<SchemaChildren>,
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
        let link = ApplicationLinker {
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
            checkers: SchemaChildren::new(compiler.program().to_owned()),
            compiler,
            application,
            default: Arc::new(default),
            own: RwLock::default(),
            undeployed: RwLock::default(),
        })
    }

    /// What a tenant is served.
    pub(crate) fn of(&self, tenant: &TenantId) -> Arc<Deployment> {
        let own = self.own.read();
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
        let (deployment, filters) = self.build(tenant, manifest, given).await.map_err(place)?;
        // The filters first: a message must not slip out between two deployments unjudged.
        self.engine.set_filters(tenant.clone(), filters);
        let mut own = self.own.write();
        own.insert(tenant.clone(), Arc::new(deployment));
        drop(own);
        self.undeployed.write().remove(tenant);
        tracing::info!(tenant = tenant.as_str(), manifest = %manifest.display(), "deployed");
        Ok(())
    }

    /// For a tenant whose application could not be deployed: what a fail-closed filter should have
    /// judged is not sent unjudged. Nobody knows the filters of a manifest that cannot be read.
    ///
    /// Says what is held back, for whoever looks: nothing where there is no such filter.
    pub(crate) async fn install_blocking_filters(
        &self,
        tenant: &TenantId,
        manifest: &Path,
        why: String,
    ) -> &'static str {
        self.note(tenant, why);
        let names: Vec<String> = match read_manifest(manifest).await {
            Ok(manifest) => manifest
                .filters
                .into_iter()
                .filter(|bound| bound.on_error == OnError::Closed)
                .filter(|bound| bound.mode == Mode::Live)
                .map(|bound| bound.component)
                .collect(),
            Err(_) => vec!["of the application".to_owned()],
        };
        let held = if names.is_empty() {
            ""
        } else {
            ", and mail is held back that its filters should judge: sending answers 503"
        };
        filters::blocking_filters(&self.engine, tenant.clone(), names);
        held
    }

    fn note(&self, tenant: &TenantId, why: String) {
        let mut undeployed = self.undeployed.write();
        undeployed.insert(tenant.clone(), why);
    }

    /// Tenants whose own application is not served, and why.
    pub(crate) fn undeployed(&self) -> BTreeMap<TenantId, String> {
        self.undeployed.read().clone()
    }

    async fn build(
        &self,
        tenant: &TenantId,
        path: &Path,
        given: &Variables,
    ) -> Result<(Deployment, Vec<ActiveFilter>), ManifestFault> {
        let manifest = read_manifest(path).await?;
        filters::runnable(&manifest)?;
        check_routes(&manifest.routes, &self.application)?;
        let directory = directory_of(path);
        let mut compiled = BTreeMap::new();
        for (name, written) in &manifest.components {
            let wasm = read(directory, name, written).await?;
            if wasm.len() >= LARGE {
                let (tenant, bytes) = (tenant.as_str(), wasm.len());
                tracing::info!(tenant, component = %name, bytes, "a large component is compiled");
            }
            let result = self.compiler.compile(&self.runtime, name, &wasm).await;
            let made = result.map_err(|error| at_source(name, written, error.to_string()))?;
            if let Some(operations) = &made.operations {
                let looked = operation::examine(&self.checkers, tenant, operations).await;
                looked.map_err(|fault| at_source(name, written, fault.to_string()))?;
            }
            compiled.insert(name.clone(), made);
        }
        let link = ApplicationLinker {
            runtime: &self.runtime,
            capabilities: &self.capabilities,
            limits: &self.limits,
            checkers: Some(&self.checkers),
        };
        let filters = filters::link(&self.runtime, declared(&manifest, &compiled, given)?)?;
        let own = link.application(manifest, compiled, given)?;
        Ok((assemble(&self.application, Some(&own))?, filters))
    }
}

/// Bytes of a manifest: the largest of ours has 3 KiB.
pub(crate) const MOST_MANIFEST: u64 = 1 << 20;

/// Bytes of a component that is told of before it is compiled: that takes seconds.
const LARGE: usize = 1 << 20;

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

/// Where a manifest's paths begin.
pub(crate) fn directory_of(manifest: &Path) -> &Path {
    match manifest.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

/// Reads and checks a manifest, which is its author's to choose: it may be a pipe, or have no end.
pub(crate) fn manifest_of(path: &Path) -> Result<Manifest, DeployFault> {
    let text = untrusted_file::read(path, MOST_MANIFEST)
        .and_then(|bytes| String::from_utf8(bytes).map_err(std::io::Error::other));
    let parsed = text.map_err(|error| unreadable(&error)).and_then(|text| manifest::parse(&text));
    parsed.map_err(|fault| DeployFault { manifest: path.to_owned(), fault })
}

fn unreadable(error: &std::io::Error) -> ManifestFault {
    let advice = format!("it cannot be read: {error}");
    ManifestFault { key: String::new(), line: 1, advice }
}

async fn read_manifest(path: &Path) -> Result<Manifest, ManifestFault> {
    let path = path.to_owned();
    let read = tokio::task::spawn_blocking(move || manifest_of(&path)).await;
    read.map_err(|error| unreadable(&std::io::Error::other(error)))?.map_err(|fault| fault.fault)
}

/// A component's bytes. They are the tenant's to name, and the host may read more than the tenant.
async fn read(base: &Path, name: &str, written: &Written) -> Result<Vec<u8>, ManifestFault> {
    let (base, named, it) = (base.to_owned(), name.to_owned(), written.clone());
    let read = tokio::task::spawn_blocking(move || source_of(&base, &named, &it)).await;
    read.map_err(|error| at_source(name, written, error.to_string()))?
}

/// The same for who may wait for a disk; `base` is the directory of the manifest.
pub(crate) fn source_of(
    base: &Path,
    name: &str,
    written: &Written,
) -> Result<Vec<u8>, ManifestFault> {
    let path = base.join(&written.source);
    untrusted_file::read_within(base, &path, MOST_WASM as u64).map_err(|error| {
        let advice = match (&written.build, error.kind()) {
            (_, std::io::ErrorKind::InvalidInput) => "",
            (Some(_), _) => "; `postlet build` makes it",
            (None, _) => "",
        };
        let path = path.display();
        at_source(name, written, format!("{path} cannot be read: {error}{advice}"))
    })
}
