//! Scripted SMTP server: a test may choose every reply.
//!
//! It uses any stream, after TLS, which is the caller's part. Where the script has no reply, the
//! usual one is sent. A message counts as accepted when the reply to it was positive, for the
//! recipients whose RCPT was.
//!
//! Standards: RFC 5321, RFC 2920 (it reads commands one by one, however they arrive).

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufStream};

/// The position in the dialogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// The greeting.
    Greeting,
    /// EHLO.
    Ehlo,
    /// AUTH, and a response to a challenge.
    Auth,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA.
    Data,
    /// The final dot.
    Message,
    /// RSET.
    Rset,
    /// QUIT.
    Quit,
    /// Any other command.
    Other,
}

/// The command that the script answers.
#[derive(Debug)]
pub struct Ask<'a> {
    /// The number of the session, counted from 1.
    pub session: usize,
    /// The position in the dialogue.
    pub step: Step,
    /// The address of MAIL or RCPT, or the argument of another command.
    pub argument: &'a str,
}

/// The action of the server.
#[derive(Clone, Debug)]
pub enum Say {
    /// The usual reply.
    Usual,
    /// This reply, with its line ends.
    Reply(String),
    /// This reply, and then the connection is closed.
    Last(String),
    /// The connection is closed.
    HangUp,
}

impl Say {
    /// A reply of one line.
    #[must_use]
    pub fn line(text: &str) -> Self {
        Self::Reply(format!("{text}\r\n"))
    }
}

/// An accepted message.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The reverse path of MAIL.
    pub sender: String,
    /// The recipients whose RCPT was answered 2yz.
    pub recipients: Vec<String>,
    /// The message, with dot-stuffing removed.
    pub message: Vec<u8>,
}

/// The server. A clone is the same server.
#[derive(Clone)]
pub struct Server {
    offers: Vec<String>,
    inside: Arc<Mutex<Inside>>,
}

struct Inside {
    script: Box<dyn FnMut(&Ask<'_>) -> Say + Send>,
    sessions: usize,
    taken: Vec<Taken>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("offers", &self.offers).finish_non_exhaustive()
    }
}

impl Server {
    /// Creates a server; `offers` are the EHLO keywords beside AUTH.
    #[must_use]
    pub fn new(offers: &[&str], script: impl FnMut(&Ask<'_>) -> Say + Send + 'static) -> Self {
        let inside = Inside { script: Box::new(script), sessions: 0, taken: Vec::new() };
        let offers = offers.iter().map(|&offer| offer.to_owned()).collect();
        Self { offers, inside: Arc::new(Mutex::new(inside)) }
    }

    /// Accepted messages, in the order of their arrival.
    #[must_use]
    pub fn taken(&self) -> Vec<Taken> {
        self.inside.lock().unwrap().taken.clone()
    }

    /// The number of sessions.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.inside.lock().unwrap().sessions
    }

    /// Serves one client, until either side disconnects.
    ///
    /// # Errors
    /// When the client disconnects in the middle of a command.
    pub async fn serve<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> io::Result<()> {
        let session = {
            let mut inside = self.inside.lock().unwrap();
            inside.sessions += 1;
            inside.sessions
        };
        let stream = BufStream::new(stream);
        Session { server: self, stream, session, sender: None, recipients: Vec::new() }.run().await
    }

    fn usual(&self, step: Step) -> String {
        match step {
            Step::Greeting => "220 scripted\r\n".to_owned(),
            Step::Ehlo => {
                let lines = self.offers.iter().map(|offer| format!("250-{offer}\r\n"));
                format!("250-scripted\r\n{}250 AUTH PLAIN LOGIN\r\n", lines.collect::<String>())
            }
            Step::Auth => "235 2.7.0 welcome\r\n".to_owned(),
            Step::Data => "354 go on\r\n".to_owned(),
            Step::Message => "250 2.0.0 queued\r\n".to_owned(),
            Step::Quit => "221 2.0.0 bye\r\n".to_owned(),
            Step::Mail | Step::Rcpt | Step::Rset => "250 2.0.0 ok\r\n".to_owned(),
            Step::Other => "500 5.5.1 what?\r\n".to_owned(),
        }
    }
}

