//! `/-/openapi.json`: what is enforced, as documentation.
//!
//! Made from the same operations that requests are checked against, once for
//! each deployment. Refuses to know how anything is answered.
//!
//! Standards: OpenAPI 3.1.0, JSON Schema 2020-12 (§8.2.1 for `$id`).

use engine::routes::Pattern;
use runtime::component::Operation;
use serde_json::{Map, Value, json};

/// In the place of a scope: not even a token is needed. Nothing there means any token.
pub(crate) const PUBLIC: &str = "public";

/// Operations under one heading.
pub(crate) struct Group<'a> {
    /// A component's name, or the host.
    pub(crate) name: &'a str,
    /// For people.
    pub(crate) description: Option<&'a str>,
    pub(crate) operations: &'a [Operation],
    /// Routes whose operations nobody described.
    pub(crate) unchecked: &'a [Pattern],
}

/// The document of one deployment.
pub(crate) fn document(title: &str, version: &str, groups: &[Group<'_>]) -> Value {
    let mut paths = Map::new();
    let mut tags = Vec::with_capacity(groups.len());
    for group in groups {
        let mut tag = json!({"name": group.name});
        if let (Some(tag), Some(text)) = (tag.as_object_mut(), group.description) {
            tag.insert("description".to_owned(), json!(text));
        }
        tags.push(tag);
        for one in group.operations {
            let (path, names) = template(&one.path);
            let entry = paths.entry(path).or_insert_with(|| json!({}));
            if let Some(entry) = entry.as_object_mut() {
                entry.insert(one.method.to_ascii_lowercase(), operation(group.name, one, &names));
            }
        }
        for route in group.unchecked {
            let (path, item) = unchecked(group.name, &route.to_string());
            paths.entry(path).or_insert(item);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "servers": [{"url": "/"}],
        "tags": tags,
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {
                "type": "http", "scheme": "bearer",
                "description": "A token of this host. The names beside an operation are the scopes that it needs.",
            }},
            "responses": {"problem": {
                "description": "A problem document (RFC 9457); `code` says which",
                "content": {"application/problem+json": {"schema": problem()}},
            }},
        },
    })
}

/// A path item without operations (OpenAPI 3.1.0 §4.8.9): the path is there, and nobody said what it takes.
fn unchecked(component: &str, route: &str) -> (String, Value) {
    let (mut path, names) = template(route);
    let mut parameters: Vec<Value> = names.iter().map(|name| in_path(name)).collect();
    if let Some(before) = path.strip_suffix("...") {
        let mut rest = "rest".to_owned();
        while names.contains(&rest.as_str()) {
            rest.push('_');
        }
        path = format!("{before}{{{rest}}}");
        let mut parameter = in_path(&rest);
        if let Some(members) = parameter.as_object_mut() {
            let told = "Everything below, however many segments; it may be empty";
            members.insert("description".to_owned(), json!(told));
        }
        parameters.push(parameter);
    }
    let item = json!({
        "summary": format!("Served by `{component}`, which describes no operations"),
        "description": "Every method, query and body reaches the component unchecked.",
        "parameters": parameters,
        "x-component": component,
    });
    (path, item)
}

fn in_path(name: &str) -> Value {
    json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}})
}

