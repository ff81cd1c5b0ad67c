//! `components/schemas` of an OpenAPI document: each named schema, once.
//!
//! A component's schema refers to its own `$defs`. In one document such references would resolve to the
//! document's root, and client generators ignore an `$id` that would prevent it. So definitions move
//! into one list, and references are rewritten.
//!
//! A name is the key under `$defs`, or the `title` of the whole schema. Equal schemas share one. Of two
//! that differ the first keeps the name; the second is prefixed with its schema's name, then also with
//! its component's, then numbered. So names depend only on the order of the groups, and a tenant's
//! schemas change no existing name.
//!
//! Standard: JSON Schema 2020-12 §8.2.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value, json};

/// The schemas collected so far, by name.
#[derive(Debug, Default)]
pub(crate) struct Schemas(Map<String, Value>);

/// Maximum length of a name, in bytes.
const LONGEST: usize = 80;
/// Rounds of the search for names, before the remaining schemas are numbered.
const ROUNDS: u32 = 8;
const LIST: &str = "#/components/schemas/";

/// The name of each key under `$defs`; the whole schema's has the key `None`.
type Names = HashMap<Option<String>, String>;

/// A schema to be named, if it needs a name.
struct Entry {
    /// The key under `$defs`; none for the whole schema.
    key: Option<String>,
    base: String,
    tier: u32,
    name: String,
    schema: Value,
    /// The keys that it refers to; `None` is the whole schema.
    refers: HashSet<Option<String>>,
}

impl Schemas {
    pub(crate) fn into_value(self) -> Value {
        Value::Object(self.0)
    }

    /// Adds a schema of the host under a fixed name; returns a reference to it.
    pub(crate) fn put(&mut self, name: &str, schema: Value) -> Value {
        self.0.insert(name.to_owned(), schema);
        json!({"$ref": format!("{LIST}{name}")})
    }

    /// Moves the definitions of a schema into the list; returns what stands at its `place` in the
    /// document.
    pub(crate) fn take(&mut self, component: &str, place: &str, text: &str) -> Value {
        // A schema that does not parse was refused at deploy.
        let mut whole: Value = serde_json::from_str(text).unwrap_or_default();
        let Some(members) = whole.as_object_mut() else { return whole };
        members.remove("$schema");
        let Some(refers) = references(&mut whole) else { return at_home(whole, place) };
        let Some(members) = whole.as_object_mut() else { return whole };
        members.remove("$id");
        let defs = match members.remove("$defs") {
            Some(Value::Object(defs)) => defs,
            Some(_) | None => Map::new(),
        };
        let title = members.get("title").and_then(Value::as_str).map(pascal);
        let to_whole = refers.iter().any(|to| definition(to).is_none_or(|(key, _)| key.is_empty()));
        let known = |to: &String| definition(to).is_none_or(|(key, _)| defs.contains_key(&key));
        if !refers.iter().all(known) {
            members.insert("$defs".to_owned(), Value::Object(defs));
            return at_home(whole, place);
        }
        let is_named = title.is_some() || to_whole;
        let root = title.unwrap_or_else(|| pascal(place));
        let mut entries: Vec<Entry> =
            defs.into_iter().map(|(key, schema)| Entry::new(Some(key), schema, &root)).collect();
        entries.push(Entry::new(None, whole, &root));
        self.name(&mut entries, &pascal(component), &root, is_named);
        let mut shown = Value::Null;
        let names = names(&entries);
        for entry in entries {
            let mut schema = entry.schema;
            follow(&mut schema, &names);
            if entry.key.is_none() && !is_named {
                shown = schema;
                continue;
            }
            if entry.key.is_none() {
                shown = json!({"$ref": format!("{LIST}{}", entry.name)});
            }
            self.0.insert(entry.name, schema);
        }
        shown
    }

