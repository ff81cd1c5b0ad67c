//! A message as facts: everything that the host answers about it.
//!
//! Each piece is made only when it is wanted, since each costs another pass over the parts.
//!
//! Invariant: odd mail gives odd answers, never a fault; only what would exhaust the reader is one.

use std::collections::HashSet;

use crate::bodies::{
    Bodies, choose, content_id, disposition, filename, is_attachment, shown_ids, text_of,
};
use crate::facts::{Details, Facts, details, facts};
use crate::fault::{Code, Fault};
use crate::filename::cut;
use crate::octets::{Buffered, Octets, Sink, pull};
use crate::sieve::{Shown, clean, text as text_of_html};
use crate::transfer::{Encoding, decode as decode_transfer, decoded_size};
use crate::walk::{Node, Walked, walk};
use crate::words::decode as decode_words;

/// In characters.
const PREVIEW: usize = 200;
/// Fields that are answered; a header of 256 KiB could hold ninety thousand.
const MOST_FIELDS: usize = 2_000;

/// What to fill in; the rest stays empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Want {
    pub headers: bool,
    pub details: bool,
    pub structure: bool,
    pub text: bool,
    pub html: bool,
    pub html_as_sent: bool,
    pub preview: bool,
}

/// One header field, unfolded and decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub name: String,
    pub value: String,
}

/// One part, for the structure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub path: String,
    pub content_type: String,
    pub charset: Option<String>,
    pub filename: Option<String>,
    pub content_id: Option<String>,
    pub disposition: Option<String>,
    pub size: u64,
    pub attachment: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    pub facts: Facts,
    pub headers: Vec<Header>,
    pub details: Option<Details>,
    pub parts: Vec<Part>,
    pub text: Option<String>,
    pub html: Option<String>,
    pub html_as_sent: Option<String>,
    pub preview: Option<String>,
    pub has_attachments: bool,
    /// What could not be read or shown as it should; a pointer is that of the member.
    pub faults: Vec<Fault>,
}

/// Each body is cut to `limit` bytes at a character.
///
/// # Errors
/// [`Code::TooLarge`], [`Code::OctetsUnreadable`].
pub fn read(octets: &dyn Octets, want: Want, limit: usize) -> Result<Reading, Fault> {
    let raw = pull(octets)?;
    let Walked { nodes, faults } = walk(&raw);
    let bodies = choose(&nodes);
    let body_at = |index: Option<usize>| {
        index.and_then(|index| nodes.get(index)).map(|node| text_of(&raw, node))
    };
    let html = body_at(bodies.html);
    let text = (want.text || want.preview)
        .then(|| {
            let text = body_at(bodies.text);
            // Some writers leave the text half of an alternative empty.
            match (&text, &html) {
                (Some(text), Some(html)) if text.trim().is_empty() => Some(text_of_html(html)),
                (None, Some(html)) => Some(text_of_html(html)),
                _ => text,
            }
        })
        .flatten();
    let shown = html.as_deref().map(shown_ids).unwrap_or_default();
    let has_attachments =
        (0..nodes.len()).any(|index| is_attachment(&nodes, index, bodies, &shown));
    let mut reading = Reading { has_attachments, faults, ..Reading::default() };
    if let Some(root) = nodes.first() {
        reading.facts = facts(&root.fields);
        reading.details = want.details.then(|| details(&root.fields));
        if want.headers {
            let fields = root.fields.iter().take(MOST_FIELDS);
            let headers =
                fields.map(|f| Header { name: f.name.clone(), value: decode_words(&f.raw) });
            reading.headers = headers.collect();
        }
    }
    if want.structure {
        reading.parts = structure(&raw, &nodes, bodies, &shown);
    }
    if want.preview {
        reading.preview = text.as_deref().map(preview);
    }
    if want.html {
        reading.html = html.as_deref().map(|html| match clean(html, limit) {
            Shown::Html(html) => html,
            Shown::Text(text) => {
                let detail =
                    "the HTML is nested too deeply to be made safe, and is shown as its text";
                reading.faults.push(Fault::at("/html", Code::TooDeep, detail));
                text
            }
        });
    }
    if want.html_as_sent {
        reading.html_as_sent = html.map(|html| cut(&html, limit).to_owned());
    }
    if want.text {
        reading.text = text.map(|text| cut(&text, limit).to_owned());
    }
    Ok(reading)
}

/// Writes the part at `path` with its transfer encoding undone.
///
/// # Errors
/// [`Code::NoSuchPart`], and those of [`read`]; [`Code::SpoolRefused`].
pub fn decode(octets: &dyn Octets, path: &str, sink: &mut dyn Sink) -> Result<(), Fault> {
    let raw = pull(octets)?;
    let nodes = walk(&raw).nodes;
    let node = nodes.iter().find(|node| node.path == path && !path.is_empty());
    let Some(node) = node else {
        return Err(Fault::of_message(Code::NoSuchPart, "the message has no part at that path"));
    };
    let body = raw.get(node.body.clone()).unwrap_or_default();
    let mut buffered = Buffered::new(sink);
    decode_transfer(encoding(node), body, &mut |piece| buffered.put(piece))?;
    buffered.finish()
}

fn structure(raw: &[u8], nodes: &[Node], bodies: Bodies, shown: &HashSet<String>) -> Vec<Part> {
    let parts = nodes.iter().enumerate().map(|(index, node)| {
        let body = raw.get(node.body.clone()).unwrap_or_default();
        let charset = node.content_type.param("charset").filter(|_| !node.is_multipart());
        Part {
            path: node.path.clone(),
            content_type: node.media_type.clone(),
            charset: charset.map(str::to_ascii_lowercase),
            filename: filename(node),
            content_id: content_id(node),
            disposition: disposition(node),
            size: decoded_size(encoding(node), body),
            attachment: is_attachment(nodes, index, bodies, shown),
        }
    });
    parts.collect()
}

/// RFC 2045 section 6.4 allows a multipart no encoding but the identity, whatever it says.
fn encoding(node: &Node) -> Encoding {
    if node.is_multipart() {
        return Encoding::Identity;
    }
    Encoding::named(node.fields.raw("Content-Transfer-Encoding"))
}

/// The first words, with white space as single spaces.
fn preview(text: &str) -> String {
    let mut preview = String::new();
    for word in text.split_whitespace() {
        if preview.len() > PREVIEW * 4 {
            break;
        }
        if !preview.is_empty() {
            preview.push(' ');
        }
        preview.push_str(cut(word, PREVIEW * 4));
    }
    preview.chars().filter(|character| !character.is_control()).take(PREVIEW).collect()
}

#[cfg(test)]
mod tests;
