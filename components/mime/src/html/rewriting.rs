//! Rewrites HTML before the sanitiser parses it: elements with special parsing rules are renamed or
//! replaced, and text that is costly to serialise is split.
//!
//! SVG and MathML are parsed by rules of their own, which have been used to bypass sanitisers:
//! renamed, they are unknown elements like any other. The visible content of raw text elements is
//! escaped, and the elements are replaced.
//!
//! Only what the scan takes for an element is renamed, and only what it takes for text is split, so
//! that links keep their targets. Invariant: should a parser see an element where the scan saw
//! none, it is none of SVG or MathML: none of these names follows a `<` in the output.
//!
//! Standard: WHATWG HTML section 13.2.5 (tokenization).

use crate::html::complexity::{RAW_TEXT, after_comment, after_tag, raw_text};

/// The raw text elements ([`RAW_TEXT`]) whose content is shown, and what replaces their tags.
const SHOWN: [(&str, &str, &str); 4] =
    [("xmp", "<pre>", "</pre>"), ("iframe", "", ""), ("noembed", "", ""), ("noframes", "", "")];
/// The beginnings of tags with other rules.
const FOREIGN: [&str; 4] = ["<svg", "</svg", "<math", "</math"];

/// Rewrites a page; it is displayed the same.
pub fn rewritten(html: &str) -> String {
    let lower = html.to_ascii_lowercase();
    let mut out = Out { text: String::with_capacity(html.len()), length: 0, escapes: 0 };
    let mut at = 0;
    while let Some(open) = lower.get(at..).and_then(|rest| rest.find('<')) {
        let start = at + open;
        out.text(html.get(at..start).unwrap_or_default());
        let rest = lower.get(start + 1..).unwrap_or_default();
        // All slices end where the page ends.
        let place = |rest: &str| lower.len() - rest.len();
        if let Some(comment) = rest.strip_prefix("!--") {
            at = place(after_comment(comment));
            out.unseen(html.get(start..at).unwrap_or_default());
            continue;
        }
        let (closing, tag) = match rest.strip_prefix('/') {
            Some(tag) => (true, tag),
            None => (false, rest),
        };
        if !tag.starts_with(|character: char| character.is_ascii_alphabetic()) {
            at = start + 1;
            if rest.starts_with(['!', '?']) || closing && !tag.starts_with('>') {
                at = place(rest.split_once('>').map_or("", |(_, after)| after));
                out.unseen(html.get(start..at).unwrap_or_default());
            } else if closing {
                // `</>` is ignored.
                at = place(tag) + 1;
            } else {
                // The text next to it may be replaced.
                out.text("&lt;");
            }
            continue;
        }
        let end = tag.find([' ', '\t', '\n', '\r', '\u{c}', '/', '>']).unwrap_or(tag.len());
        let (name, attributes) = tag.split_at(end);
        let Some(after) = after_tag(attributes) else {
            // It is too costly, whatever follows.
            at = start;
            break;
        };
        at = place(after);
        let shown = SHOWN.iter().find(|(shown, ..)| *shown == name && !closing);
        if name == "plaintext" && !closing {
            out.tag("<pre>");
            out.escaped(html.get(at..).unwrap_or_default());
            return out.text;
        }
        if shown.is_none() {
            out.tag(html.get(start..at).unwrap_or_default());
        }
        if closing || !RAW_TEXT.contains(&name) {
            continue;
        }
        let Some((content, after)) = raw_text(after, name) else { break };
        let raw = html.get(at..at + content.len()).unwrap_or_default();
        match shown {
            Some((_, before, behind)) => {
                out.tag(before);
                out.escaped(raw);
                out.tag(behind);
            }
            None => {
                out.unseen(raw);
                let end = html.get(at + content.len()..place(after)).unwrap_or_default();
                out.tag(end);
            }
        }
        at = place(after);
    }
    // Text, or a tag that is too costly to be parsed.
    out.unseen(html.get(at..).unwrap_or_default());
    out.text
}

struct Out {
    text: String,
    /// Bytes of text since the last split, and those of them that are escaped.
    length: usize,
    escapes: usize,
}

impl Out {
    /// Splits text in which very many characters are escaped, by unknown elements, which the
    /// sanitiser removes again.
    ///
    /// Its serializer searches from each `&`, and each byte of a NO-BREAK SPACE, to the next `<` or
    /// `>` of the same text: a long text of nothing else would cost its length squared. A text
    /// continues after a tag that is ignored.
    fn text(&mut self, text: &str) {
        const REST: &str = "<x></x>";
        /// Characters to escape times bytes.
        const MOST_STEPS: usize = 1 << 20;

        let mut written = 0;
        for (at, byte) in text.bytes().enumerate() {
            self.length += 1;
            if matches!(byte, b'&' | 0xc2) {
                self.escapes += 1;
                if self.escapes * self.length > MOST_STEPS {
                    self.text.push_str(text.get(written..at).unwrap_or_default());
                    self.text.push_str(REST);
                    (written, self.length, self.escapes) = (at, 0, 0);
                }
            }
        }
        self.text.push_str(text.get(written..).unwrap_or_default());
    }

