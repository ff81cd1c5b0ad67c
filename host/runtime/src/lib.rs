//! WebAssembly: compiling components, and running them where they can do no harm.
//!
//! [`Runtime`] compiles; an [`endpoint::Endpoint`] answers HTTP requests, a
//! [`mime::MimeComponent`] reads and writes mail, a [`filter::Filter`] judges it. Each request and each call
//! gets a fresh instance under caps on memory, time, host calls, output and
//! log. What a component can reach is what `model`'s ports give it.
//!
//! Refuses to know: routes, tokens, accounts, mail servers. Opens no socket.
//!
//! Invariant: a guest that traps, loops, floods or sleeps costs its own request.
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

/// Compiles components and makes them callable. One for each process; clones share it.
#[derive(Clone, Debug)]
pub struct Runtime {
    machine: Arc<wasm_engine::WasmEngine>,
}

impl Runtime {
    /// Starts the engine. Instances come from a pool; where the machine's address space is too small
    /// for one, a line in the log says so and instances cost more.
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
    /// [`error::RuntimeError::Compile`] for anything but a component that uses what is switched on.
    pub fn component(
        &self,
        name: &str,
        wasm: &[u8],
    ) -> Result<component::Component, error::RuntimeError> {
        component::Component::compile(&self.machine, name, wasm)
    }

    /// Takes over native code that [`component::Component::code`] gave in a child process of ours.
    ///
    /// The code is trusted as this process is: it must have come over a pipe from a child that this
    /// process started and nobody else can write to, or carry a seal that only this host could have
    /// put on it when it came over that pipe.
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

    /// Names everything but the WebAssembly that native code depends on: wasmtime's version, the
    /// configuration, and the processor's features. Code that was made under another name is useless.
    #[must_use]
    pub fn kind_of_code(&self) -> [u8; 32] {
        self.machine.kind_of_code()
    }

    /// Asks the component what it serves, with nothing to reach and one second to live. None when it
    /// does not export `describe`.
    ///
    /// # Errors
    /// [`error::RuntimeError::Describe`] when it traps, [`error::RuntimeError::Link`] when it cannot be linked.
    pub async fn describe(
        &self,
        component: &component::Component,
    ) -> Result<Option<Vec<component::Operation>>, error::RuntimeError> {
        component.describe(&self.machine).await
    }

    /// The built-in parser and writer of mail. What it writes lies in `spools`, charged to the host.
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

    /// A filter of outgoing mail. `environment` is what the manifest gives it. Linked here, once.
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

    /// A component that answers HTTP. Linked here, once.
    ///
    /// # Errors
    /// When it imports what there is not, or does not export wasi:http's `incoming-handler`.
    pub fn endpoint(
        &self,
        component: &component::Component,
        capabilities: Arc<dyn Capabilities>,
        limits: limits::Limits,
    ) -> Result<endpoint::Endpoint, error::RuntimeError> {
        endpoint::Endpoint::new(Arc::clone(&self.machine), component, capabilities, limits)
    }

    /// How instances fared so far.
    #[must_use]
    pub fn counters(&self) -> limits::concurrency::Counters {
        self.machine.places.counters()
    }
}
