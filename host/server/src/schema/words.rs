//! Error messages for comma-separated lists of words, and suggestions for misspelt names.
//!
//! From a failed pattern alone it is not known which word of `fields=id,sujet` is unknown. So a schema
//! may list the words: `x-words` has the valid ones, and `x-others` has advice for some invalid ones.
//! Neither is enforced: the pattern is.

use serde_json::{Map, Value};

/// Maximum length of a word in a message, in characters.
const SHOWN: usize = 40;

/// The fault of the first invalid word of `text`; none if `schema` does not list the words.
pub(crate) fn wrong(what: &str, text: &str, schema: &Value) -> Option<String> {
    let known = schema.get("x-words")?.as_array()?;
    let known: Vec<&str> = known.iter().filter_map(Value::as_str).collect();
    let wrong = text.split(',').find(|word| !known.contains(word))?;
    let takes = format!("it takes some of {}, separated by commas", known.join(", "));
    if wrong.is_empty() {
        return Some(format!("{what} has an empty word; {takes}"));
    }
    let shown: String = wrong.chars().take(SHOWN).collect();
    let others = schema.get("x-others").and_then(Value::as_object);
    let advice = others.and_then(|others: &Map<String, Value>| others.get(wrong)?.as_str());
    Some(match (advice, nearest(wrong, known.iter().copied())) {
        (Some(advice), _) => format!("`{shown}` is not a word of {what}: {advice}"),
        (None, Some(near)) => {
            format!("`{shown}` is not a word of {what}; did you mean `{near}`? {takes}")
        }
        (None, None) => format!("`{shown}` is not a word of {what}; {takes}"),
    })
}

/// The name of `known` that was probably intended, by edit distance.
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word: String = word.chars().take(SHOWN).flat_map(char::to_lowercase).collect();
    // A distance of at most two, and less than half of the word.
    let most = word.chars().count().div_ceil(2).saturating_sub(1).min(2);
    known
        .map(|known| (strsim::levenshtein(&word, &known.to_lowercase()), known))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_wrong_word_is_named_with_the_one_that_was_meant() {
        check("id,sujet", "`sujet` is not a word of `fields`; did you mean `subject`? it takes");
        check("Subject", "`Subject` is not a word of `fields`; did you mean `subject`? it takes");
        check("xyzzy", "`xyzzy` is not a word of `fields`; it takes some of id, subject");
        check("id,", "`fields` has an empty word; it takes some of id, subject, separated by");
        check("id,preview", "`preview` is not a word of `fields`: `expand=preview` adds it");
        let long = "é".repeat(1000);
        check(&long, &format!("`{}` is not a word", "é".repeat(40)));
    }

    #[test]
    fn a_schema_without_words_says_nothing() {
        assert_eq!(wrong("`a`", "b", &json!({"pattern": "^c$"})), None);
        assert_eq!(wrong("`a`", "b", &json!({"x-words": "b"})), None);
    }

    #[test]
    fn only_what_is_near_is_proposed() {
        let near = |word: &str| nearest(word, ["id", "limit", "mailbox"].into_iter());
        assert_eq!(near("mailbx"), Some("mailbox"));
        assert_eq!(near("lmit"), Some("limit"));
        assert_eq!(near("ab"), None);
        assert_eq!(near(""), None);
        assert_eq!(near("mailing"), None);
    }

    #[track_caller]
    fn check(text: &str, want: &str) {
        let schema = json!({
            "x-words": ["id", "subject"], "x-others": {"preview": "`expand=preview` adds it"},
        });
        let detail = wrong("`fields`", text, &schema).unwrap();
        assert!(detail.starts_with(want), "{detail}");
    }
}
