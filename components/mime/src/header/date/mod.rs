//! Dates of header fields.
//!
//! The form of RFC 5322 with everything that section 4.3 requires to accept, and the forms of other
//! software: `asctime`, `date`, JavaScript, ISO 8601. An ambiguous date is none.
//!
//! Invariant: linear; an impossible time of day or day of a month is none.
//!
//! Standard: RFC 5322 sections 3.3 and 4.3. Deviations: the day of the week is not checked against
//! the date, and a date without a zone is read as UTC, as section 4.3 has it for an unknown zone.

use time::{Date as CalendarDate, Month, OffsetDateTime};

use crate::header::comments::after_comment;

/// More tokens than any date has.
const MOST_TOKENS: usize = 40;
/// RFC 5322 section 3.3 begins with 1900. The end is ours: later dates come from wrong clocks.
const YEARS: std::ops::RangeInclusive<i64> = 1900..=3000;

/// Milliseconds since 1970; none when the field is not a date or an impossible one. `text` is
/// unfolded.
pub fn parse(text: &str) -> Option<i64> {
    let tokens = tokens(text)?;
    let mut cursor = Cursor { tokens: &tokens, at: 0 };
    let moment = iso(&mut cursor).or_else(|| {
        cursor.at = 0;
        cursor.weekday();
        let begin = cursor.at;
        day_first(&mut cursor).or_else(|| {
            cursor.at = begin;
            month_first(&mut cursor)
        })
    })?;
    moment.millis()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    Number(&'a str),
    Word(&'a str),
    Mark(char),
}

/// Digits, letters and marks, without white space and comments.
fn tokens(text: &str) -> Option<Vec<Token<'_>>> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let run = |kind: fn(&char) -> bool| {
            let end = rest.find(|character: char| !kind(&character)).unwrap_or(rest.len());
            rest.split_at(end)
        };
        if tokens.len() > MOST_TOKENS {
            return None;
        }
        match first {
            // An unclosed comment extends to the end.
            '(' => rest = after_comment(rest).unwrap_or_default(),
            // Quotes around the name of a zone have no meaning.
            ' ' | '\t' | '"' => rest = rest.trim_start_matches([' ', '\t', '"']),
            '0'..='9' => {
                let (digits, after) = run(char::is_ascii_digit);
                tokens.push(Token::Number(digits));
                rest = after;
            }
            'a'..='z' | 'A'..='Z' => {
                let (word, after) = run(char::is_ascii_alphabetic);
                tokens.push(Token::Word(word));
                rest = after;
            }
            mark => {
                tokens.push(Token::Mark(mark));
                rest = rest.get(mark.len_utf8()..)?;
            }
        }
    }
    Some(tokens)
}

