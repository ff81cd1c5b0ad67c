//! Quality values: the weights of `Accept` and `Accept-Language`.
//!
//! Standard: RFC 9110 §12.4.2 (`qvalue`).

/// Parses a quality value, in thousandths: `1`, `0.8`, `0.333`. None when it is malformed.
#[must_use]
pub fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction: u16 = format!("{fraction:0<3}").parse().ok()?;
    match (whole, fraction) {
        ("0", _) => Some(fraction),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quality_value_has_at_most_three_digits() {
        check("1", Some(1000));
        check("1.000", Some(1000));
        check("0.8", Some(800));
        check("0.333", Some(333));
        check("0.", Some(0));
        check("0", Some(0));
    }

    #[test]
    fn text_that_is_not_a_quality_value_is_refused() {
        for text in [
            "", ".5", "2", "1.1", "1.001", "0.1234", "-1", "+1", "00.5", "01", "1e-1", "NaN",
            "0.+1", "x",
        ] {
            check(text, None);
        }
    }

    #[track_caller]
    fn check(text: &str, want: Option<u16>) {
        assert_eq!(thousandths(text), want, "{text:?}");
    }
}
