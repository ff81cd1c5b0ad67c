//! Generated valid and invalid bodies, derived from a schema and a valid example.
//!
//! Each case differs from the example in one place, so that a check that ignores that place is
//! found.

use serde_json::{Value, json};

/// Valid and invalid bodies, each with a description of the change.
#[derive(Debug, Default)]
pub(crate) struct Cases {
    pub(crate) good: Vec<(String, Value)>,
    pub(crate) bad: Vec<(String, Value)>,
}

/// The cases of `schema`; its references are resolved in `document`.
pub(crate) fn cases(document: &Value, schema: &Value, example: &Value) -> Cases {
    let mut cases = Cases::default();
    cases.good.push(("the example".to_owned(), example.clone()));
    visit(document, schema, example, "", example, &mut cases);
    cases
}

fn visit(root: &Value, schema: &Value, whole: &Value, at: &str, value: &Value, cases: &mut Cases) {
    let schema = follow(root, schema);
    if let Some(kind) = schema["type"].as_str() {
        let other = if kind == "array" { json!({"odd": 1}) } else { json!([["odd"]]) };
        cases.bad.push((format!("{at}: another type"), put(whole, at, other)));
    }
    if schema["enum"].is_array() {
        cases.bad.push((format!("{at}: another word"), put(whole, at, json!("no such word"))));
    }
    if let Some(most) = schema["maxLength"].as_u64() {
        let long = "a".repeat(usize::try_from(most).unwrap() + 1);
        cases.bad.push((format!("{at}: too long"), put(whole, at, json!(long))));
    }
    if schema["minLength"].as_u64().is_some_and(|least| least > 0) {
        cases.bad.push((format!("{at}: empty"), put(whole, at, json!(""))));
    }
    if let Some(least) = schema["minimum"].as_i64() {
        cases.good.push((format!("{at}: least"), put(whole, at, json!(least))));
        cases.bad.push((format!("{at}: too small"), put(whole, at, json!(least - 1))));
    }
    if let Some(most) = schema["maximum"].as_i64() {
        cases.good.push((format!("{at}: most"), put(whole, at, json!(most))));
        cases.bad.push((format!("{at}: too large"), put(whole, at, json!(most + 1))));
    }
    if let Some(items) = value.as_array() {
        for (index, item) in items.iter().enumerate() {
            visit(root, &schema["items"], whole, &format!("{at}/{index}"), item, cases);
        }
    }
    let Some(members) = value.as_object() else { return };
    if schema["additionalProperties"] == json!(false) {
        let more = put(whole, &format!("{at}/no-such-member"), json!(1));
        cases.bad.push((format!("{at}: unknown member"), more));
    }
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, inner) in members {
        let pointer = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
        let without = remove(whole, at, name);
        if required.contains(&name.as_str()) {
            cases.bad.push((format!("{pointer}: missing"), without));
        } else if schema.get("minProperties").is_none() && schema.get("anyOf").is_none() {
            cases.good.push((format!("{pointer}: left out"), without));
        }
        visit(root, &schema["properties"][name], whole, &pointer, inner, cases);
    }
}

fn follow<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str().and_then(|text| text.strip_prefix('#')) {
        Some(pointer) => root.pointer(pointer).unwrap(),
        None => schema,
    }
}

fn put(whole: &Value, at: &str, value: Value) -> Value {
    let mut changed = whole.clone();
    match changed.pointer_mut(at) {
        Some(place) => *place = value,
        None => {
            let (parent, name) = at.rsplit_once('/').unwrap();
            changed.pointer_mut(parent).unwrap()[name] = value;
        }
    }
    changed
}

fn remove(whole: &Value, at: &str, name: &str) -> Value {
    let mut changed = whole.clone();
    changed.pointer_mut(at).unwrap().as_object_mut().unwrap().remove(name);
    changed
}
