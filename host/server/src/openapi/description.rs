//! Validation of the statuses and media types of a component's description at deploy, and the fault of
//! a path outside its routes.
//!
//! An impossible status of an answer, or an impossible media type of a body, would otherwise be noticed
//! by a client, or never.
//!
//! Standards: RFC 9110 §15 (statuses), §8.3.1 (media types).

use engine::app::manifest::trigger::Route;
use rules::media_type::is_token;
use runtime::component::Operation;

/// Maximum length of a media type, in bytes.
const LONGEST: usize = 255;

/// Maximum number of a component's routes that a fault names.
const MOST_NAMED: usize = 5;

/// Checks the statuses and media types of operations.
///
/// # Errors
/// The first fault, with its operation.
pub(crate) fn check(operations: &[Operation]) -> Result<(), String> {
    for operation in operations {
        let place = place(operation);
        one(operation).map_err(|fault| {
            format!("its description (`operations()`) is invalid: {place}: {fault}")
        })?;
    }
    Ok(())
}

/// Method and path of an operation, for a fault; cut to 200 characters.
pub(crate) fn place(operation: &Operation) -> String {
    format!("{} {}", operation.method, operation.path).chars().take(200).collect()
}

/// The fault of a path that no route covers. It names the routes, since either may be wrong.
pub(crate) fn uncovered(routes: &[Route]) -> String {
    let named = |route: &Route| format!("`{}` (line {})", route.pattern, route.line);
    let some: Vec<String> = routes.iter().take(MOST_NAMED).map(named).collect();
    let more = match routes.len().saturating_sub(MOST_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "no route of this component in the manifest covers this path; its routes are {}{more}",
        some.join(", ")
    )
}

fn one(operation: &Operation) -> Result<(), String> {
    for answer in &operation.answers {
        let status = answer.status;
        if !(200..600).contains(&status) {
            return Err(format!("the answer {status}: a status has to be between 200 and 599"));
        }
        let name = &answer.content_type;
        // An answer without a media type has no body.
        if !name.is_empty() && !is_media_type(name) {
            return Err(format!("the answer {status}: {} is not a media type", shown(name)));
        }
    }
    for name in &operation.other_content_types {
        let known = name.trim();
        if known.contains(';') {
            return Err(format!("{} is compared without parameters; remove them", shown(name)));
        }
        if !is_media_type(known) || known.contains('*') {
            return Err(format!("{} is not the media type of a body", shown(name)));
        }
    }
    Ok(())
}

fn shown(name: &str) -> String {
    format!("`{}`", rules::foreign_text::within(80, name))
}

/// Whether it is a media type (RFC 9110 §8.3.1). `*` is a token character, so ranges are accepted, as in
/// OpenAPI.
fn is_media_type(text: &str) -> bool {
    let (name, mut rest) = match text.find(';') {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let name = name.trim_end_matches([' ', '\t']);
    let named = name.split_once('/').is_some_and(|(kind, sub)| is_token(kind) && is_token(sub));
    if !named || text.len() > LONGEST {
        return false;
    }
    while let Some(after) = rest.strip_prefix(';') {
        let after = after.trim_start_matches([' ', '\t']);
        let Some((name, value)) = after.split_once('=') else { return false };
        let end = match value.strip_prefix('"') {
            Some(quoted) => end_of_quoted(quoted).map(|end| end + 1),
            None => Some(value.find([';', ' ', '\t']).unwrap_or(value.len())),
        };
        let Some((value, left)) = end.and_then(|end| value.split_at_checked(end)) else {
            return false;
        };
        if !is_token(name) || !(value.starts_with('"') || is_token(value)) {
            return false;
        }
        rest = left.trim_start_matches([' ', '\t']);
    }
    rest.is_empty()
}

/// The index after the closing quote of a quoted string (RFC 9110 §5.6.4).
fn end_of_quoted(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' if !escaped => return Some(at + 1),
            b'\\' if !escaped => escaped = true,
            b'\t' | b' '..=b'~' | 0x80.. => escaped = false,
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use runtime::component::Described;

    use super::*;

    #[test]
    fn media_types_are_recognised() {
        for good in [
            "text/plain",
            "application/vnd.api+json",
            "text/plain; charset=utf-8",
            "text/plain;charset=\"utf;\\\" 8\" ; a=b",
            "image/*",
        ] {
            assert!(is_media_type(good), "{good}");
        }
        for bad in [
            "text",
            "text/",
            "/plain",
            "text/pla in",
            "text/plain;",
            "text/plain; charset",
            "text/plain; charset=\"utf-8",
            "text/plain; charset=a b",
            "text/plain\r\nset-cookie: a",
            "text/plain, text/html",
            "tëxt/plain",
            "text/plain; a=\"\n\"",
        ] {
            assert!(!is_media_type(bad), "{bad}");
        }
        assert!(!is_media_type(&format!("text/{}", "x".repeat(LONGEST))));
    }

    #[test]
    fn an_operation_is_refused_by_its_place() {
        fault(&[200, 404, 599], "text/plain", &["text/csv"], None);
        fault(&[204], "", &[], None);
        fault(&[100], "text/plain", &[], Some("the answer 100: a status"));
        fault(&[200, 9999], "text/plain", &[], Some("the answer 9999: a status"));
        fault(&[200], "text", &[], Some("the answer 200: `text` is not a media type"));
        fault(&[200], "a/b\u{1b}", &[], Some("the answer 200: `a/b\\u{1b}` is not a media type"));
        fault(&[200], "text/plain", &[""], Some("`` is not the media type of"));
        fault(&[200], "text/plain", &["image/*"], Some("`image/*` is not the media type of"));
        fault(&[200], "text/plain", &["text/csv; a=b"], Some("`text/csv; a=b` is compared"));
    }

    #[track_caller]
    fn fault(statuses: &[u16], answer: &str, others: &[&str], want: Option<&str>) {
        let answers = statuses.iter().map(|status| Described {
            status: *status,
            content_type: answer.to_owned(),
            schema: None,
            summary: String::new(),
        });
        let operation = Operation {
            method: "GET".to_owned(),
            path: "/a".to_owned(),
            summary: String::new(),
            scope: String::new(),
            parameters: Vec::new(),
            body_schema: None,
            body_example: None,
            other_content_types: others.iter().map(|name| (*name).to_owned()).collect(),
            answers: answers.collect(),
            long_lived: false,
        };
        let want =
            want.map(|want| format!("its description (`operations()`) is invalid: GET /a: {want}"));
        match (check(&[operation]), want) {
            (Ok(()), None) => {}
            (Err(fault), Some(want)) => assert!(fault.starts_with(&want), "{fault}"),
            (got, want) => panic!("{got:?} is not {want:?}"),
        }
    }
}
