//! Renderings of the body: as one text and as one HTML page.
//!
//! The leaves of the body are in order, each converted where it only has the other form. Content
//! beyond the limits of the parser is left out, and reported as a fault.
//!
//! Invariant: all leaves together cost no more than one of the longest kind.
//!
//! Standard: RFC 8621 section 4.1.4.

use crate::fault::{Code, Fault};
use crate::header::filename::cut;
use crate::html::sanitizer::{LONGEST as LONGEST_PAGE, Shown, clean, text as text_of_html};
use crate::read::body_selection::{LONGEST_BODY, source_of};
use crate::read::part_use::Words;
use crate::read::parts::Node;

/// A message, and the leaves of its body.
#[derive(Clone, Copy, Debug)]
pub struct Letter<'a> {
    pub raw: &'a [u8],
    pub nodes: &'a [Node],
    pub words: &'a [Words],
}

/// The body in one form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rendering {
    /// None where the message has no such body.
    pub content: Option<String>,
    /// Whether it is longer than the requested limit.
    pub is_cut: bool,
    /// Faults: content left out or converted, independent of the limit.
    pub faults: Vec<Fault>,
}

impl Letter<'_> {
    /// The body as text, at most `limit` bytes.
    pub fn text(&self, limit: usize) -> Rendering {
        let mut page = Rest(LONGEST_PAGE);
        self.render(limit, "/text", |one| one.in_text, &mut |one, source, remaining| {
            if !one.is_html {
                return Piece {
                    is_cut: source.len() > remaining,
                    ..Piece::of(cut(&source, remaining))
                };
            }
            let (source, is_short) = page.take(&source);
            let text = text_of_html(source);
            let is_cut = text.len() > remaining;
            Piece { content: cut(&text, remaining).to_owned(), is_cut, is_short, fault: None }
        })
    }

    /// The body as sanitised HTML, at most `limit` bytes; none where nothing is HTML.
    pub fn html(&self, limit: usize) -> Rendering {
        if !self.words.iter().any(|one| one.is_html && one.in_html) {
            return Rendering::default();
        }
        let mut page = Rest(LONGEST_PAGE);
        self.render(limit, "/html", |one| one.in_html, &mut |one, source, remaining| {
            if !one.is_html {
                let (content, is_cut) = as_html(&source, remaining);
                return Piece { is_cut, ..Piece::of(&content) };
            }
            let (source, is_short) = page.take(&source);
            let Sanitised { content, is_cut, is_text } = sanitised(source, remaining);
            let detail = "the HTML is nested too deeply to be sanitised, and is shown as its text";
            let fault = is_text.then(|| Fault::at("/html", Code::TooDeep, detail));
            Piece { content, is_cut, is_short, fault }
        })
    }

    /// The HTML leaves without sanitising, at most `limit` bytes; none where nothing is HTML.
    pub fn html_as_sent(&self, limit: usize) -> Rendering {
        if !self.words.iter().any(|one| one.is_html && one.in_html) {
            return Rendering::default();
        }
        let wanted = |one: &Words| one.is_html && one.in_html;
        self.render(limit, "/html", wanted, &mut |_, source, remaining| Piece {
            is_cut: source.len() > remaining,
            ..Piece::of(cut(&source, remaining))
        })
    }

    fn render(
        &self,
        limit: usize,
        pointer: &str,
        wanted: impl Fn(&Words) -> bool,
        piece: &mut dyn FnMut(&Words, String, usize) -> Piece,
    ) -> Rendering {
        let mut whole = Rendering::default();
        let mut left = Rest(LONGEST_BODY);
        let mut is_short = false;
        for one in self.words.iter().filter(|one| wanted(one)) {
            let Some(node) = self.nodes.get(one.leaf) else { continue };
            let content = whole.content.get_or_insert_default();
            if !content.is_empty() && !content.ends_with('\n') && content.len() < limit {
                content.push('\n');
            }
            let source = source_of(self.raw, node, left.0);
            left.0 -= source.read;
            is_short |= source.is_cut;
            let remaining = limit.saturating_sub(content.len());
            let piece = piece(one, source.text, remaining);
            content.push_str(&piece.content);
            is_short |= piece.is_short;
            whole.faults.extend(piece.fault.filter(|_| whole.faults.is_empty()));
            whole.is_cut = piece.is_cut;
            if piece.is_cut || left.0 == 0 && is_short {
                break;
            }
        }
        if is_short {
            let detail = format!(
                "at most {LONGEST_BODY} bytes of a body are read, and {LONGEST_PAGE} of its HTML; the rest is left out"
            );
            whole.faults.push(Fault::at(pointer, Code::Cut, detail));
        }
        whole
    }
}

