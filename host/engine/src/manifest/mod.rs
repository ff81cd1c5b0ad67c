//! `spin.toml`: which routes an application has, and which components serve them.
//!
//! A valid Spin manifest, version 2, of which Postlet takes the part that it
//! honours. The rest is refused, never ignored: who grants a host or mounts a
//! file must not believe that it worked.
//!
//! Invariant: a [`Manifest`] has nothing left to check: routes do not clash, and
//! every component that is named exists and is used.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::routes::{Pattern, Routes};

/// An application as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// `[application] name`.
    pub name: String,
    /// `[application] version`.
    pub version: Option<String>,
    /// `[application] description`.
    pub description: Option<String>,
    /// `[application] authors`.
    pub authors: Vec<String>,
    /// Every `[[trigger.http]]`, in the order of the file.
    pub routes: Vec<Route>,
    /// Every `[component.X]`.
    pub components: BTreeMap<String, Component>,
}

/// One `[[trigger.http]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where it serves.
    pub pattern: Pattern,
    /// What serves there.
    pub target: Target,
    /// Where it stands in the file, from 1.
    pub line: usize,
}

/// What serves a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A component, by its id.
    Component(String),
    /// Always the same answer.
    Static(StaticResponse),
}

/// `static_response`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticResponse {
    /// 200 to 599.
    pub status: u16,
    /// As written; the server checks names and values when it builds the answer.
    pub headers: Vec<(String, String)>,
    /// Empty when there is none.
    pub body: String,
}

/// One `[component.X]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// Path of the `.wasm`, from the directory of the manifest.
    pub source: String,
    /// For people.
    pub description: Option<String>,
    /// How it is built.
    pub build: Option<Build>,
    /// `[component.X.tool.postlet]`.
    pub limits: Limits,
}

/// `[component.X.build]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// Shell commands, one after the other.
    pub command: Vec<String>,
    /// Where they run, from the directory of the manifest.
    pub workdir: Option<String>,
    /// Globs of the files that a rebuild waits for.
    pub watch: Vec<String>,
}

/// What a component asks for; the host may give less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// `memory-mib`.
    pub memory_mib: Option<NonZeroU32>,
    /// `time-seconds`: the whole request.
    pub time_seconds: Option<NonZeroU32>,
}

/// What is wrong, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: `{key}`: {advice}")]
pub struct ManifestFault {
    /// The key, from the root (`component.send.source`); empty when the file is no TOML.
    pub key: String,
    /// From 1.
    pub line: usize,
    /// What to do.
    pub advice: String,
}

/// Reads and checks a manifest.
///
/// # Errors
/// The first fault.
pub fn parse(text: &str) -> Result<Manifest, ManifestFault> {
    let document = DeTable::parse(text).map_err(|error| ManifestFault {
        key: String::new(),
        line: line(text, error.span().map_or(0, |span| span.start)),
        advice: error.message().to_owned(),
    })?;
    let mut root = Table::root(text, &document);
    match root.take("spin_manifest_version") {
        Some(value) if value.integer() == Some(2) => {}
        Some(value) => return Err(value.fault("Postlet reads version 2: write `= 2`")),
        None => return Err(root.fault("spin_manifest_version", "write `= 2`")),
    }
    let mut application = root.table("application")?;
    let (name, version, description, authors) = (
        application.required("name")?.text()?,
        application.text("version")?,
        application.text("description")?,
        application.texts("authors")?,
    );
    application.finish()?;
    let components = components(&mut root)?;
    let routes = routes(&mut root)?;
    root.finish()?;
    check(text, &document, &components, &routes)?;
    Ok(Manifest { name, version, description, authors, routes, components })
}

fn components(root: &mut Table<'_>) -> Result<BTreeMap<String, Component>, ManifestFault> {
    let mut components = BTreeMap::new();
    let Some(all) = root.take("component") else { return Ok(components) };
    let mut all = all.table()?;
    for id in all.keys() {
        let entry = all.required(&id)?;
        if !is_kebab(&id) {
            return Err(entry.fault("an id is lower-case words with hyphens between them"));
        }
        let mut entry = entry.table()?;
        let source = entry.required("source")?;
        let component = Component {
            source: source.text().map_err(|fault| ManifestFault {
                advice: "a path to a .wasm file is needed".to_owned(),
                ..fault
            })?,
            description: entry.text("description")?,
            build: entry.take("build").map(|value| build(value.table()?)).transpose()?,
            limits: entry.take("tool").as_ref().map_or_else(|| Ok(Limits::default()), limits)?,
        };
        entry.finish()?;
        components.insert(id, component);
    }
    Ok(components)
}

