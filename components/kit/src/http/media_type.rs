//! Media types, Content-Disposition and Accept.
//!
//! Parses the two header fields with parameters, `Content-Type` and `Content-Disposition`, and
//! writes those of a download.
//!
//! Invariant: whatever names a message gives its parts, the header fields written here hold no
//! control character and no byte outside ASCII, and never name a type that is not a media type.
//!
//! Standards: RFC 9110 sections 5.6.6, 8.3 and 12.5.1; RFC 6266; RFC 7578 section 4.2; RFC 8187.

use rules::media_type::{Parameterised, is_token};
use rules::percent;
use rules::quality::thousandths;

/// The file name of a form part: `filename*` where it is valid, else `filename`.
///
/// RFC 7578 section 4.2 forbids `filename*`, but some clients send it. Browsers and curl write
/// a double quote as `%22` and line breaks as `%0D` and `%0A` (HTML Standard section
/// 4.10.21.8); nothing else is decoded, since they do not escape a percent sign.
#[must_use]
pub fn filename(disposition: &Parameterised) -> Option<String> {
    let extended = disposition.parameter("filename*").and_then(|value| {
        let (charset, rest) = value.split_once('\'')?;
        let (_language, encoded) = rest.split_once('\'')?;
        charset.eq_ignore_ascii_case("utf-8").then(|| percent::decode(encoded)).flatten()
    });
    extended.or_else(|| {
        disposition
            .parameter("filename")
            .map(|name| name.replace("%22", "\"").replace("%0D", "\r").replace("%0A", "\n"))
    })
}

/// The `Content-Type` of a part that is downloaded, with those of the parameters that are present.
#[must_use]
pub fn content_type(named: &str, parameters: &[(&str, Option<&str>)]) -> String {
    let known = named
        .split_once('/')
        .is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype) && named.len() <= 127);
    if !known {
        return "application/octet-stream".to_owned();
    }
    let mut whole = named.to_owned();
    for (name, value) in parameters {
        if let Some(value) = value.filter(|value| is_token(value) && value.len() <= 40) {
            whole.push_str("; ");
            whole.push_str(name);
            whole.push('=');
            whole.push_str(value);
        }
    }
    whole
}

/// A `Content-Disposition` that makes a browser store the file (RFC 6266 section 4).
#[must_use]
pub fn attachment(filename: Option<&str>) -> String {
    let Some(name) = filename else { return "attachment".to_owned() };
    let plain: String = name
        .chars()
        .map(|c| match c {
            '"' | '\\' | '/' | '%' => '_',
            ' '..='~' => c,
            _ => '_',
        })
        .collect();
    if plain == name {
        format!("attachment; filename=\"{plain}\"")
    } else {
        format!(
            "attachment; filename=\"{plain}\"; filename*=UTF-8''{}",
            percent::encode_value(name)
        )
    }
}

/// Whether the client prefers `text/plain` to `application/json`.
#[must_use]
pub fn prefers_text(accept: &str) -> bool {
    weight(accept, "text", "plain") > weight(accept, "application", "json")
}

/// The weight in thousandths that an `Accept` field gives to a type: its most specific range
/// decides.
fn weight(accept: &str, kind: &str, subtype: &str) -> u16 {
    let mut best = (0, 0);
    for range in accept.split(',') {
        let range = Parameterised::parse(range);
        let specific = match range.head.split_once('/') {
            Some((k, s)) if k == kind && s == subtype => 3,
            Some((k, "*")) if k == kind => 2,
            Some(("*", "*")) => 1,
            Some(_) | None => continue,
        };
        if specific > best.0 {
            // A malformed weight makes the type unacceptable.
            let weight = range.parameter("q").map_or(Some(1000), thousandths);
            best = (specific, weight.unwrap_or(0));
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_part_is_called_what_its_sender_called_it() {
        check(r#"form-data; name="attachment"; filename="a \"b\".txt""#, Some("a \"b\".txt"));
        check(
            r#"form-data; name="attachment"; filename="a %22b%22 100%.txt""#,
            Some("a \"b\" 100%.txt"),
        );
        check(r#"form-data; filename="a%0D%0Ab%0a%2F.txt""#, Some("a\r\nb%0a%2F.txt"));
        check("form-data; filename=plain.txt; filename*=UTF-8''%E9%82%AE.txt", Some("邮.txt"));
        check("form-data; filename=plain.txt; filename*=latin1''%E9.txt", Some("plain.txt"));
        check(r#"form-data; filename="C:\dir\a;b.txt"; name=x"#, Some("C:\\dir\\a;b.txt"));
        check(r#"form-data; filename="never closed"#, Some("never closed"));
        check("form-data", None);
    }

    #[test]
    fn a_file_name_cannot_leave_its_header_field() {
        assert_eq!(attachment(None), "attachment");
        assert_eq!(attachment(Some("a.pdf")), "attachment; filename=\"a.pdf\"");
        assert_eq!(
            attachment(Some("邮\r\n\".pdf")),
            "attachment; filename=\"____.pdf\"; filename*=UTF-8''%E9%82%AE%0D%0A%22.pdf"
        );
    }

    #[test]
    fn a_part_is_served_as_its_type_only_when_that_is_one() {
        let utf8 = ("charset", Some("utf-8"));
        let request = ("method", Some("REQUEST"));
        assert_eq!(content_type("text/plain", &[utf8]), "text/plain; charset=utf-8");
        assert_eq!(
            content_type("text/calendar", &[utf8, request]),
            "text/calendar; charset=utf-8; method=REQUEST"
        );
        assert_eq!(content_type("text/plain", &[("charset", Some("x\r\ny"))]), "text/plain");
        assert_eq!(content_type("text/plain\r\nx: y", &[]), "application/octet-stream");
        assert_eq!(content_type("text", &[utf8]), "application/octet-stream");
    }

    #[test]
    fn json_is_the_answer_unless_text_is_liked_better() {
        for (accept, text) in [
            ("*/*", false),
            ("text/plain", true),
            ("text/*", true),
            ("application/json, text/plain", false),
            ("text/plain, application/json;q=0.5", true),
            ("text/plain;q=0, */*", false),
            ("text/plain;q=0.25, application/*;q=0.3", false),
            ("text/plain;q=1.0, application/json;q=0.999", true),
            ("text/plain;q=x", false),
            ("text/plain;q=2", false),
            ("text/plain;q=0.5000", false),
            ("", false),
        ] {
            assert_eq!(prefers_text(accept), text, "{accept:?}");
        }
    }

    #[track_caller]
    fn check(disposition: &str, want: Option<&str>) {
        assert_eq!(
            filename(&Parameterised::parse(disposition)).as_deref(),
            want,
            "{disposition:?}"
        );
    }
}
