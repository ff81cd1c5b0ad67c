//! The statuses and media types of a description, checked when it is deployed, and what is said of its paths.
//!
//! What no answer can have, and what no request's content type can be, would only
//! be found out by a client, or never.
//!
//! Standards: RFC 9110 §15 (statuses), §8.3.1 (media types).

use engine::app::manifest::trigger::Route;
use rules::media_type::is_token;
use runtime::component::Operation;

/// A media type is a line of a header: longer ones are a mistake or an attack.
const LONGEST: usize = 255;

/// Routes of a component that are named in a fault.
const MOST_TOLD: usize = 5;

/// What is wrong with them, and in which operation.
pub(crate) fn check(operations: &[Operation]) -> Result<(), String> {
    for operation in operations {
        let place = place(operation);
        one(operation).map_err(|fault| {
            format!("its description (`operations()`) is not right: {place}: {fault}")
        })?;
    }
    Ok(())
}

/// How an operation is named in a fault.
pub(crate) fn place(operation: &Operation) -> String {
    format!("{} {}", operation.method, operation.path).chars().take(200).collect()
}

/// What is said of a path that no route holds: either may be the wrong one.
pub(crate) fn uncovered(routes: &[Route]) -> String {
    let told = |route: &Route| format!("`{}` (line {})", route.pattern, route.line);
    let some: Vec<String> = routes.iter().take(MOST_TOLD).map(told).collect();
    let more = match routes.len().saturating_sub(MOST_TOLD) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "the manifest gives this component no route that holds this path; its routes are {}{more}",
        some.join(", ")
    )
}

fn one(operation: &Operation) -> Result<(), String> {
    for answer in &operation.answers {
        let status = answer.status;
        if !(200..600).contains(&status) {
            return Err(format!(
                "the answer {status}: a status of an answer lies between 200 and 599"
            ));
        }
        let name = &answer.content_type;
        // Without one, it has no body.
        if !name.is_empty() && !is_media_type(name) {
            return Err(format!("the answer {status}: {} is no media type", shown(name)));
        }
    }
    for name in &operation.other_content_types {
        let known = name.trim();
        if known.contains(';') {
            return Err(format!(
                "{} is compared without parameters, so name it without any",
                shown(name)
            ));
        }
        if !is_media_type(known) || known.contains('*') {
            return Err(format!("{} is no media type that a body could have", shown(name)));
        }
    }
    Ok(())
}

fn shown(name: &str) -> String {
    format!("`{}`", rules::foreign_text::within(80, name))
}

/// RFC 9110 §8.3.1. `*` is a character of tokens, so that ranges are taken too, as OpenAPI does.
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

/// Behind the closing quote (RFC 9110 §5.6.4).
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
    fn media_types_are_told_from_what_is_none() {
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
        fault(&[200], "text", &[], Some("the answer 200: `text` is no media type"));
        fault(&[200], "a/b\u{1b}", &[], Some("the answer 200: `a/b\\u{1b}` is no media type"));
        fault(&[200], "text/plain", &[""], Some("`` is no media type that"));
        fault(&[200], "text/plain", &["image/*"], Some("`image/*` is no media type that"));
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
        let want = want
            .map(|want| format!("its description (`operations()`) is not right: GET /a: {want}"));
        match (check(&[operation]), want) {
            (Ok(()), None) => {}
            (Err(told), Some(want)) => assert!(told.starts_with(&want), "{told}"),
            (told, want) => panic!("{told:?} is not {want:?}"),
        }
    }
}
