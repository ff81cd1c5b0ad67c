//! Strict parser of the query string.
//!
//! An ignored parameter hides a mistake: `?mailbx=` would list the inbox. So an unknown name, a
//! repeated name and an invalid value are problems.
//!
//! Standard: application/x-www-form-urlencoded as in the URL Standard section 5.1, except that a
//! malformed escape is refused.

use rules::foreign_text::printable_within;
use rules::percent;

use crate::problem::{Code, Problem};

/// The longest value in bytes; nothing that the host looks up is longer.
pub(crate) const LONGEST: usize = 4 * 1024;

/// The parameters of one request.
#[derive(Debug)]
pub struct Query(Vec<(&'static str, String)>);

impl Query {
    /// Parses `raw` (without the question mark); only the `allowed` names may occur.
    ///
    /// # Errors
    /// `invalid-query`, naming the parameter.
    pub fn parse(raw: &str, allowed: &[&'static str]) -> Result<Self, Problem> {
        let mut found: Vec<(&'static str, String)> = Vec::new();
        for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name).ok_or_else(|| {
                Problem::new(Code::InvalidQuery, "a parameter's name is not UTF-8")
            })?;
            let Some(name) = allowed.iter().copied().find(|allowed| *allowed == name) else {
                let name = shown(&name);
                return Err(invalid(
                    &name,
                    format!("`{name}` is not a query parameter of this operation"),
                ));
            };
            if found.iter().any(|(other, _)| *other == name) {
                return Err(invalid(name, format!("`{name}` is given twice")));
            }
            let value = decode(value)
                .ok_or_else(|| invalid(name, format!("the value of `{name}` is not UTF-8")))?;
            if value.len() > LONGEST {
                let detail = format!("the value of `{name}` has more than {LONGEST} bytes");
                return Err(invalid(name, detail));
            }
            found.push((name, value));
        }
        Ok(Self(found))
    }

    /// The value of a parameter.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
    }

    /// Removes a parameter and returns its value.
    pub fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(key, _)| *key == name)?;
        Some(self.0.swap_remove(at).1)
    }

    /// `true` or `false`; absent means false.
    ///
    /// # Errors
    /// `invalid-query` for anything else.
    pub fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.get(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(invalid(name, format!("`{name}` has to be true or false"))),
        }
    }

    /// `limit`, 1 to 100; absent means 20.
    ///
    /// # Errors
    /// `invalid-query` for anything else.
    pub fn limit(&self) -> Result<u32, Problem> {
        let Some(text) = self.get("limit") else { return Ok(20) };
        text.parse()
            .ok()
            .filter(|limit| (1..=100).contains(limit) && !text.starts_with('+'))
            .ok_or_else(|| invalid("limit", "`limit` has to be a number from 1 to 100"))
    }

    /// A comma-separated list of words, each one of `known`. None when absent.
    ///
    /// # Errors
    /// `invalid-query` for an unknown word, or for an empty list.
    pub fn words(
        &self,
        name: &str,
        known: &[&'static str],
    ) -> Result<Option<Vec<&'static str>>, Problem> {
        let Some(list) = self.get(name) else { return Ok(None) };
        let word = |word: &str| {
            known.iter().copied().find(|known| *known == word).ok_or_else(|| {
                let (word, known) = (shown(word), known.join(", "));
                let detail = format!(
                    "`{word}` is none of the words of `{name}`; it takes some of {known}, separated by commas"
                );
                invalid(name, detail)
            })
        };
        list.split(',').map(word).collect::<Result<_, _>>().map(Some)
    }
}

/// A problem with the parameter of that name.
#[must_use]
pub fn invalid(name: &str, detail: impl Into<String>) -> Problem {
    let mut problem = Problem::new(Code::InvalidQuery, detail);
    problem.told.extras.push(("parameter".to_owned(), name.to_owned()));
    problem
}

fn decode(text: &str) -> Option<String> {
    percent::decode(&text.replace('+', " "))
}

/// The client's text, cut for the problem's detail.
fn shown(text: &str) -> String {
    printable_within(40, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded() {
        let query = Query::parse("mailbox=%5CSent+Items&&limit=7&flag=true", ALLOWED).unwrap();
        assert_eq!(query.get("mailbox"), Some("\\Sent Items"));
        assert_eq!(query.limit().unwrap(), 7);
        assert!(query.flag("flag").unwrap());
        assert_eq!(query.get("words"), None);
    }

    #[test]
    fn what_is_not_expected_is_refused() {
        for raw in ["mailbx=x", "limit=1&limit=2", "mailbox=%zz", "mailbox=%ff", "%ff=1", "Limit=1"]
        {
            check(Query::parse(raw, ALLOWED).map(|_| ()), raw);
        }
        for raw in ["limit=0", "limit=101", "limit=", "limit=+5", "limit=-1", "limit=1.0"] {
            check(Query::parse(raw, ALLOWED).unwrap().limit().map(|_| ()), raw);
        }
        for raw in ["flag", "flag=1", "flag=TRUE"] {
            check(Query::parse(raw, ALLOWED).unwrap().flag("flag").map(|_| ()), raw);
        }
        for raw in ["words=", "words=a,", "words=a,c"] {
            check(Query::parse(raw, ALLOWED).unwrap().words("words", &["a", "b"]).map(|_| ()), raw);
        }
    }

    #[test]
    fn a_value_that_is_too_long_to_be_looked_up_is_refused_with_the_bound() {
        let raw = |length| format!("mailbox={}", "x".repeat(length));
        assert!(Query::parse(&raw(LONGEST), ALLOWED).is_ok());
        let problem = Query::parse(&raw(LONGEST + 1), ALLOWED).unwrap_err().told;
        assert_eq!(problem.code, "invalid-query");
        assert!(
            problem.detail.contains("`mailbox` has more than 4096 bytes"),
            "{}",
            problem.detail
        );
    }

    #[test]
    fn a_fault_names_the_word_and_the_parameter() {
        let query = Query::parse("words=a,c", ALLOWED).unwrap();
        let problem = query.words("words", &["a", "b"]).unwrap_err().told;
        let want =
            "`c` is none of the words of `words`; it takes some of a, b, separated by commas";
        assert_eq!(problem.detail, want);
        assert_eq!(problem.extras, [("parameter".to_owned(), "words".to_owned())]);
        let problem = Query::parse("a%E2%80%AEb%0A=1", ALLOWED).unwrap_err().told;
        assert_eq!(problem.detail, "`a b` is not a query parameter of this operation");
    }

    #[test]
    fn a_list_keeps_its_words() {
        let query = Query::parse("words=b,a", ALLOWED).unwrap();
        assert_eq!(query.words("words", &["a", "b"]).unwrap(), Some(vec!["b", "a"]));
        assert_eq!(query.words("flag", &["a"]).unwrap(), None);
    }

    const ALLOWED: &[&str] = &["mailbox", "limit", "flag", "words"];

    #[track_caller]
    fn check(result: Result<(), Problem>, what: &str) {
        assert_eq!(result.unwrap_err().told.code, "invalid-query", "{what:?}");
    }
}
