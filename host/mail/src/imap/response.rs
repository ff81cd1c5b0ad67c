//! Conversion of parsed IMAP responses to the port's types.
//!
//! Pure: parsed responses in; rows, flags, dates and UID pairs out. Unrequested data is left out
//! here, so that a server cannot fill memory with it.
//!
//! Standard: RFC 9051 §7, RFC 4315 §3 (COPYUID, APPENDUID).

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the parser's enums grow, and what we never ask for is all the same to us"
)]

use std::collections::HashMap;
use std::ops::RangeInclusive;

use async_imap::imap_proto::rfc4315::UidSetMember;
use async_imap::imap_proto::{AttributeValue, MessageSection, Response, ResponseCode, SectionPath};
use bytes::Bytes;
use model::instant::Timestamp;
use model::port::imap::{AppendUid, CopyUid, FetchRow, Messages};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

/// Maximum number of COPYUID pairs in one response; more are ignored.
const MOST_PAIRS: usize = 10_000;

/// RFC 9051 §9 `date-time`; the day may begin with a space.
const INTERNALDATE: &[BorrowedFormatItem<'_>] = format_description!(
    version = 2,
    "[day padding:none]-[month repr:short case_sensitive:false]-[year] [hour]:[minute]:[second] [offset_hour sign:mandatory][offset_minute]"
);

/// Rows of a fetch, merged by UID, in the order of their first appearance.
#[derive(Debug)]
pub(crate) struct Rows<'a> {
    asked: &'a Messages,
    rows: Vec<FetchRow>,
    by_uid: HashMap<u32, usize>,
}

impl<'a> Rows<'a> {
    pub(crate) fn of(asked: &'a Messages) -> Self {
        Self { asked, rows: Vec::new(), by_uid: HashMap::new() }
    }

    /// Takes a FETCH response about one of the requested messages.
    pub(crate) fn take(&mut self, response: &Response<'_>) {
        let Response::Fetch(sequence, attributes) = response else { return };
        let row = row(*sequence, attributes);
        let asked = match self.asked {
            Messages::Sequence(range) => range.contains(sequence),
            Messages::Uids(uids) => uids.contains(&row.uid),
        };
        if row.uid == 0 || !asked {
            return;
        }
        let known = self.by_uid.get(&row.uid).copied();
        if let Some(known) = known.and_then(|index| self.rows.get_mut(index)) {
            merge(known, row);
        } else if self.rows.len() < most(self.asked) {
            // A sequence number may carry another UID after an EXPUNGE, but not without limit.
            self.by_uid.insert(row.uid, self.rows.len());
            self.rows.push(row);
        }
    }

    pub(crate) fn finish(self) -> Vec<FetchRow> {
        self.rows
    }
}

fn most(asked: &Messages) -> usize {
    match asked {
        Messages::Sequence(range) => {
            let count = range.end().saturating_sub(*range.start()).saturating_add(1);
            usize::try_from(count).unwrap_or(usize::MAX)
        }
        Messages::Uids(uids) => uids.len(),
    }
}

