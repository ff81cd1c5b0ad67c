//! Import `providers`: discovery of mail services.

use std::sync::Arc;

use model::discovery::{DiscoveryResult, Outcome, Source, Step};
use model::problem::Problem;

use crate::guest_state::GuestState;
use crate::imports::Answer;
use crate::wit::bindings::capabilities::postlet::mail::providers;
use crate::wit::{list_bounds, to_wit};

impl GuestState {
    async fn found(&mut self, domain: &str) -> wasmtime::Result<Result<DiscoveryResult, Problem>> {
        let meter = Arc::clone(&self.meter);
        let _inside = meter.enter();
        if let Err(problem) = list_bounds::word("domain", domain) {
            return Ok(Err(problem));
        }
        let (capabilities, caller) = self.endpoint()?;
        Ok(capabilities.discover(&caller, domain).await)
    }
}

impl providers::Host for GuestState {
    async fn look_up(&mut self, domain: String) -> Answer<providers::Discovery> {
        let found = self.found(&domain).await?;
        self.answer(found, to_wit::discovery)
    }

    async fn discover(&mut self, domain: String) -> wasmtime::Result<providers::Discovery> {
        let found = self.found(&domain).await?;
        Ok(to_wit::discovery(found.unwrap_or_else(|problem| refused(problem, &domain))))
    }
}

/// The function cannot return a problem: an empty result, whose one step has the reason.
fn refused(problem: Problem, domain: &str) -> DiscoveryResult {
    let step = Step {
        source: Source::Table,
        asked: domain.chars().take(253).collect(),
        took: std::time::Duration::ZERO,
        outcome: Outcome::Refused,
        reason: problem.detail,
    };
    DiscoveryResult { steps: vec![step], ..DiscoveryResult::default() }
}
