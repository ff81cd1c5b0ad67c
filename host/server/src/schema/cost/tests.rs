//! Tests of the cost analysis: accepted schemas, and refused ones with their place.

use serde_json::{Value, json};

use super::*;

#[test]
fn what_people_write_is_taken() {
    for schema in [
        // A tree, and a tree with two branches that have names.
        json!({"type": "object", "properties": {"children": {"items": {"$ref": "#"}}}}),
        json!({"properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}}),
        json!({"anyOf": [{"type": "null"}, {"oneOf": [
            {"required": ["left"], "properties": {"left": {"$ref": "#"}}},
            {"required": ["right"], "properties": {"right": {"$ref": "#"}}}]}]}),
        // Any JSON.
        json!({"anyOf": [{"type": "array", "items": {"$ref": "#"}},
            {"type": "object", "additionalProperties": {"$ref": "#"}}, {"type": "string"}]}),
        // Alternatives that a member distinguishes.
        expression(&["and", "or", "not"]),
        // Alternatives that no member distinguishes, as generated from the types of many languages.
        json!({"$ref": "#/$defs/e", "$defs": {"e": {"anyOf": [
            {"type": "number"},
            {"type": "object", "properties": {"left": {"$ref": "#/$defs/e"}, "right": {"$ref": "#/$defs/e"}}},
            {"type": "object", "properties": {"left": {"$ref": "#/$defs/e"}, "not": {"$ref": "#/$defs/e"}}},
            {"type": "object", "properties": {"op": {"const": "sum"}, "left": {"type": "array", "items": {"$ref": "#/$defs/e"}}}}]}}}),
        json!({"oneOf": [{"type": "array", "items": {"$ref": "#"}}, {"type": "array", "prefixItems": [{"$ref": "#"}]}]}),
        // One of two branches applies.
        json!({"if": {"required": ["a"]}, "then": {"properties": {"of": {"$ref": "#"}}},
            "else": {"properties": {"of": {"$ref": "#"}}}}),
        // An extension of a tree (JSON Schema 2020-12, core, appendix on extending recursive schemas).
        json!({"$id": "https://a.example/strict", "$dynamicAnchor": "node", "$ref": "tree",
            "unevaluatedProperties": false, "$defs": {"tree": {"$id": "https://a.example/tree",
            "$dynamicAnchor": "node", "properties": {"data": true,
            "children": {"type": "array", "items": {"$dynamicRef": "#node"}}}}}}),
        // A list of the countries.
        json!({"enum": (0..250).map(|n| format!("C{n}")).collect::<Vec<_>>()}),
        json!({"allOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}],
            "$defs": {"a": {"properties": {"a": {"type": "string"}}}}}),
        json!({"$ref": "https://json-schema.org/draft/2020-12/schema"}),
    ] {
        assert_eq!(check(&schema), Ok(()), "{schema}");
    }
}

#[test]
fn what_doubles_at_each_level_is_refused_at_its_place() {
    for (name, level) in DOUBLING {
        let schema = doubled(40, level);
        assert!(matches!(check(&schema), Err(Costly::Multiplies(_))), "{name}: {schema}");
        // A short chain is accepted.
        assert_eq!(check(&doubled(3, level)), Ok(()), "{name}");
    }
    let itself = json!({"allOf": [{"items": {"$ref": "#"}}, {"items": {"$ref": "#"}}]});
    assert!(matches!(check(&itself), Err(Costly::Multiplies(_))));
    // Alternatives do not hide it: neither what each multiplies, nor many of them at one place.
    for branch in [
        json!({"allOf": [{"items": {"$ref": "#"}}, {"items": {"$ref": "#"}}]}),
        json!({"items": {"$ref": "#"}, "contains": {"$ref": "#"}}),
        json!({"unevaluatedItems": false, "items": {"$ref": "#"}, "anyOf": [{"items": {"$ref": "#"}}]}),
    ] {
        let itself = json!({"oneOf": [{"type": "string"}, branch]});
        assert!(matches!(check(&itself), Err(Costly::Multiplies(_))), "{itself}");
    }
    let branches = |at: usize| -> Vec<Value> {
        let next = if at == 10 {
            json!({"items": {"$ref": "#"}})
        } else {
            json!({"$ref": format!("#/$defs/b{}", at + 1)})
        };
        vec![next.clone(), next]
    };
    let defs: serde_json::Map<String, Value> =
        (0..=10).map(|at| (format!("b{at}"), json!({"anyOf": branches(at)}))).collect();
    let crowded = json!({"$ref": "#/$defs/b0", "$defs": defs});
    assert!(matches!(check(&crowded), Err(Costly::Multiplies(_))));
    let refused = check(&doubled(40, |next| json!({"allOf": [next, next]}))).unwrap_err();
    // Each level costs itself and two references: seven levels are below 1000, and eight are not.
    assert_eq!(refused, Costly::Multiplies("#/$defs/a32".to_owned()));
    assert!(refused.to_string().contains("more than 1000 subschemas"), "{refused}");
}

#[test]
fn what_has_no_end_is_refused() {
    for schema in [
        json!({"$ref": "#"}),
        json!({"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/b"}]}, "b": {"not": {"$ref": "#/$defs/a"}}},
            "$ref": "#/$defs/a"}),
        json!({"$dynamicAnchor": "x", "allOf": [{"$dynamicRef": "#x"}]}),
        json!({"properties": {"a": {"if": {"$ref": "#/properties/a"}}}}),
    ] {
        assert!(matches!(check(&schema), Err(Costly::Endless(_))), "{schema}");
    }
    let chain = doubled(150, |next| json!({"allOf": [next]}));
    assert!(matches!(check(&chain), Err(Costly::Chained(_))));
}

