//! Raw SMTP client, the upper bound for the outbox: persistent authenticated sessions over TLS,
//! with MAIL, RCPT and DATA in one write (RFC 2920).

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rig::Rig;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use crate::mail;
use testkit::imap::trusting;

/// Sends `count` messages over `sessions` sessions of each of the users `1..=accounts`.
pub(crate) fn deliver(rig: &Rig, accounts: u16, sessions: usize, count: usize) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for user in (1..=accounts).flat_map(|user| std::iter::repeat_n(user, sessions)) {
            let next = &next;
            scope.spawn(move || {
                let mut session = Session::login(rig, user);
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return session.command("QUIT", "221");
                    }
                    session.deliver(number);
                }
            });
        }
    });
}

struct Session {
    stream: BufReader<StreamOwned<ClientConnection, TcpStream>>,
    sender: String,
}

impl Session {
    fn login(rig: &Rig, user: u16) -> Self {
        let (sender, password) = rig.user(user);
        let socket = TcpStream::connect(("127.0.0.1", rig.submissions_port())).unwrap();
        socket.set_nodelay(true).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let session = ClientConnection::new(Arc::new(trusting()), name).unwrap();
        let mut session =
            Self { stream: BufReader::new(StreamOwned::new(session, socket)), sender };
        session.reply("220");
        session.command("EHLO bench.example.test", "250");
        let login = STANDARD.encode(format!("\0{}\0{password}", session.sender));
        session.command(&format!("AUTH PLAIN {login}"), "235");
        session
    }

    fn deliver(&mut self, number: usize) {
        let (sender, recipient) = (&self.sender, mail::RECIPIENT);
        let envelope = format!("MAIL FROM:<{sender}>\r\nRCPT TO:<{recipient}>\r\nDATA");
        let message = mail::message(&format!("{number}.raw@example.test"), sender);
        self.say(&envelope);
        for code in ["250", "250", "354"] {
            self.reply(code);
        }
        self.say(&format!("{message}."));
        self.reply("250");
    }

    fn command(&mut self, line: &str, code: &str) {
        self.say(line);
        self.reply(code);
    }

    fn say(&mut self, text: &str) {
        let stream = self.stream.get_mut();
        stream.write_all(format!("{text}\r\n").as_bytes()).unwrap();
        stream.flush().unwrap();
    }

    fn reply(&mut self, code: &str) {
        let mut line = String::new();
        loop {
            line.clear();
            self.stream.read_line(&mut line).unwrap();
            assert!(line.starts_with(code), "wanted {code}, got {line:?}");
            if line.as_bytes().get(3) == Some(&b' ') {
                return;
            }
        }
    }
}
