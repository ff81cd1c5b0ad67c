//! OAuth consent of a mailbox's owner, from the command line.
//!
//! The owner agrees in a browser, maybe on another machine. The command polls the
//! account's state, which is `reauthRequired` until there are tokens.

use std::time::Duration;

use anyhow::bail;
use http::Method;
use model::instant::Timestamp;
use model::port::clock::Clock;
use serde_json::Value;

use crate::cli::api_client::{ApiClient, ApiError, text};
use crate::cli::output::warn;
use crate::cli::prompt::{Interaction, with_spinner};
use crate::os::clock::SystemClock;

/// Time between two polls.
const PAUSE: Duration = Duration::from_secs(1);
/// The shortest and the longest wait, however far this machine's clock is from the host's.
const LEAST: Duration = Duration::from_secs(60);
const MOST: Duration = Duration::from_secs(3600);

/// Whether the account has no valid tokens.
pub(crate) fn is_missing(account: &Value) -> bool {
    text(account, "state") == "reauthRequired"
}

/// Begins a consent, prints the authorization URL, and waits until the owner has agreed.
///
/// # Errors
/// When the owner refuses, or the consent expires.
pub(crate) async fn get(
    client: &ApiClient,
    interaction: Interaction,
    id: &str,
) -> anyhow::Result<()> {
    let begun = client.call(Method::POST, &format!("/v1/accounts/{id}/oauth"), None).await?;
    let expires = text(&begun, "expires");
    warn("The owner of the mailbox has to agree. Open this address in a browser:");
    warn(text(&begun, "authorizeUrl"));
    let limit = left(expires, SystemClock::new().now());
    warn(&format!("It is valid for {} minutes.", limit.as_secs().div_ceil(60)));
    let wait = tokio::time::timeout(limit, arrival(client, id));
    match with_spinner(interaction, "Waiting for the consent", wait).await {
        Ok(result) => result,
        Err(_) => bail!("the consent was not given until {expires}"),
    }
}

/// Polls the account until it has tokens. Errors that may pass are ignored: the host keeps the consent.
async fn arrival(client: &ApiClient, id: &str) -> anyhow::Result<()> {
    let path = format!("/v1/accounts/{id}");
    let mut known: Option<Value> = None;
    loop {
        match client.call(Method::GET, &path, None).await {
            Ok(account) if is_missing(&account) => {
                let error = account.get("lastError").cloned().unwrap_or_default();
                // An error that appears during the wait: the owner has refused.
                if known.as_ref().is_some_and(|known| *known != error) {
                    bail!("{}", text(&error, "detail"));
                }
                known = Some(error);
            }
            Ok(_) => break,
            Err(error) if is_final(&error) => return Err(error),
            Err(_) => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
    warn("The owner has agreed.");
    Ok(())
}

/// Whether the error is a problem that is not retryable.
fn is_final(error: &anyhow::Error) -> bool {
    let refused = error.downcast_ref::<ApiError>();
    refused.is_some_and(|refused| refused.document.get("retryable") == Some(&Value::Bool(false)))
}

/// Time until `expires`, within the bounds.
fn left(expires: &str, now: Timestamp) -> Duration {
    Timestamp::parse(expires).map_or(LEAST, |expires| expires.since(now)).clamp(LEAST, MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_ends_when_the_consent_expires() {
        let now = Timestamp::parse("2026-01-01T12:00:00Z").unwrap();
        for (expires, seconds) in [
            ("2026-01-01T12:10:00Z", 600),
            ("2026-01-01T11:00:00Z", 60),
            ("2027-01-01T12:00:00Z", 3600),
            ("soon", 60),
        ] {
            assert_eq!(left(expires, now), Duration::from_secs(seconds), "{expires}");
        }
    }
}
