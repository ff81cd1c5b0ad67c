//! Parser of the application manifest `spin.toml`: routes, and the components that serve them.
//!
//! A valid Spin manifest, version 2, of which Postlet supports a part. The rest is refused, never
//! ignored: a host that is allowed or a file that is mounted must not seem to take effect.
//!
//! Invariant: a [`Manifest`] is consistent: routes do not clash, and every component that is named
//! exists and is used.

pub mod fault;
mod table;
pub mod variable;
pub mod component;
pub mod trigger;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use toml::Spanned;
use toml::de::DeTable;

use crate::app::manifest::component::{Auth, Component, ReadGrant};
use crate::app::manifest::fault::ManifestFault;
use crate::app::manifest::table::{Lines, Table};
use crate::app::manifest::trigger::{Binding, Route, Target, Triggers};
use crate::app::manifest::variable::Variable;
use crate::app::route_table::{Pattern, Routes};

/// A checked application manifest.
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
    /// `[variables]`.
    pub variables: BTreeMap<String, Variable>,
    /// Every `[[trigger.http]]` with a public route, in the order of the file.
    pub routes: Vec<Route>,
    /// Every `[[trigger.mail]]`, in the order of the file.
    pub filters: Vec<Binding>,
    /// Every `[component.X]`.
    pub components: BTreeMap<String, Component>,
}

/// The environment variables of each component, by its id.
pub type Environments = BTreeMap<String, Vec<(String, String)>>;

const TABLES: [&str; 5] =
    ["spin_manifest_version", "application", "variables", "trigger", "component"];

/// Reads and checks a manifest.
///
/// # Errors
/// The first fault.
pub fn parse(text: &str) -> Result<Manifest, ManifestFault> {
    let lines = Lines::of(text);
    let document = DeTable::parse(text).map_err(|error| ManifestFault {
        key: String::new(),
        line: lines.line(error.span().map_or(0, |span| span.start)),
        advice: format!("this is not TOML: {}", error.message()),
    })?;
    let mut root = Table::root(&lines, &document);
    // First, since a misspelt table would otherwise be reported as a missing one by its references.
    let mut whole = Table::root(&lines, &document);
    TABLES.iter().for_each(|table| drop(whole.take(table)));
    whole.finish()?;
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
    let base = base(&mut application)?;
    // Spin leaves `tool` to tools; `targets` names other runtimes.
    application.take("tool");
    application.take("targets");
    application.finish()?;
    let variables = variable::variables(&mut root)?;
    let components = component::components(&mut root, &variables)?;
    let triggers = trigger::triggers(&mut root, &base)?;
    check(&lines, &document, &components, &triggers)?;
    let Triggers { routes, filters, private: _ } = triggers;
    Ok(Manifest { name, version, description, authors, variables, routes, filters, components })
}

impl Manifest {
    /// The environment of every component, with the operator's values.
    ///
    /// # Errors
    /// When a required variable has no value, or a value has no variable.
    pub fn environments(
        &self,
        given: &BTreeMap<String, String>,
    ) -> Result<Environments, ManifestFault> {
        let values = variable::settle(&self.variables, given)?;
        let filled =
            |(id, component): (&String, &Component)| (id.clone(), component.filled(&values));
        Ok(self.components.iter().map(filled).collect())
    }
}

/// `[application.trigger.http] base`; the default is `/`.
fn base(application: &mut Table<'_>) -> Result<String, ManifestFault> {
    let mut base = "/".to_owned();
    let Some(trigger) = application.take("trigger") else { return Ok(base) };
    let mut trigger = trigger.table()?;
    if let Some(http) = trigger.take("http") {
        let mut http = http.table()?;
        if let Some(value) = http.take("base") {
            base = value.text()?;
            let pattern: Pattern =
                base.parse().map_err(|error| value.fault(&format!("{error}")))?;
            if pattern.is_wildcard() || pattern.parameters().next().is_some() {
                return Err(value.fault("a base is a plain path, without parameters"));
            }
        }
        http.finish()?;
    }
    trigger.finish()?;
    Ok(base)
}

/// Checks across tables.
fn check(
    lines: &Lines,
    document: &Spanned<DeTable<'_>>,
    components: &BTreeMap<String, Component>,
    triggers: &Triggers,
) -> Result<(), ManifestFault> {
    let fault = |line: usize, key: &str, advice: String| ManifestFault {
        key: format!("trigger.{key}"),
        line,
        advice,
    };
    let exists = |id: &String, line: usize, key: &str| {
        if components.contains_key(id) {
            return Ok(());
        }
        Err(fault(line, key, format!("there is no [component.{id}]")))
    };
    let mut known = Routes::default();
    let mut served: BTreeSet<&String> = BTreeSet::new();
    for route in &triggers.routes {
        if let Err(clash) = known.insert(route.pattern.clone(), ()) {
            let old = triggers.routes.iter().find(|old| old.pattern.to_string() == clash.old);
            let place = old.map_or_else(String::new, |old| format!(" (line {})", old.line));
            let advice = format!("{clash}{place}; keep one of them");
            return Err(fault(route.line, "http.route", advice));
        }
        if let Target::Component(id) = &route.target {
            exists(id, route.line, "http.component")?;
            served.insert(id);
        }
    }
    for (id, line) in &triggers.private {
        exists(id, *line, "http.component")?;
        served.insert(id);
    }
    let mut filtering: BTreeSet<&String> = BTreeSet::new();
    for binding in &triggers.filters {
        exists(&binding.component, binding.line, "mail.component")?;
        filtering.insert(&binding.component);
    }
    for (id, component) in components {
        let mut root = Table::root(lines, document);
        let mut all = root.table("component")?;
        let entry = all.required(id)?;
        let (serves, filters) = (served.contains(id), filtering.contains(id));
        if !serves && !filters {
            return Err(entry.fault("no trigger names this component; add one or remove it"));
        }
        let ours = |key: &str, advice: &str| -> ManifestFault {
            let found = entry
                .table()
                .and_then(|mut entry| entry.table("tool"))
                .and_then(|mut tool| tool.table("postlet"));
            match found.and_then(|mut ours| ours.required(key)) {
                Ok(value) => value.fault(advice),
                Err(fault) => fault,
            }
        };
        let grants = &component.grants;
        let public = serves && grants.auth == Auth::None;
        if grants.read.is_some() && !filters && !public {
            let advice = "this is a grant of filters: bind it by a [[trigger.mail]]; an endpoint \
                          reads what its token may, and needs this with auth = \"none\" only";
            return Err(ours("read", advice));
        }
        if grants.read == Some(ReadGrant::Headers) && public {
            return Err(ours("read", "an endpoint reads whole messages; write \"all\""));
        }
        if !grants.edits.is_empty() && !filters {
            return Err(ours("edits", "this is a grant of filters: bind it by a [[trigger.mail]]"));
        }
        if grants.send.is_some() && !serves {
            return Err(ours("send", "this is a grant of components that have a route"));
        }
        if grants.auth == Auth::None && !serves {
            return Err(ours("auth", "this is a grant of components that have a route"));
        }
    }
    Ok(())
}
