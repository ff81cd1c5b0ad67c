//! A compiled component, and what it says about itself.

use std::fmt;
use std::sync::Arc;

use model::foreign::ErrorChain;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre};
use wasmtime_wasi_http::p2::bindings::{Proxy, ProxyPre};
use wasmtime_wasi_http::p3::bindings::{Service, ServicePre};

use crate::error::{EndpointError, RuntimeError, one_line};
use crate::guest_state::{GuestState, HostAccess};
use crate::limits::{Limits, time_budget};
use crate::spawn::spawn;
use crate::wasm_engine::WasmEngine;
use crate::wit::bindings::before_send::{BeforeSendFilter, BeforeSendFilterPre};
use crate::wit::bindings::describes::exports::postlet::mail::describe;
use crate::wit::bindings::describes::{Describes, DescribesPre};
use crate::wrong_file::{by_exports, recognise};

/// Compiled, not yet linked. Cheap to clone.
#[derive(Clone)]
pub struct Component {
    pub(crate) name: Arc<str>,
    pub(crate) compiled: wasmtime::component::Component,
    digest: [u8; 32],
}

/// One operation of an endpoint, as `describe.operations` tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// The HTTP method.
    pub method: String,
    /// `:name` marks a parameter.
    pub path: String,
    /// One line.
    pub summary: String,
    /// The token's scope that is needed.
    pub scope: String,
    /// Of the query string.
    pub parameters: Vec<Parameter>,
    /// JSON Schema 2020-12 for application/json.
    pub body_schema: Option<String>,
    /// A body that fits it.
    pub body_example: Option<String>,
    /// Content types that reach the component unchecked.
    pub other_content_types: Vec<String>,
    /// Every answer.
    pub answers: Vec<Described>,
    /// May wait or stream for long.
    pub long_lived: bool,
}

/// One parameter of a query string.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// JSON Schema of its value.
    pub schema: String,
    /// Must be given.
    pub required: bool,
    /// One line.
    pub summary: String,
}

/// One answer of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Described {
    /// The HTTP status.
    pub status: u16,
    /// Its content type.
    pub content_type: String,
    /// JSON Schema of its body.
    pub schema: Option<String>,
    /// One line.
    pub summary: String,
}

impl Component {
    /// Compiles WebAssembly, never anything precompiled: native code from outside would be trusted.
    /// Takes from 0.1 s to many seconds of CPU; hostile components belong into a child process.
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

    /// Takes over what [`Component::code`] gave in a child; see [`crate::Runtime::adopt`].
    #[expect(unsafe_code, reason = "native code that a child of this very binary compiled")]
    pub(crate) fn adopt(
        machine: &WasmEngine,
        name: &str,
        digest: [u8; 32],
        code: &[u8],
    ) -> Result<Self, RuntimeError> {
        // SAFETY: `deserialize` needs bytes that `serialize` wrote and nobody changed. Callers hand over
        // only what a child process of this binary answered over its own pipe, now or earlier, and in
        // the latter case what is sealed with the host's key since; wasmtime itself refuses what another
        // version or configuration made.
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

    /// The names of what it imports.
    pub(crate) fn imports(&self) -> Vec<String> {
        let kind = self.compiled.component_type();
        kind.imports(self.compiled.engine()).map(|(name, _)| name.to_owned()).collect()
    }

    /// Why it cannot be what it was bound as, whose export it lacks.
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

    /// The name that it was compiled under.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it says of itself; none when it does not export `describe`. What the host will call of it has
    /// the right type, as far as an instance can be made without powers and environment.
    pub(crate) async fn describe(
        &self,
        machine: &WasmEngine,
    ) -> Result<Option<Vec<Operation>>, RuntimeError> {
        // Linked as an endpoint is, but without powers: every capability traps when it is called.
        let pre = machine.endpoints.instantiate_pre(&self.compiled).map_err(|error| {
            RuntimeError::Link { component: (*self.name).into(), source: one_line(error) }
        })?;
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
                    // It may need its environment to start; each request tells whether that is all.
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
            // It was not asked for anything, so it may be anything.
            Err(_) if !describes => Ok(None),
            Err(source) => {
                // Who is stopped has not come to the words that would say why.
                let trapped = matches!(source, EndpointError::Trapped { .. });
                let said = said.filter(|_| trapped).map(ErrorChain::words);
                Err(RuntimeError::Describe { component: component(), said, source })
            }
        }
    }
}

/// Whether what the host will call, of all that is exported, has the type that it is called by. The
/// engine finds out only when there is an instance.
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
