//! Header fields of a part, and the text of a text part.
//!
//! Standards: RFC 2183 (disposition), RFC 2392 (content ids), RFC 2557 (Content-Location), RFC 3676
//! (`format=flowed`).

use crate::charset::decode_body;
use crate::charset::labels::{Charset, named};
use crate::header::comments::skip_comments;
use crate::header::encoded_words::{decode as decode_words, tidy};
use crate::header::filename::label;
use crate::header::parameters::parse;
use crate::read::format_flowed::{DelSp, unwrap_lines};
use crate::read::parts::Node;
use crate::read::transfer_decode::{Encoding, decode_start};

/// The most of a body that is decoded, in bytes.
pub const LONGEST_BODY: usize = 4 * 1024 * 1024;

/// The file name as a label: from the disposition, the type, else the location.
pub fn filename(node: &Node) -> Option<String> {
    let disposition = node.fields.all_raw("Content-Disposition");
    let named = disposition.map(parse).find_map(|value| value.param("filename").and_then(label));
    named.or_else(|| node.content_type.param("name").and_then(label)).or_else(|| located(node))
}

/// The last segment of Content-Location (RFC 2557): the only name, in some mail.
fn located(node: &Node) -> Option<String> {
    let location = location(node)?;
    let path = location.split(['?', '#']).next().unwrap_or_default();
    let segment = path.rsplit(['/', '\\']).next().filter(|segment| segment.contains('.'))?;
    if node.media_type.starts_with("text/") || node.is_multipart {
        return None;
    }
    label(segment)
}

/// Content-Location, unchanged.
pub fn location(node: &Node) -> Option<String> {
    let location = node.fields.raw("Content-Location").map(decode_words)?;
    let location = location.trim().trim_matches(['"', '<', '>']);
    (!location.is_empty()).then(|| location.to_owned())
}

/// The method of a calendar object: `REQUEST`, `CANCEL` (RFC 6047 section 2.4).
pub fn method(node: &Node) -> Option<String> {
    const LONGEST: usize = 40;
    let is_token = |word: &&str| {
        word.len() <= LONGEST
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    node.content_type.param("method").map(str::trim).filter(is_token).map(str::to_owned)
}

/// Content-ID without the angle brackets.
pub fn content_id(node: &Node) -> Option<String> {
    id_of(node.fields.raw("Content-ID")?)
}

/// The id of a field value: the text in angle brackets, else the text before a comment.
pub fn id_of(raw: &str) -> Option<String> {
    let text = tidy(raw);
    let text = skip_comments(&text);
    let id = match text.split_once('<') {
        Some((_, id)) => id.trim_start_matches('<').split('>').next().unwrap_or_default(),
        None => text.split(" (").next().unwrap_or_default().trim_end().trim_end_matches('>'),
    };
    let id = id.trim();
    (!id.is_empty()).then(|| id.to_owned())
}

/// The disposition: `attachment` or `inline`.
pub fn disposition(node: &Node) -> Option<String> {
    match node.disposition.main.as_str() {
        "" => None,
        "inline" => Some("inline".to_owned()),
        // RFC 2183 section 2.8: an unknown one is an attachment.
        _ => Some("attachment".to_owned()),
    }
}

/// The transfer encoding. RFC 2045 section 6.4 allows a multipart only the identity encodings,
/// whatever it declares.
pub fn encoding(node: &Node) -> Encoding {
    if node.media_type.starts_with("multipart/") {
        return Encoding::Identity;
    }
    Encoding::named(node.fields.raw("Content-Transfer-Encoding"))
}

/// A text part, or its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// UTF-8 with LF line ends.
    pub text: String,
    /// The number of decoded bytes that it was made from.
    pub read: usize,
    /// Whether the part is longer.
    pub is_cut: bool,
}

/// Decodes at most `limit` bytes of a text part.
pub fn source_of(raw: &[u8], node: &Node, limit: usize) -> Source {
    let body = raw.get(node.body.clone()).unwrap_or_default();
    let mut bytes = decode_start(encoding(node), body, limit.saturating_add(1));
    let is_cut = bytes.len() > limit;
    bytes.truncate(limit);
    let label = charset_of(node, &bytes);
    let text = decode_body(label.as_deref(), &bytes);
    let mut text = text.replace("\r\n", "\n").replace('\0', "");
    // A character that was cut.
    if is_cut && text.ends_with('\u{fffd}') {
        text.pop();
    }
    let says = |name: &str, value: &str| {
        node.content_type.param(name).is_some_and(|said| said.trim().eq_ignore_ascii_case(value))
    };
    if node.media_type == "text/plain" && says("format", "flowed") {
        let delsp = if says("delsp", "yes") { DelSp::Yes } else { DelSp::No };
        text = unwrap_lines(&text, delsp);
    }
    Source { text, read: bytes.len(), is_cut }
}

