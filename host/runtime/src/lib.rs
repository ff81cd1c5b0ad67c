//! WebAssembly: compiling components, and running them where they can do no harm.
//!
//! [`Runtime`] compiles; an [`endpoint::Endpoint`] answers HTTP requests, a
//! [`mime::MimeComponent`] reads and writes mail. Each request and each call
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

pub mod error;
pub mod limits;
mod meter;
mod quota;
mod clock;
mod log;
pub mod places;
mod spawn;
mod handles;
mod guest;
mod bindings;
mod lower;
mod lift;
mod refusal;
mod imports;
mod machine;
pub mod component;
pub mod mime;
pub mod body;
pub mod endpoint;

/// Compiles components and makes them callable. One for each process.
#[derive(Debug)]
pub struct Runtime {
    machine: Arc<machine::Machine>,
}

impl Runtime {
    /// Starts the engine. Instances come from a pool; where the machine's address space is too small
    /// for one, a line in the log says so and instances cost more.
    ///
    /// # Errors
    /// [`error::RuntimeError::Engine`] on machines that cannot run WebAssembly.
    pub fn new(settings: limits::Settings) -> Result<Self, error::RuntimeError> {
        Ok(Self { machine: Arc::new(machine::Machine::new(settings)?) })
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
    pub fn counters(&self) -> places::Counters {
        self.machine.places.counters()
    }
}
