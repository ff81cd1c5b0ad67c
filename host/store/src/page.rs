//! Pages: where the next one begins.
//!
//! A cursor is anchored at the last row shown, not at a count, so that new rows neither
//! repeat nor hide one. Opaque to callers, and no authority: every query is
//! bound to tenant and account anyway.
//!
//! Standard: RFC 4648 §5 (base64url), without padding.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::account::Account;
use model::ids::SubmissionId;
use model::instant::Timestamp;
use model::message::Page;
use model::submission::Entry;

/// The last row of a page; rows are ordered by both, newest first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cursor {
    /// Its first key.
    pub(crate) created: Timestamp,
    /// Its second key.
    pub(crate) id: SubmissionId,
}

/// The largest page, whoever asks.
pub(crate) const LARGEST: u32 = 1000;

impl Cursor {
    /// As callers carry it.
    pub(crate) fn encode(&self) -> String {
        let mut bytes = self.created.millis().to_be_bytes().to_vec();
        bytes.extend(self.id.as_str().bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// `None` for anything that [`Cursor::encode`] did not make.
    pub(crate) fn decode(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (created, id) = bytes.split_first_chunk::<8>()?;
        let created = Timestamp::from_millis(i64::from_be_bytes(*created));
        Some(Self { created, id: std::str::from_utf8(id).ok()?.parse().ok()? })
    }
}

/// A page of submissions from one row more than was asked for, should there be one.
pub(crate) fn submissions(rows: Vec<Entry>, limit: u32) -> Page<Entry> {
    cut(rows, limit, |last| {
        Cursor { created: last.created, id: last.receipt.submission.clone() }.encode()
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

    #[test]
    fn a_cursor_reads_back_and_nonsense_does_not() {
        for millis in [0, -1, 1_795_000_000_000, i64::MAX] {
            let id = SubmissionId::generate([3; 10]);
            let cursor = Cursor { created: Timestamp::from_millis(millis), id };
            assert_eq!(Cursor::decode(&cursor.encode()), Some(cursor));
        }
        for text in ["", "!", "AAAA", "AAAAAAAAAAA", "c3ViX2FhYWFhYWFhYWFhYWFhYWE"] {
            assert_eq!(Cursor::decode(text), None, "{text:?}");
        }
    }
}