struct Session<'a, S> {
    server: &'a Server,
    stream: BufStream<S>,
    session: usize,
    sender: Option<String>,
    recipients: Vec<String>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<'_, S> {
    async fn run(mut self) -> io::Result<()> {
        if self.answer(Step::Greeting, "").await?.is_none() {
            return Ok(());
        }
        while let Some(line) = self.line().await? {
            let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
            let step = match verb.to_ascii_uppercase().as_str() {
                "EHLO" => Step::Ehlo,
                "AUTH" => Step::Auth,
                "MAIL" => Step::Mail,
                "RCPT" => Step::Rcpt,
                "DATA" => Step::Data,
                "RSET" => Step::Rset,
                "QUIT" => Step::Quit,
                _ => Step::Other,
            };
            let address = rest.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
            let argument = address.map_or(rest, |(address, _)| address).to_owned();
            if self.obey(step, argument).await?.is_none() || step == Step::Quit {
                break;
            }
        }
        Ok(())
    }

    /// None when the server closes the connection.
    async fn obey(&mut self, step: Step, argument: String) -> io::Result<Option<()>> {
        let refused = if matches!(step, Step::Rcpt | Step::Data) && self.sender.is_none() {
            Some("503 5.5.1 first MAIL")
        } else if step == Step::Mail && self.sender.is_some() {
            Some("503 5.5.1 nested MAIL")
        } else {
            None
        };
        if let Some(refused) = refused {
            return self.write(format!("{refused}\r\n")).await.map(Some);
        }
        let Some(code) = self.answer(step, &argument).await? else { return Ok(None) };
        match (step, code) {
            (Step::Mail, b'2') => self.sender = Some(argument),
            (Step::Rcpt, b'2') => self.recipients.push(argument),
            (Step::Rset, b'2') => self.forget(),
            (Step::Data, b'3') => return self.message().await,
            _ => {}
        }
        Ok(Some(()))
    }

    async fn message(&mut self) -> io::Result<Option<()>> {
        let mut message = Vec::new();
        loop {
            let mut line = Vec::new();
            self.stream.read_until(b'\n', &mut line).await?;
            if !line.ends_with(b"\n") {
                return Ok(None);
            }
            if line == b".\r\n" {
                break;
            }
            message.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        }
        let said = self.answer(Step::Message, "").await?;
        let taken = Taken {
            sender: self.sender.clone().unwrap_or_default(),
            recipients: self.recipients.clone(),
            message,
        };
        if said == Some(b'2') && !taken.recipients.is_empty() {
            self.server.inside.lock().unwrap().taken.push(taken);
        }
        self.forget();
        Ok(said.map(drop))
    }

    fn forget(&mut self) {
        self.sender = None;
        self.recipients.clear();
    }

    /// The first digit of the reply; none when the server closes the connection.
    async fn answer(&mut self, step: Step, argument: &str) -> io::Result<Option<u8>> {
        let ask = Ask { session: self.session, step, argument };
        let say = (self.server.inside.lock().unwrap().script)(&ask);
        let (text, last) = match say {
            Say::Usual => (self.server.usual(step), false),
            Say::Reply(text) => (text, false),
            Say::Last(text) => (text, true),
            Say::HangUp => return Ok(None),
        };
        let digit = text.bytes().next();
        self.write(text).await?;
        Ok(digit.filter(|_| !last))
    }

    async fn write(&mut self, text: String) -> io::Result<()> {
        self.stream.write_all(text.as_bytes()).await?;
        self.stream.flush().await
    }

    async fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).await?;
        let whole = line.ends_with(b"\r\n");
        Ok(whole.then(|| String::from_utf8_lossy(&line).trim_end().to_owned()))
    }
}
