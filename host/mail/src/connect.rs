//! Connection setup of both protocols: TCP, and TLS where it comes first.
//!
//! In plain text first and then upgraded, so that a server that does not answer and one with a
//! wrong certificate are different errors.
//!
//! Standard: RFC 8314 §3 (implicit TLS).

use model::account::{MailServer, Security};
use model::port::dial::{Dial, DialError, Target, Wire};
use model::port::login_observer::LoginObserver;

/// A wire that is encrypted, or may be used for STARTTLS only.
pub(crate) async fn dial(
    dial: &dyn Dial,
    server: &MailServer,
    steps: &dyn LoginObserver,
) -> Result<Box<dyn Wire>, DialError> {
    let wire = dial.dial(&Target::from(server)).await?;
    steps.connected();
    match server.security {
        Security::Tls => {
            let wire = wire.upgrade().await?;
            steps.encrypted(wire.encryption());
            Ok(wire)
        }
        Security::StartTls => Ok(wire),
    }
}
