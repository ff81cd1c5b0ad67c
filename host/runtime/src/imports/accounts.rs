//! Import `accounts`: `open`, and the properties of an account.

use model::caller::Grant;
use wasmtime::component::Resource;

use crate::guest_state::GuestState;
use crate::imports::Answer;
use crate::wit::bindings::capabilities::postlet::mail::{accounts, content, grants, types};
use crate::wit::convert::Convert;
use crate::wit::list_bounds;

impl accounts::Host for GuestState {
    async fn open(&mut self, id: String) -> Answer<Resource<Grant>> {
        let _inside = self.meter.enter();
        list_bounds::word("id", &id)?;
        let (capabilities, caller) = self.endpoint()?;
        let grant = capabilities.open_account(&caller, &id).await?;
        Ok(self.table.push(grant)?)
    }
}

impl content::Host for GuestState {}

impl grants::Host for GuestState {}

impl grants::HostAccount for GuestState {
    async fn id(&mut self, account: Resource<Grant>) -> wasmtime::Result<String> {
        self.meter.count();
        Ok(self.table.get(&account)?.account.id.as_str().to_owned())
    }

    async fn email(&mut self, account: Resource<Grant>) -> wasmtime::Result<String> {
        self.meter.count();
        Ok(self.table.get(&account)?.account.email.as_str().to_owned())
    }

    async fn identities(
        &mut self,
        account: Resource<Grant>,
    ) -> wasmtime::Result<Vec<types::Address>> {
        self.meter.count();
        let identities = &self.table.get(&account)?.account.identities;
        Ok(identities.iter().map(|identity| identity.address().convert()).collect())
    }

    async fn drop(&mut self, account: Resource<Grant>) -> wasmtime::Result<()> {
        self.table.delete(account)?;
        Ok(())
    }
}
