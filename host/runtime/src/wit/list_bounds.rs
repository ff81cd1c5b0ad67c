//! Size limits of host calls' arguments: every list and every string has one.
//!
//! Checked before anything is cloned, looked up or sent, so that a refusal costs nothing more than
//! copying the argument, which wasmtime limits in bytes
//! ([`crate::limits::Limits::host_call_bytes`]). These are limits of the call; those of a message
//! or a mailbox are narrower in places, and checked elsewhere.
//!
//! Invariant: the problem names the member, its size, and the limit.

use model::problem::{Code, Fault, Problem};

use crate::wit::bindings::capabilities::postlet::mail::drafts::Draft;
use crate::wit::bindings::capabilities::postlet::mail::messages::{FlagChange, Query};
use crate::wit::bindings::capabilities::postlet::mail::types::Address;

/// Messages in one call.
pub(crate) const KEYS: usize = 1_000;
/// Flags in one change, all of its lists together.
pub(crate) const FLAGS: usize = 100;
/// States in one query of submissions.
const STATES: usize = 100;
/// Entries in one list of a draft: addresses, attachments, ids, additional fields. An attachment
/// takes a handle of the `mime` component's ([`crate::limits::Limits::handles`]), which needs some
/// for itself.
const IN_DRAFT: usize = 1_000;
/// Bytes of a name or key: an id, a mailbox, a cursor, a path, a domain, a flag.
const WORD: usize = 4 << 10;
/// Bytes of a line of a draft.
const LINE: usize = 64 << 10;
/// Bytes of a body of a draft.
const BODY: usize = 8 << 20;

type Checked = Result<(), Problem>;

/// Checks a list of message ids.
pub(crate) fn keys(keys: &[String]) -> Checked {
    list(Code::InvalidBody, "keys", keys.len(), KEYS)?;
    keys.iter().enumerate().try_for_each(|(at, key)| word(&format!("keys/{at}"), key))
}

/// Checks a list of message ids, and where they are to go.
pub(crate) fn keys_and_mailbox(ids: &[String], mailbox: &str) -> Checked {
    keys(ids).and_then(|()| word("mailbox", mailbox))
}

/// Checks a name or key.
pub(crate) fn word(member: &str, text: &str) -> Checked {
    bytes(Code::InvalidBody, member, text, WORD)
}

pub(crate) fn flags(change: &FlagChange) -> Checked {
    let set = change.set.as_deref().unwrap_or_default();
    let count = change.add.len() + change.remove.len() + set.len();
    list(Code::InvalidBody, "flags", count, FLAGS)?;
    let all = change.add.iter().chain(&change.remove).chain(set);
    all.into_iter().try_for_each(|flag| word("flags", flag))
}

pub(crate) fn query(query: &Query) -> Checked {
    word("mailbox", &query.mailbox)?;
    query.cursor.as_deref().map_or(Ok(()), |cursor| word("cursor", cursor))
}

pub(crate) fn states(count: usize) -> Checked {
    list(Code::InvalidBody, "states", count, STATES)
}

pub(crate) fn draft(draft: &Draft) -> Checked {
    const CODE: Code = Code::InvalidDraft;
    let people =
        [("to", &draft.to), ("cc", &draft.cc), ("bcc", &draft.bcc), ("replyTo", &draft.reply_to)];
    for (member, people) in people {
        list(CODE, member, people.len(), IN_DRAFT)?;
    }
    list(CODE, "attachments", draft.attachments.len(), IN_DRAFT)?;
    list(CODE, "headers", draft.headers.len(), IN_DRAFT)?;
    for (member, ids) in [("inReplyTo", &draft.in_reply_to), ("references", &draft.references)] {
        list(CODE, member, ids.len(), IN_DRAFT)?;
        ids.iter()
            .enumerate()
            .try_for_each(|(at, id)| bytes(CODE, &format!("{member}/{at}"), id, WORD))?;
    }
    for (member, people) in people {
        for (at, who) in people.iter().enumerate() {
            person(&format!("{member}/{at}"), who)?;
        }
    }
    draft.sender.as_ref().map_or(Ok(()), |sender| person("from", sender))?;
    for (at, part) in draft.attachments.iter().enumerate() {
        let member = format!("attachments/{at}");
        let words = [&part.filename, &part.content_id].into_iter().flatten();
        words.chain([&part.content_type]).try_for_each(|text| bytes(CODE, &member, text, LINE))?;
    }
    for (at, header) in draft.headers.iter().enumerate() {
        let member = format!("headers/{at}");
        bytes(CODE, &member, &header.name, LINE)?;
        bytes(CODE, &member, &header.value, LINE)?;
    }
    for (member, text, most) in [
        ("subject", &draft.subject, LINE),
        ("text", &draft.text, BODY),
        ("html", &draft.html, BODY),
    ] {
        text.as_deref().map_or(Ok(()), |text| bytes(CODE, member, text, most))?;
    }
    Ok(())
}

