//! Import `mailboxes`: `all`.

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
        let _inside = self.meter.enter();
        let (capabilities, grant) = self.granted(&account)?;
        let all = capabilities.mailboxes(&grant, with_counters).await?;
        Ok(all.into_iter().map(to_wit::mailbox).collect())
    }
}
