//! Write endpoints: flags, moves, copies, deletion.
//!
//! The host's calls take batches; an endpoint here names one message, so each batch has one key and
//! one result.

use kit::bindings::postlet::mail::grants::Account;
use kit::bindings::postlet::mail::messages;
use kit::bindings::postlet::mail::messages::{FlagChange, Moved};
use kit::bindings::postlet::mail::types;
use kit::problem::{Code, Problem};
use kit::request::Request;
use kit::request_body;
use kit::response::Answer;
use rules::flag;
use shapes::changes::{Change, Flags, Target};
use shapes::member::Optional;
use shapes::messages as json;

/// The longest request body, in bytes.
const BODY: usize = 64 * 1024;

/// `PATCH …/messages/{id}`. Flags are changed first: a move keeps them.
pub(crate) fn patch(request: &Request, id: &str) -> Result<Answer, Problem> {
    request.query(&[])?;
    let change: Change = request_body::json(&request.json(BODY)?)?;
    if change.flags.0.is_none() && change.mailbox.0.is_none() {
        return Err(Problem::at(
            "",
            "empty",
            "there is nothing to change; give `flags` or `mailbox`",
        ));
    }
    let flags = change.flags.0.map(checked).transpose()?;
    let account = request.account()?;
    let key = [id.to_owned()];
    let flags = match flags {
        Some(flags) => Some(only(messages::change_flags(&account, &key, &flags))?),
        None => None,
    };
    let moved = match &change.mailbox.0 {
        Some(mailbox) => Some(only(messages::move_(&account, &key, mailbox))?),
        None => None,
    };
    let changed = json::Changed {
        id: moved.as_ref().map_or(Some(id), |moved| moved.now.as_deref()),
        mailbox: Optional(moved.as_ref().map(|moved| moved.mailbox.as_str())),
        flags: Optional(flags.as_deref()),
    };
    Answer::json(200, &changed)
}

/// `POST …/messages/{id}/move`.
pub(crate) fn relocate(request: &Request, id: &str) -> Result<Answer, Problem> {
    transfer(request, id, messages::move_)
}

/// `POST …/messages/{id}/copy`.
pub(crate) fn copy(request: &Request, id: &str) -> Result<Answer, Problem> {
    transfer(request, id, messages::copy)
}

type Batch = fn(&Account, &[String], &str) -> Vec<Result<Moved, types::Problem>>;

fn transfer(request: &Request, id: &str, batch: Batch) -> Result<Answer, Problem> {
    request.query(&[])?;
    let target: Target = request_body::json(&request.json(BODY)?)?;
    let moved = only(batch(&request.account()?, &[id.to_owned()], &target.mailbox))?;
    Answer::json(200, &moved_json(&moved, id))
}

/// `DELETE …/messages/{id}`: to the trash unless `permanent=true`.
pub(crate) fn delete(request: &Request, id: &str) -> Result<Answer, Problem> {
    let permanent = request.query(&["permanent"])?.flag("permanent")?;
    let account = request.account()?;
    let key = [id.to_owned()];
    if permanent {
        only(messages::expunge_forever(&account, &key))?;
        return Ok(Answer::nothing());
    }
    let moved = only(messages::trash(&account, &key))?;
    // A message that is in the trash already stays there, and keeps its id.
    Answer::json(200, &moved_json(&moved, id))
}

fn checked(flags: Flags) -> Result<FlagChange, Problem> {
    if flags.set.0.is_some() && (flags.add.0.is_some() || flags.remove.0.is_some()) {
        return Err(Problem::at("/flags/set", "exclusive", "`set` excludes `add` and `remove`"));
    }
    let (add, remove) = (flags.add.0.unwrap_or_default(), flags.remove.0.unwrap_or_default());
    let set = flags.set.0.as_deref().unwrap_or_default();
    for (name, list) in [("add", add.as_slice()), ("remove", &remove), ("set", set)] {
        for (index, word) in list.iter().enumerate() {
            if let Err(fault) = flag::check(word) {
                let at = format!("/flags/{name}/{index}");
                return Err(Problem::at(at, fault.code(), fault.to_string()));
            }
        }
    }
    let added = |flag: &String| add.iter().any(|added| added.eq_ignore_ascii_case(flag));
    if let Some(index) = remove.iter().position(added) {
        let detail = "this flag is in `add` too";
        return Err(Problem::at(format!("/flags/remove/{index}"), "contradiction", detail));
    }
    Ok(FlagChange { add, remove, set: flags.set.0 })
}

fn moved_json<'a>(moved: &'a Moved, from: &'a str) -> json::Moved<'a> {
    json::Moved { id: moved.now.as_deref(), mailbox: &moved.mailbox, from }
}

/// The result of a batch of one.
fn only<T>(answers: Vec<Result<T, types::Problem>>) -> Result<T, Problem> {
    match answers.into_iter().next() {
        Some(answer) => Ok(answer?),
        None => Err(Problem::new(Code::Internal, "the host returned no result")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_that_contradict_each_other_are_refused_where_they_stand() {
        check(r#"{"set": ["a"], "add": ["b"]}"#, Some(("/flags/set", "exclusive")));
        check(
            r#"{"add": ["A"], "remove": ["b", "a"]}"#,
            Some(("/flags/remove/1", "contradiction")),
        );
        check(r#"{"add": ["\\Seen"], "remove": ["\\Flagged"]}"#, None);
        check(r#"{"set": []}"#, None);
        check(r#"{"set": [], "add": []}"#, Some(("/flags/set", "exclusive")));
        check(r#"{"set": ["a"], "remove": []}"#, Some(("/flags/set", "exclusive")));
    }

    #[test]
    fn a_word_that_is_no_flag_is_named_by_its_place() {
        for list in ["add", "remove", "set"] {
            let fault = verdict(&format!(r#"{{"{list}": ["fine", ""]}}"#)).unwrap_err();
            assert_eq!(fault.0, format!("/flags/{list}/1"));
        }
    }

    #[test]
    fn the_published_schema_takes_the_characters_of_a_flag() {
        let mut class = String::new();
        for letter in ('!'..='~').filter(|letter| flag::check(&letter.to_string()).is_ok()) {
            match letter {
                '0' | 'A' | 'a' => class.push(letter),
                '9' | 'Z' | 'z' => class.extend(['-', letter]),
                '-' | '[' | '^' => class.extend(['\\', letter]),
                letter if letter.is_ascii_alphanumeric() => {}
                letter => class.push(letter),
            }
        }
        let schema: serde_json::Value = serde_json::from_str(kit::schema!("change")).unwrap();
        assert_eq!(schema["$defs"]["Flag"]["pattern"], format!("^\\\\?[{class}]{{1,255}}$"));
    }

    #[test]
    fn the_answer_to_a_batch_of_one_is_never_guessed() {
        assert_eq!(only(vec![Ok(1)]).unwrap(), 1);
        assert_eq!(only::<u8>(Vec::new()).unwrap_err().told.code, "internal");
    }

    fn verdict(flags: &str) -> Result<FlagChange, (String, String)> {
        let flags: Flags = request_body::json(flags.as_bytes()).unwrap();
        checked(flags).map_err(|problem| {
            let fault = problem.told.faults.first().unwrap();
            (fault.pointer.clone(), fault.code.clone())
        })
    }

    #[track_caller]
    fn check(flags: &str, want: Option<(&str, &str)>) {
        let found = verdict(flags).err();
        let found = found.as_ref().map(|(at, code)| (at.as_str(), code.as_str()));
        assert_eq!(found, want, "{flags}");
    }
}
