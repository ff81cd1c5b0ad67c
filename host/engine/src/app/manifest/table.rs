//! TOML tables whose keys are taken one by one, with the position of each.
//!
//! Serde does not keep the position of a value; an error has to name key and line, so the tables
//! are walked by hand.
//!
//! Invariant: [`Table::finish`] refuses every key that was not taken.

use std::collections::HashSet;
use std::num::NonZeroU32;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::app::manifest::fault::ManifestFault;

/// A table whose keys are taken one by one; keys left at the end are errors.
pub(crate) struct Table<'a> {
    lines: &'a Lines,
    path: String,
    offset: usize,
    table: &'a DeTable<'a>,
    taken: Vec<String>,
}

/// A value and its position.
pub(crate) struct Value<'a> {
    lines: &'a Lines,
    path: String,
    offset: usize,
    value: &'a DeValue<'a>,
}

/// Where the lines of a file end. Found once, since a manifest may have many thousand lines and keys.
pub(crate) struct Lines {
    ends: Vec<usize>,
}

impl Lines {
    pub(crate) fn of(text: &str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self { ends: ends.map(|(at, _)| at).collect() }
    }

    /// The line of an offset, from 1.
    pub(crate) fn line(&self, offset: usize) -> usize {
        self.ends.partition_point(|end| *end < offset) + 1
    }
}

impl<'a> Table<'a> {
    pub(crate) fn root(lines: &'a Lines, document: &'a Spanned<DeTable<'a>>) -> Self {
        Self { lines, path: String::new(), offset: 0, table: document.get_ref(), taken: Vec::new() }
    }

