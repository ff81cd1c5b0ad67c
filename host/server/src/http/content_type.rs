//! Content-Type and Content-Encoding of requests: media type, charset and coding.
//!
//! Standards: RFC 9110 §8.3 (Content-Type), §8.4 (Content-Encoding), §15.5.16;
//! RFC 8259 §8.1 (JSON is UTF-8).

use http::{HeaderMap, header};
use model::problem::{Code, Problem};
use rules::media_type::Parameterised;

/// The media type of JSON (RFC 8259 §11).
pub(crate) const JSON: &str = "application/json";

/// The media type of the host's HTML pages.
pub(crate) const HTML: &str = "text/html; charset=utf-8";

/// The media type of a JSON merge patch (RFC 7396 §4).
pub(crate) const MERGE_PATCH: &str = "application/merge-patch+json";

/// The media type, in lower case and without parameters.
pub(crate) fn kind(headers: &HeaderMap) -> Option<String> {
    parsed(headers).map(|value| value.head)
}

fn parsed(headers: &HeaderMap) -> Option<Parameterised> {
    headers.get(header::CONTENT_TYPE)?.to_str().ok().map(Parameterised::parse)
}

/// Checks that a JSON body has no content coding and is in UTF-8; `taken` are the media types of the
/// operation, for Accept.
///
/// # Errors
/// [`Code::UnsupportedMediaType`].
pub(crate) fn check_json(headers: &HeaderMap, taken: &[&str]) -> Result<(), Problem> {
    for coding in headers.get_all(header::CONTENT_ENCODING) {
        let coding = coding.to_str().unwrap_or("something else");
        let identity =
            |word: &str| matches!(word.trim().to_ascii_lowercase().as_str(), "" | "identity");
        if !coding.split(',').all(identity) {
            let detail = format!(
                "the body has the content coding `{}`; bodies are accepted without a content coding",
                rules::foreign_text::printable(coding)
            );
            return Err(Problem::new(Code::UnsupportedMediaType, detail)
                .with_extra("acceptEncoding", "identity"));
        }
    }
    let value = parsed(headers);
    match value.as_ref().and_then(Parameterised::other_charset) {
        Some(other) => {
            let other = rules::foreign_text::printable(other);
            let detail = format!("the charset `{other}` was sent; JSON is accepted in UTF-8 only");
            Err(Problem::new(Code::UnsupportedMediaType, detail)
                .with_extra("accept", taken.join(", ")))
        }
        None => Ok(()),
    }
}

/// The problem of a media type that an operation does not accept.
pub(crate) fn other_type(given: Option<&str>, taken: &[&str]) -> Problem {
    let given = rules::foreign_text::printable(given.unwrap_or("no content type"));
    let taken = taken.join(", ");
    let detail = format!("{given} was sent; the operation accepts {taken}");
    Problem::new(Code::UnsupportedMediaType, detail).with_extra("accept", taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_comes_as_it_is_and_in_utf_8() {
        check("application/json", &[], None);
        check("Application/JSON; Charset=\"UTF-8\"", &["identity"], None);
        check("application/json", &["", "Identity, identity"], None);
        check("application/json", &["gzip"], Some("`gzip`"));
        check("application/json", &["identity", "br"], Some("`br`"));
        check("application/json; charset=iso-8859-1", &[], Some("`iso-8859-1`"));
        check("application/json; a=b;charset=utf-16", &[], Some("`utf-16`"));
        check("application/json; charset=", &[], Some("``"));
        check("application/json; charset=us-ascii", &[], None);
    }

    #[test]
    fn a_refused_charset_is_reported_with_the_types_of_the_operation() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, "application/json; charset=koi8-r".parse().unwrap());
        let taken = ["application/json", "application/merge-patch+json"];
        let problem = check_json(&headers, &taken).unwrap_err();
        let accept = problem.extras.iter().find(|(name, _)| *name == "accept").unwrap();
        assert_eq!(accept.1, "application/json, application/merge-patch+json");
    }

    #[track_caller]
    fn check(kind: &str, codings: &[&str], want: Option<&str>) {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
        for coding in codings {
            headers.append(header::CONTENT_ENCODING, coding.parse().unwrap());
        }
        let detail = check_json(&headers, &["application/json"])
            .err()
            .map(|problem| problem.detail)
            .unwrap_or_default();
        assert_eq!(want.is_none(), detail.is_empty(), "{kind} {codings:?}: {detail}");
        assert!(detail.contains(want.unwrap_or_default()), "{detail}");
    }
}
