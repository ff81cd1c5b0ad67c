//! `providers.discover`.

use std::sync::Arc;

use crate::bindings::capabilities::postlet::mail::providers;
use crate::guest::Guest;
use crate::lower;

impl providers::Host for Guest {
    async fn discover(&mut self, domain: String) -> wasmtime::Result<providers::Discovery> {
        let meter = Arc::clone(&self.meter);
        let _inside = meter.enter();
        let (capabilities, caller) = self.endpoint()?;
        Ok(lower::discovery(capabilities.discover(&caller, &domain).await))
    }
}