fn build(mut table: Table<'_>) -> Result<Build, ManifestFault> {
    let command = table.required("command")?;
    let command = match command.value.as_str() {
        Some(one) => vec![one.to_owned()],
        None => command.texts()?,
    };
    let build = Build { command, workdir: table.text("workdir")?, watch: table.texts("watch")? };
    table.finish()?;
    Ok(build)
}

/// Spin leaves `tool` to tools, so other tools' tables are not ours to judge.
fn limits(tool: &Value<'_>) -> Result<Limits, ManifestFault> {
    let Some(ours) = tool.table()?.take("postlet") else { return Ok(Limits::default()) };
    let mut ours = ours.table()?;
    let limits = Limits {
        memory_mib: ours.take("memory-mib").map(|value| value.up_to(4096)).transpose()?,
        time_seconds: ours.take("time-seconds").map(|value| value.up_to(3600)).transpose()?,
    };
    ours.finish()?;
    Ok(limits)
}

fn routes(root: &mut Table<'_>) -> Result<Vec<Route>, ManifestFault> {
    let mut routes = Vec::new();
    let Some(trigger) = root.take("trigger") else { return Ok(routes) };
    let mut trigger = trigger.table()?;
    if let Some(http) = trigger.take("http") {
        for entry in http.tables()? {
            routes.push(route(entry)?);
        }
    }
    trigger.finish()?;
    Ok(routes)
}

fn route(mut entry: Table<'_>) -> Result<Route, ManifestFault> {
    entry.text("id")?;
    let value = entry.required("route")?;
    let line = value.line();
    let pattern = value.text()?.parse().map_err(|error| value.fault(&format!("{error}")))?;
    let target = match (entry.take("component"), entry.take("static_response")) {
        (Some(component), None) => Target::Component(component.text()?),
        (None, Some(answer)) => Target::Static(static_response(answer.table()?)?),
        (Some(_), Some(answer)) => {
            return Err(answer.fault("a route has a component or a static_response, not both"));
        }
        (None, None) => return Err(entry.fault("component", "say which component serves here")),
    };
    entry.finish()?;
    Ok(Route { pattern, target, line })
}

fn static_response(mut table: Table<'_>) -> Result<StaticResponse, ManifestFault> {
    let status = match table.take("status_code") {
        None => 200,
        Some(value) => value
            .integer()
            .and_then(|code| u16::try_from(code).ok())
            .filter(|code| (200..600).contains(code))
            .ok_or_else(|| value.fault("a status is 200 to 599"))?,
    };
    let mut headers = Vec::new();
    if let Some(value) = table.take("headers") {
        let mut table = value.table()?;
        for name in table.keys() {
            let value = table.required(&name)?.text()?;
            headers.push((name, value));
        }
    }
    let body = table.text("body")?.unwrap_or_default();
    table.finish()?;
    Ok(StaticResponse { status, headers, body })
}

/// What no table shows by itself.
fn check(
    text: &str,
    document: &Spanned<DeTable<'_>>,
    components: &BTreeMap<String, Component>,
    routes: &[Route],
) -> Result<(), ManifestFault> {
    let mut known = Routes::default();
    for route in routes {
        let fault = |key: &str, advice: String| ManifestFault {
            key: format!("trigger.http.{key}"),
            line: route.line,
            advice,
        };
        let inserted = known.insert(route.pattern.clone(), ());
        inserted.map_err(|clash| fault("route", format!("{clash}; keep one of them")))?;
        if let Target::Component(id) = &route.target
            && !components.contains_key(id)
        {
            return Err(fault("component", format!("there is no [component.{id}]")));
        }
    }
    let used = |id: &String| {
        routes.iter().any(|route| matches!(&route.target, Target::Component(named) if named == id))
    };
    match components.keys().find(|id| !used(id)) {
        None => Ok(()),
        Some(id) => {
            let mut root = Table::root(text, document);
            let mut table = root.table("component")?;
            Err(table.required(id)?.fault("no route names this component; add one or remove it"))
        }
    }
}

