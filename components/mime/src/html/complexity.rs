//! Complexity check of HTML: whether parsing it is cheap enough.
//!
//! A tree builder's cost grows with nesting times length, and formatting elements that stay open
//! are reconstructed in every paragraph. This scan follows both with a stack, approximately as a
//! browser would, and errs on the side of "too deep". The hard bound is the sandbox's own time
//! limit.
//!
//! It knows HTML only: SVG and MathML, which have other rules, must be removed before.
//!
//! Standard: WHATWG HTML sections 13.2.4 (scope) and 13.2.6 (formatting elements).

/// The most elements open at once. Newsletters reach 60.
const DEEPEST: usize = 256;
/// The most elements that are moved before a table (foster parenting): each passes all that is
/// there already.
const MOST_MOVED: usize = 100;
/// The most elements reconstructed because formatting was left open.
const MOST_REBUILT: usize = 200_000;

const VOID: [&str; 14] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source",
    "track", "wbr",
];
/// There is one of each, however often a message has it.
const ONCE: [&str; 3] = ["html", "head", "body"];
const FORMATTING: [&str; 14] = [
    "a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u",
];
const ROWS: [&str; 5] = ["tr", "tbody", "thead", "tfoot", "colgroup"];
const CELLS: [&str; 3] = ["td", "th", "caption"];
/// An end tag within one does not close elements outside it (scope).
const BARRIERS: [&str; 9] =
    ["table", "td", "th", "caption", "template", "object", "marquee", "applet", "select"];
/// The end tag of another kind of element does not close past one of these, and neither does an
/// item of a list that begins, except past the last three. (The standard's "special" category
/// without the void elements.)
#[rustfmt::skip]
const SPECIAL: [&str; 60] = [
    "applet", "article", "aside", "blockquote", "body", "button", "caption", "center", "colgroup",
    "dd", "details", "dir", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form",
    "frameset", "h1", "h2", "h3", "h4", "h5", "h6", "head", "header", "hgroup", "html", "li",
    "listing", "main", "marquee", "menu", "nav", "object", "ol", "plaintext", "pre", "search",
    "section", "select", "summary", "table", "tbody", "td", "template", "tfoot", "th", "thead",
    "tr", "ul", "iframe", "noembed", "noframes", "xmp", "address", "div", "p",
];
/// Elements whose start tag closes a paragraph.
#[rustfmt::skip]
pub const CLOSES_P: [&str; 39] = [
    "address", "article", "aside", "blockquote", "center", "dd", "details", "dialog", "dir", "div",
    "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5",
    "h6", "header", "hgroup", "hr", "li", "listing", "main", "menu", "nav", "ol", "p", "plaintext",
    "pre", "search", "section", "summary", "ul",
];
/// The number of [`SPECIAL`], at its end, that an item of a list closes past.
const PASSED: usize = 3;
pub const RAW_TEXT: [&str; 9] =
    ["script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes", "noscript"];

/// Whether the sanitiser may parse it.
pub fn is_cheap(html: &str) -> bool {
    let lower = html.to_ascii_lowercase();
    let mut scan = Scan::default();
    let mut rest = lower.as_str();
    while let Some(at) = rest.find('<') {
        scan.text(rest.get(..at).unwrap_or_default());
        rest = rest.get(at + 1..).unwrap_or_default();
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = after_comment(comment);
            continue;
        }
        let (closing, tag) = match rest.strip_prefix('/') {
            Some(tag) => (true, tag),
            None => (false, rest),
        };
        if !tag.starts_with(|character: char| character.is_ascii_alphabetic()) {
            // A bogus comment ends with the first `>`, even within quotes.
            if rest.starts_with(['!', '?']) || closing && !tag.starts_with('>') {
                rest = rest.split_once('>').map_or("", |(_, after)| after);
            }
            continue;
        }
        let end = tag.find([' ', '\t', '\n', '\r', '\u{c}', '/', '>']).unwrap_or(tag.len());
        let (name, attributes) = tag.split_at(end);
        let Some(after) = after_tag(attributes) else { return false };
        rest = after;
        if closing {
            scan.close(name);
        } else if RAW_TEXT.contains(&name) {
            let Some((_, after)) = raw_text(rest, name) else { return false };
            rest = after;
        } else {
            scan.start(name);
        }
        if scan.is_too_much() {
            return false;
        }
    }
    true
}

