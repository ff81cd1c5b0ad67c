//! Limits of an IMAP session: deadlines and sizes.

use std::time::Duration;

/// Limits and deadlines. Beyond them the session ends with a typed error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImapLimits {
    /// Deadline of the greeting.
    pub greeting: Duration,
    /// Between two bytes of a response.
    pub command: Duration,
    /// For a whole command, however much the server sends.
    pub total: Duration,
    /// One literal, in bytes; in effect, one message.
    pub literal: u64,
    /// One line without its literals, in bytes.
    pub line: usize,
    /// The whole response to one command, in bytes.
    pub response_total: u64,
    /// Of that, bytes that are read only to be skipped: literals and lines of a message beyond
    /// their limits.
    pub skipped: u64,
    /// Nesting depth of parentheses.
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
