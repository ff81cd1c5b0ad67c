//! Known header fields: whether a block is the header of a message, and whether its body is text.
//!
//! Used only to find the end of a block that has lines which are not fields: it decodes nothing and
//! keeps no value.
//!
//! Standards: RFC 5322 section 3.6, RFC 2045 sections 5 and 6, RFC 2183.

use crate::header::comments::skip_comments;
use crate::header::encoded_words::unfold;

/// The kind of body that the fields declare, from the weakest statement to the strongest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Body {
    /// Text; a multipart may have some before its parts.
    #[default]
    Letter,
    /// A file.
    Data,
    Base64,
}

impl Body {
    /// Whether the body is unlikely to begin with this line.
    pub fn lacks(self, line: &[u8]) -> bool {
        /// Lines of that length are data, though they do not consist of groups of four.
        const LONG: usize = 40;

        let line = line.trim_ascii_end();
        let is_base64 =
            line.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(byte));
        match self {
            Self::Letter => false,
            Self::Data => true,
            Self::Base64 => !is_base64 || !line.len().is_multiple_of(4) && line.len() < LONG,
        }
    }
}

fn body_said(name: &[u8], value: &[u8]) -> Body {
    let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
    let says = || {
        let text = unfold(&String::from_utf8_lossy(value)).to_ascii_lowercase();
        skip_comments(&text).trim_start_matches('"').to_owned()
    };
    if is("content-transfer-encoding") && says().starts_with("base64") {
        return Body::Base64;
    }
    let is_file = if is("content-type") {
        ["application/", "audio/", "image/", "message/", "video/"]
            .iter()
            .any(|kind| says().starts_with(kind))
    } else {
        is("content-disposition") && says().starts_with("attachment")
    };
    if is_file { Body::Data } else { Body::Letter }
}

/// Whether a line is a field without a name, or an extension field (`X-…`) with spaces in place of
/// hyphens.
pub fn is_spoilt_field(line: &[u8]) -> bool {
    let Some(colon) = line.iter().position(|byte| *byte == b':') else { return false };
    let name = line.get(..colon).unwrap_or_default();
    name.is_empty()
        || matches!(name, [b'x' | b'X', b' ' | b'-', ..])
            && name.iter().all(|byte| (32..=126).contains(byte))
}

/// Fields that occur once in a header (RFC 5322 section 3.6): a second one is quoted from another
/// message.
const ONCE: [&str; 12] = [
    "bcc",
    "cc",
    "date",
    "from",
    "in-reply-to",
    "message-id",
    "mime-version",
    "references",
    "reply-to",
    "sender",
    "subject",
    "to",
];
/// Fields that may repeat, and that do not occur in text.
const AGAIN: [&str; 9] = [
    "authentication-results",
    "auto-submitted",
    "delivered-to",
    "domainkey-signature",
    "errors-to",
    "precedence",
    "received",
    "return-path",
    "user-agent",
];
const FAMILIES: [&str; 9] =
    ["arc-", "content-", "disposition-", "dkim-", "list-", "received-", "resent-", "thread-", "x-"];

/// The fields seen in a header.
#[derive(Clone, Copy, Debug, Default)]
pub struct Had {
    /// Those of [`ONCE`] that were seen.
    once: [bool; ONCE.len()],
    /// Whether there was any field.
    pub some: bool,
    pub body: Body,
}

impl Had {
    /// Records a field, or a line of one.
    pub fn hear(&mut self, name: &[u8], value: &[u8]) {
        self.some |= !name.is_empty();
        self.body = self.body.max(body_said(name, value));
    }

    /// Whether this field is known and may occur next in a header. It is recorded.
    pub fn is_new(&mut self, name: &[u8]) -> bool {
        let is = |known: &&str| name.eq_ignore_ascii_case(known.as_bytes());
        let once = ONCE.iter().zip(&mut self.once).find(|(known, _)| is(known));
        if let Some((_, had)) = once {
            return !std::mem::replace(had, true);
        }
        let starts = |family: &&str| {
            let start = name.get(..family.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(family.as_bytes()))
        };
        AGAIN.iter().any(is) || FAMILIES.iter().any(starts)
    }
}
