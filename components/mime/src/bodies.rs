//! Which parts are the message's bodies, and which a person would call attachments.
//!
//! Decided as mail clients do: the first readable text of each kind, unless its sender said that it
//! is an attachment or gave it a file name.
//!
//! Standards: RFC 2046 section 5.1.4 (alternative), RFC 2183 (disposition), RFC 2387 (related).

use std::collections::HashSet;

use crate::charset::decode as decode_charset;
use crate::filename::label;
use crate::params::parse;
use crate::transfer::{Encoding, decode_start};
use crate::walk::Node;
use crate::words::{decode as decode_words, tidy};

/// The most of a body that is decoded, in bytes.
pub const LONGEST_BODY: usize = 4 * 1024 * 1024;

/// Indexes of the parts that are the message's own words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bodies {
    pub text: Option<usize>,
    pub html: Option<usize>,
}

pub fn choose(nodes: &[Node]) -> Bodies {
    let first = |kind: &str| {
        nodes.iter().position(|node| node.media_type == kind && may_be_body(nodes, node))
    };
    Bodies { text: first("text/plain"), html: first("text/html") }
}

fn may_be_body(nodes: &[Node], node: &Node) -> bool {
    if node.disposition.main == "attachment" {
        return false;
    }
    // A lone part is a body even when it has a name; a part of a digest is another message.
    let alone = nodes.len() == 1;
    let in_report = node.parent.and_then(|parent| nodes.get(parent)).is_some_and(|parent| {
        parent.media_type == "multipart/digest" || parent.media_type == "multipart/parallel"
    });
    (alone || filename(node).is_none()) && !in_report
}

/// The file name as a label: from the disposition, the type, else the location.
pub fn filename(node: &Node) -> Option<String> {
    let disposition = node.fields.all_raw("Content-Disposition");
    let named = disposition.map(parse).find_map(|value| value.param("filename").and_then(label));
    named.or_else(|| node.content_type.param("name").and_then(label)).or_else(|| located(node))
}

/// The last segment of Content-Location (RFC 2557): its only name, in some mail.
fn located(node: &Node) -> Option<String> {
    let location = node.fields.raw("Content-Location").map(decode_words)?;
    let path = location.split(['?', '#']).next().unwrap_or_default();
    let segment = path.rsplit(['/', '\\']).next().filter(|segment| segment.contains('.'))?;
    if node.media_type.starts_with("text/") || node.is_multipart() {
        return None;
    }
    label(segment)
}

/// Without the angle brackets.
pub fn content_id(node: &Node) -> Option<String> {
    let raw = node.fields.raw("Content-ID").map(tidy)?;
    let id = raw.trim().trim_start_matches('<').trim_end_matches('>').trim();
    (!id.is_empty()).then(|| id.to_owned())
}

/// What the sender called it: `attachment` or `inline`, and nothing else.
pub fn disposition(node: &Node) -> Option<String> {
    match node.disposition.main.as_str() {
        "" => None,
        "inline" => Some("inline".to_owned()),
        // RFC 2183 section 2.8: an unknown one is an attachment.
        _ => Some("attachment".to_owned()),
    }
}

/// Whether a person would call the part at `index` an attachment.
pub fn is_attachment(
    nodes: &[Node],
    index: usize,
    bodies: Bodies,
    shown: &HashSet<String>,
) -> bool {
    let Some(node) = nodes.get(index) else { return false };
    if node.is_multipart() || bodies.text == Some(index) || bodies.html == Some(index) {
        return false;
    }
    if disposition(node).as_deref() == Some("attachment") {
        return true;
    }
    let parent = node.parent.and_then(|parent| nodes.get(parent));
    let parent_type = parent.map(|parent| parent.media_type.as_str()).unwrap_or_default();
    if node.media_type.starts_with("image/") {
        let id = content_id(node);
        let is_shown = id.as_ref().is_some_and(|id| shown.contains(id));
        return !(is_shown || id.is_some() && parent_type == "multipart/related");
    }
    // Other renderings of the same words (a calendar, AMP) are not files.
    let rendering = parent_type == "multipart/alternative" && node.media_type.starts_with("text/");
    let more_words = matches!(node.media_type.as_str(), "text/plain" | "text/html");
    filename(node).is_some() || !(rendering || more_words)
}

/// The content ids that a body shows by `cid:`.
pub fn shown_ids(html: &str) -> HashSet<String> {
    const MOST: usize = 1_000;
    let pieces = html.split("cid:").skip(1).take(MOST);
    let ids = pieces.map(|piece| {
        let end = piece.find(['"', '\'', ' ', '>', ')', '\n', '\r']).unwrap_or(piece.len());
        percent_free(piece.get(..end).unwrap_or_default())
    });
    ids.collect()
}

/// RFC 2392: an id in a URL may be percent-encoded; in practice only the at sign is.
fn percent_free(id: &str) -> String {
    id.replace("%40", "@")
}

/// A text part as UTF-8 with LF line ends.
pub fn text_of(raw: &[u8], node: &Node) -> String {
    let body = raw.get(node.body.clone()).unwrap_or_default();
    let encoding = Encoding::named(node.fields.raw("Content-Transfer-Encoding"));
    let bytes = decode_start(encoding, body, LONGEST_BODY);
    let label = node.content_type.param("charset").map(str::to_owned);
    let label = label.or_else(|| html_charset(node, &bytes));
    let text = decode_charset(label.as_deref(), &bytes);
    text.replace("\r\n", "\n").replace('\0', "")
}

/// `<meta charset>` counts when the header names none.
fn html_charset(node: &Node, bytes: &[u8]) -> Option<String> {
    if node.media_type != "text/html" {
        return None;
    }
    let head = bytes.get(..2048).unwrap_or(bytes);
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let (_, after) = head.split_once("charset=")?;
    let after = after.trim_start_matches(['"', '\'', ' ']);
    let end = after.find(['"', '\'', ' ', ';', '>', '/']).unwrap_or(after.len());
    let label = after.get(..end).filter(|label| !label.is_empty())?;
    Some(label.to_owned())
}
