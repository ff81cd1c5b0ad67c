//! Hostile mail servers: they support just enough to log in, and then misbehave as the user's name
//! says.
//!
//! Standards: RFC 3501 §6 and §7, RFC 5321 §4.2, RFC 3207 (STARTTLS), all of them violated.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use scripted::secure::identity;

use crate::site::server;

/// Running servers; they end with the process.
pub struct Hostile {
    imap: u16,
    smtp: u16,
    starttls: u16,
    pin: String,
    seen: Arc<Seen>,
}

/// What the servers observed.
#[derive(Default)]
pub struct Seen {
    /// Submission connections that got as far as AUTH.
    logins: AtomicUsize,
    messages: AtomicUsize,
    /// Everything that the server without TLS received.
    plain: Mutex<Vec<u8>>,
}

impl Hostile {
    pub fn start() -> Self {
        let (config, pin) = identity();
        let seen = Arc::new(Seen::default());
        let secure = |talk: fn(&mut dyn Talk, &Seen) -> io::Result<()>| {
            let (config, seen) = (Arc::clone(&config), Arc::clone(&seen));
            listen(move |stream| {
                let mut stream = BufReader::new(encrypted(stream, &config));
                talk(&mut stream, &seen)
            })
        };
        let (imap, smtp) = (secure(imap), secure(smtp));
        let own = Arc::clone(&seen);
        let starttls = listen(move |stream| injecting(&mut BufReader::new(stream), &own));
        Self { imap, smtp, starttls, pin, seen }
    }

    pub fn addresses(&self) -> Vec<String> {
        let ports = [self.imap, self.smtp, self.starttls];
        ports.iter().map(|port| format!("127.0.0.1:{port}")).collect()
    }

    /// The account of a user whose name selects the misbehaviour.
    pub fn account(&self, what: &str) -> Value {
        let mut account = json!({
            "id": what, "email": format!("{what}@hostile.test"), "password": "x",
            "imap": server("127.0.0.1", self.imap, "tls"),
            "smtp": server("127.0.0.1", self.smtp, "tls"),
        });
        if what == "injecting" {
            account["smtp"] = server("127.0.0.1", self.starttls, "starttls");
        }
        for half in ["imap", "smtp"] {
            account[half]["pin"] = json!(self.pin);
        }
        account
    }

    pub fn logins(&self) -> usize {
        self.seen.logins.load(Ordering::SeqCst)
    }

    pub fn messages(&self) -> usize {
        self.seen.messages.load(Ordering::SeqCst)
    }

    /// The bytes that the server without TLS received.
    pub fn heard(&self) -> String {
        String::from_utf8_lossy(&self.seen.plain.lock().unwrap()).into_owned()
    }
}

fn listen(talk: impl Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let talk = Arc::new(talk);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let talk = Arc::clone(&talk);
            // A client that disconnects is expected here, and no failure of the server.
            std::thread::spawn(move || drop(talk(stream)));
        }
    });
    port
}

fn encrypted(
    stream: TcpStream,
    config: &Arc<ServerConfig>,
) -> StreamOwned<ServerConnection, TcpStream> {
    StreamOwned::new(ServerConnection::new(Arc::clone(config)).unwrap(), stream)
}

/// A connection: lines in, octets out.
trait Talk {
    fn line(&mut self) -> io::Result<String>;
    fn say(&mut self, octets: &[u8]) -> io::Result<()>;
}

impl<S: Read + Write> Talk for BufReader<S> {
    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.read_line(&mut line)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }

    fn say(&mut self, octets: &[u8]) -> io::Result<()> {
        self.get_mut().write_all(octets)?;
        self.get_mut().flush()
    }
}

/// The user of a PLAIN response, without the domain.
fn user(response: &str) -> String {
    let octets = STANDARD.decode(response.trim()).unwrap();
    let text = String::from_utf8(octets).unwrap();
    let name = text.split('\0').nth(1).unwrap();
    name.split('@').next().unwrap().to_owned()
}

/// Sends without end, until the client disconnects.
fn flood(talk: &mut dyn Talk, octets: &[u8]) -> io::Result<()> {
    let block = octets.repeat(64 * 1024 / octets.len());
    loop {
        talk.say(&block)?;
    }
}

/// Stays silent, for longer than any client waits.
fn silence() -> io::Result<()> {
    std::thread::sleep(Duration::from_secs(600));
    Ok(())
}

