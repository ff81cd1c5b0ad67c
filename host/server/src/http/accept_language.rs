//! Which of the languages that a text exists in a client wants.
//!
//! A wish that cannot be read is no wish; without one that is known, English it is.
//!
//! Standards: RFC 9110 §12.5.4 (Accept-Language), RFC 4647 §3.4 (lookup).

use model::provider::Localised;

/// The text in the first language of `accept` that there is, else in English, else any.
pub(crate) fn choose<'a>(texts: &'a [Localised], accept: &str) -> Option<&'a str> {
    let mut wishes: Vec<(u16, &str)> = accept.split(',').filter_map(wish).collect();
    // Stable: of equal weights, the first one goes first.
    wishes.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    let in_language =
        |range: &str| texts.iter().find(|text| text.language.eq_ignore_ascii_case(range.trim()));
    let wished = wishes.into_iter().find_map(|(_, range)| {
        let mut range = range;
        loop {
            if let Some(found) = in_language(range) {
                return Some(found);
            }
            range = range.rsplit_once('-')?.0;
        }
    });
    wished.or_else(|| in_language("en")).or(texts.first()).map(|text| text.text.as_str())
}

/// Weight in thousandths, and range; none when it is refused or unreadable.
fn wish(text: &str) -> Option<(u16, &str)> {
    let Some((range, parameter)) = text.split_once(';') else { return Some((1000, text)) };
    let weight: f32 = parameter.trim().strip_prefix("q=")?.parse().ok()?;
    let fits = weight > 0.0 && weight <= 1.0;
    // A cast of what does not fit saturates, and is not wanted then anyway.
    fits.then_some(((weight * 1000.0) as u16, range))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heaviest_known_wish_wins_and_english_is_for_everybody() {
        check("zh-CN,zh;q=0.9,en;q=0.8", "zh");
        check("fr, de;q=0.5, en;q=0.9", "en");
        check("de ; q=0.8, zh;q=0.7", "de");
        check("ZH-hant-tw", "zh");
        for accept in ["", "fr", "*", "zh;q=0", "zh;q=", "zh;q=2", "zh;q=-1", "zh;q=NaN", "zhh"] {
            check(accept, "en");
        }
    }

    #[test]
    fn without_english_there_is_still_a_text() {
        let only = [Localised { language: "ru".to_owned(), text: "ru".to_owned() }];
        assert_eq!(choose(&only, "de"), Some("ru"));
        assert_eq!(choose(&[], "de"), None);
    }

    #[track_caller]
    fn check(accept: &str, want: &str) {
        let text = |tag: &str| Localised { language: tag.to_owned(), text: tag.to_owned() };
        let texts = ["de", "en", "zh"].map(text);
        assert_eq!(choose(&texts, accept), Some(want), "{accept:?}");
    }
}
