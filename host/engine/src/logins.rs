//! Shared state of logins with stored credentials: current credentials, account health, and refused
//! attempts.

use std::sync::Arc;

use crate::login::attempts::LoginAttempts;
use crate::login::health::HealthRecorder;
use crate::oauth::credentials::CredentialProvider;

/// Shared by everything that logs in with stored credentials.
#[derive(Clone, Debug)]
pub(crate) struct Logins {
    pub(crate) bearers: Arc<CredentialProvider>,
    /// The last login outcome of each server.
    pub(crate) healths: Arc<HealthRecorder>,
    /// Refused logins with successive stored passwords.
    pub(crate) guesses: Arc<LoginAttempts>,
}
