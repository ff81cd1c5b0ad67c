//! Log entry of a failed endpoint request.
//!
//! Whether it fails before its response or during the body, it is logged once and here, with the
//! request, the tenant and the component.

use std::sync::Arc;

use model::caller::Caller;

use crate::error::{EndpointError, chain};
use crate::limits::concurrency::InstanceSlots;

/// Logs the failure of one request.
#[derive(Debug)]
pub(crate) struct Failure {
    component: Arc<str>,
    caller: Arc<Caller>,
    places: Arc<InstanceSlots>,
}

impl Failure {
    pub(crate) fn new(
        component: &Arc<str>,
        caller: &Arc<Caller>,
        places: &Arc<InstanceSlots>,
    ) -> Self {
        Self {
            component: Arc::clone(component),
            caller: Arc::clone(caller),
            places: Arc::clone(places),
        }
    }

    /// Counts a failure that did not end the instance itself.
    pub(crate) fn note(&self, error: EndpointError) -> EndpointError {
        self.places.note(&error);
        error
    }

    /// Writes the log entry.
    pub(crate) fn log(&self, error: &EndpointError) {
        let (component, caller) = (&*self.component, &self.caller);
        let (request, tenant) = (caller.request.as_str(), caller.tenant.as_str());
        let anonymous = caller.token.is_none().then_some(true);
        match error {
            // The caller gets the error, and the component is not at fault.
            EndpointError::Busy(_)
            | EndpointError::BodyTooLarge { .. }
            | EndpointError::BodyTooSlow { .. }
            | EndpointError::Request(_) => {
                tracing::debug!(component, request, tenant, anonymous, "{}", chain(error));
            }
            EndpointError::Trapped { .. }
            | EndpointError::Limit(_)
            | EndpointError::Timeout { .. }
            | EndpointError::HostTimeout { .. }
            | EndpointError::NoAnswer
            | EndpointError::Declined(_)
            | EndpointError::Answer(_) => {
                tracing::warn!(component, request, tenant, anonymous, "{}", chain(error));
            }
        }
    }
}
