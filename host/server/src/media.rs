//! What a request says of its body: the type, the charset, the coding.
//!
//! Standards: RFC 9110 §8.3 (Content-Type), §8.4 (Content-Encoding), §15.5.16;
//! RFC 8259 §8.1 (JSON is UTF-8).

use http::{HeaderMap, header};
use model::problem::{Code, Problem};

/// The type, in lower case and without parameters.
pub(crate) fn kind(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// JSON is read by the host: it comes as it is, in UTF-8.
pub(crate) fn check_json(headers: &HeaderMap) -> Result<(), Problem> {
    for coding in headers.get_all(header::CONTENT_ENCODING) {
        let coding = coding.to_str().unwrap_or("something else");
        let identity =
            |word: &str| matches!(word.trim().to_ascii_lowercase().as_str(), "" | "identity");
        if !coding.split(',').all(identity) {
            let detail = format!(
                "the body is coded as `{}`; bodies are taken without a content coding",
                model::problem::printable(coding)
            );
            return Err(Problem::new(Code::UnsupportedMediaType, detail)
                .with_extra("acceptEncoding", "identity"));
        }
    }
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    match value.and_then(charset) {
        Some(other) if !other.eq_ignore_ascii_case("utf-8") => {
            let other = model::problem::printable(&other);
            let detail = format!("the charset `{other}` was sent; JSON is taken in UTF-8");
            Err(Problem::new(Code::UnsupportedMediaType, detail)
                .with_extra("accept", "application/json"))
        }
        Some(_) | None => Ok(()),
    }
}

/// The problem of a type that an operation does not take.
pub(crate) fn other_type(given: Option<&str>, taken: &[&str]) -> Problem {
    let given = model::problem::printable(given.unwrap_or("no content type"));
    let taken = taken.join(", ");
    let detail = format!("{given} was sent; the operation takes {taken}");
    Problem::new(Code::UnsupportedMediaType, detail).with_extra("accept", taken)
}

fn charset(value: &str) -> Option<String> {
    value.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let named = name.trim().eq_ignore_ascii_case("charset");
        named.then(|| value.trim().trim_matches('"').to_owned())
    })
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
    }

    #[track_caller]
    fn check(kind: &str, codings: &[&str], want: Option<&str>) {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
        for coding in codings {
            headers.append(header::CONTENT_ENCODING, coding.parse().unwrap());
        }
        let told = check_json(&headers).err().map(|problem| problem.detail).unwrap_or_default();
        assert_eq!(want.is_none(), told.is_empty(), "{kind} {codings:?}: {told}");
        assert!(told.contains(want.unwrap_or_default()), "{told}");
    }
}
