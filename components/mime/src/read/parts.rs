//! MIME structure parser: where each part begins and ends, and its header.
//!
//! It goes over the lines once and keeps the open multiparts in a list; it never recurses and never
//! descends into an attached message, so a message nested in itself fifty thousand times is one
//! part like any other. A multipart that is nested deeper than [`DEEPEST`] is a leaf, and what
//! comes after [`MOST_PARTS`] parts belongs to the body of the last one.
//!
//! Some senders close a multipart too early, or never begin a part in it. A delimiter after the
//! closing one begins another part (Deviation: RFC 2046 section 5.1.1 has an epilogue there), and a
//! multipart without any part is its text.
//!
//! Invariant: at most [`DEEPEST`] multiparts are open and at most [`MOST_PARTS`] parts are made.
//!
//! Standards: RFC 2046 section 5.1 (multiparts), RFC 9051 section 6.4.5.1 (part numbers).

use crate::fault::{Code, Fault};
use crate::header::fields::{Block, Fields, LONGEST_BLOCK, line_at, split};
use crate::header::parameters::{Value, parse};

/// The deepest nesting of multiparts.
pub const DEEPEST: usize = 50;
/// The most parts, multiparts and leaves together.
pub const MOST_PARTS: usize = 1_000;

/// One part. `body` is a range of the raw message, still transfer-encoded.
#[derive(Clone, Debug)]
pub struct Node {
    /// IMAP's part number; empty for a multipart that is the whole message.
    pub path: String,
    /// Index of the enclosing multipart.
    pub parent: Option<usize>,
    pub fields: Fields,
    /// Lower case, always with a slash.
    pub media_type: String,
    /// Whether its parts are nodes; all other nodes are leaves.
    pub is_multipart: bool,
    pub content_type: Value,
    pub disposition: Value,
    /// The start of its header.
    pub start: usize,
    pub body: std::ops::Range<usize>,
    /// Its end; for a multipart after the closing delimiter, without the line end after it.
    pub end: usize,
}

struct Open {
    node: usize,
    boundary: Vec<u8>,
    children: usize,
    /// The line after its closing delimiter; parts may follow nevertheless.
    closed: Option<usize>,
}

enum Delimiter {
    /// The next part of the open multipart with this index.
    Next(usize),
    Close(usize),
}

/// The parts of a message, and the limits that were exceeded.
#[derive(Clone, Debug, Default)]
pub struct Walked {
    /// Depth first; the first is the message itself.
    pub nodes: Vec<Node>,
    /// At most one of each kind: [`Code::TooDeep`], [`Code::TooManyParts`], [`Code::HeaderTooLarge`].
    pub faults: Vec<Fault>,
}

/// All parts of a message that exceeds no limit.
///
/// # Errors
/// [`Code::TooDeep`], [`Code::TooManyParts`], [`Code::HeaderTooLarge`].
pub fn whole(raw: &[u8]) -> Result<Vec<Node>, Fault> {
    let Walked { nodes, faults } = walk(raw);
    faults.into_iter().next().map_or(Ok(nodes), Err)
}

/// The parts of a message, as far as the limits allow.
pub fn walk(raw: &[u8]) -> Walked {
    let mut walk = Walk { raw, found: Walked::default(), open: Vec::new(), leaf: None };
    let mut at = walk.enter(0);
    while at < raw.len() {
        let (line, next) = line_at(raw, at);
        at = match delimiter(&walk.open, line) {
            None => next,
            Some(Delimiter::Next(_)) if walk.found.nodes.len() >= MOST_PARTS => {
                let detail = format!("the message has more than {MOST_PARTS} parts");
                walk.note("/attachments", Code::TooManyParts, detail);
                // No further part begins or ends.
                raw.len()
            }
            Some(Delimiter::Next(level)) => walk.next(level, at, next),
            Some(Delimiter::Close(level)) => {
                walk.close(level, at, at + line.len());
                next
            }
        };
    }
    walk.leave(0, raw.len());
    walk.found
}

struct Walk<'a> {
    raw: &'a [u8],
    found: Walked,
    open: Vec<Open>,
    /// The leaf whose body is being skipped.
    leaf: Option<usize>,
}

