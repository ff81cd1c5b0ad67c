//! Import `providers`: discovery of mail services.

use model::discovery::{DiscoveryResult, Outcome, Source, Step};
use model::problem::Problem;

use crate::guest_state::GuestState;
use crate::imports::Answer;
use crate::wit::bindings::capabilities::postlet::mail::providers;
use crate::wit::convert::Convert;
use crate::wit::import_error::ImportError;
use crate::wit::list_bounds;

impl GuestState {
    async fn found(&mut self, domain: &str) -> Answer<DiscoveryResult> {
        let _inside = self.meter.enter();
        list_bounds::word("domain", domain)?;
        let (capabilities, caller) = self.endpoint()?;
        Ok(capabilities.discover(&caller, domain).await?)
    }
}

impl providers::Host for GuestState {
    async fn look_up(&mut self, domain: String) -> Answer<providers::Discovery> {
        Ok(self.found(&domain).await?.convert())
    }

    async fn discover(&mut self, domain: String) -> wasmtime::Result<providers::Discovery> {
        match self.found(&domain).await {
            Ok(found) => Ok(found.convert()),
            Err(ImportError::Problem(problem)) => Ok(refused(problem, &domain).convert()),
            Err(ImportError::Trap(trap)) => Err(trap),
        }
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
