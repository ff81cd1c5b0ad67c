//! Validation of query parameters against the request's operation.
//!
//! A component would ignore an unknown parameter, and return another list than the one intended. So it
//! is refused, with the name that was probably intended.
//!
//! Invariant: every problem of a query names the parameter in the member `parameter`.

use model::problem::{Code, Fault, Problem};
use rules::foreign_text::{printable, within};

use crate::openapi::operation::{BodySchema, CheckedOperation};
use crate::schema::child_pool::Asking;
use crate::schema::words;

/// Maximum length of a name in a problem, in bytes.
const SHOWN: usize = 200;

/// Checks that every parameter of a query is known and occurs once, and that none is missing; returns the
/// values, each with its parameter. `rule` is the name of a parameter, and whether it is required.
///
/// # Errors
/// [`Code::InvalidQuery`].
pub(crate) fn matched<'a, P>(
    known: &'a [P],
    rule: impl Fn(&P) -> (&str, bool),
    query: &str,
) -> Result<Vec<(&'a P, String)>, Problem> {
    let mut found: Vec<(&'a P, String)> = Vec::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()).into_owned() {
        let Some(parameter) = known.iter().find(|known| rule(known).0 == name) else {
            return Err(unknown(&name, known.iter().map(|known| rule(known).0)));
        };
        if found.iter().any(|(other, _)| rule(other).0 == name) {
            return Err(wrong_parameter(&name, format!("`{name}` is repeated")));
        }
        found.push((parameter, value));
    }
    let missing = known.iter().map(&rule).find(|(name, required)| {
        *required && !found.iter().any(|(other, _)| rule(other).0 == *name)
    });
    match missing {
        Some((name, _)) => Err(wrong_parameter(name, format!("`{name}` is required"))),
        None => Ok(found),
    }
}

/// The problem of a parameter that the operation does not have.
fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> Problem {
    let near = words::nearest(name, known.clone());
    let near = near.map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
    let known: Vec<_> = known.map(|known| format!("`{known}`")).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    let shown = printable(name);
    let detail =
        format!("`{shown}` is not a query parameter of this operation; {near}it takes {known}");
    wrong_parameter(name, detail)
}

impl CheckedOperation {
    /// Checks that every parameter is known, occurs once and fits its schema, and that none is missing.
    ///
    /// # Errors
    /// [`Code::InvalidQuery`]; [`Code::Unavailable`] if a tenant's schema cannot be evaluated.
    pub(crate) async fn check_query(&self, asking: Asking<'_>, query: &str) -> Result<(), Problem> {
        let found =
            matched(&self.parameters, |(name, required, _)| (name.as_str(), *required), query)?;
        for ((name, _, schema), value) in found {
            if let Some(fault) = schema.parameter(asking, name, &value).await? {
                return Err(wrong_parameter(name, fault.detail));
            }
        }
        Ok(())
    }
}

impl BodySchema {
    /// The first fault of a query parameter.
    async fn parameter(
        &self,
        asking: Asking<'_>,
        name: &str,
        text: &str,
    ) -> Result<Option<Fault>, Problem> {
        match self {
            Self::Own(schema) => Ok(schema.parameter_fault(name, text)),
            Self::Foreign(schema, checkers) => checkers.parameter(asking, schema, name, text).await,
        }
    }
}

/// The problem of a query, which names the parameter: a query has no JSON Pointers.
pub(crate) fn wrong_parameter(name: &str, detail: String) -> Problem {
    Problem::new(Code::InvalidQuery, detail).with_extra("parameter", within(SHOWN, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[(&str, bool)] = &[("mailbox", true), ("limit", false)];

    #[test]
    fn each_parameter_is_known_and_occurs_once_and_none_is_missing() {
        check("limit=5&mailbox=a%20b", Ok(&[("limit", "5"), ("mailbox", "a b")]));
        check("mailbox=", Ok(&[("mailbox", "")]));
        check("", Err("`mailbox` is required"));
        check("mailbox=a&mailbox=b", Err("`mailbox` is repeated"));
        check(
            "mailbox=a&lmit=5",
            Err(
                "`lmit` is not a query parameter of this operation; did you mean `limit`? it takes `mailbox`, `limit`",
            ),
        );
        let none = matched(&[] as &[(&str, bool)], |known| *known, "a%0Ab=1&c").unwrap_err();
        assert_eq!(none.detail, "`a b` is not a query parameter of this operation; it takes none");
    }

    #[track_caller]
    fn check(query: &str, want: Result<&[(&str, &str)], &str>) {
        match (matched(KNOWN, |known| *known, query), want) {
            (Ok(found), Ok(want)) => {
                let found: Vec<_> =
                    found.iter().map(|((name, _), text)| (*name, &**text)).collect();
                assert_eq!(found, want, "{query}");
            }
            (Err(problem), Err(want)) => {
                assert_eq!((problem.code, &*problem.detail), (Code::InvalidQuery, want), "{query}");
            }
            (found, want) => panic!("{query}: {found:?} is not {want:?}"),
        }
    }
}