fn person(member: &str, person: &Address) -> Checked {
    bytes(Code::InvalidDraft, member, &person.email, LINE)?;
    person.name.as_deref().map_or(Ok(()), |name| bytes(Code::InvalidDraft, member, name, LINE))
}

fn list(code: Code, member: &str, count: usize, most: usize) -> Checked {
    over(code, member, "too-many", count, most, "entries")
}

fn bytes(code: Code, member: &str, text: &str, most: usize) -> Checked {
    over(code, member, "too-long", text.len(), most, "bytes")
}

fn over(code: Code, member: &str, fault: &str, count: usize, most: usize, unit: &str) -> Checked {
    if count <= most {
        return Ok(());
    }
    let detail = format!("`{member}` has {count} {unit}; a call takes {most} at most");
    let fault =
        Fault { pointer: format!("/{member}"), code: fault.to_owned(), detail: detail.clone() };
    Err(Problem::new(code, detail).with_faults(vec![fault]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_named_with_its_number_and_its_bound() {
        let key = || "k".to_owned();
        check(keys(&vec![key(); KEYS]), None);
        check(
            keys(&vec![key(); 100_000]),
            Some(("/keys", "`keys` has 100000 entries; a call takes 1000 at most")),
        );
        check(
            keys(&[key(), "k".repeat(5000)]),
            Some(("/keys/1", "`keys/1` has 5000 bytes; a call takes 4096 at most")),
        );
        let change = |add: usize, set| FlagChange {
            add: vec![key(); add],
            remove: vec![key(); 60],
            set: Some(vec![key(); set]),
        };
        check(flags(&change(20, 20)), None);
        check(
            flags(&change(20, 21)),
            Some(("/flags", "`flags` has 101 entries; a call takes 100 at most")),
        );
    }

    #[test]
    fn every_list_and_string_of_a_draft_has_a_bound() {
        let person = |text: &str| Address { name: Some("n".to_owned()), email: text.to_owned() };
        check(draft(&Draft { to: vec![person("a"); IN_DRAFT], ..empty() }), None);
        let told = "has 1001 entries; a call takes 1000 at most";
        assert!(IN_DRAFT + 20 <= crate::limits::Limits::for_mime().handles);
        let many = vec![person("a"); IN_DRAFT + 1];
        check(
            draft(&Draft { cc: many.clone(), ..empty() }),
            Some(("/cc", &format!("`cc` {told}"))),
        );
        check(draft(&Draft { bcc: many, ..empty() }), Some(("/bcc", &format!("`bcc` {told}"))));
        let long = "x".repeat(LINE + 1);
        let told = "has 65537 bytes; a call takes 65536 at most";
        check(
            draft(&Draft { to: vec![person(&long)], ..empty() }),
            Some(("/to/0", &format!("`to/0` {told}"))),
        );
        check(
            draft(&Draft { subject: Some(long), ..empty() }),
            Some(("/subject", &format!("`subject` {told}"))),
        );
        check(
            draft(&Draft { references: vec!["x".repeat(WORD + 1)], ..empty() }),
            Some(("/references/0", "`references/0` has 4097 bytes; a call takes 4096 at most")),
        );
    }

    fn empty() -> Draft {
        Draft {
            sender: None,
            reply_to: Vec::new(),
            to: Vec::new(),
            cc: Vec::new(),
            bcc: Vec::new(),
            subject: None,
            text: None,
            html: None,
            attachments: Vec::new(),
            in_reply_to: Vec::new(),
            references: Vec::new(),
            headers: Vec::new(),
        }
    }

    #[track_caller]
    fn check(got: Checked, want: Option<(&str, &str)>) {
        let got = got.err().map(|problem| (problem.faults[0].pointer.clone(), problem.detail));
        let want = want.map(|(pointer, detail)| (pointer.to_owned(), detail.to_owned()));
        assert_eq!(got, want);
    }
}
