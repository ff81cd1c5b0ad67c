//! The consent of a mailbox's owner, awaited at a terminal.
//!
//! The owner agrees in a browser, which may be somebody else's; that the consent came
//! back is seen by the account's state, which is `reauthRequired` until there are tokens.

use std::time::Duration;

use anyhow::bail;
use http::Method;
use model::instant::Timestamp;
use model::port::clock::Clock;
use serde_json::Value;

use crate::cli::api_client::{ApiClient, ApiError, text, warn};
use crate::cli::prompt::{Interaction, with_spinner};
use crate::os::clock::SystemClock;

const PAUSE: Duration = Duration::from_secs(1);
/// However far this machine's clock is from the host's.
const LEAST: Duration = Duration::from_secs(60);
const MOST: Duration = Duration::from_secs(3600);

/// Whether the account has no tokens that are good.
pub(crate) fn is_missing(account: &Value) -> bool {
    text(account, "state") == "reauthRequired"
}

/// Begins a consent, tells where to agree, and waits until its owner has.
pub(crate) async fn get(client: &ApiClient, manner: Interaction, id: &str) -> anyhow::Result<()> {
    let begun = client.call(Method::POST, &format!("/v1/accounts/{id}/oauth"), None).await?;
    let expires = text(&begun, "expires");
    warn("The owner of the mailbox has to agree. Open this address in a browser:");
    warn(text(&begun, "authorizeUrl"));
    let patience = left(expires, SystemClock::new().now());
    warn(&format!("It is good for {} minutes.", patience.as_secs().div_ceil(60)));
    let came = tokio::time::timeout(patience, coming(client, id));
    match with_spinner(manner, "Waiting for the consent", came).await {
        Ok(came) => came,
        Err(_) => bail!("nobody agreed until {expires}"),
    }
}

/// A host that does not answer for a moment has not lost the consent.
async fn coming(client: &ApiClient, id: &str) -> anyhow::Result<()> {
    let path = format!("/v1/accounts/{id}");
    let mut known: Option<Value> = None;
    loop {
        match client.call(Method::GET, &path, None).await {
            Ok(account) if is_missing(&account) => {
                let error = account.get("lastError").cloned().unwrap_or_default();
                // News while it is waited for: the owner has said no.
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
    warn("The consent has come.");
    Ok(())
}

/// A no that stays one, however often it is asked.
fn is_final(error: &anyhow::Error) -> bool {
    let refused = error.downcast_ref::<ApiError>();
    refused.is_some_and(|refused| refused.document.get("retryable") == Some(&Value::Bool(false)))
}

fn left(expires: &str, now: Timestamp) -> Duration {
    Timestamp::parse(expires).map_or(LEAST, |expires| expires.since(now)).clamp(LEAST, MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_gives_up_when_the_consent_has_ended() {
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
