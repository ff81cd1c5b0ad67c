//! A deployment's filters, from its bindings and compiled components to the
//! engine.
//!
//! Invariant: the engine gets all filters of a deployment at once or none, so a
//! message never passes half of them.

use anyhow::Context;
use engine::bound::BoundFilter;
use engine::engine::Engine;
use model::filter::Binding;
use model::ids::TenantId;
use runtime::Runtime;
use runtime::component::Component;
use runtime::limits::Limits;
use std::sync::Arc;

/// A filter as a manifest declares it.
#[derive(Clone, Debug)]
pub struct Declared {
    /// Its `[[trigger.mail]]`, with the grants of its component.
    pub binding: Binding,
    /// Its compiled component.
    pub component: Component,
    /// Its `environment`, with variables filled in.
    pub environment: Vec<(String, String)>,
    /// What one call may use: as a rule [`Limits::for_filter`].
    pub limits: Limits,
}

/// Links every filter, then hands them to the engine in place of those that the tenant had.
///
/// # Errors
/// When a component is no filter; the tenant keeps the filters that it had.
pub fn deploy(
    runtime: &Runtime,
    engine: &Engine,
    tenant: TenantId,
    declared: Vec<Declared>,
) -> anyhow::Result<()> {
    let linked = declared.into_iter().map(|filter| {
        let judge = runtime
            .filter(&filter.component, &filter.environment, filter.limits)
            .with_context(|| format!("the filter `{}`", filter.binding.name))?;
        Ok(BoundFilter { binding: filter.binding, judge: Arc::new(judge) })
    });
    engine.set_filters(tenant, linked.collect::<anyhow::Result<_>>()?);
    Ok(())
}
