//! Limit of concurrent connections for each peer.
//!
//! A peer is an IPv4 address or an IPv6 /64, the smallest prefix that a subscriber
//! is given (RFC 6177). Independent of what a connection carries.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::config::limits::PeerLimit;

/// The number of connections of each peer.
#[derive(Clone, Debug, Default)]
pub(crate) struct PeerConnections {
    counts: Arc<Mutex<HashMap<u64, usize>>>,
}

/// One counted connection of a peer, until it is dropped.
#[derive(Debug)]
pub(crate) struct PeerPermit {
    peers: PeerConnections,
    key: u64,
}

impl PeerConnections {
    /// Counts one more connection of this peer. `Ok(None)` where the peer is not limited.
    ///
    /// # Errors
    /// When the peer is at its limit.
    pub(crate) fn enter(
        &self,
        peer: IpAddr,
        limit: Option<PeerLimit>,
    ) -> Result<Option<PeerPermit>, TooMany> {
        let peer = peer.to_canonical();
        let Some(limit) = limit.filter(|limit| limit.loopback || !peer.is_loopback()) else {
            return Ok(None);
        };
        let key = match peer {
            IpAddr::V4(address) => u64::from(u32::from(address)),
            // The /64 prefix; every global one is a larger number than any IPv4 address.
            IpAddr::V6(address) => (u128::from(address) >> 64) as u64,
        };
        let mut counts = self.counts.lock();
        let count = counts.entry(key).or_insert(0);
        if *count >= limit.most {
            return Err(TooMany);
        }
        *count += 1;
        Ok(Some(PeerPermit { peers: self.clone(), key }))
    }
}

/// The peer is at its limit of connections.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

impl Drop for PeerPermit {
    fn drop(&mut self) {
        let mut counts = self.peers.counts.lock();
        if let Some(count) = counts.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_peer_has_a_limit_of_its_own() {
        check("192.0.2.1", "192.0.2.2", true);
        check("192.0.2.1", "::ffff:192.0.2.1", false);
        check("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", false);
        check("2001:db8:0:1::1", "2001:db8:0:2::1", true);
    }

    #[track_caller]
    fn check(one: &str, other: &str, apart: bool) {
        let limit = Some(PeerLimit { most: 1, loopback: false });
        let (one, other): (IpAddr, IpAddr) = (one.parse().unwrap(), other.parse().unwrap());
        let peers = PeerConnections::default();
        let held = peers.enter(one, limit).unwrap();
        assert!(held.is_some());
        assert_eq!(peers.enter(one, limit).unwrap_err(), TooMany);
        assert_eq!(peers.enter(other, limit).is_ok(), apart, "{one} and {other}");
        drop(held);
        assert!(peers.counts.lock().is_empty() || apart);
        assert!(peers.enter(one, limit).is_ok());
    }

    #[test]
    fn a_proxy_on_this_machine_is_counted_only_when_it_is_configured() {
        for (loopback, limited) in [(false, false), (true, true)] {
            let peers = PeerConnections::default();
            let limit = Some(PeerLimit { most: 1, loopback });
            let local: IpAddr = "127.0.0.1".parse().unwrap();
            let held = peers.enter(local, limit).unwrap();
            assert_eq!(peers.enter(local, limit).is_err(), limited);
            drop(held);
        }
        let peers = PeerConnections::default();
        let held = peers.enter("192.0.2.1".parse().unwrap(), None).unwrap();
        assert!(held.is_none() && peers.counts.lock().is_empty());
    }
}
