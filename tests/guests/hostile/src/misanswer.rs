//! Malformed responses: invalid heads, bodies of another length than announced, and traps in the
//! middle of a response.

use wasip2::clocks::monotonic_clock::subscribe_duration;
use wasip2::http::types::{ErrorCode, Fields, OutgoingBody, OutgoingResponse, ResponseOutparam};

/// Text that would forge a log line, and control a terminal.
const FORGED: &str =
    "\n2026-01-01T00:00:00.000000Z ERROR server: forged\r\u{1b}[31m\u{202e}\u{2028}\0";

/// Whether `word` names one of them. `number` is from the query, or 0.
pub(crate) fn is_one(word: &str) -> bool {
    word.starts_with("answer-") || word == "decline"
}

pub(crate) fn give(out: ResponseOutparam, word: &str, number: u64) {
    let fields = Fields::new();
    match word {
        "decline" => {
            let length = usize::try_from(number).unwrap_or(usize::MAX);
            let text = FORGED.repeat(length / FORGED.len() + 1);
            return ResponseOutparam::set(out, Err(ErrorCode::InternalError(Some(text))));
        }
        "answer-length" => {
            let _ = fields.append("content-length", number.to_string().as_bytes());
        }
        "answer-lengths" => {
            let _ = fields.append("content-length", b"4");
            let _ = fields.append("content-length", b"4");
        }
        _ => {}
    }
    let response = OutgoingResponse::new(fields);
    if matches!(word, "answer-status" | "answer-body") {
        // Ignores the host's result.
        let _ = response.set_status_code(u16::try_from(number).unwrap_or(u16::MAX));
    }
    let body = response.body();
    ResponseOutparam::set(out, Ok(response));
    let Ok(body) = body else { return };
    let Ok(stream) = body.write() else { return };
    let say = |words: &[u8]| drop(stream.blocking_write_and_flush(words));
    match word {
        "answer-trap" => panic!("on request"),
        "answer-late-trap" => {
            say(b"a");
            // Waits until that has been sent.
            subscribe_duration(100_000_000).block();
            panic!("on request");
        }
        "answer-loop" => crate::drain::spin(),
        "answer-flush" => {
            say(b"");
            subscribe_duration(3_600_000_000_000).block();
        }
        "answer-unfinished" => {
            drop(stream);
            return drop(body);
        }
        "answer-status" | "answer-nothing" => {}
        _ => say(b"four"),
    }
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
}
