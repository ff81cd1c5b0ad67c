//! Checks of an account: whether its servers accept the login (`…/verify`), and whether a message
//! arrives (`…/test`).

use http::Response;
use model::caller::Caller;
use model::problem::{Code, Problem};
use runtime::body::Body;
use serde_json::Value;

use crate::api::accounts::handlers::AccountsApi;
use crate::api::accounts::json::{tried_out, verified};
use crate::api::accounts::parse::Wanted;

impl AccountsApi {
    /// Verifies the servers and credentials of a request; nothing is stored.
    pub(crate) async fn verify_new(
        &self,
        caller: &Caller,
        accept: &str,
        body: &Value,
    ) -> Result<Response<Body>, Problem> {
        // Discovery and the check of a token URL count as well.
        let _try = self.tries.begin(&caller.tenant)?;
        let Wanted { account, credentials, .. } = self.read(caller, accept, body).await?;
        let credentials = self.engine.resolve_credentials(&account.tenant, credentials).await?;
        Ok(verified(&self.engine.verify(&account, &credentials).await?, accept))
    }

    /// Verifies the servers and credentials of a stored account.
    pub(crate) async fn verify(
        &self,
        caller: &Caller,
        accept: &str,
        id: &str,
    ) -> Result<Response<Body>, Problem> {
        let account = self.find(caller, id).await?;
        let _try = self.tries.begin(&caller.tenant)?;
        Ok(verified(&self.engine.verify_stored(&account).await?, accept))
    }

    /// Sends a message from the account to itself, waits for it, and removes it.
    pub(crate) async fn test(&self, caller: &Caller, id: &str) -> Result<Response<Body>, Problem> {
        let account = self.find(caller, id).await?;
        if account.imap.is_none() || account.smtp.is_none() {
            let detail = "a test sends by SMTP and reads by IMAP, and the account has only one of them; use `verify` instead";
            return Err(Problem::new(Code::NotConfigured, detail));
        }
        let _try = self.tries.begin(&caller.tenant)?;
        Ok(tried_out(&self.engine.self_test(&account).await?))
    }
}
