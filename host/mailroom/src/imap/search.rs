//! SEARCH: messages that match a list of keys.
//!
//! Text is compared without regard to case, after decoding (see [`crate::decode_text`]). The codec
//! bounds the nesting of keys.
//!
//! Standards: RFC 3501 §6.4.4.

use imap_codec::imap_types::core::{AString, Charset};
use imap_codec::imap_types::datetime::NaiveDate;
use imap_codec::imap_types::search::SearchKey;

use crate::dates::{day_number, sent_day};
use crate::decode_text::{body_text, readable};
use crate::imap::answer::Answer;
use crate::imap::sequence_numbers::{Numbering, SequenceView};
use crate::imap::sets::{exceeds, holds};
use crate::mailbox::Message;
use crate::message::{field, fields, parse, split};
use crate::store::Store;

/// Maximum number of keys in one SEARCH, nested ones included.
const MAX_KEYS: usize = 200;

/// The numbers (sequence numbers or UIDs) of the messages that match all keys.
pub(crate) fn search(
    store: &Store,
    view: &SequenceView,
    charset: Option<&Charset<'_>>,
    keys: &[SearchKey<'_>],
    by: Numbering,
) -> Result<Vec<u32>, Answer> {
    let known = |name: &&str| charset.is_none_or(|own| name.eq_ignore_ascii_case(own.as_ref()));
    if !["UTF-8", "US-ASCII"].iter().any(known) {
        return Err(Answer::no("[BADCHARSET (UTF-8 US-ASCII)] unknown character set"));
    }
    let mut budget = MAX_KEYS;
    if keys.iter().any(|key| is_refused(key, view.count(), &mut budget)) {
        return Err(Answer::bad("a number that no message has, or too many keys"));
    }
    let mut found = view.all(store);
    found.retain(|(number, message)| keys.iter().all(|key| matches(key, *number, message, view)));
    let name = |(number, message): (u32, Message)| match by {
        Numbering::Sequence => number,
        Numbering::Uid => message.uid,
    };
    Ok(found.into_iter().map(name).collect())
}

/// Whether a key contains a sequence number beyond the last, or the budget is used up: each key may
/// read each message.
#[expect(clippy::wildcard_enum_match_arm, reason = "no other key holds numbers or keys")]
fn is_refused(key: &SearchKey<'_>, count: u32, budget: &mut usize) -> bool {
    let Some(left) = budget.checked_sub(1) else { return true };
    *budget = left;
    match key {
        // An empty mailbox has no numbers; clients send `1:*` all the same.
        SearchKey::SequenceSet(set) => count > 0 && exceeds(set, count),
        SearchKey::And(keys) => keys.as_ref().iter().any(|key| is_refused(key, count, budget)),
        SearchKey::Not(key) => is_refused(key, count, budget),
        SearchKey::Or(one, other) => {
            is_refused(one, count, budget) || is_refused(other, count, budget)
        }
        _ => false,
    }
}

fn matches(key: &SearchKey<'_>, number: u32, message: &Message, view: &SequenceView) -> bool {
    let again = |key: &SearchKey<'_>| matches(key, number, message, view);
    let size = message.raw.len() as u64;
    let received = day_number(message.received);
    let sent = || header(message, "Date").and_then(|value| sent_day(&value));
    match key {
        SearchKey::And(keys) => keys.as_ref().iter().all(again),
        SearchKey::Not(key) => !again(key),
        SearchKey::Or(one, other) => again(one) || again(other),
        SearchKey::SequenceSet(set) => holds(set, number, view.count()),
        SearchKey::Uid(set) => holds(set, message.uid, view.last_uid()),
        SearchKey::All => true,
        SearchKey::Answered => message.has("\\Answered"),
        SearchKey::Deleted => message.has("\\Deleted"),
        SearchKey::Draft => message.has("\\Draft"),
        SearchKey::Flagged => message.has("\\Flagged"),
        SearchKey::Seen => message.has("\\Seen"),
        SearchKey::Unanswered => !message.has("\\Answered"),
        SearchKey::Undeleted => !message.has("\\Deleted"),
        SearchKey::Undraft => !message.has("\\Draft"),
        SearchKey::Unflagged => !message.has("\\Flagged"),
        SearchKey::Unseen => !message.has("\\Seen"),
        SearchKey::Keyword(flag) => message.has(flag.as_ref()),
        SearchKey::Unkeyword(flag) => !message.has(flag.as_ref()),
        // `\Recent` is never set here.
        SearchKey::New | SearchKey::Recent => false,
        SearchKey::Old => true,
        SearchKey::Before(date) => received < day(date),
        SearchKey::On(date) => received == day(date),
        SearchKey::Since(date) => received >= day(date),
        SearchKey::SentBefore(date) => sent().is_some_and(|at| at < day(date)),
        SearchKey::SentOn(date) => sent().is_some_and(|at| at == day(date)),
        SearchKey::SentSince(date) => sent().is_some_and(|at| at >= day(date)),
        SearchKey::Larger(octets) => size > u64::from(*octets),
        SearchKey::Smaller(octets) => size < u64::from(*octets),
        SearchKey::From(text) => in_field(message, b"From", text),
        SearchKey::To(text) => in_field(message, b"To", text),
        SearchKey::Cc(text) => in_field(message, b"Cc", text),
        SearchKey::Bcc(text) => in_field(message, b"Bcc", text),
        SearchKey::Subject(text) => in_field(message, b"Subject", text),
        SearchKey::Header(name, text) => in_field(message, name.as_ref(), text),
        SearchKey::Body(text) => in_body(message, text),
        SearchKey::Text(text) => {
            contains(&readable(split(&message.raw).0), text) || in_body(message, text)
        }
    }
}

fn header(message: &Message, name: &str) -> Option<String> {
    let value = field(split(&message.raw).0, name.as_bytes())?;
    Some(String::from_utf8_lossy(&value).into_owned())
}

fn in_field(message: &Message, name: &[u8], text: &AString<'_>) -> bool {
    let found = fields(split(&message.raw).0);
    let mut named = found.iter().filter(|field| field.is(name));
    named.any(|field| contains(&readable(&field.unfolded()), text))
}

fn in_body(message: &Message, text: &AString<'_>) -> bool {
    let mut decoded = String::new();
    body_text(&parse(&message.raw), &mut decoded);
    contains(&decoded, text) || contains(&String::from_utf8_lossy(split(&message.raw).1), text)
}

fn contains(hay: &str, needle: &AString<'_>) -> bool {
    let needle = String::from_utf8_lossy(needle.as_ref()).to_lowercase();
    hay.to_lowercase().contains(&needle)
}

fn day(date: &NaiveDate) -> i64 {
    let midnight = date.as_ref().and_hms_opt(0, 0, 0);
    midnight.map_or(0, |at| at.and_utc().timestamp().div_euclid(24 * 60 * 60))
}
