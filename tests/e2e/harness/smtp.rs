//! A submission server that falls silent where it is told to: for the moments that a real
//! one passes too quickly.
//!
//! Standards: RFC 5321 §3 and §4.1, RFC 4954 (AUTH).

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, mpsc};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::harness::identity::identity;

/// Where a connection stops to answer, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    /// After the recipients, before the message.
    AtData,
    /// With the whole message in hand.
    AfterTheDot,
}

/// A running server; it ends with the process.
#[derive(Debug)]
pub(crate) struct Smtp {
    pub(crate) port: u16,
    /// What an account pins.
    pub(crate) pin: String,
    stage: Arc<Stage>,
    silent: mpsc::Receiver<()>,
}

#[derive(Debug)]
struct Stage {
    silence: Mutex<Option<Silence>>,
    messages: Mutex<Vec<String>>,
    fell_silent: mpsc::Sender<()>,
}

impl Smtp {
    /// Serves TLS on a free port and falls silent there, until told to speak.
    pub(crate) fn silent(silence: Silence) -> Self {
        let (config, pin) = identity();
        let (sender, silent) = mpsc::channel();
        let stage = Arc::new(Stage {
            silence: Mutex::new(Some(silence)),
            messages: Mutex::default(),
            fell_silent: sender,
        });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::clone(&stage);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (config, stage) = (Arc::clone(&config), Arc::clone(&shared));
                // A client that is killed breaks the connection: no failure of this server.
                std::thread::spawn(move || drop(serve(stream, config, &stage)));
            }
        });
        Self { port, pin, stage, silent }
    }

    /// Waits until a client waits.
    pub(crate) fn wait_for_silence(&self) {
        self.silent.recv_timeout(std::time::Duration::from_secs(60)).unwrap();
    }

    /// From here on it answers everything.
    pub(crate) fn speak(&self) {
        *self.stage.silence.lock().unwrap() = None;
    }

    /// Every message that it has had whole, answered or not.
    pub(crate) fn messages(&self) -> Vec<String> {
        self.stage.messages.lock().unwrap().clone()
    }
}

fn serve(stream: TcpStream, config: Arc<ServerConfig>, stage: &Stage) -> std::io::Result<()> {
    let session = ServerConnection::new(config).unwrap();
    let mut stream = BufReader::new(StreamOwned::new(session, stream));
    say(&mut stream, "220 ready")?;
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let verb = line.split([' ', '\r']).next().unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" => say(&mut stream, "250-ready\r\n250 AUTH PLAIN LOGIN")?,
            "AUTH" => say(&mut stream, "235 2.7.0 welcome")?,
            "DATA" => {
                stage.pause(Silence::AtData);
                say(&mut stream, "354 go on")?;
                let message = message(&mut stream)?;
                stage.messages.lock().unwrap().push(message);
                stage.pause(Silence::AfterTheDot);
                say(&mut stream, "250 2.0.0 taken")?;
            }
            "QUIT" => return say(&mut stream, "221 2.0.0 bye"),
            _ => say(&mut stream, "250 2.0.0 fine")?,
        }
    }
}

impl Stage {
    /// Never returns when this is where the server falls silent.
    fn pause(&self, place: Silence) {
        if *self.silence.lock().unwrap() == Some(place) {
            self.fell_silent.send(()).unwrap();
            loop {
                std::thread::park();
            }
        }
    }
}

fn message(stream: &mut impl BufRead) -> std::io::Result<String> {
    let mut message = String::new();
    loop {
        let start = message.len();
        if stream.read_line(&mut message)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if message.get(start..) == Some(".\r\n") {
            message.truncate(start);
            return Ok(message);
        }
    }
}

fn say(
    stream: &mut BufReader<StreamOwned<ServerConnection, TcpStream>>,
    line: &str,
) -> std::io::Result<()> {
    let stream = stream.get_mut();
    stream.write_all(format!("{line}\r\n").as_bytes())?;
    stream.flush()
}
