//! `mailboxes.all`.

use std::sync::Arc;

use model::caller::Grant;
use wasmtime::component::Resource;

use crate::bindings::capabilities::postlet::mail::mailboxes;
use crate::guest::Guest;
use crate::imports::Answer;
use crate::lower;

impl mailboxes::Host for Guest {
    async fn all(
        &mut self,
        account: Resource<Grant>,
        with_counters: bool,
    ) -> Answer<Vec<mailboxes::Mailbox>> {
        let meter = Arc::clone(&self.meter);
        let _inside = meter.enter();
        let (capabilities, _) = self.endpoint()?;
        let grant = self.table.get(&account)?.clone();
        let all = capabilities.mailboxes(&grant, with_counters).await;
        self.answer(all, |all| all.into_iter().map(lower::mailbox).collect())
    }
}
