//! Instants as RFC 3339 timestamps in UTC.
//!
//! A guest neither reads a clock nor parses a date; it only formats the milliseconds that the host
//! provides.
//!
//! Invariant: the text is always a valid RFC 3339 `date-time`. An instant outside the years 0000 to
//! 9999, which that grammar cannot write, becomes the nearest one that it can.
//!
//! Standard: RFC 3339 section 5.6.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde::Serializer;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instant(pub i64);

const FIRST: i64 = -62_167_219_200_000;
const LAST: i64 = 253_402_300_799_999;
const DAY: i64 = 86_400_000;

impl fmt::Display for Instant {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.0.clamp(FIRST, LAST);
        let (year, month, day) = civil(at.div_euclid(DAY));
        let within = at.rem_euclid(DAY);
        let (seconds, millis) = (within / 1000, within % 1000);
        write!(
            out,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60
        )?;
        if millis != 0 {
            write!(out, ".{millis:03}")?;
        }
        out.write_str("Z")
    }
}

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Instant {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Instant".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "date-time"})
    }
}

/// Year, month and day of a day counted from 1970-01-01, in the proleptic Gregorian calendar.
///
/// Counts years from March, so that the leap day is the last day of a year, in eras of 400 years,
/// after which the calendar repeats.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_written_in_utc() {
        check(0, "1970-01-01T00:00:00Z");
        check(951_782_400_000, "2000-02-29T00:00:00Z");
        check(1_795_434_701_250, "2026-11-23T11:51:41.250Z");
        check(-1, "1969-12-31T23:59:59.999Z");
        check(4_107_542_400_000, "2100-03-01T00:00:00Z");
    }

    #[test]
    fn an_instant_beyond_four_digit_years_is_held_at_the_edge() {
        check(i64::MAX, "9999-12-31T23:59:59.999Z");
        check(i64::MIN, "0000-01-01T00:00:00Z");
    }

    #[track_caller]
    fn check(millis: i64, want: &str) {
        assert_eq!(Instant(millis).to_string(), want);
    }
}
