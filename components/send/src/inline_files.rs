//! Content-IDs of inline files of a form, which its HTML refers to as `cid:` and the file name.
//!
//! A content id has letters, digits and punctuation (RFC 2045 section 7), a file name any
//! characters. A name that is not a valid id gets a generated one, and the references in the HTML
//! of the same form are rewritten.
//!
//! Independent of HTML syntax beyond where a reference ends: a reference to no file of the form is
//! left unchanged.

use rules::percent;

const SCHEME: &str = "cid:";

/// The content id for a file name; `number` is the attachment's position in the form.
pub(crate) fn content_id(filename: &str, number: usize) -> String {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&'*+-/=?^_`{|}~.@".contains(&byte);
    if !filename.is_empty() && filename.len() <= 200 && filename.bytes().all(fits) {
        return filename.to_owned();
    }
    format!("inline-{number}")
}

/// Rewrites each `cid:` reference with a name of `files` to the file's id; the name may be
/// percent-encoded.
pub(crate) fn renamed(html: &str, files: &[(&str, &str)]) -> String {
    let mut rewritten = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find(SCHEME) {
        let (before, after) = rest.split_at(at + SCHEME.len());
        rewritten += before;
        let quote = before.trim_end_matches(SCHEME).chars().next_back();
        let end = match quote.filter(|quote| matches!(quote, '"' | '\'')) {
            Some(quote) => after.find(quote),
            None => after.find(|c: char| c.is_whitespace() || "\"')>".contains(c)),
        };
        let (name, tail) = after.split_at(end.unwrap_or(after.len()));
        rewritten += named(name, files).unwrap_or(name);
        rest = tail;
    }
    rewritten + rest
}

fn named<'a>(reference: &str, files: &[(&str, &'a str)]) -> Option<&'a str> {
    let plain = reference.replace("&amp;", "&");
    // As in the parser of mail: a percent sign that begins no escape is literal.
    let decoded = String::from_utf8(percent::decode_lenient(&plain)).ok();
    let is_meant = |name: &str| name == plain || decoded.as_deref() == Some(name);
    let found = files.iter().find(|(name, _)| is_meant(name));
    found.map(|(_, id)| *id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_an_id_stays_one() {
        assert_eq!(content_id("sea.jpg", 1), "sea.jpg");
        for name in ["a b.png", "ü.png", "50%.png", "a<b", "(1).png", "", &"x".repeat(201)] {
            assert_eq!(content_id(name, 2), "inline-2", "{name}");
        }
    }

    #[test]
    fn the_html_follows_however_it_spells_the_name() {
        check(r#"<img src="cid:a b.png">"#, r#"<img src="cid:inline-1">"#);
        check(r#"<img src='cid:a%20b.png'>"#, r#"<img src='cid:inline-1'>"#);
        check("<img src=cid:a%20b.png>", "<img src=cid:inline-1>");
        check(
            r#"<p style="background:url(cid:%C3%BC.png)">"#,
            r#"<p style="background:url(cid:inline-2)">"#,
        );
        check(
            r#"<img src="cid:ü.png"><img src="cid:a b.png">"#,
            r#"<img src="cid:inline-2"><img src="cid:inline-1">"#,
        );
        check(r#"<img src="cid:R&amp;D 1.png">"#, r#"<img src="cid:inline-3">"#);
        check(r#"<img src="cid:50%%20off.png">"#, r#"<img src="cid:inline-4">"#);
    }

    #[test]
    fn what_names_no_file_stays_as_it_is() {
        for html in
            ["", "cid:", "acid: a b.png", "<img src=\"cid:a b.png2\">", "cid:%zz", "cid:a b.png"]
        {
            check(html, html);
        }
    }

    #[track_caller]
    fn check(html: &str, want: &str) {
        let files = [
            ("a b.png", "inline-1"),
            ("ü.png", "inline-2"),
            ("R&D 1.png", "inline-3"),
            ("50% off.png", "inline-4"),
        ];
        assert_eq!(renamed(html, &files), want);
    }
}
