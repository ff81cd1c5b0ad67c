//! What a login at a mail server needs: current credentials, the account's health, and the attempts
//! that were refused.

use std::sync::Arc;

use crate::login::attempts::LoginAttempts;
use crate::login::health::HealthRecorder;
use crate::oauth::credentials::CredentialProvider;

/// Shared by everything that logs in with stored credentials.
#[derive(Clone, Debug)]
pub(crate) struct Logins {
    pub(crate) bearers: Arc<CredentialProvider>,
    /// What servers last said to a login.
    pub(crate) healths: Arc<HealthRecorder>,
    /// Logins that were refused with one stored password after the other.
    pub(crate) guesses: Arc<LoginAttempts>,
}
