//! Self-signed certificate of the mailroom, generated at start, and its pin.
//!
//! No authority has issued it, so a client trusts it by pin or as its only root. The key never
//! leaves this process.
//!
//! Standards: RFC 7469 §2.4 (the pin is the SHA-256 of the SubjectPublicKeyInfo).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, DnType, KeyPair, PublicKeyData as _};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use sha2::{Digest as _, Sha256};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::error::MailroomError;

/// Certificate and key.
pub(crate) struct Identity {
    pub(crate) acceptor: TlsAcceptor,
    /// `sha256/` and the standard base64 of the digest.
    pub(crate) pin: String,
    /// A client that trusts this certificate and no other.
    pub(crate) connector: TlsConnector,
}

/// Generates a key and a certificate for `hostname`, `localhost`, 127.0.0.1 and ::1.
pub(crate) fn make_identity(hostname: &str) -> Result<Identity, MailroomError> {
    let refused = |source| MailroomError::Certificate { hostname: hostname.to_owned(), source };
    let mut names = vec![hostname, "localhost", "127.0.0.1", "::1"];
    names.dedup_by(|name, first| name.eq_ignore_ascii_case(first));
    let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    let key = KeyPair::generate().map_err(refused)?;
    let mut params = CertificateParams::new(names).map_err(refused)?;
    params.distinguished_name.push(DnType::CommonName, "Postlet mailroom");
    let certificate = params.self_signed(&key).map_err(refused)?;

    let digest = Sha256::digest(key.subject_public_key_info());
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let failed = |source| MailroomError::Tls { source };
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der().clone()).map_err(failed)?;
    let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], private)
        })
        .map_err(failed)?;
    Ok(Identity {
        acceptor: TlsAcceptor::from(Arc::new(config)),
        pin: format!("sha256/{}", STANDARD.encode(digest)),
        connector: TlsConnector::from(Arc::new(client)),
    })
}
