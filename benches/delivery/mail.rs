//! Test messages of 4 kB, to a recipient whose mail Postfix queues like any other and then
//! discards.

use std::fmt::Write as _;

pub(crate) const RECIPIENT: &str = "sink@example.test";

/// Approximate size of each message.
const BYTES: usize = 4096;

/// Lines end in CRLF, and none begins with a dot.
pub(crate) fn message(id: &str, sender: &str) -> String {
    let mut text = format!(
        "From: <{sender}>\r\nTo: <{RECIPIENT}>\r\nSubject: one of many\r\n\
         Date: Mon, 30 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{id}>\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=us-ascii\r\n\r\n"
    );
    for line in 0.. {
        if text.len() >= BYTES {
            break;
        }
        write!(text, "{line:04} See you at seven, at the usual place, with the usual friends.\r\n")
            .unwrap();
    }
    text
}
