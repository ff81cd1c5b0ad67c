//! Accept-Language negotiation (RFC 4647 lookup).
//!
//! A malformed range is ignored: a response in English is better than a problem about a header
//! field that browsers send without being asked.
//!
//! Standards: RFC 9110 section 12.5.4 (Accept-Language), RFC 4647 section 3.4 (lookup:
//! `zh-Hant-TW`, then `zh-Hant`, then `zh`).

/// The known language that the client prefers, by weight.
#[must_use]
pub fn preferred<'a>(accept: &str, known: &[&'a str]) -> Option<&'a str> {
    let mut wishes: Vec<(u16, &str)> = accept.split(',').filter_map(wish).collect();
    // Stable: equal weights stay in the order that the client gave.
    wishes.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    wishes.into_iter().find_map(|(_, range)| lookup(range, known))
}

/// Weight in thousandths, and range. None when it is not acceptable or malformed.
fn wish(text: &str) -> Option<(u16, &str)> {
    let (range, weight) = match text.split_once(';') {
        Some((range, weight)) => (range, thousandths(weight.trim().strip_prefix("q=")?)?),
        None => (text, 1000),
    };
    (weight > 0).then_some((weight, range.trim()))
}

/// A weight of RFC 9110 section 12.4.2: `1`, `0.8`, `0.333`.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole: u16 = whole.parse().ok().filter(|whole| *whole <= 1)?;
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction: u16 = format!("{fraction:0<3}").parse().ok()?;
    Some(whole * 1000 + fraction).filter(|weight| *weight <= 1000)
}

fn lookup<'a>(range: &str, known: &[&'a str]) -> Option<&'a str> {
    let mut range = range;
    loop {
        if let Some(found) = known.iter().find(|tag| tag.eq_ignore_ascii_case(range)) {
            return Some(found);
        }
        range = range.rsplit_once('-')?.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heaviest_known_wish_wins() {
        check("zh", Some("zh"));
        check("zh-CN,zh;q=0.9,en;q=0.8", Some("zh"));
        check("fr, de;q=0.5, en;q=0.9", Some("en"));
        check("de;q=0.8,en;q=0.8", Some("de"));
        check("ZH-hant-tw", Some("zh"));
    }

    #[test]
    fn what_is_refused_unknown_or_unreadable_is_no_wish() {
        for accept in ["", "fr", "*", "zh;q=0", "zh;q=", "zh;q=2", "zh;q=0.1234", "zh;q=-1", "zhh"]
        {
            check(accept, None);
        }
        check("zh;q=x, de", Some("de"));
    }

    #[track_caller]
    fn check(accept: &str, want: Option<&str>) {
        assert_eq!(preferred(accept, &["en", "de", "zh"]), want, "{accept:?}");
    }
}
