//! Import `mailboxes`: `all`.

use model::caller::Grant;
use wasmtime::component::Resource;

use crate::guest_state::GuestState;
use crate::imports::Answer;
use crate::wit::bindings::capabilities::postlet::mail::mailboxes;
use crate::wit::convert::Convert;

impl mailboxes::Host for GuestState {
    async fn all(
        &mut self,
        account: Resource<Grant>,
        with_counters: bool,
    ) -> Answer<Vec<mailboxes::Mailbox>> {
        let _inside = self.meter.enter();
        let (capabilities, grant) = self.granted(&account)?;
        Ok(capabilities.mailboxes(&grant, with_counters).await?.convert())
    }
}
