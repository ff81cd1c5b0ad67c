//! Command injection check: verifies outgoing bytes once more before they are sent.
//!
//! Commands are built from typed values, so this should never fail. It does if one of those types
//! is wrong: one step writes one command line, and line breaks occur only at its end and inside
//! announced literals.
//!
//! Standard: RFC 9051 §2.2.1 and §4.3.

use crate::imap::tokenizer::announced;
use crate::timed_stream::ProtocolViolation;

const INJECTION: ProtocolViolation = ProtocolViolation("a command of ours had more than one line");

/// Longest line that servers must accept (RFC 7162 §4), with room for long names.
const LONGEST: usize = 16 * 1024;

/// Tracks the bytes that are written.
#[derive(Clone, Debug, Default)]
pub(crate) struct CheckedCommand {
    /// Command lines that may still begin.
    allowed: u32,
    line: Vec<u8>,
    literal: u64,
}

impl CheckedCommand {
    /// Allows one more command line.
    pub(crate) fn allow_line(&mut self) {
        self.allowed = 1;
        self.line.clear();
        self.literal = 0;
    }

    /// Checks bytes before they are written.
    pub(crate) fn check(&mut self, mut bytes: &[u8]) -> Result<(), ProtocolViolation> {
        while !bytes.is_empty() {
            if self.literal > 0 {
                let take = usize::try_from(self.literal).unwrap_or(usize::MAX).min(bytes.len());
                self.literal -= take as u64;
                bytes = bytes.get(take..).unwrap_or_default();
                continue;
            }
            if self.allowed == 0 {
                return Err(INJECTION);
            }
            let end = bytes.iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |at| at + 1);
            let (piece, rest) = bytes.split_at(end);
            bytes = rest;
            self.line.extend_from_slice(piece);
            if self.line.len() > LONGEST {
                return Err(INJECTION);
            }
            if let Some(line) = self.line.strip_suffix(b"\n") {
                let line = line.strip_suffix(b"\r").ok_or(INJECTION)?;
                if line.iter().any(|&byte| matches!(byte, b'\r' | b'\0')) {
                    return Err(INJECTION);
                }
                match announced(line) {
                    Some(size) => self.literal = size,
                    None => self.allowed -= 1,
                }
                self.line.clear();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_command_is_one_line_and_its_literals() {
        check("A1 NOOP\r\n", true);
        check("A1 LOGIN {3}\r\na\nb {2}\r\n\r\n\r\n", true);
        check("A1 NOOP\r\nA2 DELETE x\r\n", false);
        check("A1 SELECT a\nb\r\n", false);
        check("A1 SELECT a\rb\r\n", false);
        check("A1 SELECT a\0b\r\n", false);
        check("A1 X {1}\r\nab\r\nA2 DELETE x\r\n", false);
    }

    #[track_caller]
    fn check(text: &str, want: bool) {
        for chunk in [1, 2, 1000] {
            let mut outbound = CheckedCommand::default();
            outbound.allow_line();
            let fine = text.as_bytes().chunks(chunk).all(|piece| outbound.check(piece).is_ok());
            assert_eq!(fine, want, "{text:?} in pieces of {chunk}");
        }
    }
}