#[derive(Default)]
struct Scan<'a> {
    /// The open elements, each with the length of `formatting` when it opened.
    open: Vec<(&'a str, usize)>,
    /// The active formatting elements.
    formatting: Vec<&'a str>,
    moved: usize,
    rebuilt: usize,
}

impl<'a> Scan<'a> {
    fn is_too_much(&self) -> bool {
        self.open.len() > DEEPEST
            || self.formatting.len() > DEEPEST
            || self.moved > MOST_MOVED
            || self.rebuilt > MOST_REBUILT
    }

    fn text(&mut self, text: &str) {
        self.moved += usize::from(self.is_outside_cells() && !text.trim_ascii().is_empty());
    }

    fn start(&mut self, name: &'a str) {
        // Each start tag may have to reconstruct the active formatting elements.
        self.rebuilt += self.formatting.len();
        if ROWS.contains(&name) || CELLS.contains(&name) {
            // Both close the cell before; outside a table both are ignored.
            let Some(table) = self.table() else { return };
            self.truncate(table + 1);
            if CELLS.contains(&name) {
                self.open.push((name, self.formatting.len()));
            }
            return;
        }
        self.close_implied(name);
        self.moved += usize::from(self.is_outside_cells());
        if FORMATTING.contains(&name) {
            self.formatting.push(name);
        } else if !VOID.contains(&name) && !ONCE.contains(&name) {
            self.open.push((name, self.formatting.len()));
        }
    }

    /// Closes the elements that a start tag closes implicitly.
    fn close_implied(&mut self, name: &str) {
        let top = self.open.last().map(|(open, _)| *open);
        let items: &[&str] = match name {
            "li" => &["li"],
            "dd" | "dt" => &["dd", "dt"],
            "option" | "optgroup" => {
                if top == Some("option") || (top == Some(name) && self.is_in_select()) {
                    self.truncate(self.open.len() - 1);
                }
                return;
            }
            _ => &[],
        };
        let passed = SPECIAL.get(SPECIAL.len() - PASSED..).unwrap_or_default();
        self.close_one_of(items, |open| SPECIAL.contains(&open) && !passed.contains(&open));
        if CLOSES_P.contains(&name) {
            self.close_one_of(&["p"], |open| open == "button" || BARRIERS.contains(&open));
        }
    }

    fn is_in_select(&self) -> bool {
        self.open.iter().rev().any(|(open, _)| *open == "select")
    }

    /// Closes down to the innermost element of these names, unless there is a barrier before it.
    fn close_one_of(&mut self, names: &[&str], is_barrier: impl Fn(&str) -> bool) {
        for index in (0..self.open.len()).rev() {
            let Some((open, _)) = self.open.get(index) else { return };
            if names.contains(open) {
                return self.truncate(index);
            }
            if is_barrier(open) {
                return;
            }
        }
    }

    fn close(&mut self, name: &str) {
        if FORMATTING.contains(&name) {
            let barrier = self.open.iter().rev().find(|(open, _)| BARRIERS.contains(open));
            let floor = barrier.map_or(0, |(_, formatting)| *formatting);
            let found = self.formatting.iter().rposition(|active| *active == name);
            if let Some(index) = found.filter(|index| *index >= floor) {
                self.formatting.remove(index);
            }
        } else if name == "table" {
            if let Some(table) = self.table() {
                self.truncate(table);
            }
        } else if ROWS.contains(&name) || CELLS.contains(&name) {
            if let Some(table) = self.table() {
                self.truncate(table + 1);
            }
        } else if name == "form" {
            // Only the form is closed; elements within it stay open.
            if let Some(index) = self.open.iter().rposition(|(open, _)| *open == "form") {
                self.open.remove(index);
            }
        } else {
            let is_special = SPECIAL.contains(&name);
            self.close_one_of(&[name], |open| match name {
                "li" => BARRIERS.contains(&open) || matches!(open, "ol" | "ul"),
                "p" => BARRIERS.contains(&open) || open == "button",
                _ => BARRIERS.contains(&open) || !is_special && SPECIAL.contains(&open),
            });
        }
    }

