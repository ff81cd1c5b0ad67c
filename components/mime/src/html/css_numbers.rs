//! Tokenizer for the numbers of a CSS value.
//!
//! A `-` between two numbers needs no space before it: `0-900px` is two of them, and `a-9` is none.
//! So a value is split into tokens; only numbers are distinguished, since nothing else is needed.
//!
//! Invariant: it reads each character once or twice, and allocates nothing.
//!
//! Standard: CSS Syntax Level 3 section 4.

/// A number, or an unterminated string.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Found<'a> {
    Number {
        /// Whether it has a minus sign; `-0` too.
        is_negative: bool,
        value: f64,
        /// `%`, or letters as they are written; empty for a bare number.
        unit: &'a str,
        /// Whether it is within parentheses.
        is_argument: bool,
    },
    OpenQuote,
}

/// The numbers of `value`, in order. The value must have no escapes and no comments.
pub fn numbers(value: &str) -> Numbers<'_> {
    Numbers { rest: value, depth: 0 }
}

/// Iterator of [`numbers`].
#[derive(Clone, Debug)]
pub struct Numbers<'a> {
    rest: &'a str,
    depth: usize,
}

impl<'a> Iterator for Numbers<'a> {
    type Item = Found<'a>;

    fn next(&mut self) -> Option<Found<'a>> {
        while let Some(first) = self.rest.chars().next() {
            if let Some(length) = number_length(self.rest) {
                let (number, after) = self.rest.split_at(length);
                let unit = if after.starts_with('%') { 1 } else { identifier_length(after) };
                let (unit, after) = after.split_at(unit);
                self.rest = after;
                return Some(Found::Number {
                    is_negative: number.starts_with('-'),
                    // A number out of range is infinite.
                    value: number.parse().unwrap_or(f64::INFINITY),
                    unit,
                    is_argument: self.depth > 0,
                });
            }
            let length = match identifier_length(self.rest) {
                0 => first.len_utf8(),
                length => length,
            };
            let after = self.rest.get(length..).unwrap_or_default();
            self.rest = match first {
                '"' | '\'' => match after.split_once(first) {
                    Some((_, after)) => after,
                    None => {
                        self.rest = "";
                        return Some(Found::OpenQuote);
                    }
                },
                // A hash token, such as a colour.
                '#' => after.get(name_length(after)..).unwrap_or_default(),
                _ => after,
            };
            match first {
                '(' => self.depth += 1,
                ')' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
        None
    }
}

/// The length of a number (section 4.3.12, with the check of section 4.3.10).
fn number_length(text: &str) -> Option<usize> {
    let digits = |at: usize| {
        let rest = text.get(at..).unwrap_or_default();
        rest.bytes().take_while(u8::is_ascii_digit).count()
    };
    let mut end = usize::from(text.starts_with(['+', '-']));
    let whole = digits(end);
    end += whole;
    let fraction =
        if text.get(end..).is_some_and(|rest| rest.starts_with('.')) { digits(end + 1) } else { 0 };
    if fraction > 0 {
        end += 1 + fraction;
    }
    if whole + fraction == 0 {
        return None;
    }
    if let Some(exponent) = text.get(end..).and_then(|rest| rest.strip_prefix(['e', 'E'])) {
        let start = end + 1 + usize::from(exponent.starts_with(['+', '-']));
        let exponent = digits(start);
        if exponent > 0 {
            end = start + exponent;
        }
    }
    Some(end)
}

/// The length of an identifier (sections 4.3.9 and 4.3.11); 0 where none begins.
fn identifier_length(text: &str) -> usize {
    let begins = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii())
    };
    let is_identifier = match text.strip_prefix('-') {
        Some(rest) => rest.starts_with('-') || begins(rest),
        None => begins(text),
    };
    if is_identifier { name_length(text) } else { 0 }
}

fn name_length(text: &str) -> usize {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-') || !c.is_ascii();
    text.find(|c| !is_name(c)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_begins_a_number_wherever_no_word_is() {
        check("0-900px", &[(0.0, ""), (-900.0, "px")]);
        check("0-0-280px", &[(0.0, ""), (0.0, ""), (-280.0, "px")]);
        check("1%-2px", &[(1.0, "%"), (-2.0, "px")]);
        check(".5.5+.5", &[(0.5, ""), (0.5, ""), (0.5, "")]);
        check("1e3px 1e-1 1em 1e+x", &[(1000.0, "px"), (0.1, ""), (1.0, "em"), (1.0, "e")]);
        check("1e-5-5", &[(0.00001, ""), (-5.0, "")]);
        check("1px-900px 1--9 é-9", &[(1.0, "px-900px"), (1.0, "--9")]);
        check("a-9 -a-9 --9 #f-9 #-9 \"-9\" '-9'", &[]);
        check("rgb(0)-9px", &[(0.0, ""), (-9.0, "px")]);
        check("red,-9px/-.5", &[(-9.0, "px"), (-0.5, "")]);
        check("- 9 + 9", &[(9.0, ""), (9.0, "")]);
        check(&"9".repeat(400), &[(f64::INFINITY, "")]);
    }

    #[test]
    fn a_quote_ends_with_its_like() {
        assert!(numbers("'a").any(|found| found == Found::OpenQuote));
        assert!(numbers("\"'\" '").any(|found| found == Found::OpenQuote));
        check("\"'\" -9px \"'\"", &[(-9.0, "px")]);
    }

    #[track_caller]
    fn check(value: &str, want: &[(f64, &str)]) {
        let found: Vec<_> = numbers(value)
            .map(|found| match found {
                Found::Number { value, unit, is_negative, .. } => {
                    assert_eq!(is_negative, value.is_sign_negative());
                    (value, unit)
                }
                Found::OpenQuote => panic!("{found:?}"),
            })
            .collect();
        assert_eq!(found, want, "{value}");
    }
}
