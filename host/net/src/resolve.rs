//! Names to addresses, by our own resolver.
//!
//! Address literals and `localhost` (RFC 6761 §6.3) are answered without a
//! question; everything else goes to the system's name servers, with a limit on
//! time and on the number of addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use hickory_resolver::TokioResolver;

const TIME_LIMIT: Duration = Duration::from_secs(5);
/// More than a sane host has; a flood of addresses would only prolong the dialling.
const MOST_ADDRESSES: usize = 8;

/// Answers names.
#[derive(Debug)]
pub(crate) struct Names {
    resolver: Option<TokioResolver>,
}

impl Names {
    /// From the system's configuration. Without one only literals and `localhost` resolve.
    pub(crate) fn from_system() -> Self {
        let resolver = TokioResolver::builder_tokio().and_then(|builder| builder.build());
        if let Err(error) = &resolver {
            tracing::warn!(%error, "no name servers are configured: only addresses can be dialled");
        }
        Self { resolver: resolver.ok() }
    }

    /// At most eight addresses; empty when the name does not resolve.
    pub(crate) async fn addresses(&self, host: &str) -> Vec<IpAddr> {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        if let Ok(ip) = bare.parse() {
            return vec![ip];
        }
        let name = host.trim_end_matches('.');
        if name.eq_ignore_ascii_case("localhost")
            || name.to_ascii_lowercase().ends_with(".localhost")
        {
            return vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        }
        let Some(resolver) = &self.resolver else { return Vec::new() };
        // The trailing dot keeps the system's search domains out of it.
        match tokio::time::timeout(TIME_LIMIT, resolver.lookup_ip(format!("{name}."))).await {
            Ok(Ok(found)) => found.iter().take(MOST_ADDRESSES).collect(),
            Ok(Err(error)) => {
                tracing::debug!(%error, "a name did not resolve");
                Vec::new()
            }
            Err(_) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn literals_and_localhost_need_no_server() {
        let names = Names { resolver: None };
        assert_eq!(names.addresses("192.0.2.7").await, ["192.0.2.7".parse::<IpAddr>().unwrap()]);
        assert_eq!(names.addresses("[::1]").await, ["::1".parse::<IpAddr>().unwrap()]);
        assert_eq!(names.addresses("LOCALHOST").await.len(), 2);
        assert!(names.addresses("mail.example.test").await.is_empty());
        // Spellings of loopback that the system's resolver would take.
        for odd in ["127.1", "0x7f.1", "2130706433", "0177.0.0.1"] {
            assert!(names.addresses(odd).await.is_empty(), "{odd}");
        }
    }
}
