//! What every connection shares: the store, the certificate, the name.
//!
//! The one place that all dialogues can ask; it holds no policy of its own.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio_rustls::TlsAcceptor;

use crate::store::Store;

/// See the module.
pub(crate) struct Site {
    pub(crate) store: Store,
    pub(crate) acceptor: TlsAcceptor,
    pub(crate) hostname: String,
    accepted: AtomicU64,
}

/// When a connection takes up TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Security {
    /// In clear until the client asks (RFC 3207, RFC 3501 §6.2.1).
    StartTls,
    /// From the first octet (RFC 8314 §3).
    Implicit,
}

impl Site {
    pub(crate) fn new(store: Store, acceptor: TlsAcceptor, hostname: String) -> Self {
        Self { store, acceptor, hostname, accepted: AtomicU64::new(0) }
    }

    /// A number for the next accepted message; never the same twice.
    pub(crate) fn next_number(&self) -> u64 {
        self.accepted.fetch_add(1, Ordering::Relaxed) + 1
    }
}
