//! Costly schemas, each with a value that makes its evaluation expensive.

use serde_json::{Map, Value, json};

/// A costly schema.
#[derive(Debug)]
pub(crate) struct Cost {
    pub(crate) name: &'static str,
    pub(crate) schema: String,
    pub(crate) value: String,
    /// Whether the cost is visible without evaluation.
    pub(crate) foreseen: bool,
}

/// Levels of doubling: more evaluations than any request could wait for.
const LEVELS: usize = 40;

/// All costly schemas.
pub(crate) fn costs() -> Vec<Cost> {
    let mut all: Vec<Cost> = doublings().into_iter().collect();
    all.extend(quantities());
    all
}

/// `levels` definitions, each made from a reference to the next.
pub(crate) fn doubled(levels: usize, level: impl Fn(&Value) -> Value) -> Value {
    ended(levels, level, json!({"type": ["object", "array"]}))
}

fn ended(levels: usize, level: impl Fn(&Value) -> Value, last: Value) -> Value {
    let mut definitions = Map::new();
    for at in 0..levels {
        let next = json!({"$ref": format!("#/$defs/a{}", at + 1)});
        definitions.insert(format!("a{at}"), level(&next));
    }
    definitions.insert(format!("a{levels}"), last);
    json!({"$defs": definitions, "$ref": "#/$defs/a0"})
}

/// Every applicator, so that each level is evaluated twice for one evaluation of the level above.
fn doublings() -> Vec<Cost> {
    let lists = format!("{}{}", "[".repeat(LEVELS + 1), "]".repeat(LEVELS + 1));
    let objects = format!("{}{{}}{}", r#"{"a":"#.repeat(LEVELS), "}".repeat(LEVELS));
    let one = |name, schema: Value, value: &str| Cost {
        name,
        schema: schema.to_string(),
        value: value.to_owned(),
        foreseen: true,
    };
    let wrong = || json!({"type": "string"});
    let both = r#"{"a":1,"b":2}"#;
    let anchored = |levels: usize| {
        let mut definitions = Map::new();
        for at in 0..levels {
            let next = json!({"$dynamicRef": format!("#a{}", at + 1)});
            let level = json!({"$dynamicAnchor": format!("a{at}"), "allOf": [next, next]});
            definitions.insert(format!("a{at}"), level);
        }
        let last = json!({"$dynamicAnchor": format!("a{levels}"), "type": "object"});
        definitions.insert("last".to_owned(), last);
        json!({"$defs": definitions, "$dynamicRef": "#a0"})
    };
    vec![
        one("allOf", doubled(LEVELS, |next| json!({"allOf": [next, next]})), "{}"),
        one("anyOf", ended(LEVELS, |next| json!({"anyOf": [next, next]}), wrong()), "{}"),
        one("oneOf", doubled(LEVELS, |next| json!({"oneOf": [next, next]})), "{}"),
        one("oneOf, wrong", ended(22, |next| json!({"oneOf": [next, next]}), wrong()), "{}"),
        one("not", doubled(LEVELS, |next| json!({"not": {"not": next}, "allOf": [next]})), "{}"),
        one("if", doubled(LEVELS, |next| json!({"if": next, "then": next})), "{}"),
        one(
            "dependentSchemas",
            doubled(LEVELS, |next| json!({"dependentSchemas": {"a": next, "b": next}})),
            both,
        ),
        one(
            "unevaluatedProperties",
            doubled(LEVELS, |next| json!({"anyOf": [next], "unevaluatedProperties": true})),
            both,
        ),
        one(
            "unevaluatedItems",
            doubled(LEVELS, |next| json!({"anyOf": [next], "unevaluatedItems": true})),
            "[1]",
        ),
        one(
            "contains",
            doubled(LEVELS, |next| json!({"allOf": [{"contains": next}, {"contains": next}]})),
            &lists,
        ),
        one(
            "prefixItems",
            doubled(LEVELS, |next| json!({"prefixItems": [next], "contains": next})),
            &lists,
        ),
        one(
            "items",
            doubled(LEVELS, |next| json!({"items": next, "allOf": [{"items": next}]})),
            &lists,
        ),
        one(
            "properties",
            doubled(
                LEVELS,
                |next| json!({"properties": {"a": next}, "patternProperties": {"^a": next}}),
            ),
            &objects,
        ),
        one(
            "additionalProperties",
            doubled(
                LEVELS,
                |next| json!({"additionalProperties": next, "allOf": [{"additionalProperties": next}]}),
            ),
            &objects,
        ),
        one(
            "itself",
            json!({"allOf": [{"items": {"$ref": "#"}}, {"items": {"$ref": "#"}}]}),
            &lists,
        ),
        one("$dynamicRef", anchored(LEVELS), "{}"),
        one("endless", json!({"anyOf": [{"$ref": "#"}, {"not": {"$ref": "#"}}]}), "{}"),
        one("chain", ended(1500, |next| json!({"allOf": [next]}), json!(true)), "{}"),
    ]
}

/// Keywords whose cost depends on the size of the value or the schema.
fn quantities() -> Vec<Cost> {
    let one = |name, foreseen, schema: Value, value: Value| Cost {
        name,
        schema: schema.to_string(),
        value: value.to_string(),
        foreseen,
    };
    let many = |most: usize| (0..most).map(|n| format!("{n:x}"));
    let names: Vec<String> = many(8500).collect();
    let numbers = json!((0..20_000).collect::<Vec<u32>>());
    let object = |most| Value::Object(many(most).map(|name| (name, json!(1))).collect());
    let patterns: Map<String, Value> =
        many(3000).map(|name| (format!("{name}.*x"), json!(true))).collect();
    let objects = json!(vec![object(3); 5000]);
    let long = "a".repeat(100_000);
    let text = json!(vec![&long; 5]);
    let sizes: Vec<Value> =
        (1..60).map(|n| json!({"pattern": format!("^(\\w{{{}}}){{20}}$", 400 + n)})).collect();
    vec![
        one("uniqueItems", false, json!({"uniqueItems": true}), objects.clone()),
        one(
            "enum",
            true,
            json!({"items": {"enum": (0..9000).collect::<Vec<u32>>()}}),
            numbers.clone(),
        ),
        one("const", true, json!({"items": {"const": names}}), json!(vec![&names; 20])),
        one("patternProperties", true, json!({"patternProperties": patterns}), object(3000)),
        one(
            "propertyNames",
            false,
            json!({"propertyNames": {"pattern": "^(a|b|[0-9a-f]*)*$"}}),
            object(10_000),
        ),
        one("required", true, json!({"items": {"required": names}}), objects.clone()),
        one(
            "dependentRequired",
            true,
            json!({"items": {"dependentRequired": {"0": names}}}),
            objects,
        ),
        one(
            "multipleOf",
            false,
            json!({"items": {"multipleOf": 1e-308}}),
            json!(vec![1e308; 5000]),
        ),
        one("multipleOf, huge", false, json!({"items": {"multipleOf": 1e308}}), numbers),
        one(
            "format",
            false,
            json!({"items": {"allOf": [
            {"format": "regex"}, {"format": "idn-email"}, {"format": "iri"}, {"format": "uri-template"},
            {"format": "idn-hostname"}, {"format": "json-pointer"}, {"format": "duration"}]}}),
            text.clone(),
        ),
        one("pattern", false, json!({"items": {"pattern": "^((a?){500}){20}b$"}}), text),
        one("patterns", false, json!({"allOf": sizes}), json!("a")),
    ]
}