impl Walk<'_> {
    /// Parses the header at `at`; returns where its body begins.
    fn enter(&mut self, at: usize) -> usize {
        let open = &self.open;
        let Block { fields, body, is_cut } =
            split(self.raw, at, &|line| delimiter(open, line).is_some());
        if is_cut {
            let detail = format!(
                "a header block is longer than {LONGEST_BLOCK} bytes; the fields that do not fit are left out"
            );
            self.note("/headers", Code::HeaderTooLarge, detail);
        }
        let index = self.found.nodes.len();
        let (parent, number) = match self.open.last_mut() {
            Some(around) => {
                around.children += 1;
                (Some(around.node), around.children)
            }
            None => (None, 1),
        };
        let parent_node = parent.and_then(|parent| self.found.nodes.get(parent));
        let content_type = fields.raw("Content-Type").map(parse).unwrap_or_default();
        let in_digest = parent_node.is_some_and(|node| node.media_type == "multipart/digest");
        let boundary =
            content_type.param("boundary").map(|text| text.trim_end().as_bytes().to_vec());
        let media_type = media_type(&content_type.main, in_digest, boundary.is_some());
        let is_multipart = media_type.starts_with("multipart/");
        let path = match parent_node {
            Some(node) if !node.path.is_empty() => format!("{}.{number}", node.path),
            None if is_multipart => String::new(),
            _ => number.to_string(),
        };
        let disposition = fields.raw("Content-Disposition").map(parse).unwrap_or_default();
        let body_end = body..self.raw.len();
        self.found.nodes.push(Node {
            path,
            parent,
            fields,
            media_type,
            content_type,
            disposition,
            start: at,
            body: body_end,
            end: self.raw.len(),
            is_multipart: false,
        });
        self.leaf = Some(index);
        if let (true, Some(boundary)) = (is_multipart, boundary) {
            if self.open.len() < DEEPEST {
                self.leaf = None;
                self.open.push(Open { node: index, boundary, children: 0, closed: None });
                if let Some(node) = self.found.nodes.last_mut() {
                    node.is_multipart = true;
                }
            } else {
                let detail = format!("multiparts are nested more than {DEEPEST} levels deep");
                self.note("/attachments", Code::TooDeep, detail);
            }
        }
        body
    }

    fn note(&mut self, pointer: &str, code: Code, detail: String) {
        if self.found.faults.iter().all(|known| known.code != code) {
            self.found.faults.push(Fault::at(pointer, code, detail));
        }
    }

    /// Begins the next part of the multipart at `level`, which may have been closed before.
    fn next(&mut self, level: usize, at: usize, next: usize) -> usize {
        self.leave(level + 1, at);
        if let Some(open) = self.open.get_mut(level) {
            open.closed = None;
        }
        self.enter(next)
    }

    /// Closes a multipart by its closing delimiter, the line from `at` to `end`.
    fn close(&mut self, level: usize, at: usize, end: usize) {
        self.leave(level + 1, at);
        let Some(open) = self.open.get_mut(level) else { return };
        open.closed = Some(line_at(self.raw, end).1);
        let index = open.node;
        self.end_before(index, at);
        if let Some(node) = self.found.nodes.get_mut(index) {
            node.end = end;
        }
    }

    /// Ends the current part and all multiparts from `level` on before the line at `at`.
    fn leave(&mut self, level: usize, at: usize) {
        if let Some(leaf) = self.leaf.take() {
            self.end_before(leaf, at);
        }
        for open in self.open.split_off(level.min(self.open.len())) {
            if open.closed.is_none() {
                self.end_before(open.node, at);
            }
            if open.children == 0 {
                self.without_parts(&open, at);
            }
        }
    }

    fn end_before(&mut self, index: usize, at: usize) {
        let Some(node) = self.found.nodes.get(index) else { return };
        let before = self.raw.get(node.body.start..at).unwrap_or_default();
        let end = node.body.start + without_line_end(before, at == self.raw.len()).len();
        if let Some(node) = self.found.nodes.get_mut(index) {
            node.body.end = end;
            node.end = end;
        }
    }

    /// Makes a multipart without any part a text part, whatever its type.
    fn without_parts(&mut self, open: &Open, at: usize) {
        let Some(node) = self.found.nodes.get(open.node) else { return };
        let is_blank = |range: std::ops::Range<usize>| {
            self.raw.get(range).unwrap_or_default().trim_ascii().is_empty()
        };
        let (preamble, epilogue) = match open.closed {
            Some(end) => (node.body.clone(), end.min(at)..at),
            None => (node.body.start..at, at..at),
        };
        let body = match (is_blank(preamble.clone()), is_blank(epilogue.clone())) {
            (true, true) => return,
            (false, true) => node.body.clone(),
            (true, false) => epilogue,
            (false, false) => preamble.start..at,
        };
        let before = self.raw.get(body.clone()).unwrap_or_default();
        // Where it was closed, the line end before the delimiter was removed already.
        let is_cut = body.end < at || at == self.raw.len();
        let end = body.start + without_line_end(before, is_cut).len();
        if let Some(node) = self.found.nodes.get_mut(open.node) {
            node.body = body.start..end;
            node.end = node.end.max(end);
            node.is_multipart = false;
            "text/plain".clone_into(&mut node.media_type);
            if node.path.is_empty() {
                "1".clone_into(&mut node.path);
            }
        }
    }
}

