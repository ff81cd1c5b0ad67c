//! Applies a filter's edits to a composed message.
//!
//! The message is parsed once; then a few ranges are replaced and the rest is copied, so that
//! attachments are never decoded and cannot be lost. New bodies are written as composition writes
//! them. Where a body of the other kind is added, the two become alternatives.
//!
//! Invariant: no edit can begin a field, a part or a recipient of its own; what the edits do not
//! name stays byte for byte.
//!
//! Standards: RFC 5322, RFC 2046 section 5.1.4, RFC 2387.

use std::collections::HashSet;
use std::ops::Range;

use crate::compose::address::Mailbox;
use crate::compose::draft_check::{MOST_RECIPIENTS, check_edits};
use crate::compose::edit::{Edit, Footer};
use crate::compose::transfer_encode::{Encoded, text as encode_text};
use crate::compose::{boundary, header_writer, text_fields};
use crate::fault::{Code, Fault};
use crate::header::fields::LONGEST_BLOCK;
use crate::octets::{Buffered, Octets, Sink, pull};
use crate::read::body_selection::{LONGEST_BODY, encoding, text_of};
use crate::read::part_use::words as words_of;
use crate::read::parts::{Node, whole};
use crate::read::transfer_decode::decoded_size;

mod header;
mod footer;
#[cfg(test)]
mod tests;

use header::Block;

/// Writes the edited message; returns its recipients.
///
/// # Errors
/// All faults of the edits, or the first fault of the message. The output must then be discarded.
pub fn rewrite(
    octets: &dyn Octets,
    recipients: &[String],
    edits: &[Edit],
    sink: &mut dyn Sink,
) -> Result<Vec<String>, Vec<Fault>> {
    check_edits(edits)?;
    let recipients = received(recipients, edits).map_err(|fault| vec![fault])?;
    let one = |fault| vec![fault];
    let raw = pull(octets).map_err(one)?;
    let message = Message::cut(&raw).map_err(one)?;
    let splices = message.splices(edits).map_err(one)?;
    put(&raw, splices, sink).map_err(one)?;
    Ok(recipients)
}

/// The recipients after the edits, without duplicates, in their original order.
fn received(before: &[String], edits: &[Edit]) -> Result<Vec<String>, Fault> {
    let parse = |email: &String| {
        Mailbox::parse(email)
            .map_err(|_| Fault::of_message(Code::BadAddress, "a recipient that cannot be read"))
    };
    let mut people = before.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    for edit in edits {
        match edit {
            Edit::AddRecipient(email) => people.push(parse(email)?),
            Edit::RemoveRecipient(email) => {
                let gone = parse(email)?.key();
                people.retain(|person| person.key() != gone);
            }
            Edit::AddHeader(_)
            | Edit::RemoveHeader(_)
            | Edit::SetSubject(_)
            | Edit::SetText(_)
            | Edit::SetHtml(_)
            | Edit::AddFooter(_) => {}
        }
    }
    let mut seen = HashSet::new();
    people.retain(|person| seen.insert(person.key()));
    if people.is_empty() {
        let detail = "the edits leave no recipient; reject the message instead";
        return Err(Fault::of_message(Code::NoRecipients, detail));
    }
    if people.len() > MOST_RECIPIENTS {
        let detail = format!("a message may have {MOST_RECIPIENTS} recipients at most");
        return Err(Fault::of_message(Code::TooManyRecipients, detail));
    }
    Ok(people.iter().map(Mailbox::spelled).collect())
}

/// A replacement of a range of the message.
struct Splice {
    range: Range<usize>,
    bytes: Vec<u8>,
}

/// Writes the message with the `splices`, which are in order and do not overlap.
fn put(raw: &[u8], splices: Vec<Splice>, sink: &mut dyn Sink) -> Result<(), Fault> {
    let mut out = Buffered::new(sink);
    let mut at = 0;
    for Splice { range, bytes } in splices {
        out.put(raw.get(at..range.start).unwrap_or_default())?;
        out.put(&bytes)?;
        at = range.end;
    }
    out.put(raw.get(at..).unwrap_or_default())?;
    out.finish()
}

/// Indexes of the parts that may be replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Bodies {
    text: Option<usize>,
    html: Option<usize>,
}

/// The two bodies after the edits; none where one is unchanged.
#[derive(Default)]
struct New {
    text: Option<String>,
    html: Option<String>,
}

/// A second body beside the existing one.
struct Beside {
    /// The part that becomes one of the alternatives.
    node: usize,
    /// The new part, header and all.
    part: Vec<u8>,
    /// Whether it comes first. Text comes before HTML: clients show the last alternative that they
    /// support.
    first: bool,
}

struct Message<'a> {
    raw: &'a [u8],
    nodes: Vec<Node>,
    bodies: Bodies,
}

