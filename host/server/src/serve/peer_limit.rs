//! How many connections each peer has.
//!
//! A peer is an address, and in IPv6 a /64, of which every subscriber has one at
//! least. Refuses to know what a connection does.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::config::limits::PeerLimit;

/// The connections of every peer that has one.
#[derive(Clone, Debug, Default)]
pub(crate) struct PeerConnections {
    counts: Arc<Mutex<HashMap<u64, usize>>>,
}

/// One connection of a peer; gone when dropped.
#[derive(Debug)]
pub(crate) struct PeerPermit {
    peers: PeerConnections,
    key: u64,
}

impl PeerConnections {
    /// One more of this peer, unless it has too many. None inside where nobody counts.
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
            // The upper half; what is in use there is far above every IPv4 address.
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

/// The peer has as many connections as it may.
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
    fn a_peer_has_so_many_and_its_neighbour_as_many_again() {
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
    fn a_proxy_on_this_machine_is_counted_only_when_somebody_says_so() {
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
