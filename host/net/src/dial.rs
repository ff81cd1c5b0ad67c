//! Dialling: resolve, vet, connect, and TLS where the target wants it from the start.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use model::account::Security;
use model::port::BoxFuture;
use model::port::dial::{Dial, DialError, Target, TlsFault, Wire};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;

use crate::guard::Egress;
use crate::resolve::Names;
use crate::tls::Trust;
use crate::wire::{PlainWire, Upgrade};

/// For each address of a host.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// Opens connections to mail servers.
#[derive(Debug)]
pub struct Dialer {
    names: Names,
    egress: Egress,
    trust: Trust,
}

impl Dialer {
    /// With the system's name servers.
    #[must_use]
    pub fn new(egress: Egress, trust: Trust) -> Self {
        Self { names: Names::from_system(), egress, trust }
    }

    async fn open(&self, target: &Target) -> Result<Box<dyn Wire>, DialError> {
        let host = || target.host.clone();
        let addresses = self.names.addresses(&target.host).await;
        if addresses.is_empty() {
            return Err(DialError::NotFound { host: host() });
        }
        // One address that is not allowed condemns the name: who answers with a
        // private address beside a public one is probing.
        for ip in &addresses {
            // `localhost` has two addresses and one rule: only the allowed one is dialled below.
            if let Err(reason) = self.egress.check(*ip, target.port)
                && !addresses.iter().all(std::net::IpAddr::is_loopback)
            {
                return Err(DialError::NotAllowed { host: host(), port: target.port, reason });
            }
        }
        let bare = target
            .host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .trim_end_matches('.')
            .to_owned();
        let name = ServerName::try_from(bare).map_err(|_| DialError::NotFound { host: host() })?;
        let config = self
            .trust
            .config(target.pin)
            .map_err(|_| DialError::Tls { host: host(), fault: TlsFault::Handshake })?;
        let upgrade = Upgrade { host: host(), name, config };

        let mut last = DialError::NotFound { host: host() };
        for ip in addresses {
            if let Err(reason) = self.egress.check(ip, target.port) {
                last = DialError::NotAllowed { host: host(), port: target.port, reason };
                continue;
            }
            let peer = SocketAddr::new(ip, target.port);
            match connect(peer).await {
                Ok(stream) => {
                    return match target.security {
                        Security::Tls => upgrade.handshake(stream, peer).await,
                        Security::StartTls => Ok(Box::new(PlainWire { stream, peer, upgrade })),
                    };
                }
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    last = DialError::Timeout { host: host() }
                }
                Err(source) => last = DialError::Unreachable { host: host(), source },
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

async fn connect(peer: SocketAddr) -> io::Result<TcpStream> {
    let stream = tokio::time::timeout(CONNECT_LIMIT, TcpStream::connect(peer))
        .await
        .map_err(|_| io::ErrorKind::TimedOut)??;
    // Commands are short and wait for answers: Nagle's rule would only add round trips.
    stream.set_nodelay(true)?;
    Ok(stream)
}
