//! WebAssembly runtime: compiles components, and runs them in a sandbox.
//!
//! [`Runtime`] compiles; an [`endpoint::Endpoint`] answers HTTP requests, a [`mime::MimeComponent`]
//! parses and composes mail, a [`filter::Filter`] returns a verdict on it. Each request and each
//! call gets a new instance with limits on memory, time, host calls, output and log. A component
//! has access only to `model`'s ports.
//!
//! Independent of routes, tokens, accounts and mail servers. Opens no socket.
//!
//! Invariant: a guest that traps, loops, floods or sleeps affects only its own request.
//!
//! Standards: WASI 0.2 (wasi:http/proxy), the component model.

use std::sync::Arc;

use model::port::capabilities::Capabilities;
use model::port::spool::Spools;

pub mod wrong_file;
pub mod error;
pub mod limits;
mod wasi;
mod failure_log;
mod spawn;
mod wit;
mod guest_state;
mod imports;
mod wasm_engine;
pub mod component;
pub mod mime;
pub mod filter;
pub mod body;
pub mod endpoint;

/// Compiles and links components. One for each process; clones share it.
#[derive(Clone, Debug)]
pub struct Runtime {
    machine: Arc<wasm_engine::WasmEngine>,
}

impl Runtime {
    /// Starts the engine. Instances come from a pool; where the machine's address space is too
    /// small for one, this is logged and instances cost more.
    ///
    /// # Errors
    /// [`error::RuntimeError::Engine`] on machines that cannot run WebAssembly.
    pub fn new(settings: limits::Settings) -> Result<Self, error::RuntimeError> {
        Ok(Self {
            machine: Arc::new(wasm_engine::WasmEngine::new(
                settings,
                wasm_engine::Allocation::Pooled,
            )?),
        })
    }

    /// An engine for a child process that prepares one component and ends: the same code as that of
    /// [`Runtime::new`], little address space, one core.
    ///
    /// # Errors
    /// [`error::RuntimeError::Engine`] on machines that cannot run WebAssembly.
    pub fn for_one_component() -> Result<Self, error::RuntimeError> {
        let (settings, allocation) =
            (limits::Settings::default(), wasm_engine::Allocation::OnDemand);
        Ok(Self { machine: Arc::new(wasm_engine::WasmEngine::new(settings, allocation)?) })
    }

    /// Compiles `wasm`. Costs CPU, so not for an async worker.
    ///
    /// # Errors
    /// [`error::RuntimeError::Compile`] for anything but a component within the enabled features.
    pub fn component(
        &self,
        name: &str,
        wasm: &[u8],
    ) -> Result<component::Component, error::RuntimeError> {
        component::Component::compile(&self.machine, name, wasm)
    }

    /// Loads native code that [`component::Component::code`] returned in a child process of this
    /// one.
    ///
    /// The code is trusted as this process is: it must have come over a pipe from a child that this
    /// process started and to which no other process can write, or be sealed with a key of this
    /// host since it came over that pipe.
    ///
    /// # Errors
    /// [`error::RuntimeError::Compile`] when another version or configuration made it.
    pub fn adopt(
        &self,
        name: &str,
        digest: [u8; 32],
        code: &[u8],
    ) -> Result<component::Component, error::RuntimeError> {
        component::Component::adopt(&self.machine, name, digest, code)
    }

    /// Identifies everything but the WebAssembly that native code depends on: wasmtime's version,
    /// the configuration, and the processor's features. Code compiled under another identifier
    /// cannot be loaded.
    #[must_use]
    pub fn kind_of_code(&self) -> [u8; 32] {
        self.machine.kind_of_code()
    }

    /// Calls the component's `describe`, without access to anything and within one second. None
    /// when it does not export `describe`.
    ///
    /// # Errors
    /// [`error::RuntimeError::Describe`] when it traps, [`error::RuntimeError::Link`] when it
    /// cannot be linked.
    pub async fn describe(
        &self,
        component: &component::Component,
    ) -> Result<Option<Vec<component::Operation>>, error::RuntimeError> {
        component.describe(&self.machine).await
    }

    /// Links the built-in parser and composer of mail. Its output is in `spools`, charged to the
    /// host.
    ///
    /// # Errors
    /// When the component imports more than `uploads`, or does not export `mime`.
    pub fn mime(
        &self,
        component: &component::Component,
        spools: Arc<dyn Spools>,
    ) -> Result<mime::MimeComponent, error::RuntimeError> {
        mime::MimeComponent::new(Arc::clone(&self.machine), component, spools)
    }

    /// Links a filter of outgoing mail. `environment` holds the manifest's variables.
    ///
    /// # Errors
    /// When it imports more than `reading`, or does not export `before-send`.
    pub fn filter(
        &self,
        component: &component::Component,
        environment: &[(String, String)],
        limits: limits::Limits,
    ) -> Result<filter::Filter, error::RuntimeError> {
        filter::Filter::new(Arc::clone(&self.machine), component, environment, limits)
    }

    /// Links a component that serves HTTP.
    ///
    /// # Errors
    /// When it imports an interface that does not exist, or does not export wasi:http's
    /// `incoming-handler`.
    pub fn endpoint(
        &self,
        component: &component::Component,
        capabilities: Arc<dyn Capabilities>,
        limits: limits::Limits,
    ) -> Result<endpoint::Endpoint, error::RuntimeError> {
        endpoint::Endpoint::new(Arc::clone(&self.machine), component, capabilities, limits)
    }

    /// Counters of instances since the start.
    #[must_use]
    pub fn counters(&self) -> limits::concurrency::Counters {
        self.machine.places.counters()
    }
}
