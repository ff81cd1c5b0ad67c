//! TLS client configuration: always verified, TLS 1.2 or newer, rustls with ring.
//!
//! A server is trusted by Mozilla's roots, by roots that the operator added, or by the pin of its
//! key. A pin replaces the chain, the name and the dates, because it is stronger than all three;
//! the handshake's signature is still checked.
//!
//! Standards: RFC 8314 §4 (TLS for mail), RFC 7469 §2.4 (pins).

use std::io;
use std::sync::Arc;

use model::account::SpkiPin;
use model::port::dial::TlsFault;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, InvalidMessage, RootCertStore,
    SignatureScheme,
};
use sha2::{Digest, Sha256};

/// The trust anchors of TLS connections.
#[derive(Clone, Debug)]
pub struct Trust {
    provider: Arc<CryptoProvider>,
    public: Arc<ClientConfig>,
}

/// The operator's extra roots cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// Not PEM certificates.
    #[error("the extra roots hold no PEM certificate")]
    NotPem,
    /// A certificate that cannot be a root.
    #[error("a certificate of the extra roots cannot be used")]
    NotARoot(#[source] Error),
    /// No protocol version is available: a build without TLS.
    #[error("TLS cannot be set up")]
    Setup(#[source] Error),
}

impl Trust {
    /// Mozilla's roots, and those in `extra_roots` (PEM).
    ///
    /// # Errors
    /// When the extra roots are not certificates.
    pub fn new(extra_roots: Option<&[u8]>) -> Result<Self, RootsError> {
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        if let Some(pem) = extra_roots {
            let before = roots.len();
            for certificate in CertificateDer::pem_slice_iter(pem) {
                roots
                    .add(certificate.map_err(|_| RootsError::NotPem)?)
                    .map_err(RootsError::NotARoot)?;
            }
            if roots.len() == before {
                return Err(RootsError::NotPem);
            }
        }
        let public = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(RootsError::Setup)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { provider, public: Arc::new(public) })
    }

    pub(crate) fn config(&self, pin: Option<SpkiPin>) -> Result<Arc<ClientConfig>, Error> {
        let Some(pin) = pin else { return Ok(Arc::clone(&self.public)) };
        let verifier = PinVerifier { pin, provider: Arc::clone(&self.provider) };
        let config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        Ok(Arc::new(config))
    }
}

#[derive(Debug)]
struct PinVerifier {
    pin: SpkiPin,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let certificate = webpki::EndEntityCert::try_from(end_entity)
            .map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
        let digest: [u8; 32] =
            Sha256::digest(certificate.subject_public_key_info().as_ref()).into();
        if digest == self.pin.0 {
            Ok(ServerCertVerified::assertion())
        } else {
            // An error that nothing else here returns: `fault` reads it as a pin mismatch.
            Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Classifies a handshake failure, from the I/O error of tokio-rustls.
pub(crate) fn fault(error: &io::Error) -> TlsFault {
    let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        return TlsFault::Handshake;
    };
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "both enums are non-exhaustive: what we cannot name is a failed handshake"
    )]
    match error {
        Error::InvalidCertificate(certificate) => match certificate {
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => TlsFault::Expired,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                TlsFault::WrongHost
            }
            CertificateError::UnknownIssuer => TlsFault::UnknownIssuer,
            CertificateError::ApplicationVerificationFailure => TlsFault::PinMismatch,
            _ => TlsFault::InvalidCertificate,
        },
        Error::PeerIncompatible(_) => TlsFault::Version,
        Error::AlertReceived(rustls::AlertDescription::ProtocolVersion) => TlsFault::Version,
        // Every record begins with its type (RFC 8446 §5.1), and a greeting in plain text with none
        // of those.
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => TlsFault::NotTls,
        _ => TlsFault::Handshake,
    }
}
