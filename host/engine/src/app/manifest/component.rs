//! `[component.X]`: source, build, grants and limits of a component.
//!
//! Keys of Spin that Postlet does not honour are refused, each with advice of its own. Compiling
//! and running are left to `server` and `runtime`.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::path::{Component as PathPart, Path};

use model::filter::EditKind;
use model::ids::AccountId;

use crate::app::manifest::fault::ManifestFault;
use crate::app::manifest::table::{Table, Value, too_many};
use crate::app::manifest::variable;
use crate::app::manifest::variable::{Template, Variable};

/// One `[component.X]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// Path of the `.wasm`, relative to the manifest.
    pub source: String,
    /// The line of `source` in the file, from 1.
    pub line: usize,
    pub description: Option<String>,
    /// Environment variables, by name.
    pub environment: BTreeMap<String, Template>,
    /// `variables`: passed as environment variables too, under the upper-case name.
    pub variables: BTreeMap<String, Template>,
    pub build: Option<Build>,
    /// `[component.X.tool.postlet]`.
    pub grants: Grants,
    /// `[component.X.tool.postlet]`.
    pub limits: Limits,
}

/// `[component.X.build]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// Shell commands, one after the other.
    pub command: Vec<String>,
    /// Working directory, relative to the manifest.
    pub workdir: Option<String>,
    /// Globs of the files that trigger a rebuild, relative to `workdir`.
    pub watch: Vec<String>,
    /// The line of `command` in the file, from 1.
    pub line: usize,
}

/// The grants of a component; never more than the token of the request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// The only accounts it may open; none means those of the token.
    pub accounts: Option<Vec<AccountId>>,
    /// What a filter may read of a message; none where the manifest does not say.
    pub read: Option<ReadGrant>,
    /// Whether it may submit; none where the manifest does not say.
    pub send: Option<bool>,
    /// The edits a filter may make.
    pub edits: BTreeSet<EditKind>,
    /// The authentication that a request needs.
    pub auth: Auth,
}

/// `read`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadGrant {
    /// Only the header.
    Headers,
    /// The whole message.
    All,
}

/// `auth`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// A token.
    #[default]
    Token,
    /// No token; then only the accounts that the manifest names can be opened.
    None,
}

/// The limits that a component asks for; the host may allow less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// `memory-mib`.
    pub memory_mib: Option<NonZeroU32>,
    /// `time-seconds`: the whole request.
    pub time_seconds: Option<NonZeroU32>,
}

/// Spin's keys that Postlet does not honour.
const REFUSED: [(&str, &str); 6] = [
    ("allowed_http_hosts", "this is Spin's old name of `allowed_outbound_hosts`; remove it"),
    ("dependencies", "Postlet does not compose components; compose them when they are built"),
    (
        "dependencies_inherit_configuration",
        "Postlet does not compose components; compose them when they are built",
    ),
    ("profile", "Postlet has no profiles; write what it should say into the component itself"),
    ("trigger", "triggers stand at the top: [[trigger.http]] or [[trigger.mail]]"),
    ("id", "the id is the name of the table: [component.id]"),
];

/// Keys that are accepted when they are empty.
const EMPTY: [(&str, &str); 5] = [
    ("allowed_outbound_hosts", "components have no outgoing network here yet; leave it empty"),
    ("files", "components have no file system here; embed what they need"),
    ("key_value_stores", "Postlet has no key-value stores; remove them"),
    ("sqlite_databases", "Postlet has no databases for components; remove them"),
    ("ai_models", "Postlet has no AI models; remove them"),
];

/// Each is compiled when the application is deployed, however many have the same source.
pub(crate) const MOST_COMPONENTS: usize = 100;

/// Reads `[component]`.
pub(crate) fn components(
    root: &mut Table<'_>,
    known: &BTreeMap<String, Variable>,
) -> Result<BTreeMap<String, Component>, ManifestFault> {
    let mut components = BTreeMap::new();
    let Some(all) = root.take("component") else { return Ok(components) };
    let count = all.table()?.keys().len();
    if count > MOST_COMPONENTS {
        return Err(all.fault(&too_many(count, MOST_COMPONENTS)));
    }
    let mut all = all.table()?;
    for id in all.keys() {
        let entry = all.required(&id)?;
        if !is_kebab(&id) {
            return Err(entry.fault("an id is lower-case words with hyphens between them"));
        }
        components.insert(id, component(entry.table()?, known)?);
    }
    Ok(components)
}