fn operation(tag: &str, operation: &Operation, names: &[&str]) -> Value {
    let id = identity(operation);
    let mut parameters: Vec<Value> = names.iter().map(|name| in_path(name)).collect();
    parameters.extend(operation.parameters.iter().map(|parameter| {
        json!({
            "name": parameter.name, "in": "query", "required": parameter.required,
            "description": parameter.summary,
            "schema": schema(&parameter.schema, &format!("{id}:{}", parameter.name)),
        })
    }));
    let mut responses = Map::new();
    for answer in &operation.answers {
        // Two types of one status are one response with two contents.
        let response = responses
            .entry(answer.status.to_string())
            .or_insert_with(|| json!({"description": answer.summary}));
        if answer.content_type.is_empty() {
            continue;
        }
        let media = match &answer.schema {
            Some(text) => json!({"schema": schema(text, &format!("{id}:{}", answer.status))}),
            None => json!({}),
        };
        if let Some(content) = response.as_object_mut().and_then(|response| {
            response.entry("content").or_insert_with(|| json!({})).as_object_mut()
        }) {
            content.insert(answer.content_type.clone(), media);
        }
    }
    responses.insert("default".to_owned(), json!({"$ref": "#/components/responses/problem"}));
    let mut document = json!({
        "operationId": id, "tags": [tag], "summary": operation.summary,
        "parameters": parameters, "responses": responses,
        "security": match operation.scope.as_str() {
            PUBLIC => json!([]),
            "" => json!([{"token": []}]),
            scope => json!([{"token": [scope]}]),
        },
    });
    if let Some(members) = document.as_object_mut() {
        if let Some(body) = body(operation, &id) {
            members.insert("requestBody".to_owned(), body);
        }
        if operation.long_lived {
            members.insert("x-long-lived".to_owned(), json!(true));
        }
    }
    document
}

fn body(operation: &Operation, id: &str) -> Option<Value> {
    let mut content = Map::new();
    if let Some(text) = &operation.body_schema {
        let mut media = Map::new();
        media.insert("schema".to_owned(), schema(text, &format!("{id}:body")));
        if let Some(example) =
            operation.body_example.as_deref().and_then(|text| serde_json::from_str(text).ok())
        {
            media.insert("example".to_owned(), example);
        }
        content.insert("application/json".to_owned(), Value::Object(media));
    }
    for other in &operation.other_content_types {
        content.entry(other.clone()).or_insert_with(|| json!({}));
    }
    if content.is_empty() { None } else { Some(json!({"required": true, "content": content})) }
}

/// A schema as it stands in the document. References inside it (`#/$defs/…`) are from its own root,
/// so it gets an `$id`: else they would be from the document's.
fn schema(text: &str, id: &str) -> Value {
    // What does not parse was refused before.
    let mut schema: Value = serde_json::from_str(text).unwrap_or_default();
    if let Some(members) = schema.as_object_mut() {
        members.remove("$schema");
        if text.contains("\"$ref\"") && !members.contains_key("$id") {
            members.insert("$id".to_owned(), json!(format!("urn:postlet:schema:{id}")));
        }
    }
    schema
}

/// `/a/:b` is `/a/{b}` here.
fn template(path: &str) -> (String, Vec<&str>) {
    let mut names = Vec::new();
    let words = path.split('/').map(|word| match word.strip_prefix(':') {
        Some(name) => {
            names.push(name);
            format!("{{{name}}}")
        }
        None => word.to_owned(),
    });
    let path = words.collect::<Vec<_>>().join("/");
    (path, names)
}

/// Unique, since method and path are.
fn identity(operation: &Operation) -> String {
    let words = operation.path.split('/').map(|word| word.replace(':', "by-"));
    std::iter::once(operation.method.to_ascii_lowercase())
        .chain(words.filter(|word| !word.is_empty()))
        .collect::<Vec<_>>()
        .join("-")
}

fn problem() -> Value {
    json!({
        "type": "object",
        "required": ["type", "title", "status", "detail", "code", "retryable", "requestId"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "code": {"type": "string", "description": "One of the codes of docs/problems.md"},
            "retryable": {"type": "boolean"},
            "retryAfter": {"type": "integer", "description": "Seconds"},
            "requestId": {"type": "string"},
            "errors": {"type": "array", "items": {
                "type": "object",
                "required": ["pointer", "code", "detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "RFC 6901"},
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                },
            }},
            "upstream": {"type": "object", "properties": {
                "protocol": {"enum": ["smtp", "imap"]},
                "reply": {"type": "string"},
                "enhancedCode": {"type": ["string", "null"]},
            }},
        },
    })
}
