//! Request context: what the layers after routing share about one request.

use std::sync::Arc;

use http::request;
use model::caller::{Caller, Scope};
use model::ids::RequestId;
use model::problem::{Code, Problem};
use tracing::Span;

use crate::auth::authenticator::unknown_token;
use crate::auth::tenant::TenantAddress;
use crate::host::Host;

/// The host, the tenant's address, and the request id.
pub(crate) struct RequestContext<'a> {
    pub(crate) host: &'a Arc<Host>,
    pub(crate) place: TenantAddress,
    pub(crate) id: &'a RequestId,
}

impl RequestContext<'_> {
    /// Authenticates the request by its token; a token of another tenant is unknown at this address.
    ///
    /// # Errors
    /// [`Code::Unauthenticated`]; [`Code::StoreUnavailable`].
    pub(crate) async fn caller(&self, head: &request::Parts) -> Result<Caller, Problem> {
        let authenticator = &self.host.api.authenticator;
        let caller = authenticator.caller(&head.headers, &head.method, self.id.clone()).await?;
        if !self.place.admits(&caller.tenant) {
            return Err(unknown_token());
        }
        Span::current().record("tenant", caller.tenant.as_str());
        Ok(caller)
    }
}

/// [`Code::Unauthenticated`], for a request without a token.
pub(crate) fn no_token() -> Problem {
    Problem::new(Code::Unauthenticated, "send the header `Authorization: Bearer <token>`")
}

/// Checks the scope of a caller.
///
/// # Errors
/// [`Code::Forbidden`] if the token lacks `scope`; [`Code::Unauthenticated`] without a token.
pub(crate) fn allow(caller: &Caller, scope: Scope) -> Result<(), Problem> {
    if caller.may(scope) {
        return Ok(());
    }
    if caller.token.is_none() {
        let detail = format!("this needs a token with the scope `{scope}`");
        return Err(Problem::new(Code::Unauthenticated, detail));
    }
    Err(Problem::new(Code::Forbidden, format!("the token lacks the scope `{scope}`"))
        .with_extra("scope", scope.as_str()))
}
