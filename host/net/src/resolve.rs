//! DNS resolver.
//!
//! Address literals and `localhost` (RFC 6761 §6.3) are resolved without a query; everything else
//! by the system's name servers, or those that the operator configured, with a limit on time and on
//! the number of records.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RData};
use model::port::lookup::{LookupError, MxHost, Service};

const TIME_LIMIT: Duration = Duration::from_secs(5);
/// Maximum number of addresses: more would only prolong connecting.
const MOST_ADDRESSES: usize = 8;
/// Maximum number of MX or SRV records.
const MOST_RECORDS: usize = 16;

/// Resolves names.
#[derive(Debug)]
pub(crate) struct Resolver {
    resolver: Option<TokioResolver>,
}

impl Resolver {
    /// From the system's configuration. Without one only literals and `localhost` resolve.
    pub(crate) fn from_system() -> Self {
        let resolver = TokioResolver::builder_tokio().and_then(|builder| builder.build());
        if let Err(error) = &resolver {
            tracing::warn!(%error, "no name servers are configured: only addresses can be dialled");
        }
        Self { resolver: resolver.ok() }
    }

    /// From these servers and no other, over UDP and TCP.
    pub(crate) fn from_servers(servers: &[SocketAddr]) -> Self {
        let server = |address: &SocketAddr| {
            let at = |mut connection: ConnectionConfig| {
                connection.port = address.port();
                connection
            };
            let mut server = NameServerConfig::udp_and_tcp(address.ip());
            server.connections = server.connections.into_iter().map(at).collect();
            server
        };
        let servers = servers.iter().map(server).collect();
        let config = ResolverConfig::from_parts(None, Vec::new(), servers);
        let builder =
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).build();
        if let Err(error) = &builder {
            tracing::warn!(%error, "the name servers cannot be used: only addresses can be dialled");
        }
        Self { resolver: builder.ok() }
    }

    /// At most sixteen, the most preferred first.
    pub(crate) async fn exchangers(&self, domain: &str) -> Result<Vec<MxHost>, LookupError> {
        let (resolver, name) = self.question(domain)?;
        let mut found: Vec<MxHost> = answered(resolver.mx_lookup(name))
            .await?
            .into_iter()
            .filter_map(|data| {
                let RData::MX(mx) = data else { return None };
                Some(MxHost { preference: mx.preference, host: host(&mx.exchange) })
            })
            .collect();
        found.sort_by(|a, b| (a.preference, &a.host).cmp(&(b.preference, &b.host)));
        found.truncate(MOST_RECORDS);
        Ok(found)
    }

    /// At most sixteen, in the order of RFC 2782, but with the higher weight always first: repeated
    /// calls should return one result.
    pub(crate) async fn services(&self, name: &str) -> Result<Vec<Service>, LookupError> {
        let (resolver, name) = self.question(name)?;
        let mut found: Vec<Service> = answered(resolver.srv_lookup(name))
            .await?
            .into_iter()
            .filter_map(|data| {
                let RData::SRV(srv) = data else { return None };
                Some(Service {
                    priority: srv.priority,
                    weight: srv.weight,
                    port: srv.port,
                    host: host(&srv.target),
                })
            })
            .collect();
        found.sort_by(|a, b| {
            let rank = |service: &Service| (service.priority, u16::MAX - service.weight);
            (rank(a), &a.host).cmp(&(rank(b), &b.host))
        });
        found.truncate(MOST_RECORDS);
        Ok(found)
    }

    fn question(&self, name: &str) -> Result<(&TokioResolver, Name), LookupError> {
        let resolver = self.resolver.as_ref().ok_or(LookupError::NoServers)?;
        // The trailing dot prevents the system's search domains.
        let name = Name::from_ascii(format!("{}.", name.trim_end_matches('.')));
        Ok((resolver, name.map_err(|_| LookupError::Name)?))
    }

    /// At most eight addresses; empty when the name does not exist, or has none.
    pub(crate) async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, LookupError> {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        if let Ok(ip) = bare.parse() {
            return Ok(vec![ip]);
        }
        let name = host.trim_end_matches('.');
        if name.eq_ignore_ascii_case("localhost")
            || name.to_ascii_lowercase().ends_with(".localhost")
        {
            return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        let resolver = self.resolver.as_ref().ok_or(LookupError::NoServers)?;
        // The trailing dot prevents the system's search domains.
        let Ok(name) = Name::from_ascii(format!("{name}.")) else { return Ok(Vec::new()) };
        match tokio::time::timeout(TIME_LIMIT, resolver.lookup_ip(name)).await {
            Ok(Ok(found)) => Ok(found.iter().take(MOST_ADDRESSES).collect()),
            Ok(Err(error)) if error.is_no_records_found() => Ok(Vec::new()),
            Ok(Err(error)) => Err(unanswered(&error)),
            Err(_) => Err(LookupError::Timeout),
        }
    }
}

/// The answer section; an empty one is a result.
async fn answered(
    question: impl Future<Output = Result<Lookup, NetError>>,
) -> Result<Vec<RData>, LookupError> {
    match tokio::time::timeout(TIME_LIMIT, question).await {
        Ok(Ok(found)) => Ok(found.answers().iter().map(|record| record.data.clone()).collect()),
        Ok(Err(error)) if error.is_no_records_found() => Ok(Vec::new()),
        Ok(Err(error)) => Err(unanswered(&error)),
        Err(_) => Err(LookupError::Timeout),
    }
}

fn unanswered(error: &NetError) -> LookupError {
    tracing::debug!(%error, "the DNS gave no answer");
    let late = matches!(error, NetError::Timeout);
    if late { LookupError::Timeout } else { LookupError::Failed }
}

/// In lower case and without the final dot; empty for the root.
fn host(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn literals_and_localhost_need_no_server() {
        let names = Resolver { resolver: None };
        let one = async |host| names.addresses(host).await.unwrap();
        assert_eq!(one("192.0.2.7").await, ["192.0.2.7".parse::<IpAddr>().unwrap()]);
        assert_eq!(one("[::1]").await, ["::1".parse::<IpAddr>().unwrap()]);
        assert_eq!(one("LOCALHOST").await.len(), 2);
        // Spellings of loopback that the system's resolver would accept are ordinary names.
        for name in ["mail.example.test", "127.1", "0x7f.1", "2130706433", "0177.0.0.1"] {
            assert_eq!(names.addresses(name).await, Err(LookupError::NoServers), "{name}");
        }
    }
}