    /// Gives each entry a name that is free, or that an equal schema has.
    fn name(&self, entries: &mut [Entry], component: &str, root: &str, is_named: bool) {
        for round in 0.. {
            for entry in entries.iter_mut() {
                entry.name = entry.candidate(component, root);
            }
            let names = names(entries);
            let mut seen = HashSet::new();
            let clashes: Vec<bool> = entries
                .iter()
                .map(|entry| {
                    if entry.key.is_none() && !is_named {
                        return false;
                    }
                    let twice = !seen.insert(&entry.name);
                    let taken = self.0.get(&entry.name).is_some_and(|there| {
                        let mut schema = entry.schema.clone();
                        follow(&mut schema, &names);
                        *there != schema
                    });
                    twice || taken
                })
                .collect();
            if !clashes.contains(&true) {
                return;
            }
            let clashing: HashSet<Option<String>> = entries
                .iter()
                .zip(&clashes)
                .filter(|(_, clash)| **clash)
                .map(|(entry, _)| entry.key.clone())
                .collect();
            // A schema that differs only by the name of another one may be equal once that is renamed.
            let first = |entry: &Entry| {
                !entry.refers.iter().any(|key| *key != entry.key && clashing.contains(key))
            };
            let firsts: Vec<bool> =
                entries.iter().zip(&clashes).map(|(entry, clash)| *clash && first(entry)).collect();
            let raised = if firsts.contains(&true) { firsts } else { clashes };
            for (entry, raised) in entries.iter_mut().zip(raised) {
                // A number that no other schema has ends the search for all of them at once.
                if round >= ROUNDS {
                    entry.tier = u32::try_from(self.0.len()).unwrap_or(u32::MAX) + round;
                } else {
                    entry.tier += u32::from(raised);
                }
            }
        }
    }
}

impl Entry {
    fn new(key: Option<String>, mut schema: Value, root: &str) -> Self {
        // Generators name types after titles, and two types could have the same one.
        if let Some(members) = schema.as_object_mut() {
            members.remove("title");
        }
        let base = key.as_deref().map_or_else(|| root.to_owned(), pascal);
        let refers = references(&mut schema).unwrap_or_default();
        let refers = refers.iter().map(|to| definition(to).map(|(key, _)| key)).collect();
        Self { key, base, tier: 0, name: String::new(), schema, refers }
    }

    fn candidate(&self, component: &str, root: &str) -> String {
        let base = &self.base;
        let (tier, longest) = match &self.key {
            Some(_) => (self.tier, format!("{component}{root}{base}")),
            // The name of the whole schema is not prefixed with itself.
            None => (self.tier + u32::from(self.tier > 0), format!("{component}{base}")),
        };
        match tier {
            0 => base.clone(),
            1 => format!("{root}{base}"),
            2 => longest,
            more => format!("{longest}{}", more - 1),
        }
    }
}

/// The targets of all references; none if one cannot be rewritten.
fn references(schema: &mut Value) -> Option<Vec<String>> {
    let mut all = Vec::new();
    let mut anchored = false;
    let mut depth = 0;
    visit(schema, &mut |members| {
        depth += 1;
        let keyword = |name: &str| members.contains_key(name);
        anchored |= keyword("$anchor") || keyword("$dynamicAnchor") || keyword("$dynamicRef");
        anchored |= keyword("$id") && depth > 1;
        all.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
    });
    // The members of `$defs` move, not `$defs` itself; percent-encoded references are not decoded.
    let follows = |to: &String| to != "#/$defs" && !to.contains('%');
    let local = all.iter().all(|to| (to == "#" || to.starts_with("#/")) && follows(to));
    (local && !anchored).then_some(all)
}

/// The key under `$defs` that a reference points to, and the rest of the pointer.
fn definition(to: &str) -> Option<(String, &str)> {
    let rest = to.strip_prefix("#/$defs/")?;
    let (key, rest) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    Some((key.replace("~1", "/").replace("~0", "~"), rest))
}

fn names(entries: &[Entry]) -> Names {
    entries.iter().map(|entry| (entry.key.clone(), entry.name.clone())).collect()
}

fn follow(schema: &mut Value, names: &Names) {
    let name = |key: Option<String>| names.get(&key).map_or("", String::as_str);
    visit(schema, &mut |members| {
        if let Some(Value::String(to)) = members.get_mut("$ref") {
            *to = match definition(to) {
                Some((key, rest)) => format!("{LIST}{}{rest}", name(Some(key))),
                None => format!("{LIST}{}{}", name(None), to.strip_prefix('#').unwrap_or_default()),
            };
        }
    });
}

