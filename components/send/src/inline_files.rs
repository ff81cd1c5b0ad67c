//! Files of a form that its HTML shows as `cid:` and the name of the file.
//!
//! A content id has letters, digits and punctuation (RFC 2045 section 7), a file name what it likes. So a
//! name that would be no id gets one, and the HTML of the same form names that instead.
//!
//! Refuses to know HTML beyond where a reference ends: what names no file of the form stays as it is.

use rules::percent;

const SCHEME: &str = "cid:";

/// The content id of the file of that name, which is the form's attachment of that number.
pub(crate) fn content_id(filename: &str, number: usize) -> String {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&'*+-/=?^_`{|}~.@".contains(&byte);
    if !filename.is_empty() && filename.len() <= 200 && filename.bytes().all(fits) {
        return filename.to_owned();
    }
    format!("inline-{number}")
}

/// The HTML with each `cid:` and a name of `files` as `cid:` and its id; a name may be percent-encoded.
pub(crate) fn renamed(html: &str, files: &[(&str, &str)]) -> String {
    let mut told = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find(SCHEME) {
        let (before, after) = rest.split_at(at + SCHEME.len());
        told += before;
        let quote = before.trim_end_matches(SCHEME).chars().next_back();
        let end = match quote.filter(|quote| matches!(quote, '"' | '\'')) {
            Some(quote) => after.find(quote),
            None => after.find(|c: char| c.is_whitespace() || "\"')>".contains(c)),
        };
        let (name, tail) = after.split_at(end.unwrap_or(after.len()));
        told += named(name, files).unwrap_or(name);
        rest = tail;
    }
    told + rest
}

fn named<'a>(reference: &str, files: &[(&str, &'a str)]) -> Option<&'a str> {
    let plain = reference.replace("&amp;", "&");
    // As the parser reads it: a percent sign that begins no escape stands for itself.
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
