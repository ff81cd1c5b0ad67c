//! IMAP command loop: sends a command and reads responses until its tagged one.
//!
//! The status of the tagged response decides. async-imap serves as buffer and parser: its own
//! commands ignore a NO, or take a lost connection for the end of the response.
//!
//! Invariants: only a tagged OK is `Ok`; after any error but a NO, and after a call that was
//! dropped, every further command is refused, unless [`Exchange::go_on`] permits it.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the parser's enums grow, and what we never ask for is all the same to us"
)]

use std::io;

use async_imap::Client;
use async_imap::imap_proto::{MailboxDatum, Response, Status};
use model::octets::Octets;
use model::port::imap::{ImapError, NoCode, Selected};
use tokio::io::AsyncWriteExt;

use crate::imap::command::{Command, Part};
use crate::imap::input_guard::Guard;
use crate::imap::status::StatusText;
use crate::timed_stream::{breach_in, finished};

/// Piece size of reading and writing a message.
const CHUNK: usize = 64 * 1024;

/// Called with every response to a command, including the tagged one.
pub(crate) type Visit<'a> = &'a mut (dyn FnMut(&Response<'_>) + Send);

/// A connection on which commands can be run.
#[derive(Debug)]
pub(crate) struct Exchange {
    client: Client<Guard>,
    tag: u64,
    ended: bool,
    /// The selected mailbox, kept up to date from every response.
    pub(crate) selected: Option<Selected>,
}

/// Why reading stopped.
enum Stop {
    /// The tagged response was OK.
    Done,
    /// The server sent a continuation request.
    GoAhead,
}

impl Exchange {
    pub(crate) fn new(guard: Guard) -> Self {
        Self { client: Client::new(guard), tag: 0, ended: false, selected: None }
    }

    pub(crate) fn guard(&mut self) -> &mut Guard {
        self.client.get_mut()
    }

    /// Reads one response before any command: the greeting.
    pub(crate) async fn greeting(&mut self) -> Result<(), ImapError> {
        let answer = self.client.read_response().await.map_err(failed)?;
        let Some(answer) = answer else { return Err(lost()) };
        match answer.parsed() {
            Response::Data { status: Status::Ok, .. } => Ok(()),
            // RFC 9051 §7.1.4: already authenticated, as an unknown user.
            Response::Data { status: Status::PreAuth, .. } => {
                Err(ImapError::Protocol("the server greets with PREAUTH"))
            }
            Response::Data { status: Status::Bye, .. } => {
                Err(ImapError::Bye { reply: self.words() })
            }
            _ => Err(ImapError::Protocol("the server does not greet")),
        }
    }

    /// Runs a command until its tagged response.
    pub(crate) async fn run(
        &mut self,
        command: &Command,
        visit: Visit<'_>,
    ) -> Result<(), ImapError> {
        self.start(command.literal)?;
        let outcome = self.converse(command, visit).await;
        self.finish(outcome)
    }

    /// Runs AUTHENTICATE: each response is sent on a continuation request.
    pub(crate) async fn authenticate(
        &mut self,
        command: &Command,
        answers: &[&str],
    ) -> Result<(), ImapError> {
        self.start(command.literal)?;
        let outcome = self.challenge(command, answers).await;
        self.finish(outcome)
    }

    /// From here on a response is pending: unless it is read, no further command may be sent.
    fn start(&mut self, literal: u64) -> Result<(), ImapError> {
        if std::mem::replace(&mut self.ended, true) {
            return Err(ImapError::Lost(finished()));
        }
        self.tag += 1;
        self.client.get_mut().begin(literal);
        Ok(())
    }

    fn finish(&mut self, outcome: Result<(), ImapError>) -> Result<(), ImapError> {
        self.ended = !matches!(outcome, Ok(()) | Err(ImapError::No { .. }));
        outcome
    }

    /// Permits further commands after a tagged BAD. For commands that are optional; with any other,
    /// client and server disagree about the state of the session.
    pub(crate) const fn go_on(&mut self) {
        self.ended = false;
    }

    async fn converse(&mut self, command: &Command, visit: Visit<'_>) -> Result<(), ImapError> {
        self.write(format!("a{} ", self.tag).as_bytes()).await?;
        for part in &command.parts {
            match part {
                Part::Text(text) => self.write(text.as_bytes()).await?,
                Part::Literal(bytes) => {
                    self.announce(bytes.len() as u64, visit).await?;
                    self.write(bytes).await?;
                }
                Part::Message(raw) => {
                    self.announce(raw.size(), visit).await?;
                    self.message(raw).await?;
                }
            }
        }
        self.end_line().await?;
        match self.read(visit).await? {
            Stop::Done => Ok(()),
            Stop::GoAhead => Err(ImapError::Protocol("the server asks for more than there is")),
        }
    }

    async fn challenge(&mut self, command: &Command, answers: &[&str]) -> Result<(), ImapError> {
        self.write(format!("a{} ", self.tag).as_bytes()).await?;
        for part in &command.parts {
            if let Part::Text(text) = part {
                self.write(text.as_bytes()).await?;
            }
        }
        self.end_line().await?;
        let mut answers = answers.iter();
        loop {
            match self.read(&mut |_| {}).await? {
                Stop::Done => return Ok(()),
                Stop::GoAhead => {
                    let Some(answer) = answers.next() else {
                        return Err(ImapError::Protocol("too many challenges during the login"));
                    };
                    self.client.get_mut().allow_line();
                    self.write(answer.as_bytes()).await?;
                    self.end_line().await?;
                }
            }
        }
    }

    /// Announces a literal and waits for the continuation request. The server may also refuse it,
    /// with a NO that ends the command.
    async fn announce(&mut self, size: u64, visit: Visit<'_>) -> Result<(), ImapError> {
        self.write(format!("{{{size}}}\r\n").as_bytes()).await?;
        self.flush().await?;
        match self.read(visit).await? {
            Stop::GoAhead => Ok(()),
            Stop::Done => Err(ImapError::Protocol("a command was answered before it was sent")),
        }
    }

    async fn message(&mut self, raw: &Octets) -> Result<(), ImapError> {
        let mut at = 0;
        while at < raw.size() {
            let wanted = usize::try_from(raw.size() - at).unwrap_or(CHUNK).min(CHUNK);
            let chunk = raw.read_at(at, wanted).await.map_err(ImapError::Lost)?;
            let chunk = chunk.get(..wanted).unwrap_or(&chunk);
            if chunk.is_empty() {
                return Err(lost());
            }
            self.write(chunk).await?;
            at += chunk.len() as u64;
        }
        Ok(())
    }

    /// Reads until the tagged response or a continuation request.
    async fn read(
        &mut self,
        visit: &mut (dyn FnMut(&Response<'_>) + Send),
    ) -> Result<Stop, ImapError> {
        let tag = format!("a{}", self.tag);
        let mut farewell = false;
        loop {
            let answer = match self.client.read_response().await.map_err(failed) {
                Ok(Some(answer)) => answer,
                // Some servers close without ending TLS.
                Ok(None) | Err(ImapError::Lost(_)) if farewell => {
                    return Err(ImapError::Bye { reply: self.words() });
                }
                Ok(None) => return Err(lost()),
                Err(error) => return Err(error),
            };
            let answer = answer.parsed();
            match answer {
                Response::Continue(_) => return Ok(Stop::GoAhead),
                Response::Done { tag: theirs, status, .. } => {
                    if theirs.0 != tag {
                        return Err(ImapError::Protocol("an answer to a command that nobody sent"));
                    }
                    visit(answer);
                    return match status {
                        Status::Ok => Ok(Stop::Done),
                        Status::No => Err(self.refusal()),
                        Status::Bad => Err(ImapError::Bad { reply: self.words() }),
                        Status::PreAuth | Status::Bye => {
                            Err(ImapError::Protocol("a tagged answer with an untagged status"))
                        }
                    };
                }
                Response::Data { status: Status::Bye, .. } => farewell = true,
                Response::MailboxData(MailboxDatum::Exists(count)) => {
                    if let Some(selected) = &mut self.selected {
                        selected.exists = *count;
                    }
                    visit(answer);
                }
                Response::Expunge(_) => {
                    if let Some(selected) = &mut self.selected {
                        selected.exists = selected.exists.saturating_sub(1);
                    }
                    visit(answer);
                }
                _ => visit(answer),
            }
        }
    }

    fn words(&mut self) -> String {
        self.guard().spoken().words.clone()
    }

    fn refusal(&mut self) -> ImapError {
        let StatusText { code, words } = self.guard().spoken().clone();
        ImapError::No { code: no_code(&code), reply: words }
    }

    /// The code of the last refusal, for callers that need more than [`NoCode`].
    pub(crate) fn last_code(&mut self) -> String {
        self.guard().spoken().code.clone()
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), ImapError> {
        self.client.get_mut().write_all(bytes).await.map_err(failed)
    }

    async fn end_line(&mut self) -> Result<(), ImapError> {
        self.write(b"\r\n").await?;
        self.flush().await
    }

    async fn flush(&mut self) -> Result<(), ImapError> {
        self.client.get_mut().flush().await.map_err(failed)
    }
}

/// RFC 5530 §3, as far as callers distinguish them.
fn no_code(code: &str) -> NoCode {
    match code {
        "NONEXISTENT" | "TRYCREATE" => NoCode::NoSuchMailbox,
        "OVERQUOTA" => NoCode::OverQuota,
        "UNAVAILABLE" | "INUSE" | "LIMIT" | "SERVERBUG" => NoCode::Busy,
        _ => NoCode::Other,
    }
}

fn lost() -> ImapError {
    ImapError::Lost(io::ErrorKind::UnexpectedEof.into())
}

/// async-imap's own errors hold server data, that is, mail. They are replaced here.
pub(crate) fn failed(error: io::Error) -> ImapError {
    if let Some(what) = breach_in(&error) {
        return ImapError::Protocol(what);
    }
    match error.kind() {
        io::ErrorKind::TimedOut => ImapError::Timeout,
        io::ErrorKind::UnexpectedEof => lost(),
        io::ErrorKind::Other => ImapError::Protocol("an answer cannot be parsed"),
        _ => ImapError::Lost(error),
    }
}
