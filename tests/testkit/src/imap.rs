//! Second mail client: IMAP over TLS, for checks of what is in a mailbox.
//!
//! It trusts every certificate, since it connects to loopback only; whether Postlet does is tested
//! elsewhere.
//!
//! Standard: RFC 3501 §4.3 (literals), §6.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};

/// A session in the authenticated state or beyond.
pub struct Imap {
    stream: BufReader<StreamOwned<ClientConnection, TcpStream>>,
    tags: u32,
}

impl Imap {
    /// Connects with implicit TLS and logs in.
    ///
    /// # Panics
    /// When the server refuses; so does every method.
    #[track_caller]
    pub fn login(port: u16, user: &str, password: &str) -> Self {
        let socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let session = ClientConnection::new(Arc::new(trusting()), name).unwrap();
        let stream = BufReader::new(StreamOwned::new(session, socket));
        let mut imap = Self { stream, tags: 0 };
        let greeting = imap.line();
        assert!(greeting.starts_with(b"* OK"), "{}", String::from_utf8_lossy(&greeting));
        imap.command(&format!("LOGIN \"{user}\" \"{password}\""));
        imap
    }

    /// Runs a command and returns everything before its OK, with literals inline.
    #[track_caller]
    pub fn command(&mut self, command: &str) -> Vec<u8> {
        self.tags += 1;
        let tag = format!("t{} ", self.tags);
        self.send(format!("{tag}{command}\r\n").as_bytes());
        let mut said = Vec::new();
        loop {
            let line = self.line();
            if let Some(outcome) = line.strip_prefix(tag.as_bytes()) {
                let text = String::from_utf8_lossy(outcome);
                assert!(text.starts_with("OK"), "{command}: {text}");
                return said;
            }
            said.extend_from_slice(&line);
            if let Some(length) = literal(&line) {
                let start = said.len();
                said.resize(start + length, 0);
                self.stream.read_exact(&mut said[start..]).unwrap();
            }
        }
    }

    /// Appends a message to a mailbox (RFC 3501 §6.3.11).
    #[track_caller]
    pub fn append(&mut self, mailbox: &str, raw: &[u8]) {
        self.tags += 1;
        let tag = format!("t{} ", self.tags);
        self.send(format!("{tag}APPEND \"{mailbox}\" {{{}}}\r\n", raw.len()).as_bytes());
        let answer = self.line();
        assert!(answer.starts_with(b"+"), "{}", String::from_utf8_lossy(&answer));
        self.send(&[raw, b"\r\n"].concat());
        loop {
            let line = self.line();
            if let Some(outcome) = line.strip_prefix(tag.as_bytes()) {
                let text = String::from_utf8_lossy(outcome);
                assert!(text.starts_with("OK"), "APPEND: {text}");
                return;
            }
        }
    }

    /// As [`Self::command`], as text.
    #[track_caller]
    pub fn ask(&mut self, command: &str) -> String {
        String::from_utf8_lossy(&self.command(command)).into_owned()
    }

    /// The UIDs that match `criteria` in the mailbox.
    #[track_caller]
    pub fn search(&mut self, mailbox: &str, criteria: &str) -> Vec<u32> {
        self.command(&format!("SELECT \"{mailbox}\""));
        let said = self.ask(&format!("UID SEARCH {criteria}"));
        let line = said.lines().find_map(|line| line.strip_prefix("* SEARCH")).unwrap_or_default();
        line.split_whitespace().map(|uid| uid.parse().unwrap()).collect()
    }

    /// The bytes of one message of the selected mailbox.
    #[track_caller]
    pub fn raw(&mut self, uid: u32) -> Vec<u8> {
        let said = self.command(&format!("UID FETCH {uid} BODY.PEEK[]"));
        let end = said.windows(2).position(|two| two == b"\r\n").unwrap() + 2;
        let length = literal(&said[..end]).unwrap();
        said[end..end + length].to_vec()
    }

    fn send(&mut self, bytes: &[u8]) {
        let stream = self.stream.get_mut();
        stream.write_all(bytes).unwrap();
        stream.flush().unwrap();
    }

    fn line(&mut self) -> Vec<u8> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).unwrap();
        assert!(line.ends_with(b"\n"), "the server hung up");
        line
    }
}

/// The length of the literal that a line ending in `{123}` announces.
fn literal(line: &[u8]) -> Option<usize> {
    let inner = line.strip_suffix(b"}\r\n")?;
    let open = inner.iter().rposition(|byte| *byte == b'{')?;
    std::str::from_utf8(&inner[open + 1..]).ok()?.parse().ok()
}

/// For loopback only: no certificate is verified.
pub fn trusting() -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_no_client_auth()
}

#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider().signature_verification_algorithms.supported_schemes()
    }
}