#[derive(Clone, Copy, Debug)]
struct Date {
    year: i64,
    month: i64,
    day: i64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Time {
    hour: i64,
    minute: i64,
    second: i64,
}

#[derive(Clone, Copy, Debug)]
struct Moment {
    date: Date,
    time: Time,
    /// Local time minus UTC, in minutes.
    offset: i64,
}

impl Moment {
    fn millis(self) -> Option<i64> {
        let Self { date: Date { year, month, day }, time, offset } = self;
        // 60 is a leap second (RFC 5322 section 3.3): the second after 59.
        let possible =
            YEARS.contains(&year) && time.hour <= 23 && time.minute <= 59 && time.second <= 60;
        let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
        let year = i32::try_from(year).ok()?;
        let date = CalendarDate::from_calendar_date(year, month, u8::try_from(day).ok()?).ok()?;
        let days = i64::from(date.to_julian_day() - OffsetDateTime::UNIX_EPOCH.to_julian_day());
        let minutes = days * 1440 + time.hour * 60 + time.minute;
        possible.then(|| ((minutes - offset) * 60 + time.second) * 1000)
    }
}

/// `[Mon,] 02 Nov 2026 10:00[:00] -0500`, with `-` between the parts of the date as well.
fn day_first(cursor: &mut Cursor<'_>) -> Option<Moment> {
    let day = cursor.number(1..=2)?;
    let dashed = cursor.skip('-');
    let month = cursor.month()?;
    cursor.skip('.');
    let month_dashed = cursor.skip('-');
    cursor.skip(',');
    let year = cursor.year()?;
    if dashed != month_dashed {
        return None;
    }
    cursor.skip(',');
    let time = cursor.time()?;
    let offset = cursor.zone()?;
    cursor.end()?;
    Some(Moment { date: Date { year, month, day }, time, offset })
}

/// `Mon Nov  2 10:00:00 2026`, with a zone before the year or behind it, or the year before the time.
fn month_first(cursor: &mut Cursor<'_>) -> Option<Moment> {
    let month = cursor.month()?;
    cursor.skip('.');
    let day = cursor.number(1..=2)?;
    cursor.skip(',');
    let begin = cursor.at;
    if let Some(time) = cursor.time() {
        let (offset, year) = match cursor.year() {
            Some(year) => (cursor.zone()?, year),
            None => (cursor.zone()?, cursor.year()?),
        };
        cursor.end()?;
        return Some(Moment { date: Date { year, month, day }, time, offset });
    }
    cursor.at = begin;
    let year = cursor.year()?;
    cursor.skip(',');
    let time = cursor.time()?;
    let offset = cursor.zone()?;
    cursor.end()?;
    Some(Moment { date: Date { year, month, day }, time, offset })
}

/// `2026-11-02T10:00:00Z`; a year of four digits first makes the rest unambiguous.
fn iso(cursor: &mut Cursor<'_>) -> Option<Moment> {
    let year = cursor.number(4..=4)?;
    let mark = ['-', '/'].into_iter().find(|mark| cursor.skip(*mark))?;
    let month = cursor.number(1..=2)?;
    cursor.skip(mark).then_some(())?;
    let day = cursor.number(1..=2)?;
    if let Some(Token::Word(word)) = cursor.peek()
        && word.eq_ignore_ascii_case("t")
    {
        cursor.at += 1;
    }
    let time = cursor.time()?;
    let offset = cursor.zone()?;
    cursor.end()?;
    Some(Moment { date: Date { year, month, day }, time, offset })
}

struct Cursor<'a> {
    tokens: &'a [Token<'a>],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.at).copied()
    }

    fn next(&mut self) -> Option<Token<'a>> {
        let token = self.peek()?;
        self.at += 1;
        Some(token)
    }

    fn skip(&mut self, mark: char) -> bool {
        let found = self.peek() == Some(Token::Mark(mark));
        self.at += usize::from(found);
        found
    }

    fn number(&mut self, digits: std::ops::RangeInclusive<usize>) -> Option<i64> {
        match self.peek()? {
            Token::Number(number) if digits.contains(&number.len()) => {
                self.at += 1;
                number.parse().ok()
            }
            Token::Number(_) | Token::Word(_) | Token::Mark(_) => None,
        }
    }

    /// RFC 5322 section 4.3: two digits mean 1950 to 2049, three count from 1900.
    fn year(&mut self) -> Option<i64> {
        let Token::Number(digits) = self.peek()? else { return None };
        let year: i64 = digits.parse().ok()?;
        self.at += 1;
        match digits.len() {
            2 if year < 50 => Some(year + 2000),
            2 | 3 => Some(year + 1900),
            4 => Some(year),
            _ => None,
        }
    }

    /// Skips any word before a comma, or the name of a day: it adds nothing to the date.
    fn weekday(&mut self) {
        const DAYS: [&str; 7] =
            ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
        let begin = self.at;
        if let Some(Token::Word(word)) = self.next() {
            self.skip('.');
            if self.skip(',') || is_start_of(word, &DAYS).is_some() {
                return;
            }
        }
        self.at = begin;
        self.skip(',');
    }

    fn month(&mut self) -> Option<i64> {
        const MONTHS: [&str; 12] = [
            "january",
            "february",
            "march",
            "april",
            "may",
            "june",
            "july",
            "august",
            "september",
            "october",
            "november",
            "december",
        ];
        let Token::Word(word) = self.next()? else { return None };
        i64::try_from(is_start_of(word, &MONTHS)? + 1).ok()
    }

    /// `10:00`, `10:00:00`, `10:00:00.000`, `10.00.00`, and `10:00 PM`.
    fn time(&mut self) -> Option<Time> {
        let hour = self.number(1..=2)?;
        let dots = !self.skip(':');
        if dots && !self.skip('.') {
            return None;
        }
        let minute = self.number(2..=2)?;
        let mut time = Time { hour, minute, second: 0 };
        if dots {
            self.skip('.').then_some(())?;
            time.second = self.number(2..=2)?;
        } else if self.skip(':') {
            time.second = self.number(1..=2)?;
            if self.skip('.') {
                self.number(1..=9)?;
            }
        }
        let half = match self.peek() {
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("am") => Some(0),
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("pm") => Some(12),
            _ => None,
        };
        if let Some(half) = half {
            self.at += 1;
            (1..=12).contains(&time.hour).then_some(())?;
            time.hour = time.hour % 12 + half;
        }
        Some(time)
    }

    /// Minutes ahead of UTC; a missing zone is UTC.
    fn zone(&mut self) -> Option<i64> {
        let named = match self.peek() {
            Some(Token::Word(word)) => {
                self.at += 1;
                Some(zone_named(word))
            }
            _ => None,
        };
        // `MET DST`: daylight saving time of that zone.
        if matches!(self.peek(), Some(Token::Word(word)) if word.eq_ignore_ascii_case("dst")) {
            self.at += 1;
            return named.map(|minutes| minutes + 60);
        }
        // `GMT+0100`.
        let sign = if self.skip('+') {
            1
        } else if self.skip('-') {
            -1
        } else {
            return Some(named.unwrap_or(0));
        };
        let Token::Number(digits) = self.next()? else { return None };
        let (hours, minutes) = match digits.len() {
            4 => digits.split_at_checked(2)?,
            1 | 2 if self.skip(':') => {
                let Token::Number(minutes) = self.next()? else { return None };
                (digits, minutes)
            }
            1 | 2 if named.is_some() => (digits, "00"),
            2 => (digits, "00"),
            _ => return None,
        };
        let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
        // A name after it repeats the same: `-0500 EST`.
        if named.is_none() && matches!(self.peek(), Some(Token::Word(_))) {
            self.at += 1;
        }
        (minutes <= 59).then_some(sign * (hours * 60 + minutes))
    }

    /// Nothing may follow that would change the result; more names of the zone do not.
    fn end(&self) -> Option<()> {
        let rest = self.tokens.get(self.at..).unwrap_or_default();
        let harmless =
            |token: &Token<'_>| matches!(token, Token::Word(_) | Token::Mark('.' | ',' | ';'));
        rest.iter().all(harmless).then_some(())
    }
}

/// RFC 5322 section 4.3: military letters and unknown names mean UTC. Known besides the standard's
/// are the European and Japanese ones that are unambiguous.
fn zone_named(word: &str) -> i64 {
    const ZONES: [(&str, i64); 17] = [
        ("EST", -5),
        ("EDT", -4),
        ("CST", -6),
        ("CDT", -5),
        ("MST", -7),
        ("MDT", -6),
        ("PST", -8),
        ("PDT", -7),
        ("CET", 1),
        ("CEST", 2),
        ("MET", 1),
        ("MEST", 2),
        ("EET", 2),
        ("EEST", 3),
        ("WEST", 1),
        ("MSK", 3),
        ("JST", 9),
    ];
    let known = ZONES.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
    known.map_or(0, |(_, hours)| hours * 60)
}

/// The index of the name that the word is, whole or cut to three letters and more.
fn is_start_of(word: &str, names: &[&str]) -> Option<usize> {
    names.iter().position(|name| {
        word.len() >= 3
            && name.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
    })
}

#[cfg(test)]
mod tests;
