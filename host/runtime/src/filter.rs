//! Before-send filters: one new instance for each message.
//!
//! A filter reads the message that it is lent and returns a verdict. It is linked to `reading` and
//! an empty WASI, so it can do nothing else; how the verdict is applied is the engine's policy.
//!
//! Invariant: whatever a filter does, its caller gets a verdict or an error (and logs it), and the
//! instance is gone when the future is.

use std::sync::Arc;

use model::filter::Verdict;
use model::ids::{RequestId, TenantId};
use model::mail::draft::Envelope;
use model::port::BoxFuture;
use model::port::capabilities::Message;
use model::port::filter::{BeforeSendFilter, FilterError};
use wasmtime::component::Resource;

use crate::component::Component;
use crate::error::{EndpointError, RuntimeError, chain};
use crate::guest_state::{GuestState, HostAccess};
use crate::limits::{Limits, time_budget};
use crate::spawn::spawn;
use crate::wasm_engine::WasmEngine;
use crate::wit::bindings::before_send::BeforeSendFilterPre;
use crate::wit::bindings::before_send::exports::postlet::mail::before_send;
use crate::wit::convert::Convert;
use crate::wit::handles::MessageHandle;
use crate::wrong_file::not_for_filters;

/// A filter at the hook `before-send`, linked and ready. Cheap to share.
pub struct Filter {
    machine: Arc<WasmEngine>,
    pre: BeforeSendFilterPre<GuestState>,
    name: Arc<str>,
    environment: Arc<[(String, String)]>,
    limits: Limits,
}

impl Filter {
    pub(crate) fn new(
        machine: Arc<WasmEngine>,
        component: &Component,
        environment: &[(String, String)],
        limits: Limits,
    ) -> Result<Self, RuntimeError> {
        let pre = machine.filters.instantiate_pre(&component.compiled).map_err(|error| {
            match not_for_filters(component.imports().iter().map(String::as_str)) {
                Some(source) => RuntimeError::Wrong { component: component.name().into(), source },
                None => component.not_linked(error),
            }
        })?;
        let pre = BeforeSendFilterPre::new(pre)
            .map_err(|error| component.not_exported("postlet:mail/before-send", error))?;
        let name = Arc::clone(&component.name);
        Ok(Self { machine, pre, name, environment: environment.into(), limits })
    }

    async fn ask(
        &self,
        tenant: &TenantId,
        request: &RequestId,
        message: Arc<dyn Message>,
        envelope: &Envelope,
    ) -> Result<Verdict, EndpointError> {
        let place = self.machine.places.filter(tenant).await?;
        let environment = Arc::clone(&self.environment);
        let powers =
            HostAccess::Filter { tenant: tenant.clone(), request: request.clone(), environment };
        let mut instance = self.machine.instance(&self.name, &self.limits, powers, place);
        let pre = self.pre.clone();
        let envelope = before_send::Envelope {
            sender: envelope.sender.to_string(),
            recipients: envelope.recipients.iter().map(ToString::to_string).collect(),
        };
        let task = spawn(async move {
            let store = &mut instance.store;
            let ended = time_budget::run(&instance.meter, async {
                let lent = store.data_mut().table.push(MessageHandle(message))?;
                let guest = pre.instantiate_async(&mut *store).await?;
                let judge = guest.postlet_mail_before_send();
                judge.call_judge(&mut *store, Resource::new_borrow(lent.rep()), &envelope).await
            })
            .await;
            instance.judge(ended)
        });
        task.end().await.map(Convert::convert)
    }
}

impl BeforeSendFilter for Filter {
    fn evaluate<'a>(
        &'a self,
        tenant: &'a TenantId,
        request: &'a RequestId,
        message: Arc<dyn Message>,
        envelope: &'a Envelope,
    ) -> BoxFuture<'a, Result<Verdict, FilterError>> {
        Box::pin(async move {
            self.ask(tenant, request, message, envelope).await.map_err(|error| match &error {
                EndpointError::Busy(full) => FilterError::Busy(full.clone().into()),
                EndpointError::Timeout { .. } | EndpointError::HostTimeout { .. } => {
                    FilterError::Timeout
                }
                EndpointError::Limit(which) => FilterError::Limit(self.limits.told(*which)),
                EndpointError::Trapped { .. }
                | EndpointError::NoAnswer
                | EndpointError::Declined(_)
                | EndpointError::Answer(_)
                | EndpointError::BodyTooLarge { .. }
                | EndpointError::BodyTooSlow { .. }
                | EndpointError::Request(_) => FilterError::Trapped(chain(&error)),
            })
        })
    }
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Filter").field(&self.name).finish()
    }
}
