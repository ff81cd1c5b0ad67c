//! A list of words in a query, and which of them is wrong.
//!
//! A pattern alone says that some word of `fields=id,sujet` is not known. So a schema may name the
//! words apart: `x-words` lists them, and `x-others` says of words that are none what to do instead.
//! Neither is checked: the pattern is.

use serde_json::{Map, Value};

/// Characters of a word that are shown to the one who wrote it.
const SHOWN: usize = 40;

/// What is wrong with the words of `text`, where `schema` names those that there are.
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
        (Some(advice), _) => format!("`{shown}` is none of the words of {what}: {advice}"),
        (None, Some(near)) => {
            format!("`{shown}` is none of the words of {what}; is it `{near}`? {takes}")
        }
        (None, None) => format!("`{shown}` is none of the words of {what}; {takes}"),
    })
}

/// The one of `known` that was probably meant.
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word: String = word.chars().take(SHOWN).flat_map(char::to_lowercase).collect();
    // Two slips at most, and fewer than half of it.
    let most = word.chars().count().div_ceil(2).saturating_sub(1).min(2);
    known
        .map(|known| (strsim::levenshtein(&word, &known.to_lowercase()), known))
        .filter(|(slips, _)| *slips <= most)
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_wrong_word_is_named_with_the_one_that_was_meant() {
        check("id,sujet", "`sujet` is none of the words of `fields`; is it `subject`? it takes");
        check("Subject", "`Subject` is none of the words of `fields`; is it `subject`? it takes");
        check("xyzzy", "`xyzzy` is none of the words of `fields`; it takes some of id, subject");
        check("id,", "`fields` has an empty word; it takes some of id, subject, separated by");
        check("id,preview", "`preview` is none of the words of `fields`: `expand=preview` adds it");
        let long = "é".repeat(1000);
        check(&long, &format!("`{}` is none of", "é".repeat(40)));
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
        let told = wrong("`fields`", text, &schema).unwrap();
        assert!(told.starts_with(want), "{told}");
    }
}
