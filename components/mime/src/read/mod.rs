//! Message parser: the members of a parsed message.
//!
//! Each member is computed only on request, since each costs another pass over the parts.
//!
//! Invariant: malformed mail is never an error; only what would exhaust the parser is one.

use crate::fault::{Code, Fault};
use crate::header::encoded_words::decode as decode_words;
use crate::header::filename::cut;
use crate::header::summary::{Details, Facts, details, facts};
use crate::html::sanitizer::LONGEST as LONGEST_PAGE;
use crate::octets::{Buffered, Octets, Sink, pull};
use crate::read::body_selection::{
    charset, content_id, disposition, encoding, filename, location, method, text_of,
};
use crate::read::inline_references::{Names, shown};
use crate::read::part_use::{Use, names, uses, words};
use crate::read::parts::{Node, Walked, walk};
use crate::read::renderings::{Letter, Rendering};
use crate::read::transfer_decode::{decode as decode_transfer, decode_start, decoded_size};

pub mod parts;
pub mod transfer_decode;
pub mod format_flowed;
pub mod body_selection;
pub mod inline_references;
pub mod part_use;
pub mod renderings;

/// The length of a preview, in characters.
const PREVIEW: usize = 200;
/// The bytes that a preview is made from.
const PREVIEWED: usize = 16 * 1024;
/// The most header fields that are returned; a header of 256 KiB could hold ninety thousand.
const MOST_FIELDS: usize = 2_000;

/// The requested members; the others stay empty.
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

#[cfg(test)]
impl Want {
    /// All of it.
    pub(crate) const ALL: Self = Self {
        headers: true,
        details: true,
        structure: true,
        text: true,
        html: true,
        html_as_sent: true,
        preview: true,
    };
}

/// One header field, unfolded and decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub name: String,
    pub value: String,
}

/// A part of the MIME structure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub path: String,
    pub content_type: String,
    pub charset: Option<String>,
    pub filename: Option<String>,
    pub content_id: Option<String>,
    pub disposition: Option<String>,
    pub size: u64,
    /// The parameter `method` of a calendar.
    pub method: Option<String>,
    /// None for a multipart.
    pub usage: Option<Use>,
}

/// Bodies that go on beyond the limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    pub text: bool,
    pub html: bool,
    pub html_as_sent: bool,
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
    pub cut: Cut,
    /// Faults in reading or converting; the pointer is that of the member.
    pub faults: Vec<Fault>,
}

/// Parses a message; each body is cut to `limit` bytes at a character boundary.
///
/// # Errors
/// [`Code::TooLarge`], [`Code::OctetsUnreadable`].
pub fn read(octets: &dyn Octets, want: Want, limit: usize) -> Result<Reading, Fault> {
    let raw = pull(octets)?;
    let Walked { nodes, faults } = walk(&raw);
    let (words, others) = words(&nodes, &|index| is_blank(&raw, nodes.get(index)));
    let letter = Letter { raw: &raw, nodes: &nodes, words: &words };
    let uses = uses(&nodes, &words, &others, &shown_names(letter));
    let has_attachments = uses.contains(&Some(Use::Attachment));
    let mut reading = Reading { has_attachments, faults, ..Reading::default() };
    if let Some(root) = nodes.first() {
        reading.facts = facts(&root.fields);
        reading.details = want.details.then(|| details(&root.fields));
        if want.headers {
            let fields = root.fields.iter().take(MOST_FIELDS);
            let headers =
                fields.map(|f| Header { name: f.name.clone(), value: decode_words(&f.raw) });
            reading.headers = headers.collect();
            let count = root.fields.iter().count();
            if count > MOST_FIELDS {
                let detail = format!("the first {MOST_FIELDS} of {count} header fields are shown");
                reading.faults.push(Fault::at("/headers", Code::Cut, detail));
            }
        }
    }
    if want.structure {
        reading.parts = structure(&raw, &nodes, &uses);
    }
    if want.text || want.preview {
        let Rendering { content, is_cut, faults } = letter.text(limit.max(PREVIEWED));
        reading.preview = content.as_deref().filter(|_| want.preview).map(preview);
        if want.text {
            reading.cut.text = is_cut || content.as_ref().is_some_and(|text| text.len() > limit);
            reading.text = content.map(|text| cut(&text, limit).to_owned());
            reading.faults.extend(faults);
        }
    }
    if want.html {
        let Rendering { content, is_cut, faults } = letter.html(limit);
        (reading.html, reading.cut.html) = (content, is_cut);
        reading.faults.extend(faults);
    }
    if want.html_as_sent {
        let Rendering { content, is_cut, .. } = letter.html_as_sent(limit);
        (reading.html_as_sent, reading.cut.html_as_sent) = (content, is_cut);
    }
    Ok(reading)
}

/// Whether a part is only white space.
fn is_blank(raw: &[u8], node: Option<&Node>) -> bool {
    /// Longer parts are taken as not blank.
    const LONGEST: usize = 64 * 1024;

    node.is_none_or(|node| {
        let body = raw.get(node.body.clone()).unwrap_or_default();
        decode_start(encoding(node), body, LONGEST).len() < LONGEST
            && text_of(raw, node, LONGEST).trim().is_empty()
    })
}

/// The parts that the HTML refers to.
fn shown_names(letter: Letter<'_>) -> Names {
    let Letter { raw, nodes, words } = letter;
    let names = names(nodes, words);
    let mut found = Names::default();
    if names.is_empty() {
        return found;
    }
    let mut left = LONGEST_PAGE;
    for node in words.iter().filter(|one| one.is_html).filter_map(|one| nodes.get(one.leaf)) {
        let html = text_of(raw, node, left);
        left = left.saturating_sub(html.len());
        let base = location(node);
        let more = shown(&html, base.as_deref(), &names);
        found.ids.extend(more.ids);
        found.locations.extend(more.locations);
    }
    found
}

/// Writes the decoded content of the part at `path`.
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

fn structure(raw: &[u8], nodes: &[Node], uses: &[Option<Use>]) -> Vec<Part> {
    let parts = nodes.iter().zip(uses).map(|(node, usage)| {
        let body = raw.get(node.body.clone()).unwrap_or_default();
        let charset = charset(raw, node).filter(|_| !node.is_multipart);
        Part {
            path: node.path.clone(),
            content_type: node.media_type.clone(),
            charset: charset.map(|label| label.to_ascii_lowercase()),
            filename: filename(node),
            content_id: content_id(node),
            disposition: disposition(node),
            size: decoded_size(encoding(node), body),
            method: method(node).filter(|_| !node.is_multipart),
            usage: *usage,
        }
    });
    parts.collect()
}

/// The start of a text, with white space as single spaces.
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
#[cfg(test)]
mod trees;