fn imap(talk: &mut dyn Talk, _: &Seen) -> io::Result<()> {
    let mut what = String::new();
    talk.say(b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hello\r\n")?;
    loop {
        let line = talk.line()?;
        let (tag, command) = line.split_once(' ').unwrap_or((&line, ""));
        let verb = command.split(' ').next().unwrap_or_default();
        match verb {
            "AUTHENTICATE" => {
                talk.say(b"+ \r\n")?;
                what = user(&talk.line()?);
                talk.say(format!("{tag} OK [CAPABILITY IMAP4rev1] in\r\n").as_bytes())?;
            }
            "SELECT" => {
                let rows = "* 1 EXISTS\r\n* OK [UIDVALIDITY 1] same\r\n";
                talk.say(format!("{rows}{tag} OK [READ-WRITE] open\r\n").as_bytes())?;
            }
            "FETCH" | "UID" => {
                hostility(talk, &what)?;
                let date =
                    if what == "date-nil" { "NIL" } else { "\"01-Jan-2025 00:00:00 +0000\"" };
                let head = "Subject: survived\r\n\r\n";
                let row = format!(
                    "* 1 FETCH (UID 1 FLAGS () INTERNALDATE {date} RFC822.SIZE {0} BODY[HEADER.FIELDS (SUBJECT)] {{{0}}}\r\n{head})\r\n",
                    head.len()
                );
                talk.say(format!("{row}{tag} OK fetched\r\n").as_bytes())?;
            }
            _ => talk.say(format!("{tag} OK fine\r\n").as_bytes())?,
        }
    }
}

fn hostility(talk: &mut dyn Talk, what: &str) -> io::Result<()> {
    let nested = |depth: usize| {
        let (open, close) = ("(".repeat(depth), ")".repeat(depth));
        format!("* 1 FETCH (UID 1 BODYSTRUCTURE {open}\"TEXT\" \"PLAIN\"{close})\r\n")
    };
    match what {
        "nested-600" => talk.say(nested(600).as_bytes()),
        "nested-100000" => talk.say(nested(100_000).as_bytes()),
        "literal-4g" => {
            talk.say(b"* 1 FETCH (UID 1 BODY[] {4294967295}\r\n")?;
            flood(talk, b"x")
        }
        "literal-500m" => {
            talk.say(b"* 1 FETCH (UID 1 BODY[] {500000000}\r\n")?;
            flood(talk, b"x")
        }
        "endless-line" => flood(talk, b"* OK and so on and so on "),
        "endless-untagged" => flood(talk, b"* OK and so on\r\n"),
        "unknown-untagged" => talk.say(
            b"* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n* ESEARCH (TAG \"a1\") UID COUNT 1\r\n* THREAD (1)\r\n* FOOBAR {3}\r\nabc 1\r\n",
        ),
        "silent" => silence(),
        "dripping" => loop {
            talk.say(b"*")?;
            std::thread::sleep(Duration::from_secs(1));
        },
        _ => Ok(()),
    }
}

fn smtp(talk: &mut dyn Talk, seen: &Seen) -> io::Result<()> {
    let mut what = String::new();
    talk.say(b"220 hello\r\n")?;
    loop {
        let line = talk.line()?;
        match (line.split(' ').next().unwrap_or_default(), what.as_str()) {
            ("EHLO", _) => talk.say(b"250-hello\r\n250 AUTH PLAIN\r\n")?,
            ("AUTH", _) => {
                what = user(line.rsplit(' ').next().unwrap());
                seen.logins.fetch_add(1, Ordering::SeqCst);
                talk.say(b"235 in\r\n")?;
            }
            ("MAIL", "long-reply") => {
                talk.say(b"250 ")?;
                let block = vec![b'x'; 1 << 20];
                for _ in 0..300 {
                    talk.say(&block)?;
                }
                talk.say(b"\r\n")?;
            }
            ("MAIL", "endless-reply") => flood(talk, b"250-and so on\r\n")?,
            ("DATA", "silent-data") => silence()?,
            ("DATA", _) => {
                talk.say(b"354 go on\r\n")?;
                while talk.line()? != "." {}
                // Only the first message is answered too late.
                if seen.messages.fetch_add(1, Ordering::SeqCst) == 0 && what == "late-verdict" {
                    std::thread::sleep(Duration::from_secs(6));
                }
                talk.say(b"250 taken\r\n")?;
            }
            _ => talk.say(b"250 fine\r\n")?,
        }
    }
}

/// Appends a reply to the one to STARTTLS, which a client must not accept inside TLS.
fn injecting(talk: &mut dyn Talk, seen: &Seen) -> io::Result<()> {
    talk.say(b"220 hello\r\n")?;
    loop {
        let line = talk.line()?;
        seen.plain.lock().unwrap().extend_from_slice(line.as_bytes());
        match line.split(' ').next().unwrap_or_default() {
            "EHLO" => talk.say(b"250-hello\r\n250 STARTTLS\r\n")?,
            "STARTTLS" => talk.say(b"220 go ahead\r\n250-injected\r\n250 AUTH PLAIN\r\n")?,
            _ => talk.say(b"250 fine\r\n")?,
        }
    }
}
