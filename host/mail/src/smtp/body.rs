//! Message data between DATA and the final dot: checks and dot-stuffing.
//!
//! Pure. The bytes are never changed otherwise; a message that would have to be is refused.
//!
//! Invariant: every line that is sent ends with CRLF, so that no server can see the end of the data
//! where this client does not.
//!
//! Standard: RFC 5321 §4.5.2 (transparency), §2.3.8 (lines).

/// The result of a scan over the whole message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scan {
    /// A CR without LF or an LF without CR: servers disagree on whether that ends a line, which
    /// permits SMTP smuggling of a second message.
    pub(crate) bare: bool,
    /// A byte above 127.
    pub(crate) eight_bit: bool,
    /// The last two bytes.
    tail: [u8; 2],
}

impl Scan {
    /// Scans the next bytes.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            let after_cr = self.tail[1] == b'\r';
            self.bare |= after_cr != (byte == b'\n');
            self.eight_bit |= !byte.is_ascii();
            self.tail = [self.tail[1], byte];
        }
    }

    /// Ends the scan.
    pub(crate) fn finish(mut self) -> Self {
        self.bare |= self.tail[1] == b'\r';
        self
    }

    /// Whether the message ends with a line end.
    pub(crate) fn ends_line(&self) -> bool {
        self.tail == *b"\r\n"
    }
}

/// Dot-stuffing: doubles the dot at the beginning of lines.
#[derive(Debug)]
pub(crate) struct Stuffing {
    at_start: bool,
}

impl Stuffing {
    pub(crate) const fn new() -> Self {
        Self { at_start: true }
    }

    /// The bytes as they are sent.
    pub(crate) fn encode(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for &byte in bytes {
            if byte == b'.' && self.at_start {
                out.push(b'.');
            }
            out.push(byte);
            self.at_start = byte == b'\n';
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_line_ends_are_found_wherever_a_chunk_ends() {
        for (text, bare) in [
            ("a\r\nb\r\n", false),
            ("", false),
            ("a", false),
            ("a\nb", true),
            ("\n", true),
            ("a\rb", true),
            ("a\r", true),
            ("a\r\r\n", true),
            ("a\r\n.\n.\r\n", true),
            ("a\n\r\n", true),
        ] {
            for split in 0..=text.len() {
                let mut scan = Scan::default();
                scan.feed(&text.as_bytes()[..split]);
                scan.feed(&text.as_bytes()[split..]);
                assert_eq!(scan.finish().bare, bare, "{text:?} split at {split}");
            }
        }
    }

    #[test]
    fn dots_are_doubled_at_the_beginning_of_lines_only() {
        check("a.b\r\n", "a.b\r\n");
        check(".", "..");
        check(".\r\n..\r\n.a\r\n", "..\r\n...\r\n..a\r\n");
        check("\r\n.\r\n", "\r\n..\r\n");
    }

    #[track_caller]
    fn check(text: &str, want: &str) {
        for split in 0..=text.len() {
            let (mut stuffing, mut out) = (Stuffing::new(), Vec::new());
            stuffing.encode(&text.as_bytes()[..split], &mut out);
            stuffing.encode(&text.as_bytes()[split..], &mut out);
            assert_eq!(String::from_utf8_lossy(&out), want, "{text:?} split at {split}");
        }
    }
}