impl<'a> Message<'a> {
    fn cut(raw: &'a [u8]) -> Result<Self, Fault> {
        let nodes = whole(raw)?;
        let bodies = own_words(&nodes);
        Ok(Self { raw, nodes, bodies })
    }

    fn splices(&self, edits: &[Edit]) -> Result<Vec<Splice>, Fault> {
        let Some(root) = self.nodes.first() else { return Err(no_body()) };
        let mut top = Block::cut(self.raw, root.start, root.body.start);
        let before = top.clone();
        let mut new = New::default();
        for edit in edits {
            match edit {
                Edit::AddHeader(header) => {
                    top.push(&header.name, header_writer::text(&header.name, &header.value));
                }
                Edit::RemoveHeader(name) => top.remove(name),
                Edit::SetSubject(subject) => {
                    top.remove("subject");
                    top.push("subject", header_writer::text("Subject", subject));
                }
                Edit::SetText(text) => new.text = Some(text.clone()),
                Edit::SetHtml(html) => new.html = Some(html.clone()),
                Edit::AddFooter(footer) => self.add(footer, &mut new)?,
                Edit::AddRecipient(_) | Edit::RemoveRecipient(_) => {}
            }
        }
        let mut splices = Vec::new();
        let beside = self.beside(&new)?;
        let replaced: Vec<(usize, &str, Encoded)> =
            [(self.bodies.text, "plain", &new.text), (self.bodies.html, "html", &new.html)]
                .into_iter()
                .filter_map(|(index, kind, body)| {
                    Some((index?, kind, encode_text(body.as_deref()?)))
                })
                .collect();
        if beside.is_some() && !top.has("mime-version") {
            top.push("mime-version", header_writer::verbatim("MIME-Version", "1.0"));
        }
        let boundary = boundary();
        let mut touched: Vec<usize> = replaced.iter().map(|(index, ..)| *index).collect();
        touched.extend(beside.iter().map(|beside| beside.node));
        touched.push(0);
        touched.sort_unstable();
        touched.dedup();
        for index in touched {
            let Some(node) = self.nodes.get(index) else { continue };
            let beside = beside.as_ref().filter(|beside| beside.node == index);
            let body = replaced.iter().find(|(replaced, ..)| *replaced == index);
            let is_top = index == 0;
            let mut around = if is_top {
                top.clone()
            } else {
                Block::cut(self.raw, node.start, node.body.start)
            };
            let changed = beside.is_some() || body.is_some() || (is_top && around != before);
            if !changed {
                continue;
            }
            let mut content = around.take_content();
            if let Some((_, kind, encoded)) = body {
                for stale in ["content-type", "content-transfer-encoding", "content-md5"] {
                    content.remove(stale);
                }
                content.push("content-type", text_fields(kind, encoded.encoding));
            }
            let mut head = Vec::new();
            match beside {
                None => {
                    around.append(content);
                    head.extend(around.bytes());
                }
                Some(beside) => {
                    head.extend(around.bytes());
                    head.extend(opening(&boundary, beside));
                    head.extend(content.bytes());
                }
            }
            if is_top && head.len() > LONGEST_BLOCK {
                let detail = format!("the header would have more than {LONGEST_BLOCK} bytes");
                return Err(Fault::of_message(Code::HeaderTooLarge, detail));
            }
            head.extend_from_slice(b"\r\n");
            splices.push(Splice { range: node.start..node.body.start, bytes: head });
            if let Some((_, _, encoded)) = body {
                let bytes = self.fitted(node, encoded);
                splices.push(Splice { range: node.body.clone(), bytes });
            }
            if let Some(beside) = beside {
                let bytes = self.closing(&boundary, beside, node);
                splices.push(Splice { range: node.end..node.end, bytes });
            }
        }
        splices.sort_by_key(|splice| (splice.range.start, splice.range.end));
        Ok(splices)
    }

    /// Appends the footer to the bodies.
    fn add(&self, footer: &Footer, new: &mut New) -> Result<(), Fault> {
        let text = self.now(new.text.as_ref(), self.bodies.text)?;
        let html = self.now(new.html.as_ref(), self.bodies.html)?;
        if let Some(text) = text {
            new.text = Some(within(footer::append_to_text(&text, &footer.text))?);
        }
        if let Some(html) = html {
            let fragment = footer.html.clone().unwrap_or_else(|| footer::as_html(&footer.text));
            new.html = Some(within(footer::append_to_html(&html, &fragment))?);
        }
        if new.text.is_none() && new.html.is_none() { Err(no_body()) } else { Ok(()) }
    }

