//! A compiled component, and its description.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use model::foreign::ErrorChain;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre};
use wasmtime_wasi_http::p2::bindings::{Proxy, ProxyPre};
use wasmtime_wasi_http::p3::bindings::{Service, ServicePre};

use crate::error::{Cause, EndpointError, RuntimeError, one_line};
use crate::guest_state::{GuestState, HostAccess};
use crate::limits::{Limits, time_budget};
use crate::spawn::spawn;
use crate::wasm_engine::WasmEngine;
use crate::wit::bindings::before_send::{BeforeSendFilter, BeforeSendFilterPre};
use crate::wit::bindings::describes::exports::postlet::mail::describe;
use crate::wit::bindings::describes::{Describes, DescribesPre};
use crate::wrong_file::{by_exports, not_linked, recognise};

/// Compiled, not yet linked. Cheap to clone.
#[derive(Clone)]
pub struct Component {
    pub(crate) name: Arc<str>,
    pub(crate) compiled: wasmtime::component::Component,
    digest: [u8; 32],
}

/// One operation of an endpoint, as `describe.operations` returns it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// The HTTP method.
    pub method: String,
    /// The path pattern; `:name` marks a parameter.
    pub path: String,
    /// One line.
    pub summary: String,
    /// The token scope that it requires.
    pub scope: String,
    /// Parameters of the query string.
    pub parameters: Vec<Parameter>,
    /// JSON Schema 2020-12 for application/json.
    pub body_schema: Option<String>,
    /// An example body that matches the schema.
    pub body_example: Option<String>,
    /// Content types that reach the component without validation.
    pub other_content_types: Vec<String>,
    /// Every response.
    pub answers: Vec<Described>,
    /// May wait or stream for long.
    pub long_lived: bool,
}

/// One parameter of a query string.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    pub name: String,
    /// JSON Schema of its value.
    pub schema: String,
    pub required: bool,
    /// One line.
    pub summary: String,
}

/// One response of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Described {
    /// The HTTP status.
    pub status: u16,
    pub content_type: String,
    /// JSON Schema of its body.
    pub schema: Option<String>,
    /// One line.
    pub summary: String,
}

impl Component {
    /// Compiles WebAssembly, never precompiled code: native code from outside would be trusted.
    /// Takes from 0.1 s to many seconds of CPU; untrusted components must be compiled in a child
    /// process.
    pub(crate) fn compile(
        machine: &WasmEngine,
        name: &str,
        wasm: &[u8],
    ) -> Result<Self, RuntimeError> {
        recognise(wasm).map_err(|source| RuntimeError::Wrong { component: name.into(), source })?;
        let compiled = wasmtime::component::Component::from_binary(&machine.engine, wasm).map_err(
            |error| RuntimeError::Compile { component: name.into(), source: one_line(error) },
        )?;
        Ok(Self { name: name.into(), compiled, digest: Sha256::digest(wasm).into() })
    }

    /// Loads the output of [`Component::code`] of a child process; see [`crate::Runtime::adopt`].
    #[expect(unsafe_code, reason = "native code that a child of this very binary compiled")]
    pub(crate) fn adopt(
        machine: &WasmEngine,
        name: &str,
        digest: [u8; 32],
        code: &[u8],
    ) -> Result<Self, RuntimeError> {
        // SAFETY: `deserialize` needs unmodified output of `serialize`. Callers pass only what a
        // child process of this binary returned over its own pipe, now or earlier, and in the
        // latter case sealed with the host's key since; wasmtime itself refuses the output of
        // another version or configuration.
        let compiled =
            unsafe { wasmtime::component::Component::deserialize(&machine.engine, code) };
        let compiled = compiled.map_err(|error| RuntimeError::Compile {
            component: name.into(),
            source: one_line(error),
        })?;
        Ok(Self { name: name.into(), compiled, digest })
    }

