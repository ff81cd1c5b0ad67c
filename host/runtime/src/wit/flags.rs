//! Conversion of flag changes, which fails where a flag cannot be sent to a mail server.

use model::mail::message::{Flag, FlagChange, InvalidFlag};
use model::problem::{Code, Fault, Problem};
use rules::foreign_text::printable_within;

use crate::wit::bindings::capabilities::postlet::mail::messages;

pub(crate) fn change(change: messages::FlagChange) -> Result<FlagChange, Problem> {
    match change.set {
        Some(_) if !change.add.is_empty() || !change.remove.is_empty() => {
            Err(invalid("exclusive", "`set` cannot be combined with `add` or `remove`".to_owned()))
        }
        Some(set) => Ok(FlagChange::Set(flags(set)?)),
        None => Ok(FlagChange::Edit { add: flags(change.add)?, remove: flags(change.remove)? }),
    }
}

fn flags(words: Vec<String>) -> Result<Vec<Flag>, Problem> {
    let flag = |word: String| {
        word.parse().map_err(|why: InvalidFlag| {
            invalid(why.code(), format!("`{}`: {why}", printable_within(80, &word)))
        })
    };
    words.into_iter().map(flag).collect()
}

fn invalid(code: &str, detail: String) -> Problem {
    let fault =
        Fault { pointer: "/flags".to_owned(), code: code.to_owned(), detail: detail.clone() };
    Problem::new(Code::InvalidBody, detail).with_faults(vec![fault])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_that_cannot_be_meant_are_pointed_at() {
        check(&["two words"], &[], None, "flag");
        check(&[], &["\\Seen\r\nA1 LOGOUT"], None, "unknown-flag");
        // Refused as in the built-in component.
        for word in ["\\Foo", "\\Recent"] {
            check(&[word], &[], None, "unknown-flag");
        }
        check(&[], &[], Some(&[""]), "flag");
        check(&["\\Seen"], &[], Some(&["\\Flagged"]), "exclusive");
    }

    #[track_caller]
    fn check(add: &[&str], remove: &[&str], set: Option<&[&str]>, code: &str) {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let wanted =
            messages::FlagChange { add: owned(add), remove: owned(remove), set: set.map(owned) };
        let problem = change(wanted).unwrap_err();
        assert_eq!(problem.code, Code::InvalidBody);
        assert_eq!(problem.faults.len(), 1);
        assert_eq!((&*problem.faults[0].pointer, &*problem.faults[0].code), ("/flags", code));
    }
}
