//! Tests of connecting to real listeners on loopback: certificates, pins, the egress guard, and
//! STARTTLS.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail loudly"
)]

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use model::account::SpkiPin;
use model::port::dial::{Dial, DialError, Target, TlsFault, Wire};
use net::dial::Dialer;
use net::egress_guard::Egress;
use net::tls::Trust;
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

struct Server {
    address: SocketAddr,
    pem: String,
    pin: SpkiPin,
}

/// Sends the greeting `hello` over TLS; with `plain`, in the clear first.
async fn server(names: &[&str], plain: bool) -> Server {
    let key = rcgen::generate_simple_self_signed(
        names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>(),
    )
    .unwrap();
    let pem = key.cert.pem();
    let pin = SpkiPin(
        Sha256::digest(rcgen::PublicKeyData::subject_public_key_info(&key.signing_key)).into(),
    );
    let config =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![key.cert.der().clone()],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.signing_key.serialize_der())),
            )
            .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    #[expect(clippy::disallowed_methods, reason = "a test server")]
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            if plain {
                let _ = stream.write_all(b"plain").await;
                let mut word = [0; 5];
                let _ = stream.read_exact(&mut word).await;
            }
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let _ = stream.write_all(b"hello").await;
                let _ = stream.shutdown().await;
            }
        }
    });
    Server { address, pem, pin }
}

fn dialer(roots: Option<&str>, allow: &[String]) -> Dialer {
    Dialer::new(
        Egress::new(allow.iter().map(|rule| rule.parse().unwrap()).collect()),
        Trust::new(roots.map(str::as_bytes)).unwrap(),
    )
}

fn target(host: &str, server: &Server, pin: Option<SpkiPin>) -> Target {
    Target { host: host.to_owned(), port: server.address.port(), pin }
}

async fn read(wire: &mut Box<dyn Wire>) -> String {
    let mut buffer = [0; 16];
    let count =
        poll_fn(|context| Pin::new(&mut **wire).poll_read(context, &mut buffer)).await.unwrap();
    String::from_utf8_lossy(&buffer[..count]).into_owned()
}

#[tokio::test]
async fn a_trusted_certificate_is_accepted() {
    let server = server(&["localhost"], false).await;
    let dialer = dialer(Some(&server.pem), &[server.address.to_string()]);
    let wire = dialer.dial(&target("localhost", &server, None)).await.unwrap();
    let mut wire = wire.upgrade().await.unwrap();
    assert!(wire.is_encrypted());
    let encryption = wire.encryption().unwrap();
    assert_eq!(encryption.tls_version, "1.3");
    assert!(encryption.cipher.starts_with("TLS13_"), "{encryption:?}");
    // The default subject name of rcgen.
    let ends = encryption.certificate_expires.unwrap().to_string();
    assert_eq!(ends, "4096-01-01T00:00:00Z");
    assert_eq!(read(&mut wire).await, "hello");
}

#[tokio::test]
async fn starttls_upgrades_a_plain_connection_once() {
    let server = server(&["localhost"], true).await;
    let dialer = dialer(Some(&server.pem), &[server.address.to_string()]);
    let mut wire = dialer.dial(&target("localhost", &server, None)).await.unwrap();
    assert!(!wire.is_encrypted());
    assert_eq!(read(&mut wire).await, "plain");
    poll_fn(|context| Pin::new(&mut *wire).poll_write(context, b"start")).await.unwrap();
    let mut wire = wire.upgrade().await.unwrap();
    assert!(wire.is_encrypted());
    assert_eq!(read(&mut wire).await, "hello");
    assert!(wire.upgrade().await.is_err());
}

#[tokio::test]
async fn only_the_pinned_key_is_trusted_when_there_is_a_pin() {
    let server = server(&["elsewhere.test"], false).await;
    let allow = [server.address.to_string()];
    let pinned = target("127.0.0.1", &server, Some(server.pin));
    let wire = dialer(None, &allow).dial(&pinned).await.unwrap();
    assert!(wire.upgrade().await.is_ok());
    check(
        dialer(None, &allow),
        target("127.0.0.1", &server, Some(SpkiPin([7; 32]))),
        TlsFault::PinMismatch,
    )
    .await;
    check(dialer(None, &allow), target("localhost", &server, None), TlsFault::UnknownIssuer).await;
    check(
        dialer(Some(&server.pem), &allow),
        target("localhost", &server, None),
        TlsFault::WrongHost,
    )
    .await;
}

#[tokio::test]
async fn an_address_that_the_egress_guard_refuses_is_never_connected_to() {
    let server = server(&["localhost"], false).await;
    let error =
        dialer(Some(&server.pem), &[]).dial(&target("127.0.0.1", &server, None)).await.unwrap_err();
    assert!(matches!(error, DialError::NotAllowed { .. }), "{error:?}");
    let error = dialer(None, &[])
        .dial(&Target { host: "10.0.0.1".to_owned(), port: 993, pin: None })
        .await
        .unwrap_err();
    assert!(matches!(error, DialError::NotAllowed { .. }), "{error:?}");
}

#[tokio::test]
async fn a_closed_port_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let target = Target { host: "127.0.0.1".to_owned(), port: address.port(), pin: None };
    let error = dialer(None, &[address.to_string()]).dial(&target).await.unwrap_err();
    assert!(matches!(error, DialError::Unreachable { .. }), "{error:?}");
}

/// A STARTTLS port sends its greeting first, and in plain text.
#[tokio::test]
async fn a_server_that_replies_in_plain_text_has_an_error_of_its_own() {
    let server = server(&["localhost"], true).await;
    let allow = [server.address.to_string()];
    let target = target("localhost", &server, None);
    check(dialer(Some(&server.pem), &allow), target, TlsFault::NotTls).await;
}

async fn check(dialer: Dialer, target: Target, want: TlsFault) {
    match dialer.dial(&target).await.unwrap().upgrade().await {
        Err(DialError::Tls { fault, .. }) => assert_eq!(fault, want),
        other => panic!("{other:?}, wanted {want:?}"),
    }
}
