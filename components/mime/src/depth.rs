//! Whether HTML is cheap enough to be parsed.
//!
//! A tree builder's cost grows with nesting times length, and formatting elements that stay open are
//! built again in every paragraph. This scan follows both with a stack, roughly as a browser would,
//! and errs on the side of "too deep". The hard bound is the sandbox's own time limit.
//!
//! It knows HTML only: SVG and MathML, which have other rules, must be gone before.
//!
//! Standard: WHATWG HTML sections 13.2.4 (scope) and 13.2.6 (formatting elements).

/// Elements open at once. Newsletters reach 60.
const DEEPEST: usize = 256;
/// What stands in a table outside its cells is moved before it, past all that is there already.
const MOST_MOVED: usize = 100;
/// Elements rebuilt because formatting was left open.
const MOST_REBUILT: usize = 200_000;

const VOID: [&str; 14] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source",
    "track", "wbr",
];
/// Closed by their like or their parent, so they never nest by themselves.
const IMPLIED: [&str; 8] = ["p", "li", "dt", "dd", "option", "optgroup", "html", "body"];
const FORMATTING: [&str; 14] = [
    "a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u",
];
const ROWS: [&str; 5] = ["tr", "tbody", "thead", "tfoot", "colgroup"];
const CELLS: [&str; 3] = ["td", "th", "caption"];
/// An end tag inside one does not reach out of it.
const BARRIERS: [&str; 8] =
    ["table", "td", "th", "caption", "template", "object", "marquee", "applet"];
const RAW_TEXT: [&str; 8] =
    ["script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes"];

/// True when a sanitiser may parse it.
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
            continue;
        }
        let end = tag.find([' ', '\t', '\n', '\r', '\u{c}', '/', '>']).unwrap_or(tag.len());
        let (name, attributes) = tag.split_at(end);
        let Some(after) = after_tag(attributes) else { return false };
        rest = after;
        if closing {
            scan.close(name);
        } else if RAW_TEXT.contains(&name) {
            rest = after_raw_text(rest, name);
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
    /// Each element with the length that `formatting` had when it opened.
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
        // Whatever opens may have to rebuild the formatting that is still on.
        self.rebuilt += self.formatting.len();
        if ROWS.contains(&name) || CELLS.contains(&name) {
            // Both end the cell before; outside a table neither means anything.
            let Some(table) = self.table() else { return };
            self.truncate(table + 1);
            if CELLS.contains(&name) {
                self.open.push((name, self.formatting.len()));
            }
            return;
        }
        self.moved += usize::from(self.is_outside_cells());
        if FORMATTING.contains(&name) {
            self.formatting.push(name);
        } else if !VOID.contains(&name) && !IMPLIED.contains(&name) {
            self.open.push((name, self.formatting.len()));
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
        } else {
            for index in (0..self.open.len()).rev() {
                let Some((open, _)) = self.open.get(index) else { return };
                if *open == name {
                    return self.truncate(index);
                }
                if BARRIERS.contains(open) {
                    return;
                }
            }
        }
    }

    /// The innermost table; a template hides what is around it.
    fn table(&self) -> Option<usize> {
        let index =
            self.open.iter().rposition(|(open, _)| matches!(*open, "table" | "template"))?;
        self.open.get(index).is_some_and(|(open, _)| *open == "table").then_some(index)
    }

    fn is_outside_cells(&self) -> bool {
        self.open.last().is_some_and(|(open, _)| *open == "table")
    }

    /// Closes all from `index` on. Formatting that began within a barrier ends with it, except in a
    /// table outside its cells.
    fn truncate(&mut self, index: usize) {
        let closed = self.open.iter().skip(index);
        let mut barriers = closed.filter(|(open, _)| BARRIERS.contains(open) && *open != "table");
        if let Some((_, formatting)) = barriers.next() {
            self.formatting.truncate(*formatting);
        }
        self.open.truncate(index);
    }
}

fn after_comment(text: &str) -> &str {
    if let Some(rest) = text.strip_prefix('>').or_else(|| text.strip_prefix("->")) {
        return rest;
    }
    let ends = [text.find("-->").map(|at| at + 3), text.find("--!>").map(|at| at + 4)];
    ends.into_iter().flatten().min().and_then(|at| text.get(at..)).unwrap_or_default()
}

/// Past the `>` that ends the tag; one inside a quoted value does not. None when the tag has more
/// attributes than are compared with each other in reasonable time.
fn after_tag(text: &str) -> Option<&str> {
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
        // Something that may stand between two attributes.
        breaks += usize::from(
            quote.is_none() && (byte.is_ascii_whitespace() || b"/=\"'".contains(&byte)),
        );
        if breaks > MOST_BREAKS {
            return None;
        }
    }
    Some("")
}

fn after_raw_text<'a>(text: &'a str, name: &str) -> &'a str {
    let mut rest = text;
    while let Some(at) = rest.find("</") {
        rest = rest.get(at + 2..).unwrap_or_default();
        if rest.starts_with(name) {
            return after_tag(rest).unwrap_or_default();
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_mail_is_cheap() {
        assert!(is_cheap("<p>hello<br><p>there <b>you</b>"));
        assert!(is_cheap(&"<p>a<li>b".repeat(50_000)));
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
        ] {
            assert!(!is_cheap(&bomb.repeat(20_000)), "{bomb}");
        }
    }

    #[test]
    fn what_is_moved_out_of_tables_is_seen() {
        assert!(!is_cheap(&format!("<table>{}", "x<b>y</b>".repeat(1_000))));
        assert!(!is_cheap(&format!("<table><tr>{}", "<p>".repeat(1_000))));
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