/// A schema that is not moved gets an `$id`, so that its references resolve within it.
fn at_home(mut schema: Value, place: &str) -> Value {
    if let Some(members) = schema.as_object_mut()
        && !members.contains_key("$id")
    {
        members.insert("$id".to_owned(), json!(format!("urn:postlet:schema:{place}")));
    }
    schema
}

/// Visits every subschema, the outermost first.
fn visit(schema: &mut Value, look: &mut dyn FnMut(&mut Map<String, Value>)) {
    let Some(members) = schema.as_object_mut() else { return };
    look(members);
    for (keyword, value) in members.iter_mut() {
        match keyword.as_str() {
            "properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas"
            // Of older drafts; lists of names in it are not schemas, and are skipped.
            | "dependencies" => {
                let inner = value.as_object_mut().into_iter().flat_map(Map::values_mut);
                inner.for_each(|inner| visit(inner, look));
            }
            "allOf" | "anyOf" | "oneOf" | "prefixItems" => {
                let inner = value.as_array_mut().into_iter().flatten();
                inner.for_each(|inner| visit(inner, look));
            }
            "items"
            | "additionalProperties"
            | "contains"
            | "not"
            | "if"
            | "then"
            | "else"
            | "propertyNames"
            | "unevaluatedItems"
            | "unevaluatedProperties"
            | "contentSchema" => {
                visit(value, look);
            }
            _ => {}
        }
    }
}