/// The text of [`source_of`].
pub fn text_of(raw: &[u8], node: &Node, limit: usize) -> String {
    source_of(raw, node, limit).text
}

/// The declared charset of a text part, from its header or its HTML.
pub fn charset(raw: &[u8], node: &Node) -> Option<String> {
    let body = raw.get(node.body.clone()).filter(|_| node.media_type == "text/html");
    charset_of(node, &decode_start(encoding(node), body.unwrap_or_default(), HEAD))
}

fn charset_of(node: &Node, bytes: &[u8]) -> Option<String> {
    let label = node.content_type.param("charset").map(str::to_owned);
    label.or_else(|| html_charset(node, bytes))
}

/// The bytes of HTML that are searched for a charset.
const HEAD: usize = 2048;

/// `<meta charset>` counts when the header declares none. It was read as ASCII, so UTF-16 or UTF-32
/// there means UTF-8 (WHATWG HTML section 13.2.3.2).
fn html_charset(node: &Node, bytes: &[u8]) -> Option<String> {
    if node.media_type != "text/html" {
        return None;
    }
    let head = bytes.get(..HEAD).unwrap_or(bytes);
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let label = head.match_indices("charset").find_map(|(at, word)| {
        let (before, after) = (head.get(..at)?, head.get(at + word.len()..)?);
        let tag = before.get(before.rfind('<')?..)?;
        let value =
            after.trim_ascii_start().strip_prefix('=').filter(|_| tag.starts_with("<meta"))?;
        let value = value.trim_ascii_start().trim_start_matches(['"', '\'']).trim_ascii_start();
        let is_end = |c: char| c.is_ascii_whitespace() || matches!(c, '"' | '\'' | ';' | '>' | '/');
        let end = value.find(is_end).unwrap_or(value.len());
        value.get(..end).filter(|label| !label.is_empty())
    })?;
    Some(match named(label) {
        Some(Charset::Utf16(_) | Charset::Utf32(_)) => "utf-8".to_owned(),
        _ => label.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::parts::whole;

    #[test]
    fn an_id_stands_in_brackets_among_comments() {
        for raw in [
            "<a@x>",
            " <a@x> (logo)",
            "(the <logo>) <a@x>",
            "<a@x> (was <b@x>)",
            "<a@x",
            "a@x (logo)",
            "a@x",
            "a@x>",
            "< a@x >",
            "<<a@x>>",
            "\"logo\" <a@x>",
        ] {
            assert_eq!(id_of(raw).as_deref(), Some("a@x"), "{raw:?}");
        }
        for raw in ["", "<>", "(a@x)", "< >"] {
            assert_eq!(id_of(raw), None, "{raw:?}");
        }
    }

    #[test]
    fn a_charset_that_html_names_goes_on_from_ascii() {
        check_charset("<meta charset=koi8-r>", Some("koi8-r"));
        check_charset("<META CHARSET = 'koi8-r' >", Some("koi8-r"));
        check_charset("<meta content='text/html; charset=koi8-r'>", Some("koi8-r"));
        check_charset("<meta\ncharset=koi8-r\nid=a>", Some("koi8-r"));
        check_charset("<script charset=koi8-r></script><meta charset=big5>", Some("big5"));
        check_charset("<p>charset=koi8-r", None);
        for label in ["unicode", "utf-16", "UTF-16LE", "utf-16be", "ucs-2", "utf-32", "utf-32le"] {
            let html = format!("<meta charset={label}>caf\u{e9}");
            check_charset(&html, Some("utf-8"));
        }
    }

    #[track_caller]
    fn check_charset(html: &str, want: Option<&str>) {
        let raw = format!("Content-Type: text/html\n\n{html}");
        let node = whole(raw.as_bytes()).unwrap().swap_remove(0);
        assert_eq!(charset(raw.as_bytes(), &node).as_deref(), want, "{html}");
        assert_eq!(text_of(raw.as_bytes(), &node, 1_000), html);
    }
}