    /// The current content of a body.
    fn now(&self, new: Option<&String>, index: Option<usize>) -> Result<Option<String>, Fault> {
        if new.is_some() {
            return Ok(new.cloned());
        }
        let Some(node) = index.and_then(|index| self.nodes.get(index)) else { return Ok(None) };
        let body = self.raw.get(node.body.clone()).unwrap_or_default();
        // Parsing stops there, and a part of a body must not replace the whole.
        if decoded_size(encoding(node), body) > LONGEST_BODY as u64 {
            return Err(too_long());
        }
        Ok(Some(text_of(self.raw, node, LONGEST_BODY)))
    }

    /// A body of the kind that the message does not have yet.
    fn beside(&self, new: &New) -> Result<Option<Beside>, Fault> {
        let Bodies { text, html } = self.bodies;
        Ok(match (&new.text, text, &new.html, html) {
            (Some(new), None, _, Some(html)) => {
                Some(Beside { node: self.page(html), part: part("plain", new), first: true })
            }
            (_, Some(text), Some(new), None) => {
                Some(Beside { node: text, part: part("html", new), first: false })
            }
            (None, _, None, _) => None,
            (_, None, _, None) => return Err(no_body()),
            _ => None,
        })
    }

    /// The HTML part, or the multipart/related around it.
    fn page(&self, html: usize) -> usize {
        let around = self.nodes.get(html).and_then(|node| node.parent);
        match around {
            Some(parent)
                if parent + 1 == html
                    && self
                        .nodes
                        .get(parent)
                        .is_some_and(|n| n.media_type == "multipart/related") =>
            {
                parent
            }
            _ => html,
        }
    }

    /// Whether a line end follows the part, which belongs to the next delimiter (RFC 2046 section
    /// 5.1.1).
    fn is_followed(&self, node: &Node) -> bool {
        let tail = self.raw.get(node.end..).unwrap_or_default();
        tail.starts_with(b"\r\n") || tail.starts_with(b"\n")
    }

    fn fitted(&self, node: &Node, encoded: &Encoded) -> Vec<u8> {
        let body = encoded.body.as_str();
        let body =
            if self.is_followed(node) { body.strip_suffix("\r\n").unwrap_or(body) } else { body };
        body.as_bytes().to_vec()
    }

    fn closing(&self, boundary: &str, beside: &Beside, node: &Node) -> Vec<u8> {
        let followed = self.is_followed(node);
        let body = self.raw.get(node.body.clone()).unwrap_or_default();
        let mut bytes = Vec::new();
        if followed || !(body.is_empty() || body.ends_with(b"\n")) {
            bytes.extend_from_slice(b"\r\n");
        }
        if !beside.first {
            bytes.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
            bytes.extend_from_slice(&beside.part);
        }
        bytes.extend_from_slice(format!("--{boundary}--").as_bytes());
        if !followed {
            bytes.extend_from_slice(b"\r\n");
        }
        bytes
    }
}

fn opening(boundary: &str, beside: &Beside) -> Vec<u8> {
    let mut bytes = format!(
        "Content-Type: multipart/alternative;\r\n boundary=\"{boundary}\"\r\n\r\n--{boundary}\r\n"
    )
    .into_bytes();
    if beside.first {
        bytes.extend_from_slice(&beside.part);
        bytes.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
    }
    bytes
}

fn part(kind: &str, body: &str) -> Vec<u8> {
    let encoded = encode_text(body);
    [text_fields(kind, encoded.encoding).as_str(), "\r\n", encoded.body.as_str()].concat().into()
}

/// The bodies that may be replaced: the first part, and its alternatives. A later text part may be
/// an attachment, even when clients show it.
fn own_words(nodes: &[Node]) -> Bodies {
    let alternatives = |mut index: usize| {
        let mut found = Vec::new();
        while let Some(parent) = nodes.get(index).and_then(|node| node.parent) {
            if nodes.get(parent).is_some_and(|node| node.media_type == "multipart/alternative") {
                found.push(parent);
            }
            index = parent;
        }
        found
    };
    let Some(first) = nodes.iter().position(|node| !node.is_multipart) else {
        return Bodies::default();
    };
    let home = alternatives(first);
    let own = |index: &usize| {
        *index == first || alternatives(*index).iter().any(|around| home.contains(around))
    };
    // A blank part may be a body too.
    let (words, _) = words_of(nodes, &|_| false);
    let first = |media_type: &str| {
        let is = |index: &usize| nodes.get(*index).is_some_and(|n| n.media_type == media_type);
        words.iter().map(|one| one.leaf).find(is)
    };
    Bodies { text: first("text/plain").filter(own), html: first("text/html").filter(own) }
}

fn within(body: String) -> Result<String, Fault> {
    if body.len() > LONGEST_BODY { Err(too_long()) } else { Ok(body) }
}

fn too_long() -> Fault {
    Fault::of_message(Code::TooLong, format!("a body has more than {LONGEST_BODY} bytes"))
}

fn no_body() -> Fault {
    Fault::of_message(Code::NoSuchPart, "the message has no body that could be changed")
}