fn row(sequence: u32, attributes: &[AttributeValue<'_>]) -> FetchRow {
    let mut row = FetchRow { sequence, ..FetchRow::default() };
    for attribute in attributes {
        match attribute {
            AttributeValue::Uid(uid) => row.uid = *uid,
            AttributeValue::Flags(flags) => {
                row.flags = Some(flags.iter().map(|flag| flag.clone().into_owned()).collect());
            }
            AttributeValue::InternalDate(date) => row.received = internal_date(date),
            AttributeValue::Rfc822Size(size) => row.size = Some(u64::from(*size)),
            AttributeValue::BodySection { section, data, .. } => {
                let data = data.as_ref().map(|data| Bytes::copy_from_slice(data));
                match section {
                    None => row.whole = data,
                    Some(SectionPath::Full(MessageSection::Header)) => {
                        row.header_unread = data.is_none();
                        row.header = data;
                    }
                    Some(_) => {}
                }
            }
            _ => {}
        }
    }
    row
}

fn merge(known: &mut FetchRow, row: FetchRow) {
    known.sequence = row.sequence;
    known.flags = row.flags.or(known.flags.take());
    known.received = row.received.or(known.received);
    known.size = row.size.or(known.size);
    known.header = row.header.or(known.header.take());
    known.whole = row.whole.or(known.whole.take());
    known.header_unread = known.header.is_none() && (known.header_unread || row.header_unread);
}

/// `17-Jul-1996 02:44:25 -0700`; none for anything else.
fn internal_date(text: &str) -> Option<Timestamp> {
    let at = OffsetDateTime::parse(text.trim(), INTERNALDATE).ok()?;
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok().map(Timestamp::from_millis)
}

/// The response code of a status line, tagged or not.
fn code<'a, 'b>(response: &'a Response<'b>) -> Option<&'a ResponseCode<'b>> {
    match response {
        Response::Done { outcome, .. } | Response::Data { outcome, .. } => outcome.code.as_ref(),
        _ => None,
    }
}

/// UIDVALIDITY in a response to SELECT.
pub(crate) fn uid_validity(response: &Response<'_>) -> Option<u32> {
    match code(response) {
        Some(ResponseCode::UidValidity(value)) => Some(*value),
        _ => None,
    }
}

/// PERMANENTFLAGS in a response to SELECT.
pub(crate) fn permanent_flags(response: &Response<'_>) -> Option<Vec<String>> {
    match code(response) {
        Some(ResponseCode::PermanentFlags(flags)) => {
            Some(flags.iter().map(ToString::to_string).collect())
        }
        _ => None,
    }
}

/// APPENDUID of the one message that was appended.
pub(crate) fn append_uid(response: &Response<'_>) -> Option<AppendUid> {
    match code(response) {
        Some(ResponseCode::AppendUid(uid_validity, uids)) => {
            let uid = expand(uids, 1)?.first().copied()?;
            Some(AppendUid { uid_validity: *uid_validity, uid })
        }
        _ => None,
    }
}

/// COPYUID: pairs in the order of both sets, which must be of one length.
pub(crate) fn copy_uid(response: &Response<'_>) -> Option<CopyUid> {
    match code(response) {
        Some(ResponseCode::CopyUid(uid_validity, from, to)) => {
            let (from, to) = (expand(from, MOST_PAIRS)?, expand(to, MOST_PAIRS)?);
            let pairs = from.len() == to.len();
            pairs.then(|| CopyUid {
                uid_validity: *uid_validity,
                pairs: from.into_iter().zip(to).collect(),
            })
        }
        _ => None,
    }
}

/// None for a set with more than `most` members: it is never expanded.
fn expand(set: &[UidSetMember], most: usize) -> Option<Vec<u32>> {
    let mut uids = Vec::new();
    for member in set {
        let range: RangeInclusive<u32> = match member {
            UidSetMember::Uid(uid) => *uid..=*uid,
            UidSetMember::UidRange(range) => range.clone(),
        };
        let count = usize::try_from(range.end().checked_sub(*range.start())?).ok()?;
        if count >= most - uids.len() {
            return None;
        }
        uids.extend(range);
    }
    Some(uids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_in_their_zone() {
        check_date("17-Jul-1996 02:44:25 -0700", Some("1996-07-17T09:44:25Z"));
        check_date(" 1-Jan-2026 00:00:00 +0000", Some("2026-01-01T00:00:00Z"));
        check_date("01-JAN-2026 00:00:00 +0800", Some("2025-12-31T16:00:00Z"));
        for nonsense in ["", "NIL", "31-Feb-2026 00:00:00 +0000", "1-Jan-2026 25:00:00 +0000"] {
            check_date(nonsense, None);
        }
    }

    #[test]
    fn uid_sets_are_written_out_up_to_a_cap() {
        assert_eq!(expand(&[UidSetMember::UidRange(3..=5), 9.into()], 4), Some(vec![3, 4, 5, 9]));
        assert_eq!(expand(&[UidSetMember::UidRange(3..=5), 9.into()], 3), None);
        assert_eq!(expand(&[UidSetMember::UidRange(1..=u32::MAX)], MOST_PAIRS), None);
    }

    #[track_caller]
    fn check_date(text: &str, want: Option<&str>) {
        let read = internal_date(text).map(|at| at.to_string());
        assert_eq!(read.as_deref(), want, "{text:?}");
    }
}