    /// The native code, for [`crate::Runtime::adopt`] in the parent process.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn code(&self) -> Result<Vec<u8>, RuntimeError> {
        self.compiled.serialize().map_err(|error| RuntimeError::Compile {
            component: (*self.name).into(),
            source: one_line(error),
        })
    }

    /// The names of its imports.
    pub(crate) fn imports(&self) -> Vec<String> {
        let kind = self.compiled.component_type();
        kind.imports(self.compiled.engine()).map(|(name, _)| name.to_owned()).collect()
    }

    /// The error for a component with an import that the host does not have.
    pub(crate) fn not_linked(&self, error: wasmtime::Error) -> RuntimeError {
        let error: Cause = error.into();
        let first: &(dyn Error + 'static) = error.as_ref();
        let chain = std::iter::successors(Some(first), |&error| error.source());
        let texts: Vec<String> = chain.map(ToString::to_string).collect();
        let component = self.name().into();
        match not_linked(&texts) {
            Some(source) => RuntimeError::Wrong { component, source },
            None => RuntimeError::Link { component, source: ErrorChain::of(error.as_ref()) },
        }
    }

    /// The error for a component that lacks the export of the role it was bound to.
    pub(crate) fn not_exported(
        &self,
        interface: &'static str,
        error: wasmtime::Error,
    ) -> RuntimeError {
        let kind = self.compiled.component_type();
        let exports: Vec<_> =
            kind.exports(self.compiled.engine()).map(|(name, _)| name.to_owned()).collect();
        let source = match by_exports(exports.iter().map(String::as_str)) {
            Some(wrong) => ErrorChain::words(wrong),
            None => one_line(error),
        };
        RuntimeError::NotExported { component: (*self.name).into(), interface, source }
    }

    /// SHA-256 of the WebAssembly.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// The name given at compilation.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its description; none when it does not export `describe`. The exports that the host will
    /// call have the right types, as far as an instance can be created without capabilities and
    /// environment.
    pub(crate) async fn describe(
        &self,
        machine: &WasmEngine,
    ) -> Result<Option<Vec<Operation>>, RuntimeError> {
        // Linked as an endpoint is, but without capabilities: each traps when it is called.
        let pre = machine.endpoints.instantiate_pre(&self.compiled);
        let pre = pre.map_err(|error| self.not_linked(error))?;
        let describes = DescribesPre::new(pre.clone()).is_ok();
        let mut instance = machine.instance(
            &self.name,
            &Limits::for_describe(),
            HostAccess::None,
            machine.places.describe(),
        );
        let task = spawn(async move {
            let store = &mut instance.store;
            let ended = time_budget::run(&instance.meter, async {
                let made = match pre.instantiate_async(&mut *store).await {
                    Ok(made) => made,
                    // It may need its environment to start; each request reports other causes.
                    Err(_) if !describes => return Ok(Ok(None)),
                    Err(error) => return Err(error),
                };
                if let Err(mistyped) = check_exports(&mut *store, &pre, &made) {
                    return Ok(Err(mistyped));
                }
                if !describes {
                    return Ok(Ok(None));
                }
                let guest = match Describes::new(&mut *store, &made) {
                    Ok(guest) => guest,
                    Err(error) => return Ok(Err(("postlet:mail/describe", error))),
                };
                guest.postlet_mail_describe().call_operations(&mut *store).await.map(Some).map(Ok)
            })
            .await;
            let said = instance.store.data().last_words();
            Ok((instance.judge(ended), said))
        });
        let component = || (*self.name).into();
        let (ended, said) = match task.end().await {
            Ok((ended, said)) => (ended, said),
            Err(panicked) => (Err(panicked), None),
        };
        match ended {
            Ok(Ok(list)) => Ok(list.map(|list| list.into_iter().map(operation).collect())),
            Ok(Err((interface, error))) => Err(RuntimeError::Mistyped {
                component: component(),
                interface,
                source: one_line(error),
            }),
            // It does not declare an interface, so it may have any.
            Err(_) if !describes => Ok(None),
            Err(source) => {
                // A guest that was stopped has not printed its reason.
                let trapped = matches!(source, EndpointError::Trapped { .. });
                let said = said.filter(|_| trapped).map(ErrorChain::words);
                Err(RuntimeError::Describe { component: component(), said, source })
            }
        }
    }
}

/// Whether the exports that the host will call have the types it calls them by. The engine finds
/// out only when there is an instance.
fn check_exports(
    mut store: &mut Store<GuestState>,
    pre: &InstancePre<GuestState>,
    made: &Instance,
) -> Result<(), (&'static str, wasmtime::Error)> {
    if ProxyPre::new(pre.clone()).is_ok() {
        Proxy::new(&mut store, made).map_err(|error| ("wasi:http/incoming-handler", error))?;
    }
    if ServicePre::new(pre.clone()).is_ok() {
        Service::new(&mut store, made).map_err(|error| ("wasi:http/handler", error))?;
    }
    if BeforeSendFilterPre::new(pre.clone()).is_ok() {
        BeforeSendFilter::new(&mut store, made)
            .map_err(|error| ("postlet:mail/before-send", error))?;
    }
    Ok(())
}

impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Component").field(&self.name).finish()
    }
}

fn operation(operation: describe::Operation) -> Operation {
    Operation {
        method: operation.method,
        path: operation.path,
        summary: operation.summary,
        scope: operation.scope,
        parameters: operation
            .parameters
            .into_iter()
            .map(|describe::Parameter { name, schema, required, summary }| Parameter {
                name,
                schema,
                required,
                summary,
            })
            .collect(),
        body_schema: operation.body_schema,
        body_example: operation.body_example,
        other_content_types: operation.other_content_types,
        answers: operation
            .answers
            .into_iter()
            .map(|describe::Answer { status, content_type, schema, summary }| Described {
                status,
                content_type,
                schema,
                summary,
            })
            .collect(),
        long_lived: operation.long_lived,
    }
}