    /// A tag. A `<` in its attributes may be written as a character reference, which means the
    /// same.
    fn tag(&mut self, tag: &str) {
        /// Tags that are never ignored, so that a text ends before them.
        const ENDS_TEXT: [&str; 9] = ["a", "b", "br", "div", "font", "i", "img", "p", "span"];

        let end = tag.find([' ', '\t', '\n', '\r', '\u{c}', '/', '>']).unwrap_or(tag.len());
        let name = tag.get(1..end).unwrap_or_default();
        if ENDS_TEXT.iter().any(|known| name.eq_ignore_ascii_case(known)) {
            (self.length, self.escapes) = (0, 0);
        }
        self.each_foreign(tag, |at, out| {
            out.push_str(if at == 0 { "<" } else { "&lt;" });
            if at == 0 { "x-" } else { "" }
        });
    }

    /// Markup that is not shown, or that is no element.
    fn unseen(&mut self, text: &str) {
        let mut renamed = Self { text: String::new(), length: 0, escapes: 0 };
        renamed.each_foreign(text, |_, out| {
            out.push('<');
            "x-"
        });
        self.text(&renamed.text);
    }

    /// Text that is shown literally.
    fn escaped(&mut self, text: &str) {
        for piece in text.split_inclusive(['&', '<']) {
            let plain = piece.trim_end_matches(['&', '<']);
            self.text(plain);
            match piece.get(plain.len()..) {
                Some("&") => self.text("&amp;"),
                Some("<") => self.text("&lt;"),
                _ => {}
            }
        }
    }

    /// Copies `text`; the `<` of each of [`FOREIGN`] is replaced by what `write` writes, and its
    /// result is put before the name.
    fn each_foreign(&mut self, text: &str, write: impl Fn(usize, &mut String) -> &'static str) {
        let mut written = 0;
        for (at, _) in text.match_indices('<') {
            let rest = text.get(at..).unwrap_or_default();
            let starts = |word: &&&str| {
                rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
            };
            let Some(found) = FOREIGN.iter().find(starts) else { continue };
            self.text.push_str(text.get(written..at).unwrap_or_default());
            let prefix = write(at, &mut self.text);
            if found.starts_with("</") {
                self.text.push('/');
            }
            self.text.push_str(prefix);
            written = at + if found.starts_with("</") { 2 } else { 1 };
        }
        self.text.push_str(text.get(written..).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn svg_is_renamed_where_it_is_an_element() {
        check("<sVg x>a</SVG><math></math>", "<x-sVg x>a</x-SVG><x-math></x-math>");
        check("<!-- <svg> --><svg>", "<!-- <x-svg> --><x-svg>");
        check("<style><svg></style><svg>", "<style><x-svg></style><x-svg>");
        check("<a href=\"?q=<svg>&r=</math>\">", "<a href=\"?q=&lt;svg>&r=&lt;/math>\">");
        check("<a href=?q=<svg>&r=<svg>", "<a href=?q=&lt;svg>&r=<x-svg>");
        check("< svg><? <svg><svg>", "&lt; svg><? <x-svg><x-svg>");
        check("<<iframe>svg></iframe></>a<", "&lt;svg>a&lt;");
    }

    #[test]
    fn raw_text_that_is_shown_is_text() {
        check("<XMP a>a & <svg> <b></xmp >c", "<pre>a &amp; &lt;svg> &lt;b></pre>c");
        check("<plaintext>a<svg></plaintext>", "<pre>a&lt;svg>&lt;/plaintext>");
        check("<iframe><b></iframe>c", "&lt;b>c");
        check("<xmp>a&&<<", "<pre>a&amp;&amp;&lt;&lt;</pre>");
    }

    #[test]
    fn no_reading_of_what_comes_out_finds_svg() {
        for start in
            ["", "<select><style>", "<a b='", "<!--", "<xmp>", "<p <", "<svg <", "</", "<?"]
        {
            for end in ["", ">", "'>", "-->", "</style>", "</select>"] {
                let html = format!("{start}<svg {end}</MATH><math{end}");
                let found = rewritten(&html).to_ascii_lowercase();
                assert!(!FOREIGN.iter().any(|foreign| found.contains(foreign)), "{html}: {found}");
            }
        }
        // A tag with more attributes than are parsed.
        let html = format!("<svg {}><svg>", "a ".repeat(9_000));
        assert!(!rewritten(&html).contains("<svg"));
    }

    #[test]
    fn only_text_is_parted() {
        let many = "&a=1".repeat(5_000);
        check(&format!("<a href=\"{many}\">"), &format!("<a href=\"{many}\">"));
        for html in [many.clone(), "&</x>".repeat(5_000), format!("<xmp>{many}</xmp>")] {
            assert!(rewritten(&html).contains("<x></x>"), "{html}");
        }
    }

    #[track_caller]
    fn check(html: &str, want: &str) {
        assert_eq!(rewritten(html), want, "{html}");
    }
}
