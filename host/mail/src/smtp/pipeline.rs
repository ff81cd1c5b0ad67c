//! Command pipelining (RFC 2920) within one transaction.
//!
//! Replies are read in the order of the commands, so that each still belongs to one. For a server
//! without PIPELINING a command is sent when the one before it is answered.
//!
//! Invariants: what is sent and unanswered is bounded, and input is read while writing, so that
//! neither side waits for the other to read; nothing is sent after a reply that came before its
//! command.
//!
//! Standard: RFC 2920.

use std::collections::VecDeque;
use std::fmt::Display;
use std::time::Duration;

use model::port::smtp::{Reply, SmtpError};

use crate::smtp::exchange::{Exchange, line_of};

/// Limit of commands sent and unanswered, in bytes: less than any system buffers for a connection,
/// so that the replies to them fit as well.
const WINDOW: usize = 4 * 1024;

/// The commands of one transaction and their pending replies.
#[derive(Debug)]
pub(crate) struct Pipeline {
    window: usize,
    waiting: VecDeque<Command>,
    asked: VecDeque<Command>,
    unanswered: usize,
}

#[derive(Debug)]
struct Command {
    step: &'static str,
    line: String,
    within: Duration,
}

impl Pipeline {
    /// `ahead`: whether the server offers PIPELINING.
    pub(crate) fn new(ahead: bool) -> Self {
        let window = if ahead { WINDOW } else { 0 };
        Self { window, waiting: VecDeque::new(), asked: VecDeque::new(), unanswered: 0 }
    }

    /// Whether commands are sent before earlier replies.
    pub(crate) const fn is_ahead(&self) -> bool {
        self.window > 0
    }

    /// Queues a command (with its CRLF).
    pub(crate) fn push(
        &mut self,
        step: &'static str,
        command: impl Display,
        within: Duration,
    ) -> Result<(), SmtpError> {
        self.waiting.push_back(Command { step, line: line_of(command)?, within });
        Ok(())
    }

    /// The reply to the oldest unanswered command.
    pub(crate) async fn reply(&mut self, conversation: &mut Exchange) -> Result<Reply, SmtpError> {
        let batch = self.batch();
        if !batch.is_empty() {
            if self.asked.is_empty() && conversation.has_more() {
                return Err(SmtpError::Protocol("a reply came before its command"));
            }
            let (step, within) = batch.first().map_or(("", Duration::ZERO), |c| (c.step, c.within));
            let bytes: String = batch.iter().map(|command| command.line.as_str()).collect();
            self.unanswered += bytes.len();
            self.asked.extend(batch);
            match conversation.send(step, bytes.as_bytes(), within).await {
                // A server that disconnects may have sent the reason, and replies to earlier
                // commands.
                Ok(()) | Err(SmtpError::Lost(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let Some(command) = self.asked.pop_front() else {
            return Err(SmtpError::Protocol("nothing was asked"));
        };
        self.unanswered -= command.line.len();
        conversation.read(command.step, command.within).await
    }

    /// What may be sent now: nothing while half of the window is unanswered, since every write has
    /// a cost.
    fn batch(&mut self) -> Vec<Command> {
        let mut batch: Vec<Command> = Vec::new();
        if !self.asked.is_empty() && self.unanswered * 2 > self.window {
            return batch;
        }
        let mut size = self.unanswered;
        while let Some(command) = self.waiting.front() {
            let alone = self.asked.is_empty() && batch.is_empty();
            size += command.line.len();
            if !alone && size > self.window {
                break;
            }
            batch.extend(self.waiting.pop_front());
        }
        batch
    }
}
