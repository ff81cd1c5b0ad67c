//! Deployments of applications: built completely, then swapped atomically.
//!
//! manifest → compile and describe → routes → OpenAPI → swap. Every tenant is served the
//! default application, and its own beside it. An error has the file, the line and the
//! key, and leaves the running deployment as it was.
//!
//! Invariant: a [`Deployment`] is immutable. A request holds the one that it began with.

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
use crate::openapi::document::HostOperation;
use crate::openapi::operation;
use crate::os::untrusted_file;
use crate::schema::child_pool::SchemaChildren;

/// An error in an application, shown as `file:line: …`, which editors and terminals turn into a link.
#[derive(Debug, thiserror::Error)]
#[error("{}:{}: {}", manifest.display(), fault.line, fault.words())]
pub struct DeployFault {
    /// The path of the manifest.
    pub manifest: PathBuf,
    /// The line, the key, and what to do.
    pub fault: ManifestFault,
}

/// The current deployment of every tenant.
#[derive(Debug)]
pub(crate) struct Deployments {
    runtime: Runtime,
    engine: Arc<Engine>,
    capabilities: Arc<dyn Capabilities>,
    limits: Limits,
    compiler: Compiler,
    checkers: Arc<SchemaChildren>,
    /// The host's own operations, beside which applications are served.
    host: Vec<HostOperation>,
    application: Application,
    default: Arc<Deployment>,
    own: RwLock<HashMap<TenantId, Arc<Deployment>>>,
    /// Tenants whose application is not deployed, each with the error.
    undeployed: RwLock<BTreeMap<TenantId, String>>,
}

impl Deployments {
    /// Links the embedded application; `engine` implements the imports, and calls the filters. `host` are
    /// the operations of the host, whose paths no application may take.
    ///
    /// # Errors
    /// When the embedded application is not valid.
    pub(crate) fn new(
        runtime: Runtime,
        engine: Arc<Engine>,
        limits: Limits,
        compiler: Compiler,
        embedded: BTreeMap<String, Compiled>,
        host: Vec<HostOperation>,
    ) -> anyhow::Result<Self> {
        let capabilities: Arc<dyn Capabilities> = Arc::clone(&engine) as _;
        let manifest = manifest::parse(components::MANIFEST).context("the embedded spin.toml")?;
        check_routes(&manifest.routes, &host, None).context("the embedded spin.toml")?;
        let link = ApplicationLinker {
            runtime: &runtime,
            capabilities: &capabilities,
            limits: &limits,
            checkers: None,
        };
        let application = link
            .application(manifest, embedded, &Variables::new())
            .context("the embedded spin.toml")?;
        let default = assemble(&host, &application, None).context("the embedded spin.toml")?;
        Ok(Self {
            runtime,
            engine,
            capabilities,
            limits,
            checkers: SchemaChildren::new(compiler.program().to_owned()),
            compiler,
            host,
            application,
            default: Arc::new(default),
            own: RwLock::default(),
            undeployed: RwLock::default(),
        })
    }

    /// The deployment of a tenant.
    pub(crate) fn of(&self, tenant: &TenantId) -> Arc<Deployment> {
        let own = self.own.read();
        Arc::clone(own.get(tenant).unwrap_or(&self.default))
    }

    /// The deployment for requests without a token.
    pub(crate) fn default(&self) -> &Arc<Deployment> {
        &self.default
    }

    /// Builds a tenant's application beside the running one, then swaps them.
    ///
    /// # Errors
    /// When the application cannot be built; the running one stays.
    pub(crate) async fn deploy(
        &self,
        tenant: &TenantId,
        manifest: &Path,
        given: &Variables,
    ) -> Result<(), DeployFault> {
        let place = |fault| DeployFault { manifest: manifest.to_owned(), fault };
        let (deployment, filters) = self.build(tenant, manifest, given).await.map_err(place)?;
        // The filters first: no message may be sent without them between two deployments.
        self.engine.set_filters(tenant.clone(), filters);
        let mut own = self.own.write();
        own.insert(tenant.clone(), Arc::new(deployment));
        drop(own);
        self.undeployed.write().remove(tenant);
        tracing::info!(tenant = tenant.as_str(), manifest = %manifest.display(), "deployed");
        Ok(())
    }

    /// Holds back the mail of a tenant whose application could not be deployed, where it has a live
    /// fail-closed filter. A manifest that cannot be read counts as having one.
    ///
    /// Returns the end of a sentence that says so; it is empty where no mail is held back.
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
            ", and mail is held back until its filters are deployed: sending returns 503"
        };
        filters::blocking_filters(&self.engine, tenant.clone(), names);
        held
    }

    fn note(&self, tenant: &TenantId, why: String) {
        let mut undeployed = self.undeployed.write();
        undeployed.insert(tenant.clone(), why);
    }

    /// Tenants whose application is not deployed, each with the error.
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
        check_routes(&manifest.routes, &self.host, Some(&self.application))?;
        let directory = directory_of(path);
        let mut compiled = BTreeMap::new();
        for (name, written) in &manifest.components {
            let wasm = read(directory, name, written).await?;
            let result = self.compiler.compile(&self.runtime, Some(tenant), name, &wasm).await;
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
        Ok((assemble(&self.host, &self.application, Some(&own))?, filters))
    }
}

/// Bytes of the largest manifest: that of the default application has 3 KiB.
pub(crate) const MOST_MANIFEST: u64 = 1 << 20;

/// Compiles the embedded components; returns them by name.
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
        let compiled = compiler.compile(runtime, None, name, embedded.wasm).await;
        anyhow::Ok((name.clone(), compiled.with_context(place)?))
    });
    Ok(try_join_all(compiling).await?.into_iter().collect())
}

/// The directory of a manifest, to which its paths are relative.
pub(crate) fn directory_of(manifest: &Path) -> &Path {
    match manifest.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

/// Reads and checks a manifest. Its path is untrusted: it may be a pipe or a device.
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

/// Reads a component's file. The tenant names it, and the host may read files that the tenant may not.
async fn read(base: &Path, name: &str, written: &Written) -> Result<Vec<u8>, ManifestFault> {
    let (base, named, it) = (base.to_owned(), name.to_owned(), written.clone());
    let read = tokio::task::spawn_blocking(move || source_of(&base, &named, &it)).await;
    read.map_err(|error| at_source(name, written, error.to_string()))?
}

/// Reads a component's file, and may block; `base` is the directory of the manifest.
///
/// # Errors
/// When the file is outside of `base`, too large, or cannot be read.
pub(crate) fn source_of(
    base: &Path,
    name: &str,
    written: &Written,
) -> Result<Vec<u8>, ManifestFault> {
    let path = base.join(&written.source);
    untrusted_file::read_within(base, &path, MOST_WASM as u64).map_err(|error| {
        let advice = match (&written.build, error.kind()) {
            (_, std::io::ErrorKind::InvalidInput) => "",
            (Some(_), _) => "; `postlet build` creates it",
            (None, _) => "",
        };
        let path = path.display();
        at_source(name, written, format!("{path} cannot be read: {error}{advice}"))
    })
}
