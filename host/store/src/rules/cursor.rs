//! Pagination cursors of the store.
//!
//! A cursor is anchored at the last row of a page, not at a count, so that new rows neither repeat
//! nor hide one. Opaque to callers, and without authority: every query is bound to tenant and
//! account anyway. It is bound to its list, since in another one it would hide rows that were never
//! shown.
//!
//! Standard: RFC 4648 §5 (base64url), without padding.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::account::Account;
use model::ids::SubmissionId;
use model::instant::Timestamp;
use model::mail::message::Page;
use model::submission::{State, SubmissionStatus};
use sha2::{Digest, Sha256};

/// The last row of a page; rows are ordered by both, newest first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cursor {
    /// The first sort key.
    pub(crate) created: Timestamp,
    /// The second sort key.
    pub(crate) id: SubmissionId,
}

/// The maximum page size, for every caller.
pub(crate) const LARGEST: u32 = 1000;

/// Identifies a list of submissions: the generation of an account, and the requested states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ListFingerprint([u8; 8]);

impl ListFingerprint {
    pub(crate) fn of(account: &Account, states: &[State]) -> Self {
        let mut states: Vec<&str> = states.iter().map(|state| state.as_str()).collect();
        states.sort_unstable();
        states.dedup();
        let mut digest = Sha256::new();
        for part in [account.tenant.as_str(), account.id.as_str()].into_iter().chain(states) {
            digest.update(part);
            digest.update([0]);
        }
        digest.update(account.generation.to_be_bytes());
        let digest: [u8; 32] = digest.finalize().into();
        Self(digest.first_chunk().copied().unwrap_or_default())
    }
}

impl Cursor {
    /// The opaque form.
    pub(crate) fn encode(&self, list: ListFingerprint) -> String {
        let mut bytes = list.0.to_vec();
        bytes.extend(self.created.millis().to_be_bytes());
        bytes.extend(self.id.as_str().bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// `None` for anything that is not an encoded cursor of this list.
    pub(crate) fn decode(text: &str, list: ListFingerprint) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (made_for, rest) = bytes.split_first_chunk::<8>()?;
        let (created, id) = rest.split_first_chunk::<8>()?;
        let created = Timestamp::from_millis(i64::from_be_bytes(*created));
        let id = std::str::from_utf8(id).ok()?.parse().ok()?;
        (*made_for == list.0).then_some(Self { created, id })
    }
}

/// A page of submissions, from up to one row more than requested, which shows that there is another
/// page.
pub(crate) fn submissions(
    rows: Vec<SubmissionStatus>,
    limit: u32,
    list: ListFingerprint,
) -> Page<SubmissionStatus> {
    cut(rows, limit, |last| {
        Cursor { created: last.created, id: last.receipt.submission.clone() }.encode(list)
    })
}

/// A page of accounts, likewise. The cursor is the last id.
pub(crate) fn accounts(rows: Vec<Account>, limit: u32) -> Page<Account> {
    cut(rows, limit, |last| last.id.to_string())
}

fn cut<T>(mut rows: Vec<T>, limit: u32, cursor: impl FnOnce(&T) -> String) -> Page<T> {
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next_cursor = rows.last().filter(|_| more).map(cursor);
    Page { rows, next_cursor }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::fixture::person;

    #[test]
    fn a_cursor_reads_back_and_nonsense_does_not() {
        let list = ListFingerprint::of(&person("t", "anna"), &[]);
        for millis in [0, -1, 1_795_000_000_000, i64::MAX] {
            let id = SubmissionId::generate([3; 10]);
            let cursor = Cursor { created: Timestamp::from_millis(millis), id };
            assert_eq!(Cursor::decode(&cursor.encode(list), list), Some(cursor));
        }
        for text in ["", "!", "AAAA", "AAAAAAAAAAA", "c3ViX2FhYWFhYWFhYWFhYWFhYWE"] {
            assert_eq!(Cursor::decode(text, list), None, "{text:?}");
        }
    }

    #[test]
    fn a_cursor_of_another_list_is_none() {
        let anna = person("t", "anna");
        let sent = ListFingerprint::of(&anna, &[State::Sent, State::Failed]);
        let id = SubmissionId::generate([3; 10]);
        let cursor = Cursor { created: Timestamp::from_millis(7), id };
        let text = cursor.encode(sent);
        // The order of the requested states does not matter.
        let same = ListFingerprint::of(&anna, &[State::Failed, State::Sent, State::Failed]);
        assert_eq!(Cursor::decode(&text, same), Some(cursor));
        let again = Account { generation: anna.generation + 1, ..anna.clone() };
        for other in [
            ListFingerprint::of(&anna, &[]),
            ListFingerprint::of(&anna, &[State::Sent]),
            ListFingerprint::of(&person("t", "bo"), &[State::Sent, State::Failed]),
            ListFingerprint::of(&person("u", "anna"), &[State::Sent, State::Failed]),
            ListFingerprint::of(&again, &[State::Sent, State::Failed]),
        ] {
            assert_eq!(Cursor::decode(&text, other), None, "{other:?}");
        }
    }
}