/// The line end before a delimiter belongs to the delimiter (RFC 2046 section 5.1.1).
fn without_line_end(body: &[u8], at_the_end: bool) -> &[u8] {
    if at_the_end {
        return body;
    }
    let body = body.strip_suffix(b"\n").unwrap_or(body);
    body.strip_suffix(b"\r").unwrap_or(body)
}

/// Finds the delimiter that a line is, innermost first: an inner multipart may lack its end. A
/// closed one comes last, since its boundary may be another's too.
fn delimiter(open: &[Open], line: &[u8]) -> Option<Delimiter> {
    let text = line.strip_prefix(b"--")?;
    let text = text.trim_ascii_end();
    let mut again = None;
    for (level, candidate) in open.iter().enumerate().rev() {
        let is_closed = candidate.closed.is_some();
        match text.strip_prefix(candidate.boundary.as_slice()) {
            Some(b"") if is_closed => again = again.or(Some(Delimiter::Next(level))),
            Some(b"") => return Some(Delimiter::Next(level)),
            Some(b"--") if !is_closed => return Some(Delimiter::Close(level)),
            _ => {}
        }
    }
    again
}

/// The media type. RFC 2045 section 5.2: an invalid one is plain text, or a message within a
/// digest.
fn media_type(main: &str, in_digest: bool, has_boundary: bool) -> String {
    let well_formed = main
        .split_once('/')
        .is_some_and(|(kind, rest)| !kind.is_empty() && !rest.is_empty() && !rest.contains('/'));
    let token = main.bytes().all(|byte| byte.is_ascii_graphic());
    match main {
        "" if in_digest => "message/rfc822".to_owned(),
        _ if !well_formed || !token => "text/plain".to_owned(),
        _ if main.starts_with("multipart/") && !has_boundary => "text/plain".to_owned(),
        _ => main.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "Content-Type: multipart/mixed; boundary=ab\r\n\r\npreamble\r\n\
        --ab\r\nContent-Type: multipart/alternative; boundary=abc\r\n\r\n\
        --abc\r\n\r\nplain\r\n--abc\r\nContent-Type: text/html\r\n\r\n<p>\r\n--abc--\r\n\
        --ab  \r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\ninner\r\n--ab--\r\nepilogue";

    #[test]
    fn parts_are_numbered_as_imap_does() {
        check(
            TREE,
            &[
                ("", "multipart/mixed", None),
                ("1", "multipart/alternative", None),
                ("1.1", "text/plain", Some("plain")),
                ("1.2", "text/html", Some("<p>")),
                ("2", "message/rfc822", Some("Subject: x\r\n\r\ninner")),
            ],
        );
        check("Subject: x\r\n\r\nbody\r\n", &[("1", "text/plain", Some("body\r\n"))]);
        check("", &[("1", "text/plain", Some(""))]);
    }

    #[test]
    fn a_boundary_that_never_closes_ends_with_the_message() {
        check(
            "Content-Type: multipart/mixed; boundary=\"x\"\n\n--x\n\none\n--x\n\ntwo",
            &[
                ("", "multipart/mixed", None),
                ("1", "text/plain", Some("one")),
                ("2", "text/plain", Some("two")),
            ],
        );
    }

    #[test]
    fn an_inner_multipart_that_lost_its_end_is_closed_by_the_outer_one() {
        check(
            "Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: multipart/related; boundary=i\n\n--i\n\na\n--o\n\nb\n--o--\n",
            &[
                ("", "multipart/mixed", None),
                ("1", "multipart/related", None),
                ("1.1", "text/plain", Some("a")),
                ("2", "text/plain", Some("b")),
            ],
        );
    }

    #[test]
    fn a_multipart_without_parts_or_boundary_is_no_failure() {
        check(
            "Content-Type: multipart/mixed; boundary=x\r\n\r\n",
            &[("", "multipart/mixed", None)],
        );
        check("Content-Type: multipart/mixed\r\n\r\nhi", &[("1", "text/plain", Some("hi"))]);
    }

    #[test]
    fn a_multipart_without_parts_is_its_text() {
        const HEAD: &str = "Content-Type: multipart/mixed; boundary=x\r\n\r\n";
        for (body, want) in [
            ("only words\r\n", "only words\r\n"),
            ("--x--\r\nafter it\r\n", "after it\r\n"),
            ("before it\r\n--x--\r\n", "before it"),
            ("one\r\n--x--\r\ntwo", "one\r\n--x--\r\ntwo"),
        ] {
            check(&format!("{HEAD}{body}"), &[("1", "text/plain", Some(want))]);
            check(
                &format!(
                    "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n{HEAD}{body}\r\n--o--"
                ),
                &[("", "multipart/mixed", None), ("1", "text/plain", Some(want))],
            );
        }
        check(&format!("{HEAD}\r\n--x--\r\n"), &[("", "multipart/mixed", None)]);
    }

    #[test]
    fn parts_after_an_early_end_are_parts() {
        const HEAD: &str = "Content-Type: multipart/mixed; boundary=x\n\n";
        let two = [
            ("", "multipart/mixed", None),
            ("1", "text/plain", Some("one")),
            ("2", "text/plain", Some("two")),
        ];
        check(&format!("{HEAD}--x\n\none\n--x--\n--x\n\ntwo\n--x--\nepilogue"), &two);
        check(&format!("{HEAD}--x--\n--x\n\none\n--x--\nlost\n--x\n\ntwo"), &two);
        // A boundary that both multiparts have is the outer one's where the inner one is closed.
        let same = "--x\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\none\n--x--\n--x\n\ntwo\n--x--\n";
        check(
            &format!("{HEAD}{same}"),
            &[
                ("", "multipart/mixed", None),
                ("1", "multipart/mixed", None),
                ("1.1", "text/plain", Some("one")),
                ("2", "text/plain", Some("two")),
            ],
        );
    }

    #[test]
    fn of_bombs_the_first_parts_are_taken_apart() {
        let same = "Content-Type: multipart/mixed; boundary=x\n\n--x\n".repeat(20_000);
        let walked = walk(same.as_bytes());
        assert_eq!((walked.nodes.len(), walked.faults[0].code), (MOST_PARTS, Code::TooDeep));
        assert_eq!(whole(same.as_bytes()).unwrap_err().code, Code::TooDeep);
        let many =
            format!("Content-Type: multipart/mixed; boundary=x\n\n{}", "--x\n".repeat(1_000_000));
        let walked = walk(many.as_bytes());
        assert_eq!((walked.nodes.len(), walked.faults[0].code), (MOST_PARTS, Code::TooManyParts));
    }

    #[test]
    fn a_message_nested_in_itself_is_one_part() {
        let nested = "Content-Type: message/rfc822\n\n".repeat(50_000);
        assert_eq!(whole(nested.as_bytes()).unwrap().len(), 1);
    }

    #[track_caller]
    fn check(raw: &str, want: &[(&str, &str, Option<&str>)]) {
        let nodes = whole(raw.as_bytes()).unwrap();
        let found: Vec<_> = nodes
            .iter()
            .map(|node| {
                let body = (!node.is_multipart).then(|| &raw[node.body.clone()]);
                (node.path.as_str(), node.media_type.as_str(), body)
            })
            .collect();
        assert_eq!(found, want);
    }
}
