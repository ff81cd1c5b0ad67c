//! Dialler: resolves, checks egress and connects; TLS starts when the wire is upgraded.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use model::account::SpkiPin;
use model::port::BoxFuture;
use model::port::dial::{Dial, DialError, Target, TlsFault, Wire};
use model::port::lookup::{LookupError, MxHost, Resolve, Service};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::egress_guard::{Egress, Purpose};
use crate::resolve::Resolver;
use crate::tls::Trust;
use crate::wire::{TcpWire, Upgrade};

/// Time limit for each address of a host.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// Opens connections to mail servers.
#[derive(Debug)]
pub struct Dialer {
    names: Resolver,
    egress: Egress,
    trust: Trust,
}

impl Dialer {
    /// Uses the system's name servers.
    #[must_use]
    pub fn new(egress: Egress, trust: Trust) -> Self {
        Self { names: Resolver::from_system(), egress, trust }
    }

    /// Uses these name servers and no other.
    #[must_use]
    pub fn with_name_servers(self, servers: &[SocketAddr]) -> Self {
        Self { names: Resolver::from_servers(servers), ..self }
    }

    /// Whether `host` and `port` could be connected to now, without connecting: for a settings
    /// form, which should refuse at once. The connection checks again.
    ///
    /// # Errors
    /// [`DialError::NotFound`], [`DialError::Unresolved`] and [`DialError::NotAllowed`].
    pub async fn check_egress(&self, host: &str, port: u16) -> Result<(), DialError> {
        self.vetted(host, port, Purpose::Mail).await.map(drop)
    }

    /// The addresses of `host` that passed the guard; at least one.
    pub(crate) async fn vetted(
        &self,
        host: &str,
        port: u16,
        purpose: Purpose,
    ) -> Result<Vec<IpAddr>, DialError> {
        let unresolved = |_| DialError::Unresolved { host: host.to_owned() };
        let addresses = self.names.addresses(host).await.map_err(unresolved)?;
        let mut allowed = Vec::with_capacity(addresses.len());
        let mut refusal = None;
        for ip in addresses.iter().copied() {
            match self.egress.check(ip, port, purpose) {
                Ok(()) => allowed.push(ip),
                Err(reason) => refusal = Some(reason),
            }
        }
        // One address that is not allowed rejects the name: a private address beside a public one
        // is a sign of probing. `localhost` has two addresses and often one rule.
        let probing = !addresses.iter().all(IpAddr::is_loopback);
        match refusal {
            Some(reason) if probing || allowed.is_empty() => {
                Err(DialError::NotAllowed { host: host.to_owned(), port, reason })
            }
            _ if allowed.is_empty() => Err(DialError::NotFound { host: host.to_owned() }),
            _ => Ok(allowed),
        }
    }

    /// A connection with implicit TLS to a server other than a mail server.
    pub(crate) async fn tls(
        &self,
        host: &str,
        port: u16,
        purpose: Purpose,
    ) -> Result<TlsStream<TcpStream>, DialError> {
        let upgrade = self.upgrade(host, None)?;
        let (stream, _) = self.connect(host, port, purpose).await?;
        upgrade.stream(stream).await
    }

    async fn open(&self, target: &Target) -> Result<Box<dyn Wire>, DialError> {
        let upgrade = self.upgrade(&target.host, target.pin)?;
        let (stream, peer) = self.connect(&target.host, target.port, Purpose::Mail).await?;
        Ok(Box::new(TcpWire::plain(stream, peer, upgrade)))
    }

    fn upgrade(&self, host: &str, pin: Option<SpkiPin>) -> Result<Upgrade, DialError> {
        let bare =
            host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_owned();
        let name = ServerName::try_from(bare)
            .map_err(|_| DialError::NotFound { host: host.to_owned() })?;
        let config = self
            .trust
            .config(pin)
            .map_err(|_| DialError::Tls { host: host.to_owned(), fault: TlsFault::Handshake })?;
        Ok(Upgrade { host: host.to_owned(), name, config })
    }

    /// Connects to the first address that accepts.
    async fn connect(
        &self,
        host: &str,
        port: u16,
        purpose: Purpose,
    ) -> Result<(TcpStream, SocketAddr), DialError> {
        let mut last = DialError::NotFound { host: host.to_owned() };
        for ip in self.vetted(host, port, purpose).await? {
            let peer = SocketAddr::new(ip, port);
            match connect(peer).await {
                Ok(stream) => return Ok((stream, peer)),
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    last = DialError::Timeout { host: host.to_owned() }
                }
                Err(source) => last = DialError::Unreachable { host: host.to_owned(), source },
            }
        }
        Err(last)
    }
}

impl Dial for Dialer {
    fn dial<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Result<Box<dyn Wire>, DialError>> {
        Box::pin(self.open(target))
    }
}

impl Resolve for Dialer {
    fn exchangers<'a>(
        &'a self,
        domain: &'a str,
    ) -> BoxFuture<'a, Result<Vec<MxHost>, LookupError>> {
        Box::pin(self.names.exchangers(domain))
    }

    fn services<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<Service>, LookupError>> {
        Box::pin(self.names.services(name))
    }

    fn check_egress<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> BoxFuture<'a, Result<(), DialError>> {
        Box::pin(async move { self.vetted(host, port, Purpose::Mail).await.map(drop) })
    }
}

async fn connect(peer: SocketAddr) -> io::Result<TcpStream> {
    let stream = tokio::time::timeout(CONNECT_LIMIT, TcpStream::connect(peer))
        .await
        .map_err(|_| io::ErrorKind::TimedOut)??;
    // Commands are short and wait for replies: Nagle's algorithm would only add round trips.
    stream.set_nodelay(true)?;
    Ok(stream)
}
