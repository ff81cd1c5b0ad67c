//! Truncation of bodies to the requested length, with a report of each cut.
//!
//! Parsed messages are shared and hold more than most requests ask for. Text is cut here; only the
//! parser knows where HTML may end, so a request for less HTML than was parsed has it parsed again.
//!
//! Invariant: a body shorter than the message's is reported as cut.

use model::mail::message::ParsedMessage;
use model::port::capabilities::Body;
use model::problem::Fault;

/// A body, and whether it was truncated.
pub(crate) fn of(reading: &ParsedMessage, kind: Body) -> (&Option<String>, bool) {
    match kind {
        Body::Text => (&reading.text, reading.cut.text),
        Body::Html => (&reading.html, reading.cut.html),
        Body::HtmlAsSent => (&reading.html_as_sent, reading.cut.html_as_sent),
    }
}

pub(crate) const fn pointer(kind: Body) -> &'static str {
    match kind {
        Body::Text => "/text",
        Body::Html | Body::HtmlAsSent => "/html",
    }
}

/// At most `limit` bytes of a body, and whether it was truncated.
pub(crate) fn body_within(
    reading: &ParsedMessage,
    kind: Body,
    limit: u32,
) -> (Option<String>, bool) {
    let (body, is_cut) = of(reading, kind);
    let is_cut = is_cut || body.as_ref().is_some_and(|body| body.len() > limit as usize);
    (body.as_deref().map(|body| cut(body, limit).to_owned()), is_cut)
}

/// Reports that a body was truncated, once.
pub(crate) fn note(cuts: &mut Vec<Fault>, kind: Body, limit: u32) {
    let fault = Fault {
        pointer: pointer(kind).to_owned(),
        code: "cut".to_owned(),
        detail: format!("it goes on beyond the {limit} bytes that are shown of it"),
    };
    if !cuts.contains(&fault) {
        cuts.push(fault);
    }
}

/// At most `limit` bytes, cut at a character boundary.
fn cut(text: &str, limit: u32) -> &str {
    text.get(..text.floor_char_boundary(limit as usize)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_cut_at_a_character() {
        check("añb", 0, "");
        check("añb", 2, "a");
        check("añb", 3, "añ");
        check("añb", 99, "añb");
    }

    #[track_caller]
    fn check(text: &str, limit: u32, want: &str) {
        assert_eq!(cut(text, limit), want);
    }
}
