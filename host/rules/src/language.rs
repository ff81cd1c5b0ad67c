//! Accept-Language negotiation (RFC 4647 lookup).
//!
//! A malformed range is ignored: a response in English is better than a problem about a header
//! field that browsers send without being asked.
//!
//! Standards: RFC 9110 §12.5.4 (Accept-Language), RFC 4647 §3.4 (lookup: `zh-Hant-TW`, then
//! `zh-Hant`, then `zh`).

use std::cmp::Reverse;

use crate::quality::thousandths;

/// The known language that the client prefers, by weight.
#[must_use]
pub fn preferred<'a>(accept: &str, known: &[&'a str]) -> Option<&'a str> {
    let mut wishes: Vec<(u16, &str)> = accept.split(',').filter_map(wish).collect();
    // Stable: equal weights stay in the order that the client gave.
    wishes.sort_by_key(|(weight, _)| Reverse(*weight));
    wishes.into_iter().find_map(|(_, range)| lookup(range, known))
}

/// The text in the client's preferred language, else in English, else the first.
#[must_use]
pub fn choose<'a, T>(
    accept: &str,
    texts: &'a [T],
    language: impl Fn(&'a T) -> &'a str,
) -> Option<&'a T> {
    let known: Vec<&str> = texts.iter().map(&language).collect();
    let chosen = preferred(accept, &known).unwrap_or("en");
    let is_chosen = |&text: &&'a T| language(text).eq_ignore_ascii_case(chosen);
    texts.iter().find(is_chosen).or_else(|| texts.first())
}

/// Weight in thousandths, and range. None when it is not acceptable or malformed.
fn wish(text: &str) -> Option<(u16, &str)> {
    let (range, weight) = match text.split_once(';') {
        Some((range, weight)) => {
            let (name, weight) = weight.split_once('=')?;
            let weight = thousandths(weight.trim_end())?;
            (range, name.trim_start().eq_ignore_ascii_case("q").then_some(weight)?)
        }
        None => (text, 1000),
    };
    (weight > 0).then_some((weight, range.trim()))
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
    fn the_known_language_with_the_highest_weight_is_chosen() {
        check("zh", Some("zh"));
        check("zh-CN,zh;q=0.9,en;q=0.8", Some("zh"));
        check("fr, de;q=0.5, en;q=0.9", Some("en"));
        check("de;q=0.8,en;q=0.8", Some("de"));
        check("de ; q=0.8, zh;Q=0.7", Some("de"));
        check("ZH-hant-tw", Some("zh"));
    }

    #[test]
    fn a_refused_unknown_or_malformed_range_is_ignored() {
        for accept in ["", "fr", "*", "zh;q=0", "zhh", "zh;x=1", "zh;q"] {
            check(accept, None);
        }
        // Earlier, only one of two parsers accepted each of these.
        for weight in ["", "2", "-1", "NaN", "+1", "1e-1", ".5", "0.1234", "00.5"] {
            check(&format!("zh;q={weight}"), None);
        }
        check("zh;q=x, de", Some("de"));
    }

    #[test]
    fn the_default_is_english_and_without_it_the_first_text() {
        let chosen =
            |accept: &str, texts: &[&'static str]| choose(accept, texts, |text| text).copied();
        assert_eq!(chosen("zh-CN, en;q=0.5", &["de", "en", "zh"]), Some("zh"));
        assert_eq!(chosen("fr", &["de", "en", "zh"]), Some("en"));
        assert_eq!(chosen("de", &["ru"]), Some("ru"));
        assert_eq!(chosen("de", &[]), None);
    }

    #[track_caller]
    fn check(accept: &str, want: Option<&str>) {
        assert_eq!(preferred(accept, &["en", "de", "zh"]), want, "{accept:?}");
    }
}
