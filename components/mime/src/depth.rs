//! Whether HTML is cheap enough to be parsed.
//!
//! A tree builder's cost grows with nesting times length, and formatting elements that stay open are
//! built again in every paragraph. This scan follows both with a stack, roughly as a browser would,
//! and errs on the side of "too deep". The hard bound is the sandbox's own time limit.
//!
//! Standard: WHATWG HTML sections 13.2.4 (scope) and 13.2.6 (formatting elements).

/// Elements open at once. Newsletters reach 60.
const DEEPEST: usize = 256;
/// Elements rebuilt because formatting was left open.
const MOST_REBUILT: usize = 200_000;

const VOID: [&str; 14] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source",
    "track", "wbr",
];
/// Closed by their like or their parent, so they never nest by themselves.
const IMPLIED: [&str; 14] = [
    "p", "li", "dt", "dd", "tr", "td", "th", "tbody", "thead", "tfoot", "option", "optgroup",
    "html", "body",
];
const FORMATTING: [&str; 14] = [
    "a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u",
];
const BARRIERS: [&str; 6] = ["table", "caption", "template", "object", "marquee", "applet"];
const RAW_TEXT: [&str; 8] =
    ["script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes"];

/// True when a sanitiser may parse it.
pub fn is_cheap(html: &str) -> bool {
    // In foreign content nothing is raw text, so nothing is passed over.
    let lower = html.to_ascii_lowercase();
    let foreign = lower.contains("<svg") || lower.contains("<math");
    let mut scan = Scan { open: Vec::new(), formatting: Vec::new(), rebuilt: 0 };
    let mut rest = lower.as_str();
    while let Some(at) = rest.find('<') {
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
        rest = after_tag(attributes);
        if closing {
            scan.close(name);
        } else if RAW_TEXT.contains(&name) && !foreign {
            rest = after_raw_text(rest, name);
        } else {
            scan.start(name);
        }
        if scan.open.len() > DEEPEST
            || scan.formatting.len() > DEEPEST
            || scan.rebuilt > MOST_REBUILT
        {
            return false;
        }
    }
    true
}

struct Scan<'a> {
    open: Vec<&'a str>,
    /// The list of active formatting elements; a barrier is its marker.
    formatting: Vec<&'a str>,
    rebuilt: usize,
}

impl<'a> Scan<'a> {
    fn start(&mut self, name: &'a str) {
        // Whatever opens may have to rebuild the formatting that is still on.
        self.rebuilt += self.formatting.len();
        if FORMATTING.contains(&name) {
            self.formatting.push(name);
        } else if !VOID.contains(&name) && !IMPLIED.contains(&name) {
            self.open.push(name);
            if BARRIERS.contains(&name) {
                self.formatting.push(name);
            }
        }
    }

    fn close(&mut self, name: &str) {
        if FORMATTING.contains(&name) {
            remove_up_to_barrier(&mut self.formatting, name, false);
        } else {
            remove_up_to_barrier(&mut self.open, name, true);
            if BARRIERS.contains(&name) {
                remove_up_to_barrier(&mut self.formatting, name, true);
            }
        }
    }
}

/// With `above`, all that was opened after it goes too.
fn remove_up_to_barrier(list: &mut Vec<&str>, name: &str, above: bool) {
    for index in (0..list.len()).rev() {
        let Some(&found) = list.get(index) else { return };
        if found == name {
            if above {
                list.truncate(index);
            } else {
                list.remove(index);
            }
            return;
        }
        if BARRIERS.contains(&found) {
            return;
        }
    }
}

fn after_comment(text: &str) -> &str {
    if let Some(rest) = text.strip_prefix('>').or_else(|| text.strip_prefix("->")) {
        return rest;
    }
    let ends = [text.find("-->").map(|at| at + 3), text.find("--!>").map(|at| at + 4)];
    ends.into_iter().flatten().min().and_then(|at| text.get(at..)).unwrap_or_default()
}

/// Past the `>` that ends the tag; one inside a quoted value does not.
fn after_tag(text: &str) -> &str {
    let mut quote = None;
    let mut after_equals = false;
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (Some(open), byte) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'>') => return text.get(at + 1..).unwrap_or_default(),
            (None, b'"' | b'\'') if after_equals => quote = Some(byte),
            (None, _) => {}
        }
        if !byte.is_ascii_whitespace() {
            after_equals = byte == b'=' && quote.is_none();
        }
    }
    ""
}

fn after_raw_text<'a>(text: &'a str, name: &str) -> &'a str {
    let mut rest = text;
    while let Some(at) = rest.find("</") {
        rest = rest.get(at + 2..).unwrap_or_default();
        if rest.starts_with(name) {
            return after_tag(rest);
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
            "<div><!--</div>-->",
            "<!--><div>",
            "<svg><style><div>",
            "<blockquote><p>",
        ] {
            assert!(!is_cheap(&bomb.repeat(20_000)), "{bomb}");
        }
    }

    #[test]
    fn formatting_left_open_is_seen() {
        assert!(!is_cheap(&"<p><font size=1></p>".repeat(20_000)));
        assert!(!is_cheap(&"<b><i></b>".repeat(20_000)));
        assert!(!is_cheap(&format!("{}{}", "<b>".repeat(200), "<p>x".repeat(20_000))));
    }
}
