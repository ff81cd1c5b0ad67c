//! Receiving message data after DATA: its end, and its checks.
//!
//! Invariant: only CRLF `.` CRLF ends the mail. A bare CR or LF is never taken for a line end, and
//! mail that contains one is refused: servers that disagree on line ends can be made to see two
//! messages where there is one (SMTP smuggling).
//!
//! Standards: RFC 5321 §2.3.8, §4.1.1.4, §4.5.2 (dots).

use std::io;
use std::time::Duration;

use crate::wire::{Line, Wire, within};

/// Time limit of a whole message.
const DATA_LIMIT: Duration = Duration::from_secs(10 * 60);

/// The received data.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Body {
    Whole(Vec<u8>),
    /// Read to its end, and refused with this reply.
    Refused(&'static str),
    /// Its end was not found within the limit: the connection must be closed.
    Hopeless(&'static str),
}

/// Reads until the final dot; keeps at most `cap` octets.
pub(crate) async fn receive(wire: &mut Wire, cap: usize) -> io::Result<Body> {
    within(DATA_LIMIT, async {
        let mut octets = Vec::new();
        let mut fault = None;
        let mut after_crlf = true;
        loop {
            let line = match wire.line(cap).await? {
                Line::Whole(line) => line,
                Line::TooLong => return Ok(Body::Hopeless("552 5.3.4 too large")),
                Line::End => return Err(io::ErrorKind::UnexpectedEof.into()),
            };
            if after_crlf && line == b".\r\n" {
                return Ok(fault.map_or(Body::Whole(octets), Body::Refused));
            }
            let text = line.strip_suffix(b"\r\n");
            if text.is_none_or(|text| text.contains(&b'\r')) {
                fault = Some("554 5.6.0 bare CR or LF");
            } else if line.contains(&0) {
                // IMAP has no representation for it (RFC 3501 §9 `CHAR8`).
                fault = Some("554 5.6.0 NUL");
            }
            let unstuffed = line.strip_prefix(b".").filter(|_| after_crlf).unwrap_or(&line);
            after_crlf = text.is_some();
            if octets.len().saturating_add(unstuffed.len()) > cap {
                fault = Some("552 5.3.4 too large");
            }
            if fault.is_some() {
                octets = Vec::new();
            } else {
                octets.extend_from_slice(unstuffed);
            }
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::{Body, receive};
    use crate::wire::Wire;

    #[tokio::test]
    async fn only_a_dot_between_two_crlf_ends_the_mail() {
        check(b"a\r\n..b\r\n.\r\nQUIT", Body::Whole(b"a\r\n.b\r\n".to_vec())).await;
        check(b".\r\n", Body::Whole(Vec::new())).await;
        let bare = Body::Refused("554 5.6.0 bare CR or LF");
        for smuggled in [
            &b"a\n.\r\nMAIL FROM:<x>\r\n.\r\n"[..],
            b"a\r\n.\nMAIL FROM:<x>\r\n.\r\n",
            b"a\r.\r\nMAIL FROM:<x>\r\n.\r\n",
            b"a\r\n.\rMAIL FROM:<x>\r\n.\r\n",
        ] {
            check(smuggled, Body::Refused("554 5.6.0 bare CR or LF")).await;
        }
        check(b"a\r\r\n.\r\n", bare).await;
    }

    #[tokio::test]
    async fn what_is_over_the_cap_is_refused() {
        check(b"123456789\r\n123456789\r\n.\r\n", Body::Refused("552 5.3.4 too large")).await;
        check(&[b'x'; 100], Body::Hopeless("552 5.3.4 too large")).await;
    }

    async fn check(input: &[u8], want: Body) {
        let mut input = input.to_vec();
        if matches!(want, Body::Hopeless(_)) {
            input.push(b'\n');
        }
        let stream = tokio::io::join(std::io::Cursor::new(input.clone()), tokio::io::sink());
        let cap = if input.contains(&b'M') { 100 } else { 20 };
        let got = receive(&mut Wire::new(Box::new(stream)), cap).await.unwrap();
        assert_eq!(got, want, "input {:?}", String::from_utf8_lossy(&input));
    }
}