fn is_kebab(id: &str) -> bool {
    id.split('-').all(|word| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    })
}

fn line(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

/// A table whose keys are taken one by one; what is left at the end is a fault.
struct Table<'a> {
    text: &'a str,
    path: String,
    offset: usize,
    table: &'a DeTable<'a>,
    taken: Vec<String>,
}

/// A value and where it stands.
struct Value<'a> {
    text: &'a str,
    path: String,
    offset: usize,
    value: &'a DeValue<'a>,
}

impl<'a> Table<'a> {
    fn root(text: &'a str, document: &'a Spanned<DeTable<'a>>) -> Self {
        Self { text, path: String::new(), offset: 0, table: document.get_ref(), taken: Vec::new() }
    }

    fn take(&mut self, key: &str) -> Option<Value<'a>> {
        self.taken.push(key.to_owned());
        let (found, value) = self.table.iter().find(|(found, _)| found.get_ref() == key)?;
        let path = self.path_of(key);
        Some(Value { text: self.text, path, offset: found.span().start, value: value.get_ref() })
    }

    fn required(&mut self, key: &str) -> Result<Value<'a>, ManifestFault> {
        self.take(key).ok_or_else(|| self.fault(key, "is missing"))
    }

    fn table(&mut self, key: &str) -> Result<Table<'a>, ManifestFault> {
        self.required(key)?.table()
    }

    fn text(&mut self, key: &str) -> Result<Option<String>, ManifestFault> {
        self.take(key).map(|value| value.text()).transpose()
    }

    fn texts(&mut self, key: &str) -> Result<Vec<String>, ManifestFault> {
        self.take(key).map_or_else(|| Ok(Vec::new()), |value| value.texts())
    }

    fn keys(&self) -> Vec<String> {
        self.table.iter().map(|(key, _)| key.get_ref().to_string()).collect()
    }

    fn finish(self) -> Result<(), ManifestFault> {
        let left = |key: &str| !self.taken.iter().any(|taken| taken == key);
        match self.table.iter().find(|(key, _)| left(key.get_ref())) {
            None => Ok(()),
            Some((key, _)) => Err(ManifestFault {
                key: self.path_of(key.get_ref()),
                line: line(self.text, key.span().start),
                advice: format!(
                    "Postlet does not honour this key; remove it (known here: {})",
                    self.taken.join(", ")
                ),
            }),
        }
    }

    fn fault(&self, key: &str, advice: &str) -> ManifestFault {
        let line = line(self.text, self.offset);
        ManifestFault { key: self.path_of(key), line, advice: advice.to_owned() }
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

impl<'a> Value<'a> {
    fn line(&self) -> usize {
        line(self.text, self.offset)
    }

    fn fault(&self, advice: &str) -> ManifestFault {
        ManifestFault { key: self.path.clone(), line: self.line(), advice: advice.to_owned() }
    }

    fn text(&self) -> Result<String, ManifestFault> {
        self.value.as_str().map(str::to_owned).ok_or_else(|| self.fault("a text is needed"))
    }

    fn texts(&self) -> Result<Vec<String>, ManifestFault> {
        let array = self.value.as_array().ok_or_else(|| self.fault("a list of texts is needed"))?;
        array
            .iter()
            .map(|item| item.get_ref().as_str().map(str::to_owned))
            .collect::<Option<Vec<String>>>()
            .ok_or_else(|| self.fault("a list of texts is needed"))
    }

    fn integer(&self) -> Option<i64> {
        let integer = self.value.as_integer()?;
        i64::from_str_radix(integer.as_str(), integer.radix()).ok()
    }

    fn up_to(&self, most: u32) -> Result<NonZeroU32, ManifestFault> {
        self.integer()
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| *number <= most)
            .and_then(NonZeroU32::new)
            .ok_or_else(|| self.fault(&format!("a number from 1 to {most} is needed")))
    }

    fn table(&self) -> Result<Table<'a>, ManifestFault> {
        let table = self.value.as_table().ok_or_else(|| self.fault("a table is needed"))?;
        Ok(self.of(table))
    }

    fn tables(&self) -> Result<Vec<Table<'a>>, ManifestFault> {
        let advice = "write it as [[…]], one for each";
        let array = self.value.as_array().ok_or_else(|| self.fault(advice))?;
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
            text: self.text,
            path: self.path.clone(),
            offset: self.offset,
            table,
            taken: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
