//! Before-send filters of a deployment: checks and links them for the engine.
//!
//! Invariant: the engine gets all filters of a deployment at once or none, so a message
//! never passes only some of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use engine::app::manifest::Manifest;
use engine::app::manifest::component::ReadGrant;
use engine::app::manifest::fault::ManifestFault;
use engine::app::manifest::trigger::Hook;
use engine::engine::Engine;
use engine::submit::filter_registry::ActiveFilter;
use model::filter::{Binding, Mode, OnError, Verdict};
use model::ids::{RequestId, TenantId};
use model::mail::draft::Envelope;
use model::port::BoxFuture;
use model::port::capabilities::Message;
use model::port::capacity::AtCapacity;
use model::port::filter::{BeforeSendFilter, FilterError};
use runtime::Runtime;
use runtime::component::Component;
use runtime::error::chain;
use runtime::limits::Limits;

/// A filter as a manifest declares it.
#[derive(Clone, Debug)]
pub(crate) struct DeclaredFilter {
    /// Its `[[trigger.mail]]`, with the grants of its component.
    pub(crate) binding: Binding,
    /// Its compiled component.
    pub(crate) component: Component,
    /// Its `environment`, with variables filled in.
    pub(crate) environment: Vec<(String, String)>,
    /// The limits of one call: [`Limits::for_filter`], lowered by the manifest.
    pub(crate) limits: Limits,
    /// The line of its component in the manifest.
    pub(crate) line: usize,
}

/// Refuses settings of filters that a manifest may have and this host does not support.
///
/// # Errors
/// With the first such key.
pub(crate) fn runnable(manifest: &Manifest) -> Result<(), ManifestFault> {
    for binding in &manifest.filters {
        if binding.hook != Hook::BeforeSend {
            return Err(ManifestFault {
                key: "trigger.mail.hook".to_owned(),
                line: binding.line,
                advice: "this host supports the hook `before-send` only".to_owned(),
            });
        }
        let written = manifest.components.get(&binding.component);
        if let Some(written) = written.filter(|it| it.grants.read == Some(ReadGrant::Headers)) {
            return Err(ManifestFault {
                key: format!("component.{}.tool.postlet.read", binding.component),
                line: written.line,
                advice: "a before-send filter reads the whole message; write \"all\"".to_owned(),
            });
        }
    }
    Ok(())
}

/// Links every filter.
///
/// # Errors
/// When a component is not a filter, with its line in the manifest.
pub(crate) fn link(
    runtime: &Runtime,
    declared: Vec<DeclaredFilter>,
) -> Result<Vec<ActiveFilter>, ManifestFault> {
    let linked = declared.into_iter().map(|filter| {
        let DeclaredFilter { binding, component, environment, limits, line } = filter;
        let judge = runtime.filter(&component, &environment, limits);
        let judge = judge.map_err(|error| ManifestFault {
            key: format!("component.{}.source", binding.name),
            line,
            advice: chain(&error),
        })?;
        Ok(ActiveFilter { binding, judge: Arc::new(judge) })
    });
    linked.collect()
}

/// Installs filters that refuse every message as temporarily unavailable, in place of fail-closed ones
/// that could not be deployed.
pub(crate) fn blocking_filters(engine: &Engine, tenant: TenantId, names: Vec<String>) {
    let absent = names.into_iter().map(|name| ActiveFilter {
        binding: Binding {
            name,
            order: 0,
            on_error: OnError::Closed,
            mode: Mode::Live,
            edits: BTreeSet::new(),
        },
        judge: Arc::new(UnavailableFilter),
    });
    engine.set_filters(tenant, absent.collect());
}

/// A filter that is not deployed: every evaluation fails with a retryable error.
#[derive(Debug)]
struct UnavailableFilter;

impl BeforeSendFilter for UnavailableFilter {
    fn evaluate<'a>(
        &'a self,
        _: &'a TenantId,
        _: &'a RequestId,
        _: Arc<dyn Message>,
        _: &'a Envelope,
    ) -> BoxFuture<'a, Result<Verdict, FilterError>> {
        let bound = "the tenant's application is not deployed".to_owned();
        Box::pin(std::future::ready(Err(FilterError::Busy(AtCapacity { is_own: false, bound }))))
    }
}
