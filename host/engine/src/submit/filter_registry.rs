//! Registry of active filters by tenant.
//!
//! Invariant: a list is never changed, only replaced, so that a message passes the filters of one
//! deployment and never a mixture of two.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

use model::filter::Binding;
use model::ids::TenantId;
use model::port::filter::BeforeSendFilter;

/// A filter with its binding.
#[derive(Clone, Debug)]
pub struct ActiveFilter {
    pub binding: Binding,
    /// Runs the filter.
    pub judge: Arc<dyn BeforeSendFilter>,
}

/// Filters by tenant.
#[derive(Debug, Default)]
pub(crate) struct FilterRegistry(Mutex<HashMap<TenantId, Arc<[ActiveFilter]>>>);

impl FilterRegistry {
    /// Replaces a tenant's filters; they run in the order of the bindings, whatever the order of
    /// the list.
    pub(crate) fn set(&self, tenant: TenantId, mut filters: Vec<ActiveFilter>) {
        filters.sort_by_key(|filter| filter.binding.order);
        let mut all = self.0.lock();
        if filters.is_empty() {
            all.remove(&tenant);
        } else {
            all.insert(tenant, filters.into());
        }
    }

    /// The current filters of a tenant.
    pub(crate) fn of(&self, tenant: &TenantId) -> Arc<[ActiveFilter]> {
        self.0.lock().get(tenant).cloned().unwrap_or_default()
    }
}