    /// The innermost table; a template hides those around it.
    fn table(&self) -> Option<usize> {
        let index =
            self.open.iter().rposition(|(open, _)| matches!(*open, "table" | "template"))?;
        self.open.get(index).is_some_and(|(open, _)| *open == "table").then_some(index)
    }

    fn is_outside_cells(&self) -> bool {
        self.open.last().is_some_and(|(open, _)| *open == "table")
    }

    /// Closes all elements from `index` on. Formatting that began within a barrier ends with it,
    /// except in a table outside its cells.
    fn truncate(&mut self, index: usize) {
        let closed = self.open.iter().skip(index);
        let mut barriers = closed.filter(|(open, _)| BARRIERS.contains(open) && *open != "table");
        if let Some((_, formatting)) = barriers.next() {
            self.formatting.truncate(*formatting);
        }
        self.open.truncate(index);
    }
}

/// The text after a comment, without its `<!--`.
pub fn after_comment(text: &str) -> &str {
    if let Some(rest) = text.strip_prefix('>').or_else(|| text.strip_prefix("->")) {
        return rest;
    }
    // One search for both ends: with two, the one that finds nothing would read the rest for every
    // comment.
    let mut rest = text;
    while let Some(at) = rest.find("--") {
        rest = rest.get(at..).unwrap_or_default();
        let end = rest.strip_prefix("-->").or_else(|| rest.strip_prefix("--!>"));
        if let Some(after) = end {
            return after;
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    ""
}

/// The text after the `>` that ends the tag; one within a quoted value does not. None when the tag
/// has more attributes than can be compared with each other in reasonable time.
pub fn after_tag(text: &str) -> Option<&str> {
    const MOST_BREAKS: usize = 500;

    let mut quote = None;
    let mut after_equals = false;
    let mut breaks = 0;
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (Some(open), byte) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'>') => return text.get(at + 1..),
            (None, b'"' | b'\'') if after_equals => quote = Some(byte),
            (None, _) => {}
        }
        if !byte.is_ascii_whitespace() {
            after_equals = byte == b'=' && quote.is_none();
        }
        // Characters that separate attributes.
        breaks += usize::from(
            quote.is_none() && (byte.is_ascii_whitespace() || b"/=\"'".contains(&byte)),
        );
        if breaks > MOST_BREAKS {
            return None;
        }
    }
    Some("")
}

