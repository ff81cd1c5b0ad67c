//! Scripted client that trusts the mailroom's certificate.
#![cfg(test)]

use std::net::SocketAddr;
use std::time::Duration;

use imap_codec::ResponseCodec;
use imap_codec::decode::Decoder as _;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::config::{Config, User};
use crate::fault_injection::{Fault, FaultScript, Protocol, Rule};
use crate::server::Mailroom;
use crate::wire::Stream;

/// A bound, not a wait: nothing takes that long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn mailroom() -> Mailroom {
    let user = |email: &str| User { email: email.into(), password: "secret".into() };
    let users = vec![user("ann@postlet.test"), user("bo@postlet.test")];
    Mailroom::start(Config { users, hostname: "localhost".into() }).await.unwrap()
}

/// One fault, once.
pub(crate) fn once(protocol: Protocol, step: &str, fault: Fault) -> FaultScript {
    let rule = Rule { protocol, step: step.into(), fault, times: Some(1) };
    FaultScript { rules: vec![rule], ..FaultScript::default() }
}

pub(crate) struct Client {
    stream: BufReader<Box<dyn Stream>>,
    tag: u32,
}

impl Client {
    pub(crate) async fn plain(address: SocketAddr) -> Self {
        let stream: Box<dyn Stream> = Box::new(TcpStream::connect(address).await.unwrap());
        Self { stream: BufReader::new(stream), tag: 0 }
    }

    pub(crate) async fn tls(address: SocketAddr, room: &Mailroom) -> Self {
        Self::plain(address).await.upgrade(room).await
    }

    pub(crate) async fn upgrade(self, room: &Mailroom) -> Self {
        assert!(self.stream.buffer().is_empty(), "the server said something before TLS");
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let stream = room.connector().connect(name, self.stream.into_inner()).await.unwrap();
        let stream: Box<dyn Stream> = Box::new(stream);
        Self { stream: BufReader::new(stream), tag: self.tag }
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// The next line without its end; empty once the server has closed.
    pub(crate) async fn line(&mut self) -> String {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line);
        // A reset closes the connection, too.
        let _ = tokio::time::timeout(PATIENCE, read).await.expect("the server said nothing");
        line.trim_end_matches("\r\n").to_owned()
    }

    /// Whether the server sends nothing more and closes.
    pub(crate) async fn is_hung_up(&mut self) -> bool {
        let mut rest = Vec::new();
        let read = self.stream.read_to_end(&mut rest);
        let _ = tokio::time::timeout(PATIENCE, read).await.expect("the server stays");
        rest.is_empty()
    }

    // ---- SMTP ----

    /// Sends a line and returns the whole reply, its lines joined by `|`.
    pub(crate) async fn ask(&mut self, line: &str) -> String {
        self.send(&format!("{line}\r\n")).await;
        self.reply().await
    }

    pub(crate) async fn reply(&mut self) -> String {
        let mut lines = Vec::new();
        loop {
            let line = self.line().await;
            let last = line.as_bytes().get(3) != Some(&b'-');
            lines.push(line);
            if last {
                return lines.join("|");
            }
        }
    }

    /// An authenticated submission client.
    pub(crate) async fn submitter(room: &Mailroom) -> Self {
        let mut client = Self::tls(room.submissions(), room).await;
        client.reply().await;
        client.ask("EHLO client.test").await;
        let welcome = client.ask(&format!("AUTH PLAIN {ANN}")).await;
        assert!(welcome.starts_with("235"), "{welcome}");
        client
    }

    /// Sends a mail from Ann; the text is dot-stuffed already.
    pub(crate) async fn submit(&mut self, to: &[&str], text: &str) -> String {
        self.ask("MAIL FROM:<ann@postlet.test>").await;
        for address in to {
            self.ask(&format!("RCPT TO:<{address}>")).await;
        }
        assert!(self.ask("DATA").await.starts_with("354"));
        self.ask(&format!("{text}\r\n.")).await
    }

    // ---- IMAP ----

    /// Runs a command; returns all lines up to the tagged one, which is last and without its tag.
    pub(crate) async fn run(&mut self, command: &str) -> Vec<String> {
        self.tag += 1;
        let tag = format!("t{}", self.tag);
        self.send(&format!("{tag} {command}\r\n")).await;
        self.until(&tag).await
    }

    pub(crate) async fn until(&mut self, tag: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let line = self.line().await;
            assert!(!line.is_empty() || !lines.is_empty(), "hung up");
            if let Some(answer) = line.strip_prefix(tag).and_then(|rest| rest.strip_prefix(' ')) {
                lines.push(answer.to_owned());
                return lines;
            }
            assert!(lines.len() < 10_000, "no end in sight");
            if line.starts_with("* ") && !line.ends_with('}') {
                // A stricter parser than any client's.
                let said = format!("{line}\r\n");
                assert!(ResponseCodec::default().decode(said.as_bytes()).is_ok(), "{line}");
            }
            lines.push(line);
        }
    }

    /// An authenticated IMAP client, with this mailbox selected.
    pub(crate) async fn reader(room: &Mailroom, email: &str, mailbox: &str) -> Self {
        let mut client = Self::tls(room.imaps(), room).await;
        client.line().await;
        let welcome = client.run(&format!("LOGIN {email} secret")).await;
        assert!(welcome[0].starts_with("OK"), "{welcome:?}");
        let opened = client.run(&format!("SELECT {mailbox}")).await;
        assert!(opened.last().unwrap().starts_with("OK [READ-WRITE]"), "{opened:?}");
        client
    }

    /// Appends a small message by a non-synchronising literal.
    pub(crate) async fn append(&mut self, mailbox: &str, message: &str) -> Vec<String> {
        self.run(&format!("APPEND {mailbox} {{{}+}}\r\n{message}", message.len())).await
    }
}

/// `\0ann@postlet.test\0secret`
pub(crate) const ANN: &str = "AGFubkBwb3N0bGV0LnRlc3QAc2VjcmV0";