/// PascalCase: `post-v1-tokens` is `PostV1Tokens`.
fn pascal(text: &str) -> String {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut name = String::new();
    for word in words {
        let (first, rest) = word.split_at(1);
        name += &first.to_ascii_uppercase();
        name += rest;
    }
    name.truncate(LONGEST);
    if name.is_empty() { "Schema".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_move_into_the_list_and_references_follow() {
        let mut all = Schemas::default();
        let shown = all.take(
            "mail",
            "get-x:200",
            r##"{"type":"object","properties":{"to":{"$ref":"#/$defs/address"},
                "$ref":{"type":"string"},"a":{"const":{"$ref":"#/$defs/address"}}},
                "$defs":{"address":{"properties":{"next":{"$ref":"#/$defs/address"}}}}}"##,
        );
        assert_eq!(
            shown,
            json!({"type": "object", "properties": {
                "to": {"$ref": "#/components/schemas/Address"},
                // A property called `$ref`, and a value: neither is a reference.
                "$ref": {"type": "string"}, "a": {"const": {"$ref": "#/$defs/address"}}}})
        );
        let next = json!({"properties": {"next": {"$ref": "#/components/schemas/Address"}}});
        assert_eq!(all.into_value(), json!({"Address": next}));
    }

    /// A keyword of older drafts, whose values are schemas or lists of names.
    #[test]
    fn references_within_dependencies_follow_too() {
        let mut all = Schemas::default();
        let shown = all.take(
            "own",
            "here",
            r##"{"dependencies":{"a":["b"],"c":{"not":{"$ref":"#/$defs/d"}}},"$defs":{"d":{}}}"##,
        );
        let followed = json!({"not": {"$ref": "#/components/schemas/D"}});
        assert_eq!(shown, json!({"dependencies": {"a": ["b"], "c": followed}}));
        assert_eq!(all.into_value(), json!({"D": {}}));
    }

    #[test]
    fn equal_schemas_share_a_name_and_others_get_longer_ones() {
        let one =
            r##"{"title":"Message","items":{"$ref":"#/$defs/a"},"$defs":{"a":{"type":"string"}}}"##;
        let other =
            r##"{"title":"Draft","items":{"$ref":"#/$defs/a"},"$defs":{"a":{"type":"integer"}}}"##;
        let third =
            r##"{"title":"Draft","items":{"$ref":"#/$defs/a"},"$defs":{"a":{"type":"null"}}}"##;
        let mut all = Schemas::default();
        let mut take = |component: &str, text: &str| {
            let shown = all.take(component, "place", text);
            shown["$ref"].as_str().unwrap().replace(LIST, "")
        };
        assert_eq!(take("read", one), "Message");
        assert_eq!(take("read", one), "Message");
        assert_eq!(take("send", other), "Draft");
        assert_eq!(take("own", third), "OwnDraft");
        assert_eq!(take("own", other), "Draft");
        assert_eq!(take("own", third), "OwnDraft");
        let fourth = third.replace("null", "boolean");
        assert_eq!(take("own", &fourth), "OwnDraft2");
        let all = all.into_value();
        let names: Vec<&String> = all.as_object().unwrap().keys().collect();
        let want =
            ["A", "Draft", "DraftA", "Message", "OwnDraft", "OwnDraft2", "OwnDraftA", "OwnDraftA2"];
        assert_eq!(names, want);
        assert_eq!(all["OwnDraft"]["items"]["$ref"], "#/components/schemas/OwnDraftA");
        assert_eq!(all["OwnDraftA"]["type"], "null");
    }

    /// The whole schema of one document and a definition of another can be the same type.
    #[test]
    fn a_title_becomes_the_name_and_keeps_no_two_apart() {
        let mut all = Schemas::default();
        let list = r##"{"title":"Things","items":{"$ref":"#/$defs/thing"},"$defs":{"thing":{"type":"object"}}}"##;
        all.take("own", "list", list);
        let one = all.take("own", "one", r#"{"title":"Thing","type":"object"}"#);
        assert_eq!(one["$ref"], "#/components/schemas/Thing");
        let things = json!({"items": {"$ref": "#/components/schemas/Thing"}});
        assert_eq!(all.into_value(), json!({"Thing": {"type": "object"}, "Things": things}));
    }

    #[test]
    fn a_whole_that_is_referred_to_gets_a_name_of_its_place() {
        let mut all = Schemas::default();
        let shown = all.take(
            "own",
            "post-things:body",
            r##"{"properties":{"child":{"$ref":"#"},"twin":{"$ref":"#/properties/child"}}}"##,
        );
        assert_eq!(shown, json!({"$ref": "#/components/schemas/PostThingsBody"}));
        let whole = all.into_value();
        let properties = &whole["PostThingsBody"]["properties"];
        assert_eq!(properties["child"]["$ref"], "#/components/schemas/PostThingsBody");
        let twin = "#/components/schemas/PostThingsBody/properties/child";
        assert_eq!(properties["twin"]["$ref"], twin);
    }

    #[test]
    fn what_cannot_be_moved_stays_at_home() {
        for text in [
            r##"{"items":{"$ref":"#here"},"$defs":{"a":{"$anchor":"here"}}}"##,
            r##"{"items":{"$ref":"#/$defs/missing"},"$defs":{"a":{}}}"##,
            r##"{"items":{"$dynamicRef":"#/$defs/a"},"$defs":{"a":{}}}"##,
            // `$defs` itself is not a schema, and is not moved.
            r##"{"items":{"$ref":"#/$defs"},"$defs":{"a":{}}}"##,
            // Percent-encoded, which names the same (RFC 6901 §6).
            r##"{"items":{"$ref":"#/%24defs/a"},"$defs":{"a":{}}}"##,
        ] {
            let mut all = Schemas::default();
            let shown = all.take("own", "here", text);
            assert_eq!(shown["$id"], "urn:postlet:schema:here", "{text}");
            assert_eq!(shown["$defs"].as_object().unwrap().len(), 1);
            assert_eq!(all.into_value(), json!({}));
        }
    }

    /// A chain of definitions that all clash, each because of the next.
    #[test]
    fn names_are_found_in_few_rounds() {
        let chain = |end: &str| {
            let mut defs = Map::new();
            for at in 0..500 {
                let to = json!({"$ref": format!("#/$defs/d{}", at + 1)});
                defs.insert(format!("d{at}"), to);
            }
            defs.insert("d500".to_owned(), json!({"type": end}));
            json!({"title": "Chain", "items": {"$ref": "#/$defs/d0"}, "$defs": defs}).to_string()
        };
        let mut all = Schemas::default();
        for kind in ["string", "integer", "null"] {
            all.take("own", "here", &chain(kind));
        }
        let all = all.into_value();
        assert_eq!(all.as_object().unwrap().len(), 3 * 502);
        for schema in all.as_object().unwrap().values() {
            let mut schema = schema.clone();
            for to in references(&mut schema).unwrap() {
                assert!(all.get(to.replace(LIST, "")).is_some(), "{to}");
            }
        }
    }
}