/// The content of a raw text element, and the text after its end tag. None where finding the end is
/// not worth the cost: a tag with too many attributes, or a script in which another one is
/// commented out (WHATWG HTML §13.2.5.26, script data double escaped).
pub fn raw_text<'a>(text: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    let mut rest = text;
    let mut is_escaped = false;
    while let Some(at) = rest.find("</") {
        let (before, behind) = rest.split_at(at);
        is_escaped |= name == "script" && before.contains("<!--");
        if is_escaped && before.contains("<script") {
            return None;
        }
        rest = behind.get(2..).unwrap_or_default();
        let after = rest.strip_prefix(name);
        let ends = |after: &&str| after.starts_with([' ', '\t', '\n', '\r', '\u{c}', '/', '>']);
        if let Some(after) = after.filter(ends) {
            let content = text.get(..text.len() - behind.len()).unwrap_or_default();
            return Some((content, after_tag(after)?));
        }
    }
    Some((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_behind_raw_text_is_counted() {
        let deep = "<div>".repeat(2_000);
        for start in [
            format!("<style></style {}>", "a ".repeat(600)),
            "<style></stylex><!--</style>".to_owned(),
            "<script><!--<script></script><!-- </script>".to_owned(),
            "<style></style>".to_owned(),
        ] {
            assert!(!is_cheap(&format!("{start}{deep}")), "{start}");
        }
        assert!(is_cheap("<script><!-- if (a </b) --></script><p>hello"));
    }

    #[test]
    fn what_seems_to_be_quoted_in_a_comment_is_counted() {
        let many = "a ".repeat(10_000);
        for start in ["<!", "<?", "</ ", "<!doctype "] {
            assert!(!is_cheap(&format!("{start}<b x='><i {many}>")), "{start}");
            assert!(is_cheap(&format!("{start}{many}>")), "{start}");
        }
    }

    #[test]
    fn ordinary_mail_is_cheap() {
        assert!(is_cheap("<p>hello<br><p>there <b>you</b>"));
        assert!(is_cheap(&"<p>a<li>b".repeat(50_000)));
        assert!(is_cheap(&"<ul><li>a<li>b<ul><li>c</ul></ul>".repeat(20_000)));
        assert!(is_cheap(&"<dl><dt>a<dd>b<dt>c</dl><p>d<div>e</div>".repeat(20_000)));
        assert!(is_cheap(&"<select><optgroup><option>a<option>b<optgroup></select>".repeat(9_000)));
        assert!(is_cheap(&"<!-- a --!><!-- b -->".repeat(50_000)));
        assert!(is_cheap(&"<table><tr><td><div>x</div></td></tr></table>".repeat(20_000)));
        assert!(is_cheap(&format!("<style>{}</style>", "<div>".repeat(10_000))));
        assert!(is_cheap(&format!("<!-- {} -->", "<div>".repeat(10_000))));
        assert!(is_cheap(&"<div title='<div>'></div>".repeat(10_000)));
    }

    #[test]
    fn nesting_is_seen() {
        for bomb in [
            "<div>",
            "<DIV x=\">\">",
            "<div></span>",
            "<div><table><td></div></td></table>",
            "<table><td><div><template><td>",
            "<div><!--</div>-->",
            "<!--><div>",
            "<blockquote><p>",
            "<div><p>x",
            "<p><div></p>x",
            "<li><dd>",
            "<optgroup>",
            "<span><div></span>",
            "<div><select></div></select>",
            "<div><noscript></div></noscript>",
            "<button><p>",
            "<form><div></form>",
        ] {
            assert!(!is_cheap(&bomb.repeat(20_000)), "{bomb}");
        }
    }

    #[test]
    fn what_is_moved_out_of_tables_is_seen() {
        assert!(!is_cheap(&format!("<table>{}", "x<b>y</b>".repeat(1_000))));
        assert!(!is_cheap(&format!("<table><tr>{}", "<p>".repeat(1_000))));
        assert!(!is_cheap(&format!("<table>{}", "<p>x".repeat(1_000))));
        assert!(is_cheap(&format!("<table><tr><td>{}", "x<b>y</b>".repeat(1_000))));
        assert!(is_cheap(&"<table> <tr> <td>x<td>y<tr> <th>z</table>".repeat(1_000)));
    }

    #[test]
    fn formatting_left_open_is_seen() {
        assert!(!is_cheap(&"<p><font size=1></p>".repeat(20_000)));
        assert!(!is_cheap(&"<b><i></b>".repeat(20_000)));
        assert!(!is_cheap(&"<table><b></table>".repeat(20_000)));
        assert!(is_cheap(&"<table><td><b></table>".repeat(20_000)));
        assert!(!is_cheap(&format!("<p {}>", "a ".repeat(10_000))));
        assert!(is_cheap(&format!("<p title=\"{}\">", "a ".repeat(10_000))));
        assert!(!is_cheap(&format!("{}{}", "<b>".repeat(200), "<p>x".repeat(20_000))));
    }
}
