//! Positions in lists of submissions; [`model::paging`] binds them to their list.

use model::account::Account;
use model::ids::SubmissionId;
use model::instant::Timestamp;
use model::mail::message::Page;
use model::paging::ListFingerprint;
use model::submission::{State, SubmissionStatus};

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

/// The submissions of one generation of an account, in the requested states.
pub(crate) fn list(account: &Account, states: &[State]) -> ListFingerprint {
    let mut states: Vec<&str> = states.iter().map(|state| state.as_str()).collect();
    states.sort_unstable();
    states.dedup();
    let generation = account.generation.to_be_bytes();
    let (tenant, id) = (account.tenant.as_str().as_bytes(), account.id.as_str().as_bytes());
    let states = states.into_iter().map(str::as_bytes);
    let parameters: Vec<&[u8]> = [tenant, id, &generation].into_iter().chain(states).collect();
    ListFingerprint::of("submissions", &parameters)
}

impl Cursor {
    pub(crate) fn of(entry: &SubmissionStatus) -> Self {
        Self { created: entry.created, id: entry.receipt.submission.clone() }
    }

    fn position(&self) -> Vec<u8> {
        [&self.created.millis().to_be_bytes()[..], self.id.as_str().as_bytes()].concat()
    }

    /// `None` for anything that is not a cursor of this list.
    pub(crate) fn decode(text: &str, list: ListFingerprint) -> Option<Self> {
        let position = list.position(text)?;
        let (created, id) = position.split_first_chunk::<8>()?;
        let created = Timestamp::from_millis(i64::from_be_bytes(*created));
        let id = std::str::from_utf8(id).ok()?.parse().ok()?;
        Some(Self { created, id })
    }
}

/// A page of submissions, from up to one row more than requested.
pub(crate) fn submissions(
    rows: Vec<SubmissionStatus>,
    limit: u32,
    list: ListFingerprint,
) -> Page<SubmissionStatus> {
    list.page(rows, limit, |last| Cursor::of(last).position())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::fixture::person;

    #[test]
    fn a_cursor_reads_back_and_nonsense_does_not() {
        let rows = list(&person("t", "anna"), &[]);
        for millis in [0, -1, 1_795_000_000_000, i64::MAX] {
            let id = SubmissionId::generate([3; 10]);
            let cursor = Cursor { created: Timestamp::from_millis(millis), id };
            assert_eq!(Cursor::decode(&rows.cursor(&cursor.position()), rows), Some(cursor));
        }
        let (short, no_id) = (rows.cursor(&[0; 7]), rows.cursor(&[0; 12]));
        for text in ["", "!", "AAAA", "AAAAAAAAAAA", "c3ViX2FhYWFhYWFhYWFhYWFhYWE", &short, &no_id]
        {
            assert_eq!(Cursor::decode(text, rows), None, "{text:?}");
        }
    }

    #[test]
    fn a_cursor_of_another_list_is_none() {
        let anna = person("t", "anna");
        let sent = list(&anna, &[State::Sent, State::Failed]);
        let id = SubmissionId::generate([3; 10]);
        let cursor = Cursor { created: Timestamp::from_millis(7), id };
        let text = sent.cursor(&cursor.position());
        // The order of the requested states does not matter.
        let same = list(&anna, &[State::Failed, State::Sent, State::Failed]);
        assert_eq!(Cursor::decode(&text, same), Some(cursor));
        let again = Account { generation: anna.generation + 1, ..anna.clone() };
        for other in [
            list(&anna, &[]),
            list(&anna, &[State::Sent]),
            list(&person("t", "bo"), &[State::Sent, State::Failed]),
            list(&person("u", "anna"), &[State::Sent, State::Failed]),
            list(&again, &[State::Sent, State::Failed]),
        ] {
            assert_eq!(Cursor::decode(&text, other), None, "{other:?}");
        }
    }
}