/// The rendering of one leaf.
struct Piece {
    content: String,
    is_cut: bool,
    /// Whether only a part of it was processed.
    is_short: bool,
    fault: Option<Fault>,
}

impl Piece {
    fn of(content: &str) -> Self {
        Self { content: content.to_owned(), is_cut: false, is_short: false, fault: None }
    }
}

/// The bytes that may still be processed.
struct Rest(usize);

impl Rest {
    /// Takes as much of the text as may be processed; true if that is not all.
    fn take<'a>(&mut self, text: &'a str) -> (&'a str, bool) {
        let taken = cut(text, self.0);
        self.0 -= taken.len();
        (taken, taken.len() < text.len())
    }
}

struct Sanitised {
    content: String,
    is_cut: bool,
    /// Whether it is only its text, since it is too deep to be parsed.
    is_text: bool,
}

fn sanitised(html: &str, remaining: usize) -> Sanitised {
    match clean(html, usize::MAX) {
        Shown::Html(whole) if whole.len() <= remaining => {
            Sanitised { content: whole, is_cut: false, is_text: false }
        }
        Shown::Html(whole) => {
            let content = whole_tags(&whole, remaining).to_owned();
            Sanitised { content, is_cut: true, is_text: false }
        }
        Shown::Text(whole) if whole.len() <= remaining => {
            Sanitised { content: whole, is_cut: false, is_text: true }
        }
        Shown::Text(_) => {
            let (Shown::Text(content) | Shown::Html(content)) = clean(html, remaining);
            Sanitised { content, is_cut: true, is_text: true }
        }
    }
}

/// The longest prefix of at most `limit` bytes that ends neither in a tag nor in an escape: what
/// follows in the surrounding page would become a part of it.
fn whole_tags(html: &str, limit: usize) -> &str {
    let start = cut(html, limit);
    let (mut end, mut quote, mut in_tag, mut in_escape) = (0, None, false, false);
    for (at, byte) in start.bytes().enumerate() {
        match (byte, quote) {
            (b'"' | b'\'', None) if in_tag => quote = Some(byte),
            (byte, Some(open)) if byte == open => quote = None,
            (_, Some(_)) => {}
            (b'<', None) => in_tag = true,
            (b'>', None) => in_tag = false,
            (b'&', None) => in_escape = true,
            (b';', None) => in_escape = false,
            _ => {}
        }
        if !in_tag && !in_escape {
            end = at + 1;
        }
    }
    cut(start, end)
}

/// Converts text to HTML with its lines and spaces; true if it was cut.
fn as_html(text: &str, remaining: usize) -> (String, bool) {
    const START: &str = "<div style=\"white-space: pre-wrap\">";
    const END: &str = "</div>";

    let Some(remaining) =
        remaining.checked_sub(END.len()).filter(|remaining| *remaining >= START.len())
    else {
        return (String::new(), true);
    };
    let mut html = START.to_owned();
    let mut is_cut = false;
    let mut buffer = [0; 4];
    for character in text.chars() {
        let escaped = match character {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            '"' => "&quot;",
            _ => character.encode_utf8(&mut buffer),
        };
        if html.len() + escaped.len() > remaining {
            is_cut = true;
            break;
        }
        html.push_str(escaped);
    }
    html.push_str(END);
    (html, is_cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_cut_between_tags_and_escapes() {
        let html = "<p title=\"a > b &amp; c\">x &amp; y</p><br>é";
        for limit in 0..=html.len() {
            let cut = whole_tags(html, limit);
            assert!(cut.len() <= limit && html.starts_with(cut), "{limit}: {cut}");
            assert!(
                ["", "é"].contains(&cut)
                    || cut.ends_with('>') && !cut.ends_with("a >")
                    || cut.contains("\">x"),
                "{cut}"
            );
            assert!(!cut.ends_with("&am") && !cut.ends_with("&amp"), "{cut}");
        }
        assert_eq!(whole_tags(html, html.len()), html);
    }

    #[test]
    fn a_text_is_escaped_and_closed_wherever_it_is_cut() {
        let text = "a < b & c > \"d\"\n\n  é";
        let (whole, is_cut) = as_html(text, 1_000);
        assert_eq!(
            (whole.as_str(), is_cut),
            (
                "<div style=\"white-space: pre-wrap\">a &lt; b &amp; c &gt; &quot;d&quot;\n\n  é</div>",
                false
            )
        );
        for remaining in 0..whole.len() {
            let (html, is_cut) = as_html(text, remaining);
            assert!(is_cut && html.len() <= remaining, "{remaining}");
            assert!(html.is_empty() || html.ends_with("</div>"), "{html}");
        }
    }
}