fn component(
    mut entry: Table<'_>,
    known: &BTreeMap<String, Variable>,
) -> Result<Component, ManifestFault> {
    entry.refuse(&REFUSED)?;
    let written = entry.required("source")?;
    let (source, line) = (source(&written)?, written.line());
    let description = entry.text("description")?;
    let environment = variable::templates(&mut entry, "environment", known)?;
    let variables = variable::templates(&mut entry, "variables", known)?;
    let build = entry.take("build").map(|value| build(value.table()?)).transpose()?;
    let tool = entry.take("tool");
    let (grants, limits) = tool.as_ref().map_or_else(|| Ok(Default::default()), ours)?;
    for (key, advice) in EMPTY {
        if let Some(value) = entry.take(key)
            && !value.is_empty()
        {
            return Err(value.fault(advice));
        }
    }
    if let Some(name) = variables.keys().find(|name| environment.contains_key(&upper(name))) {
        let advice = format!("`environment` has {} too; keep one of them", upper(name));
        return Err(entry.fault(&format!("variables.{name}"), &advice));
    }
    // Without effect: they name other runtimes, and exclude files of which there are none here.
    entry.texts("exclude_files")?;
    entry.take("targets");
    entry.finish()?;
    Ok(Component { source, line, description, environment, variables, build, grants, limits })
}

impl Component {
    /// Its environment variables, with the application's variables filled in.
    pub(crate) fn filled(&self, values: &BTreeMap<String, String>) -> Vec<(String, String)> {
        let plain = self.environment.iter().map(|(name, text)| (name.clone(), text.fill(values)));
        let named = self.variables.iter().map(|(name, text)| (upper(name), text.fill(values)));
        plain.chain(named).collect()
    }
}

fn upper(name: &str) -> String {
    name.to_ascii_uppercase()
}

fn source(value: &Value<'_>) -> Result<String, ManifestFault> {
    if value.is_text() {
        let text = value.text()?;
        let mut parts = Path::new(&text).components();
        if text.is_empty()
            || parts.any(|part| !matches!(part, PathPart::Normal(_) | PathPart::CurDir))
        {
            let advice = "a path below the directory of the manifest is needed, without `..`: \
                          move the manifest up, or have the build copy the file";
            return Err(value.fault(advice));
        }
        return Ok(text);
    }
    let mut table = value.table().map_err(|fault| ManifestFault {
        advice: "a path to a .wasm file is needed".into(),
        ..fault
    })?;
    let advice = if table.take("url").is_some() {
        "Postlet downloads nothing by itself: fetch the file, check its digest, and write its path here"
    } else {
        "Postlet pulls nothing from registries: fetch the file and write its path here"
    };
    Err(value.fault(advice))
}

fn build(mut table: Table<'_>) -> Result<Build, ManifestFault> {
    let value = table.required("command")?;
    let line = value.line();
    let command = if value.is_text() { vec![value.text()?] } else { value.texts()? };
    if command.is_empty() {
        return Err(value.fault("at least one command is needed"));
    }
    let (workdir, watch) = (table.text("workdir")?, table.texts("watch")?);
    table.finish()?;
    Ok(Build { command, workdir, watch, line })
}

/// Spin leaves `tool` to tools, so other tools' tables are not checked.
fn ours(tool: &Value<'_>) -> Result<(Grants, Limits), ManifestFault> {
    let Some(ours) = tool.table()?.take("postlet") else { return Ok(Default::default()) };
    let mut ours = ours.table()?;
    let accounts = ours.take("accounts").map(|value| accounts(&value)).transpose()?;
    let read = ours
        .take("read")
        .map(|value| value.one_of(&[("headers", ReadGrant::Headers), ("all", ReadGrant::All)]));
    let words = EditKind::EVERY.map(|kind| (kind.as_str(), kind));
    let edits = ours.take("edits").map(|value| value.some_of(&words)).transpose()?;
    let auth = ours
        .take("auth")
        .map(|value| value.one_of(&[("token", Auth::Token), ("none", Auth::None)]));
    let grants = Grants {
        accounts,
        read: read.transpose()?,
        send: ours.flag("send")?,
        edits: edits.unwrap_or_default().into_iter().collect(),
        auth: auth.transpose()?.unwrap_or_default(),
    };
    let limits = Limits {
        memory_mib: ours.take("memory-mib").map(|value| value.up_to(4096)).transpose()?,
        time_seconds: ours.take("time-seconds").map(|value| value.up_to(3600)).transpose()?,
    };
    ours.finish_noting(&[
        ("read", "filters, and endpoints without a token"),
        ("edits", "filters"),
        ("auth", "endpoints"),
        ("send", "endpoints"),
    ])?;
    Ok((grants, limits))
}

fn accounts(value: &Value<'_>) -> Result<Vec<AccountId>, ManifestFault> {
    let read = |text: String| {
        text.parse().map_err(|_| value.fault(&format!("`{text}` cannot be the id of an account")))
    };
    value.texts()?.into_iter().map(read).collect()
}

fn is_kebab(id: &str) -> bool {
    id.split('-').all(|word| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    })
}
