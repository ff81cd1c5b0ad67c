//! `/v1/accounts/verify` and `/v1/accounts/{a}/verify`: do these servers take this login?

use http::Response;
use model::caller::Caller;
use model::problem::Problem;
use runtime::body::Body;

use crate::accounts::desk::Desk;
use crate::accounts::faults::{stored, unknown};
use crate::accounts::shown::verified;

impl Desk {
    /// Checks servers and credentials; nothing is stored.
    pub(crate) async fn verify_new(
        &self,
        caller: &Caller,
        body: &[u8],
    ) -> Result<Response<Body>, Problem> {
        let (account, credentials) = self.read(caller, body).await?;
        Ok(verified(&self.engine.verify(&account, &credentials).await))
    }

    pub(crate) async fn verify(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<Response<Body>, Problem> {
        let account = self.find(caller, id).await?;
        let credentials = self
            .accounts
            .credentials(&account)
            .await
            .map_err(stored)?
            .ok_or_else(|| unknown(id))?;
        Ok(verified(&self.engine.verify(&account, &credentials).await))
    }
}
