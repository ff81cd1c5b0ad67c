//! `[variables]`, and templates that reference them as `{{ name }}`.
//!
//! The manifest declares variables; the operator's configuration gives their values.
//!
//! Invariant: a [`Template`] references only variables that the manifest declares.

use std::collections::BTreeMap;
use std::fmt;

use crate::app::manifest::fault::ManifestFault;
use crate::app::manifest::table::{Table, Value};

/// One entry of `[variables]`.
#[derive(Clone, PartialEq, Eq)]
pub struct Variable {
    /// None when it is required: then the operator must give a value.
    pub default: Option<String>,
    /// Never shown.
    pub secret: bool,
    pub description: Option<String>,
    /// The line in the file, from 1.
    pub line: usize,
}

/// A text with references to variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Variable(String),
}

impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.default.as_deref().map(|text| if self.secret { "…" } else { text });
        f.debug_struct("Variable")
            .field("default", &shown)
            .field("secret", &self.secret)
            .field("description", &self.description)
            .field("line", &self.line)
            .finish()
    }
}

/// Reads `[variables]`.
pub(crate) fn variables(root: &mut Table<'_>) -> Result<BTreeMap<String, Variable>, ManifestFault> {
    let mut variables = BTreeMap::new();
    let Some(all) = root.take("variables") else { return Ok(variables) };
    let mut all = all.table()?;
    for name in all.keys() {
        let value = all.required(&name)?;
        if !is_name(&name) {
            return Err(value.fault("a name is lower-case words with `_` between them"));
        }
        let line = value.line();
        let mut entry = value.table()?;
        let (default, required) = (entry.text("default")?, entry.flag("required")?);
        match (&default, required.unwrap_or(false)) {
            (Some(_), false) | (None, true) => {}
            (Some(_), true) => {
                return Err(value.fault("it is `required` or has a `default`, not both"));
            }
            (None, false) => {
                return Err(value.fault("say `required = true`, or give it a `default`"));
            }
        }
        let secret = entry.flag("secret")?.unwrap_or(false);
        let description = entry.text("description")?;
        entry.finish()?;
        variables.insert(name, Variable { default, secret, description, line });
    }
    Ok(variables)
}

/// Reads a table of templates, such as `environment`.
pub(crate) fn templates(
    table: &mut Table<'_>,
    key: &str,
    known: &BTreeMap<String, Variable>,
) -> Result<BTreeMap<String, Template>, ManifestFault> {
    let mut templates = BTreeMap::new();
    let Some(all) = table.take(key) else { return Ok(templates) };
    let mut all = all.table()?;
    for name in all.keys() {
        let value = all.required(&name)?;
        let template = Template::read(&value, known)?;
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(value.fault("this cannot be a name"));
        }
        templates.insert(name, template);
    }
    Ok(templates)
}

impl Template {
    fn read(value: &Value<'_>, known: &BTreeMap<String, Variable>) -> Result<Self, ManifestFault> {
        let text = value.text()?;
        let mut pieces = Vec::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, after) = after
                .split_once("}}")
                .ok_or_else(|| value.fault("`{{` is never closed: write `{{ name }}`"))?;
            let name = name.trim();
            if !known.contains_key(name) {
                return Err(value.fault(&format!("there is no variable `{name}` in [variables]")));
            }
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(Piece::Variable(name.to_owned()));
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        pieces.retain(|piece| !matches!(piece, Piece::Text(text) if text.is_empty()));
        Ok(Self(pieces))
    }

    /// The text with the values filled in; a missing value is empty.
    #[must_use]
    pub fn fill(&self, values: &BTreeMap<String, String>) -> String {
        let value = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Variable(name) => values.get(name).cloned().unwrap_or_default(),
        };
        self.0.iter().map(value).collect()
    }
}

/// The value of every variable: the operator's, else the default.
pub(crate) fn settle(
    variables: &BTreeMap<String, Variable>,
    given: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, ManifestFault> {
    let fault = |name: &str, line, advice: &str| ManifestFault {
        key: format!("variables.{name}"),
        line,
        advice: advice.to_owned(),
    };
    if let Some(name) = given.keys().find(|name| !variables.contains_key(*name)) {
        return Err(fault(
            name,
            1,
            "a value was given, but the manifest declares no such variable",
        ));
    }
    let mut values = BTreeMap::new();
    for (name, variable) in variables {
        let value = given.get(name).or(variable.default.as_ref()).ok_or_else(|| {
            fault(name, variable.line, "it is required, and no value was given for it")
        })?;
        values.insert(name.clone(), value.clone());
    }
    Ok(values)
}

fn is_name(name: &str) -> bool {
    name.split('_').all(|word| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    })
}
