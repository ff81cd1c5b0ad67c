//! State shared by account checks: logins at the servers and the self-test.

use std::sync::Arc;

use model::port::clock::{Clock, Entropy};
use model::port::imap::ImapConnect;
use model::port::mime::Mime;
use model::port::smtp::SmtpConnect;

use crate::discovery::Discovery;
use crate::login::attempts::LoginAttempts;
use crate::login::health::HealthRecorder;
use crate::ports::Ports;
use crate::providers::Profiles;

/// One for each engine.
#[derive(Debug)]
pub(crate) struct Checker {
    pub(crate) imap: Arc<dyn ImapConnect>,
    pub(crate) smtp: Arc<dyn SmtpConnect>,
    pub(crate) mime: Arc<dyn Mime>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) profiles: Arc<Profiles>,
    pub(crate) discovery: Arc<Discovery>,
    pub(crate) healths: Arc<HealthRecorder>,
    /// Refused logins of account checks.
    pub(crate) refusals: LoginAttempts,
}

impl Checker {
    pub(crate) fn new(ports: &Ports, healths: Arc<HealthRecorder>) -> Self {
        Self {
            imap: Arc::clone(&ports.imap),
            smtp: Arc::clone(&ports.smtp),
            mime: Arc::clone(&ports.mime),
            clock: Arc::clone(&ports.clock),
            entropy: Arc::clone(&ports.entropy),
            profiles: Arc::clone(&ports.profiles),
            discovery: Arc::clone(&ports.discovery),
            healths,
            refusals: LoginAttempts::new(Arc::clone(&ports.clock)),
        }
    }
}
