//! Pagination cursors: an opaque position, bound to its list.
//!
//! A cursor names the last row of a page, not a count, so that new rows neither repeat nor hide one.
//! It grants nothing: every query is bound to its tenant anyway. In another list it would skip rows
//! that were never shown, so each cursor begins with a fingerprint of its list: the list's name, and
//! all parameters that determine its rows and their order.
//!
//! Standard: RFC 4648 §5 (base64url), without padding.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::mail::message::Page;

/// The longest cursor in bytes: a position names a row, and perhaps a mailbox.
const LONGEST: usize = 2_000;

/// Identifies a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListFingerprint([u8; 8]);

impl ListFingerprint {
    /// `parameters` distinguish the list from others of this name, in a fixed order.
    #[must_use]
    pub fn of(name: &str, parameters: &[&[u8]]) -> Self {
        let words: Vec<&[u8]> =
            [name.as_bytes()].into_iter().chain(parameters.iter().copied()).collect();
        Self(short_digest(&words))
    }

    /// The cursor of a position.
    #[must_use]
    pub fn cursor(self, position: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode([&self.0[..], position].concat())
    }

    /// The position; none when it is not a cursor of this list.
    #[must_use]
    pub fn position(self, cursor: &str) -> Option<Vec<u8>> {
        if cursor.len() > LONGEST {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (made_for, position) = bytes.split_first_chunk::<8>()?;
        (*made_for == self.0).then(|| position.to_vec())
    }

    /// A page of `limit` rows at most, from up to one row more, which shows that there is another
    /// page.
    #[must_use]
    pub fn page<T>(
        self,
        mut rows: Vec<T>,
        limit: u32,
        position: impl FnOnce(&T) -> Vec<u8>,
    ) -> Page<T> {
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let last = rows.last().filter(|_| more);
        let next_cursor = last.map(|last| self.cursor(&position(last)));
        Page { rows, next_cursor }
    }
}

/// The first bytes of SHA-256 over the words, each prefixed with its length.
#[must_use]
pub fn short_digest(words: &[&[u8]]) -> [u8; 8] {
    let mut sha = Sha256::new();
    for word in words {
        sha.update((word.len() as u64).to_be_bytes());
        sha.update(word);
    }
    let digest: [u8; 32] = sha.finalize().into();
    digest.first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_in_its_list_and_in_no_other() {
        let list = ListFingerprint::of("rows", &[b"acme", b"anna"]);
        for position in [&b""[..], b"x", &[0; 100], &[0xff; 1000]] {
            let cursor = list.cursor(position);
            assert_eq!(list.position(&cursor).as_deref(), Some(position));
            assert!(
                cursor.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
            );
            for (name, parameters) in [
                ("row", &[&b"acme"[..], b"anna"][..]),
                ("rows", &[b"anna", b"acme"]),
                ("rows", &[b"acme", b"ann"]),
                ("rows", &[b"acme"]),
                ("rows", &[b"acme", b"anna", b""]),
                // The boundaries of words count.
                ("rows", &[b"acmea", b"nna"]),
                ("rowsa", &[b"cme", b"anna"]),
                ("", &[b"rows", b"acme", b"anna"]),
            ] {
                let other = ListFingerprint::of(name, parameters);
                assert_eq!(other.position(&cursor), None, "{name} {parameters:?}");
            }
        }
    }

    #[test]
    fn other_text_is_not_a_cursor() {
        let list = ListFingerprint::of("rows", &[]);
        let cursor = list.cursor(b"x");
        let padded = format!("{cursor}=");
        let long = list.cursor(&[0; 2_000]);
        let zeros = "A".repeat(11);
        for text in ["", "!", "AAAA", &zeros, "anna", "after:anna", &padded, &long, &cursor[1..]] {
            assert_eq!(list.position(text), None, "{text:?}");
        }
    }

    /// It is a part of message ids, which outlive the process.
    #[test]
    fn the_digest_never_changes() {
        let digest = short_digest(&[b"acme", b"", b"anna"]);
        assert_eq!(digest, [0x88, 0xed, 0x6f, 0xbd, 0x31, 0x6d, 0x9c, 0x67]);
    }

    #[test]
    fn a_page_has_a_cursor_when_there_is_one_more_row() {
        let list = ListFingerprint::of("rows", &[]);
        let page = |rows: &[u8], limit| list.page(rows.to_vec(), limit, |row| vec![*row]);
        for (rows, limit, kept, next) in [
            (&[][..], 2, &[][..], None),
            (&[1, 2], 2, &[1, 2], None),
            (&[1, 2, 3], 2, &[1, 2], Some(vec![2])),
            (&[1], 0, &[], None),
        ] {
            let page = page(rows, limit);
            assert_eq!(page.rows, kept);
            assert_eq!(page.next_cursor.and_then(|cursor| list.position(&cursor)), next);
        }
    }
}
