//! The client's name in SMTP EHLO: `[smtp]` of the configuration, or the machine's host name.
//!
//! Servers refuse names that are not fully qualified, and distrust names that do not
//! resolve. Without a suitable name each connection uses its address literal.
//!
//! Standards: RFC 5321 §4.1.1.1, §4.1.3 (address literals), §4.1.4.

use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use model::port::dial::DialError;
use model::port::lookup::Resolve;
use serde::Deserialize;

use crate::config::host_name::HostName;

/// Files with the machine's host name.
const NAMES: [&str; 2] = ["/proc/sys/kernel/hostname", "/etc/hostname"];
/// The port that the egress check is asked with; its value does not matter (RFC 8314 §7.3).
const SUBMISSIONS: u16 = 465;
/// Timeout of resolving the machine's host name at the start.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The table `[smtp]`.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawSmtp {
    ehlo_name: Option<String>,
}

impl RawSmtp {
    /// The configured EHLO argument: a domain or an address literal.
    ///
    /// # Errors
    /// With the key and the reason.
    pub(crate) fn check(self) -> Result<Option<String>, (String, String)> {
        let Some(text) = self.ehlo_name else { return Ok(None) };
        let reason = match literal(&text) {
            Some(literal) => return Ok(Some(literal)),
            None if text.parse::<IpAddr>().is_ok() => {
                "write an address in brackets: [192.0.2.1] or [IPv6:2001:db8::1]".to_owned()
            }
            None => match full_name(&text) {
                Ok(name) => return Ok(Some(name)),
                Err(reason) => reason,
            },
        };
        Err(("smtp.ehlo-name".to_owned(), format!("`{text}`: {reason}")))
    }
}

/// The machine's host name, if it is fully qualified and resolves.
pub(crate) async fn of_machine(names: &dyn Resolve) -> Option<String> {
    let read = NAMES.iter().filter_map(|place| fs::read_to_string(place).ok());
    let name = read.filter_map(|name| full_name(name.trim()).ok()).next()?;
    match tokio::time::timeout(TIMEOUT, names.check_egress(&name, SUBMISSIONS)).await {
        // A name that the egress rules refuse resolves, too.
        Ok(Ok(()) | Err(DialError::NotAllowed { .. })) => Some(name),
        Ok(Err(_)) | Err(_) => None,
    }
}

/// An address literal in its canonical form (RFC 5321 §4.1.3).
fn literal(text: &str) -> Option<String> {
    let content = text.strip_prefix('[')?.strip_suffix(']')?;
    let address: IpAddr = match content.strip_prefix("IPv6:") {
        Some(address) => IpAddr::V6(address.parse().ok()?),
        None => IpAddr::V4(content.parse().ok()?),
    };
    Some(match address {
        IpAddr::V4(address) => format!("[{address}]"),
        IpAddr::V6(address) => format!("[IPv6:{address}]"),
    })
}

/// A fully qualified domain name, or the reason why the text is not one.
fn full_name(text: &str) -> Result<String, String> {
    let name: HostName = text.parse().map_err(|error| format!("{error}"))?;
    let name = name.to_string();
    let is_local = name.starts_with("localhost.") || name.ends_with(".localhost");
    if is_local || !name.contains('.') {
        return Err("servers refuse names that are not fully qualified: write one such as mail.acme.example".to_owned());
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_fully_qualified_or_an_address_literal() {
        check("mail.acme.example", Some("mail.acme.example"));
        check("Mail.Acme.example", Some("mail.acme.example"));
        check("[192.0.2.1]", Some("[192.0.2.1]"));
        check("[IPv6:2001:DB8::1]", Some("[IPv6:2001:db8::1]"));
        for wrong in [
            "",
            "localhost",
            "localhost.localdomain",
            "acme",
            "192.0.2.1",
            "2001:db8::1",
            "[2001:db8::1]",
            "[IPv6:192.0.2.1]",
            "[mail.acme.example]",
            "mail.acme.example:25",
            "a b.example",
            "a.example\r\nQUIT",
            "münchen.example",
        ] {
            check(wrong, None);
        }
    }

    #[track_caller]
    fn check(text: &str, want: Option<&str>) {
        let checked = RawSmtp { ehlo_name: Some(text.to_owned()) }.check();
        match checked {
            Ok(name) => assert_eq!(name.as_deref(), want, "{text:?}"),
            Err((key, _)) => assert_eq!((key.as_str(), want), ("smtp.ehlo-name", None), "{text:?}"),
        }
    }
}
