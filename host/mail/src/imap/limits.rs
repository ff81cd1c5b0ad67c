//! How long and how much we put up with from an IMAP server.

use std::time::Duration;

/// Caps and deadlines. What goes beyond ends the session with a typed error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImapLimits {
    /// For the greeting.
    pub greeting: Duration,
    /// Between two bytes of an answer.
    pub command: Duration,
    /// For a whole command, however busily the server talks.
    pub total: Duration,
    /// One literal, in bytes: so, one message.
    pub literal: u64,
    /// One line without its literals, in bytes.
    pub line: usize,
    /// Everything that is said in answer to one command, in bytes.
    pub response_total: u64,
    /// Of that, what is read only to be thrown away: literals and lines of a message that are longer than
    /// they may be.
    pub skipped: u64,
    /// Parentheses within parentheses.
    pub depth: usize,
}

impl Default for ImapLimits {
    fn default() -> Self {
        Self {
            greeting: Duration::from_secs(30),
            command: Duration::from_secs(30),
            total: Duration::from_secs(600),
            literal: 64 * 1024 * 1024,
            line: 1024 * 1024,
            response_total: 128 * 1024 * 1024,
            skipped: 16 * 1024 * 1024,
            depth: 32,
        }
    }
}
