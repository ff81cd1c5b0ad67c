//! Date formats of mail and IMAP, and the mailroom's only use of the clock.
//!
//! Standards: RFC 5322 §3.3 (dates in mail), RFC 3501 §9 (`date-time`).

use time::format_description::well_known::Rfc2822;
use time::{OffsetDateTime, PrimitiveDateTime, Time, UtcOffset};

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The current time in UTC, in whole seconds. It only stamps mail: nothing is decided by it, so it
/// needs no clock of the tests.
pub(crate) fn now() -> OffsetDateTime {
    let now = OffsetDateTime::now_utc();
    now.replace_nanosecond(0).unwrap_or(now)
}

/// An instant from seconds since 1970 and an offset in seconds, as in APPEND; kept as given, since
/// INTERNALDATE must return it.
pub(crate) fn instant(seconds: i64, offset: i32) -> Option<OffsetDateTime> {
    let offset = UtcOffset::from_whole_seconds(offset).ok()?;
    OffsetDateTime::from_unix_timestamp(seconds).ok()?.checked_to_offset(offset)
}

/// `Mon, 23 Nov 2026 11:47:21 +0000`; empty for a year before 1900.
pub(crate) fn mail_date(at: OffsetDateTime) -> String {
    at.format(&Rfc2822).unwrap_or_default()
}

/// `23-Nov-2026 11:47:21 +0000`, the day padded with a space (`date-day-fixed`).
pub(crate) fn imap_date(at: OffsetDateTime) -> String {
    let month = MONTHS.get(usize::from(u8::from(at.month())).saturating_sub(1)).unwrap_or(&"Jan");
    let (hours, minutes, _) = at.offset().as_hms();
    let sign = if at.offset().is_negative() { '-' } else { '+' };
    let (hours, minutes) = (hours.unsigned_abs(), minutes.unsigned_abs());
    let (day, year, hour, minute, second) =
        (at.day(), at.year(), at.hour(), at.minute(), at.second());
    format!(
        "{day:>2}-{month}-{year:04} {hour:02}:{minute:02}:{second:02} {sign}{hours:02}{minutes:02}"
    )
}

/// Whole days since 1970, disregarding time and zone as RFC 3501 §6.4.4 asks
/// of BEFORE, ON and SINCE.
pub(crate) fn day_number(at: OffsetDateTime) -> i64 {
    let midnight = PrimitiveDateTime::new(at.date(), Time::MIDNIGHT).assume_utc();
    midnight.unix_timestamp().div_euclid(24 * 60 * 60)
}

/// The day of a `Date` header field, if it can be parsed.
pub(crate) fn sent_day(value: &str) -> Option<i64> {
    // A trailing comment is cut (RFC 5322 §4.3).
    let value = value.split('(').next().unwrap_or(value).trim();
    OffsetDateTime::parse(value, &Rfc2822).ok().map(day_number)
}

#[cfg(test)]
mod tests {
    use super::{imap_date, instant, mail_date, sent_day};

    #[test]
    fn an_instant_keeps_its_offset() {
        let at = instant(1_000_000_000, 8 * 3600).unwrap();
        assert_eq!(imap_date(at), " 9-Sep-2001 09:46:40 +0800");
        assert_eq!(mail_date(at), "Sun, 09 Sep 2001 09:46:40 +0800");
        let west = instant(1_000_000_000, -(3 * 3600 + 1800)).unwrap();
        assert_eq!(imap_date(west), " 8-Sep-2001 22:16:40 -0330");
    }

    #[test]
    fn the_day_of_a_date_field_disregards_its_zone() {
        assert_eq!(sent_day("Fri, 02 Jan 1970 23:59:00 -0800"), Some(1));
        assert_eq!(sent_day("Fri, 2 Jan 1970 23:59:00 EST (odd)"), Some(1));
        assert_eq!(sent_day("yesterday"), None);
    }
}
