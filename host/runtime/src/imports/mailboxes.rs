//! Import `mailboxes`: `all`.

use std::sync::Arc;

use model::caller::Grant;
use wasmtime::component::Resource;

use crate::guest_state::GuestState;
use crate::imports::Answer;
use crate::wit::bindings::capabilities::postlet::mail::mailboxes;
use crate::wit::to_wit;

impl mailboxes::Host for GuestState {
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
        self.answer(all, |all| all.into_iter().map(to_wit::mailbox).collect())
    }
}
