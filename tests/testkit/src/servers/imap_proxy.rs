//! IMAP proxy that refuses chosen commands: it forwards every other command to a real server.
//!
//! It parses commands only as far as needed: the tag, the verb and the literals.
//!
//! Standard: RFC 3501 §2.2.1 (commands), RFC 7888 (LITERAL+).

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rustls::pki_types::ServerName;
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use scripted::secure::identity;

use crate::imap::trusting;

/// The settings and the record of the proxy, shared with its tasks.
#[derive(Debug, Default)]
struct Script {
    /// The verb, as in [`Proxy::seen`], and the whole response after the tag.
    refuse: Option<(String, String)>,
    refusals: u32,
    seen: BTreeSet<String>,
    /// Capabilities to hide.
    hidden: Vec<String>,
}

/// A running proxy; it ends with the process.
#[derive(Debug)]
pub struct Proxy {
    pub port: u16,
    /// The pin for an account.
    pub pin: String,
    script: Arc<Mutex<Script>>,
    hang_up: Arc<Notify>,
}

impl Proxy {
    /// Serves TLS on a free port, before the server on this loopback port, which uses TLS too.
    pub fn before(port: u16) -> Self {
        let (config, pin) = identity();
        let acceptor = TlsAcceptor::from(config);
        let (script, hang_up) = (Arc::new(Mutex::new(Script::default())), Arc::new(Notify::new()));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let own = listener.local_addr().unwrap().port();
        let tasks = (Arc::clone(&script), Arc::clone(&hang_up));
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(serve(listener, acceptor, port, tasks.0, tasks.1));
        });
        Self { port: own, pin, script, hang_up }
    }

    /// Answers `verb` with `answer` from now on, instead of forwarding it.
    pub fn refuse(&self, verb: &str, answer: &str) {
        let mut script = self.script.lock().unwrap();
        script.refuse = Some((verb.to_owned(), answer.to_owned()));
        script.refusals = 0;
    }

    /// Refuses nothing from now on; returns how often it did.
    pub fn relent(&self) -> u32 {
        let mut script = self.script.lock().unwrap();
        script.refuse = None;
        std::mem::take(&mut script.refusals)
    }

    /// The verbs since the last call, such as `UID FETCH`.
    pub fn seen(&self) -> BTreeSet<String> {
        std::mem::take(&mut self.script.lock().unwrap().seen)
    }

    /// Hides these capabilities of the server from clients.
    pub fn hide(&self, capabilities: &[&str]) {
        let hidden = capabilities.iter().map(|&name| name.to_owned()).collect();
        self.script.lock().unwrap().hidden = hidden;
    }

    /// Breaks every connection.
    pub fn hang_up(&self) {
        self.hang_up.notify_waiters();
    }
}

async fn serve(
    listener: std::net::TcpListener,
    acceptor: TlsAcceptor,
    port: u16,
    script: Arc<Mutex<Script>>,
    hang_up: Arc<Notify>,
) {
    let listener = TcpListener::from_std(listener).unwrap();
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let (acceptor, script) = (acceptor.clone(), Arc::clone(&script));
        let hang_up = Arc::clone(&hang_up);
        connections.spawn(async move {
            tokio::select! {
                // Either side may disconnect; there is nothing to report.
                _ = relay(client, acceptor, port, &script) => {}
                () = hang_up.notified() => {}
            }
        });
    }
}

async fn relay(
    client: TcpStream,
    acceptor: TlsAcceptor,
    port: u16,
    script: &Mutex<Script>,
) -> io::Result<()> {
    client.set_nodelay(true)?;
    let client = acceptor.accept(client).await?;
    let server = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).await?;
    server.set_nodelay(true)?;
    let name = ServerName::try_from("localhost").unwrap();
    let server = TlsConnector::from(Arc::new(trusting())).connect(name, server).await?;
    let (from_client, to_client) = tokio::io::split(client);
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let to_client = tokio::sync::Mutex::new(to_client);
    let answers = async {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let length = from_server.read(&mut buffer).await?;
            if length == 0 {
                return Ok::<_, io::Error>(());
            }
            let piece = &mut buffer[..length];
            for name in &script.lock().unwrap().hidden {
                blot(piece, name.as_bytes());
            }
            let mut to_client = to_client.lock().await;
            to_client.write_all(piece).await?;
            to_client.flush().await?;
        }
    };
    let commands = async {
        let mut from_client = BufReader::new(from_client);
        while command(&mut from_client, &mut to_server, &to_client, script).await? {}
        Ok::<_, io::Error>(())
    };
    tokio::select! {
        end = answers => end,
        end = commands => end,
    }
}

/// Forwards or refuses one command. False at the end.
async fn command(
    from: &mut (impl AsyncBufRead + Unpin),
    to_server: &mut (impl AsyncWrite + Unpin),
    to_client: &tokio::sync::Mutex<impl AsyncWrite + Unpin>,
    script: &Mutex<Script>,
) -> io::Result<bool> {
    let mut line = Vec::new();
    if from.read_until(b'\n', &mut line).await? == 0 {
        return Ok(false);
    }
    let text = String::from_utf8_lossy(&line).into_owned();
    let mut words = text.split_whitespace();
    let tag = words.next().unwrap_or_default().to_owned();
    let mut verb = words.next().unwrap_or_default().to_ascii_uppercase();
    if verb == "UID" {
        verb = format!("UID {}", words.next().unwrap_or_default().to_ascii_uppercase());
    }
    let refusal = {
        let mut script = script.lock().unwrap();
        let answer = script.refuse.as_ref().filter(|(refused, _)| *refused == verb);
        let answer = answer.map(|(_, answer)| format!("{tag} {answer}\r\n"));
        script.refusals += u32::from(answer.is_some());
        if !verb.is_empty() {
            script.seen.insert(verb);
        }
        answer
    };
    loop {
        if refusal.is_none() {
            to_server.write_all(&line).await?;
            to_server.flush().await?;
        }
        let Some((length, waits)) = literal(&line) else { break };
        if waits && refusal.is_some() {
            break;
        }
        let mut bytes = vec![0; length];
        from.read_exact(&mut bytes).await?;
        line.clear();
        from.read_until(b'\n', &mut line).await?;
        if refusal.is_none() {
            to_server.write_all(&bytes).await?;
        }
    }
    if let Some(refusal) = refusal {
        let mut to_client = to_client.lock().await;
        to_client.write_all(refusal.as_bytes()).await?;
        to_client.flush().await?;
    }
    Ok(true)
}

/// The length of the literal that follows, and whether the client waits for a continuation.
fn literal(line: &[u8]) -> Option<(usize, bool)> {
    let inner = line.strip_suffix(b"}\r\n")?;
    let open = inner.iter().rposition(|byte| *byte == b'{')?;
    let text = std::str::from_utf8(&inner[open + 1..]).ok()?;
    let digits = text.trim_end_matches('+');
    Some((digits.parse().ok()?, digits.len() == text.len()))
}

/// Makes ` NAME` unrecognisable without changing a length.
fn blot(piece: &mut [u8], name: &[u8]) {
    let spaced = [b" ", name].concat();
    let mut at = 0;
    while let Some(found) = piece[at..].windows(spaced.len()).position(|seen| seen == spaced) {
        piece[at + found + 1] = b'_';
        at += found + spaced.len();
    }
}
