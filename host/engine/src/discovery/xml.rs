//! XML parser for untrusted documents: without a DTD, so that nothing can be expanded or fetched,
//! and with a bounded number of elements.
//!
//! Standard: XML 1.0.

use roxmltree::{Document, Node, ParsingOptions};

/// Real files have about fifty.
const MOST_NODES: u32 = 4096;

/// Why a file cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Not text, not XML, or truncated.
    #[error("the file is not XML in UTF-8")]
    NotXml,
    /// It has a DTD, which could expand, or make the host fetch something.
    #[error("the file has a DTD, which may define entities")]
    Dtd,
    /// Too many elements.
    #[error("the file has more than {MOST_NODES} nodes")]
    TooMany,
    /// Another document type.
    #[error("the file is not {0}")]
    Other(&'static str),
}

pub(crate) fn text(bytes: &[u8]) -> Result<&str, Unusable> {
    let text = std::str::from_utf8(bytes).map_err(|_| Unusable::NotXml)?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

pub(crate) fn document(text: &str) -> Result<Document<'_>, Unusable> {
    let options =
        ParsingOptions { allow_dtd: false, nodes_limit: MOST_NODES, entity_resolver: None };
    Document::parse_with_options(text, options).map_err(|error| unparsed(&error))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "there are thirty ways not to be XML")]
fn unparsed(error: &roxmltree::Error) -> Unusable {
    match error {
        roxmltree::Error::DtdDetected => Unusable::Dtd,
        roxmltree::Error::NodesLimitReached => Unusable::TooMany,
        _ => Unusable::NotXml,
    }
}

/// Whether it is an element of this local name, in any namespace.
pub(crate) fn is(node: Node<'_, '_>, name: &str) -> bool {
    node.is_element() && node.tag_name().name() == name
}

pub(crate) fn child<'a, 'b>(node: Node<'a, 'b>, name: &str) -> Option<Node<'a, 'b>> {
    node.children().find(|node| is(*node, name))
}

pub(crate) fn text_of(node: Node<'_, '_>) -> String {
    node.text().unwrap_or_default().trim().to_owned()
}

/// The text of a child; empty when there is none.
pub(crate) fn word(node: Node<'_, '_>, name: &str) -> String {
    child(node, name).map(text_of).unwrap_or_default()
}
