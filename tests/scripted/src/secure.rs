//! TLS for a server on loopback, with a thread for each connection.
//!
//! Standard: RFC 7469 §2.4 (the pin).

use std::io::{self, BufReader};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, KeyPair, PublicKeyData as _};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use sha2::{Digest as _, Sha256};

/// The connection of a client.
pub type Wire = BufReader<StreamOwned<ServerConnection, TcpStream>>;

/// Serves every connection with `talk`, each in a thread of its own, until the process ends;
/// returns the port and the pin.
pub fn serve(talk: impl Fn(&mut Wire) -> io::Result<()> + Send + Sync + 'static) -> (u16, String) {
    serve_each(|| (), move |wire, ()| talk(wire))
}

/// As above; before the next connection is accepted, `accepted` returns the state of this one.
pub fn serve_each<T: Send + 'static>(
    accepted: impl Fn() -> T + Send + 'static,
    talk: impl Fn(&mut Wire, T) -> io::Result<()> + Send + Sync + 'static,
) -> (u16, String) {
    let (config, pin) = identity();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let talk = Arc::new(talk);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (talk, config, own) = (Arc::clone(&talk), Arc::clone(&config), accepted());
            thread::spawn(move || {
                let session = ServerConnection::new(config).unwrap();
                // A client that disconnects is no failure of the server.
                drop(talk(&mut BufReader::new(StreamOwned::new(session, stream)), own));
            });
        }
    });
    (port, pin)
}

/// TLS for 127.0.0.1, and the pin by which an account trusts it.
pub fn identity() -> (Arc<ServerConfig>, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap().der().clone();
    let pin = Sha256::digest(key.subject_public_key_info());
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], private)
        .unwrap();
    (Arc::new(config), format!("sha256/{}", STANDARD.encode(pin)))
}
