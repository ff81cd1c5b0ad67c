//! SMTP command and reply exchange.
//!
//! One command, one reply, each with a deadline. Independent of what a reply means; the one rule is
//! that a server replies only to a command.
//!
//! Invariant: bytes that arrive before a command was sent are never taken for its reply.

use std::fmt::Display;
use std::io;
use std::time::Duration;

use model::port::dial::Encryption;
use model::port::smtp::{Activity, Reply, SmtpError};

use crate::line_reader;
use crate::smtp::reply;
use crate::timed_stream::{Deadlines, Stream, breach_in};

/// Limits of an SMTP session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SmtpLimits {
    /// Deadline of the greeting. RFC 5321 §4.5.3.2.1 says five minutes, which is too long for a
    /// caller of an API.
    pub greeting: Duration,
    /// Deadline of the reply to a command.
    pub command: Duration,
    /// Deadline of writing a chunk of the message, and of the reply to DATA.
    pub data: Duration,
    /// Deadline of the reply to the message. RFC 5321 §4.5.3.2.6 asks for ten minutes: shorter
    /// risks a duplicate, since the server may have queued the message before the client
    /// disconnects.
    pub final_dot: Duration,
    /// One line of a reply, in bytes.
    pub reply_line: usize,
    /// All lines of a reply, in bytes.
    pub reply_total: usize,
}

impl Default for SmtpLimits {
    fn default() -> Self {
        Self {
            greeting: Duration::from_secs(60),
            command: Duration::from_secs(60),
            data: Duration::from_secs(120),
            final_dot: Duration::from_secs(600),
            reply_line: 8 * 1024,
            reply_total: 64 * 1024,
        }
    }
}

/// The exchange with one server.
#[derive(Debug)]
pub(crate) struct Exchange {
    lines: line_reader::Lines,
    pub(crate) limits: SmtpLimits,
    activity: Activity,
}

impl Exchange {
    pub(crate) fn new(stream: Stream, limits: SmtpLimits, activity: Activity) -> Self {
        let caps = line_reader::ReadLimits { line: limits.reply_line, total: limits.reply_total };
        Self { lines: line_reader::Lines::new(stream, caps), limits, activity }
    }

    pub(crate) fn activity(&self) -> &Activity {
        &self.activity
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        self.lines.is_encrypted()
    }

    pub(crate) fn encryption(&self) -> Option<Encryption> {
        self.lines.encryption()
    }

    /// Sends a command (with its CRLF) and reads the reply.
    pub(crate) async fn command(
        &mut self,
        step: &'static str,
        command: impl Display,
        within: Duration,
    ) -> Result<Reply, SmtpError> {
        self.command_lines(step, command, within).await.map(|lines| lines.reply())
    }

    /// As [`Exchange::command`], with every line of the reply.
    pub(crate) async fn command_lines(
        &mut self,
        step: &'static str,
        command: impl Display,
        within: Duration,
    ) -> Result<reply::Lines, SmtpError> {
        if self.lines.has_more() {
            return Err(SmtpError::Protocol("a reply came before its command"));
        }
        let command = line_of(command)?;
        self.write(step, command.as_bytes(), within).await?;
        self.flush(step).await?;
        self.read_lines(step, within).await
    }

    /// Reads a pending reply.
    pub(crate) async fn read(
        &mut self,
        step: &'static str,
        within: Duration,
    ) -> Result<Reply, SmtpError> {
        self.read_lines(step, within).await.map(|lines| lines.reply())
    }

    /// An unsolicited reply, if one has begun to arrive; waits for its end only.
    pub(crate) async fn unasked(&mut self, step: &'static str) -> Result<Option<Reply>, SmtpError> {
        let within = self.limits.command;
        self.lines.begin(Deadlines::of(within));
        if self.lines.look().await.map_err(|error| failed(step, error))? {
            return self.read(step, within).await.map(Some);
        }
        Ok(None)
    }

    async fn read_lines(
        &mut self,
        step: &'static str,
        within: Duration,
    ) -> Result<reply::Lines, SmtpError> {
        self.lines.begin(Deadlines::of(within));
        let mut collected = reply::Lines::default();
        loop {
            let line = self.lines.line().await.map_err(|error| failed(step, error))?;
            match collected.push(&line) {
                Ok(reply::Progress::More) => {}
                Ok(reply::Progress::Complete) => {
                    self.activity.note();
                    return Ok(collected);
                }
                Err(reply::NoReply) => {
                    return Err(SmtpError::Protocol("a line that is no SMTP reply"));
                }
            }
        }
    }

    /// Whether the server has sent something that was not read yet.
    pub(crate) fn has_more(&self) -> bool {
        self.lines.has_more()
    }

    /// Writes commands and flushes; what the server sends meanwhile is kept for [`Exchange::read`].
    pub(crate) async fn send(
        &mut self,
        step: &'static str,
        bytes: &[u8],
        within: Duration,
    ) -> Result<(), SmtpError> {
        self.activity.note();
        self.lines.begin(Deadlines::of(within));
        self.lines.send(bytes).await.map_err(|error| failed(step, error))
    }

    /// Writes bytes without flushing.
    pub(crate) async fn write(
        &mut self,
        step: &'static str,
        bytes: &[u8],
        within: Duration,
    ) -> Result<(), SmtpError> {
        self.activity.note();
        self.lines.begin(Deadlines::of(within));
        self.lines.write(bytes).await.map_err(|error| failed(step, error))
    }

    pub(crate) async fn flush(&mut self, step: &'static str) -> Result<(), SmtpError> {
        self.lines.flush().await.map_err(|error| failed(step, error))
    }

    /// Starts TLS, right after the reply to STARTTLS.
    pub(crate) async fn upgrade(self) -> Result<Self, SmtpError> {
        let Self { lines, limits, activity } = self;
        if lines.has_more() {
            // RFC 3207 §6: plain text could be injected into the encrypted session otherwise.
            return Err(SmtpError::Protocol("plain text after the reply to STARTTLS"));
        }
        let stream = lines.upgrade().await.map_err(SmtpError::Dial)?;
        activity.note();
        Ok(Self::new(stream, limits, activity))
    }
}

/// The command line as it is sent.
pub(crate) fn line_of(command: impl Display) -> Result<String, SmtpError> {
    let command = command.to_string();
    // The typed commands cannot contain a line break; this is the last place to detect one.
    if command.trim_end_matches("\r\n").contains(['\r', '\n', '\0']) {
        return Err(SmtpError::Protocol("a command of ours had more than one line"));
    }
    Ok(command)
}

fn failed(step: &'static str, error: io::Error) -> SmtpError {
    if let Some(what) = breach_in(&error) {
        return SmtpError::Protocol(what);
    }
    if error.kind() == io::ErrorKind::TimedOut {
        return SmtpError::Timeout { step };
    }
    SmtpError::Lost(error)
}