    pub(crate) fn take(&mut self, key: &str) -> Option<Value<'a>> {
        self.taken.push(key.to_owned());
        let (found, value) = self.table.get_key_value(key)?;
        let path = self.path_of(key);
        Some(Value { lines: self.lines, path, offset: found.span().start, value: value.get_ref() })
    }

    pub(crate) fn required(&mut self, key: &str) -> Result<Value<'a>, ManifestFault> {
        self.take(key).ok_or_else(|| self.fault(key, "is missing"))
    }

    pub(crate) fn table(&mut self, key: &str) -> Result<Self, ManifestFault> {
        self.required(key)?.table()
    }

    pub(crate) fn text(&mut self, key: &str) -> Result<Option<String>, ManifestFault> {
        self.take(key).map(|value| value.text()).transpose()
    }

    pub(crate) fn texts(&mut self, key: &str) -> Result<Vec<String>, ManifestFault> {
        self.take(key).map_or_else(|| Ok(Vec::new()), |value| value.texts())
    }

    pub(crate) fn flag(&mut self, key: &str) -> Result<Option<bool>, ManifestFault> {
        self.take(key).map(|value| value.flag()).transpose()
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.table.iter().map(|(key, _)| key.get_ref().to_string()).collect()
    }

    /// Refuses keys of Spin that Postlet does not honour, each with its own advice.
    pub(crate) fn refuse(&self, known: &[(&str, &str)]) -> Result<(), ManifestFault> {
        for (key, _) in self.table {
            if let Some((_, advice)) = known.iter().find(|(known, _)| *known == key.get_ref()) {
                return Err(ManifestFault {
                    key: self.path_of(key.get_ref()),
                    line: self.lines.line(key.span().start),
                    advice: (*advice).to_owned(),
                });
            }
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<(), ManifestFault> {
        self.finish_noting(&[])
    }

    /// With words behind some of the keys that are known.
    pub(crate) fn finish_noting(self, notes: &[(&str, &str)]) -> Result<(), ManifestFault> {
        let taken: HashSet<&str> = self.taken.iter().map(String::as_str).collect();
        let left = |key: &str| !taken.contains(key);
        match self.table.iter().find(|(key, _)| left(key.get_ref())) {
            None => Ok(()),
            Some((key, _)) => {
                let noted = |known: &String| match notes.iter().find(|(key, _)| key == known) {
                    Some((_, note)) => format!("{known} ({note})"),
                    None => known.clone(),
                };
                let known = self.taken.iter().map(noted).collect::<Vec<_>>().join(", ");
                let meant = match self.taken.iter().find(|known| is_near(known, key.get_ref())) {
                    Some(known) => format!("did you mean `{known}`?"),
                    None => "remove it".to_owned(),
                };
                Err(ManifestFault {
                    key: self.path_of(key.get_ref()),
                    line: self.lines.line(key.span().start),
                    advice: format!(
                        "Postlet does not honour this key; {meant} (known here: {known})"
                    ),
                })
            }
        }
    }

    pub(crate) fn fault(&self, key: &str, advice: &str) -> ManifestFault {
        let line = self.line();
        ManifestFault { key: self.path_of(key), line, advice: advice.to_owned() }
    }

    pub(crate) fn line(&self) -> usize {
        self.lines.line(self.offset)
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

impl<'a> Value<'a> {
    pub(crate) fn line(&self) -> usize {
        self.lines.line(self.offset)
    }

    pub(crate) fn fault(&self, advice: &str) -> ManifestFault {
        ManifestFault { key: self.path.clone(), line: self.line(), advice: advice.to_owned() }
    }

    pub(crate) fn text(&self) -> Result<String, ManifestFault> {
        self.value.as_str().map(str::to_owned).ok_or_else(|| self.fault("a text is needed"))
    }

    pub(crate) fn flag(&self) -> Result<bool, ManifestFault> {
        self.value.as_bool().ok_or_else(|| self.fault("true or false is needed"))
    }

    pub(crate) fn texts(&self) -> Result<Vec<String>, ManifestFault> {
        let array = self.value.as_array().ok_or_else(|| self.fault("a list of texts is needed"))?;
        array
            .iter()
            .map(|item| item.get_ref().as_str().map(str::to_owned))
            .collect::<Option<Vec<String>>>()
            .ok_or_else(|| self.fault("a list of texts is needed"))
    }

    /// One of several keywords.
    pub(crate) fn one_of<T: Copy>(&self, words: &[(&str, T)]) -> Result<T, ManifestFault> {
        let found = self.value.as_str().and_then(|word| word_of(word, words));
        found.ok_or_else(|| self.fault(&format!("one of {} is needed", listed(words))))
    }

    /// A list of several keywords.
    pub(crate) fn some_of<T: Copy>(&self, words: &[(&str, T)]) -> Result<Vec<T>, ManifestFault> {
        let fault = || self.fault(&format!("a list of some of {} is needed", listed(words)));
        let array = self.value.as_array().ok_or_else(fault)?;
        array
            .iter()
            .map(|item| item.get_ref().as_str().and_then(|word| word_of(word, words)))
            .collect::<Option<Vec<T>>>()
            .ok_or_else(fault)
    }

    pub(crate) fn integer(&self) -> Option<i64> {
        let integer = self.value.as_integer()?;
        i64::from_str_radix(integer.as_str(), integer.radix()).ok()
    }

    pub(crate) fn up_to(&self, most: u32) -> Result<NonZeroU32, ManifestFault> {
        self.integer()
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| *number <= most)
            .and_then(NonZeroU32::new)
            .ok_or_else(|| self.fault(&format!("a number from 1 to {most} is needed")))
    }

    pub(crate) fn is_text(&self) -> bool {
        self.value.is_str()
    }

    /// Whether it is an empty list or table: one without effect.
    pub(crate) fn is_empty(&self) -> bool {
        self.value.as_array().is_some_and(|array| array.is_empty())
            || self.value.as_table().is_some_and(|table| table.is_empty())
    }

    pub(crate) fn table(&self) -> Result<Table<'a>, ManifestFault> {
        let table = self.value.as_table().ok_or_else(|| self.fault("a table is needed"))?;
        Ok(self.of(table))
    }

    /// At most `most` tables; more than that are not looked at.
    pub(crate) fn tables(&self, most: usize) -> Result<Vec<Table<'a>>, ManifestFault> {
        let advice = "write it as [[…]], one for each";
        let array = self.value.as_array().ok_or_else(|| self.fault(advice))?;
        if array.len() > most {
            return Err(self.fault(&too_many(array.len(), most)));
        }
        array
            .iter()
            .map(|item| {
                let table = item.get_ref().as_table().ok_or_else(|| self.fault(advice))?;
                Ok(Table { offset: item.span().start, ..self.of(table) })
            })
            .collect()
    }

    fn of(&self, table: &'a DeTable<'a>) -> Table<'a> {
        Table {
            lines: self.lines,
            path: self.path.clone(),
            offset: self.offset,
            table,
            taken: Vec::new(),
        }
    }
}

/// What is said about more entries than are taken.
pub(crate) fn too_many(count: usize, most: usize) -> String {
    format!("there are {count} of these; an application has at most {most}")
}

/// One word with a letter or two added, left out or changed, or with other hyphens and capitals.
fn is_near(known: &str, written: &str) -> bool {
    let plain = |word: &str| word.replace(['-', '_'], "").to_ascii_lowercase().into_bytes();
    let (known, written) = (plain(known), plain(written));
    // A key may be a megabyte long, and short words are all near to each other.
    if known.len().abs_diff(written.len()) > 2 || known.len() < 3 {
        return false;
    }
    let most = if known.len() < 6 { 1 } else { 2 };
    strsim::generic_levenshtein(&known, &written) <= most
}

fn word_of<T: Copy>(word: &str, words: &[(&str, T)]) -> Option<T> {
    words.iter().find(|(known, _)| *known == word).map(|(_, value)| *value)
}

fn listed<T>(words: &[(&str, T)]) -> String {
    words.iter().map(|(word, _)| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
}
