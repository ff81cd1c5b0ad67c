//! Appends a footer to the text and HTML bodies.

/// Appends a footer to a text, after an empty line.
pub(crate) fn append_to_text(text: &str, footer: &str) -> String {
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() { footer.to_owned() } else { format!("{text}\n\n{footer}") }
}

/// Appends a fragment to HTML, at the end of its `<body>`.
pub(crate) fn append_to_html(html: &str, fragment: &str) -> String {
    // Lower case in ASCII keeps byte positions.
    let lower = html.to_ascii_lowercase();
    let at = lower.rfind("</body").or_else(|| lower.rfind("</html"));
    let (before, after) = html.split_at(at.unwrap_or(html.len()));
    format!("{before}\n{fragment}\n{after}")
}

/// Converts text to an HTML fragment.
pub(crate) fn as_html(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + 32);
    html.push_str("<p>");
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\r' => {}
            '\n' => html.push_str("<br>\n"),
            _ => html.push(character),
        }
    }
    html.push_str("</p>");
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_footer_stands_below_an_empty_line() {
        assert_eq!(append_to_text("hi\n\n", "--\nx"), "hi\n\n--\nx");
        assert_eq!(append_to_text("\r\n", "x"), "x");
    }

    #[test]
    fn a_fragment_stays_inside_the_body() {
        check("<BODY>a</Body></html>", "<BODY>a\nF\n</Body></html>");
        check("a</html>", "a\nF\n</html>");
        check("ä", "ä\nF\n");
        check("</body>x</body >", "</body>x\nF\n</body >");
    }

    #[track_caller]
    fn check(html: &str, want: &str) {
        assert_eq!(append_to_html(html, "F"), want);
    }

    #[test]
    fn words_cannot_become_markup() {
        assert_eq!(as_html("a<b>&\"\r\nc"), "<p>a&lt;b&gt;&amp;&quot;<br>\nc</p>");
    }
}
