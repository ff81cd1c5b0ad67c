//! `providers.by-domain`.

use crate::bindings::capabilities::postlet::mail::providers;
use crate::guest::Guest;
use crate::lower;

impl providers::Host for Guest {
    async fn by_domain(&mut self, domain: String) -> wasmtime::Result<Option<providers::Profile>> {
        self.meter.count();
        let (capabilities, _) = self.endpoint()?;
        Ok(capabilities.provider_by_domain(&domain).map(lower::profile))
    }
}
