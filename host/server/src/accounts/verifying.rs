//! `/v1/accounts/verify` and `/v1/accounts/{a}/verify`: do these servers take this login?

use http::Response;
use model::caller::Caller;
use model::problem::Problem;
use runtime::body::Body;

use crate::accounts::desk::Desk;
use crate::accounts::shown::verified;

impl Desk {
    /// Checks servers and credentials; nothing is stored.
    pub(crate) async fn verify_new(
        &self,
        caller: &Caller,
        accept: &str,
        body: &[u8],
    ) -> Result<Response<Body>, Problem> {
        let (account, credentials) = self.read(caller, accept, body).await?;
        Ok(verified(&self.engine.verify(&account, &credentials).await, accept))
    }

    pub(crate) async fn verify(
        &self,
        caller: &Caller,
        accept: &str,
        id: &str,
    ) -> Result<Response<Body>, Problem> {
        let account = self.find(caller, id).await?;
        Ok(verified(&self.engine.verify_stored(&account).await?, accept))
    }
}
