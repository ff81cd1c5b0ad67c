//! Commands of one transaction, sent ahead of their replies where the server takes that.
//!
//! Replies are read in the order of the commands, so that each still belongs to
//! one. A server that does not offer PIPELINING gets a command when the one
//! before it is answered.
//!
//! Invariants: what is sent and unanswered is bounded, and while we write we read,
//! so that neither side waits for the other to read; nothing is sent after a
//! reply that came before its command.
//!
//! Standard: RFC 2920.

use std::collections::VecDeque;
use std::fmt::Display;
use std::time::Duration;

use model::port::smtp::{Reply, SmtpError};

use crate::smtp::exchange::{Exchange, line_of};

/// Commands that are sent and unanswered, in bytes: less than what any system buffers for a
/// connection, so that the replies to them fit as well.
const WINDOW: usize = 4 * 1024;

/// See the module.
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
    /// `ahead`: the server offers it.
    pub(crate) fn new(ahead: bool) -> Self {
        let window = if ahead { WINDOW } else { 0 };
        Self { window, waiting: VecDeque::new(), asked: VecDeque::new(), unanswered: 0 }
    }

    /// Commands go before their replies.
    pub(crate) const fn is_ahead(&self) -> bool {
        self.window > 0
    }

    /// A command (with its CRLF), after those before it.
    pub(crate) fn push(
        &mut self,
        step: &'static str,
        command: impl Display,
        within: Duration,
    ) -> Result<(), SmtpError> {
        self.waiting.push_back(Command { step, line: line_of(command)?, within });
        Ok(())
    }

    /// The reply to the oldest command without one.
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
                // Whoever hangs up on us may have said why, and has answered what came before.
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

    /// What may be sent now: nothing while half of the window is under way, since every write costs.
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