#[test]
fn what_many_values_are_compared_with_is_refused() {
    let many: Vec<String> = (0..9000).map(|n| n.to_string()).collect();
    let patterns: serde_json::Map<String, Value> =
        many.iter().take(2000).map(|n| (n.clone(), json!(true))).collect();
    for schema in [
        json!({"items": {"enum": many}}),
        json!({"items": {"const": many}}),
        json!({"items": {"required": many}}),
        json!({"items": {"dependentRequired": {"a": many}}}),
        json!({"patternProperties": patterns}),
    ] {
        assert!(matches!(check(&schema), Err(Costly::Multiplies(_))));
    }
}

type Level = fn(&Value) -> Value;

/// Names of keywords, and a level with that keyword, given a reference to the next level.
const DOUBLING: &[(&str, Level)] = &[
    ("allOf", |next| json!({"allOf": [next, next]})),
    ("anyOf", |next| json!({"anyOf": [next, next]})),
    ("oneOf", |next| json!({"oneOf": [next, next]})),
    ("not", |next| json!({"not": next, "allOf": [next]})),
    ("if", |next| json!({"if": next, "then": next})),
    ("dependentSchemas", |next| json!({"dependentSchemas": {"a": next, "b": next}})),
    ("unevaluatedProperties", |next| json!({"allOf": [next], "unevaluatedProperties": false})),
    ("unevaluatedItems", |next| json!({"allOf": [next], "unevaluatedItems": false})),
    ("contains", |next| json!({"contains": next, "items": next})),
    ("prefixItems", |next| json!({"prefixItems": [next], "contains": next})),
    ("properties", |next| json!({"properties": {"a": next}, "patternProperties": {"a": next}})),
    ("additionalProperties", |next| {
        json!({"allOf": [
        {"additionalProperties": next}, {"additionalProperties": next}]})
    }),
];

fn doubled(levels: usize, level: impl Fn(&Value) -> Value) -> Value {
    let mut defs = serde_json::Map::new();
    for at in 0..levels {
        defs.insert(format!("a{at}"), level(&json!({"$ref": format!("#/$defs/a{}", at + 1)})));
    }
    defs.insert(format!("a{levels}"), json!({"type": ["object", "array"]}));
    json!({"$defs": defs, "$ref": "#/$defs/a0"})
}

fn expression(words: &[&str]) -> Value {
    let branches: Vec<Value> = words
        .iter()
        .map(|word| {
            json!({"required": ["kind"], "properties": {
                "kind": {"const": word}, "args": {"items": {"$ref": "#"}}}})
        })
        .collect();
    json!({"oneOf": branches})
}
