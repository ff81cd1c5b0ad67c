//! The OpenAPI document of a deployment: `/-/openapi.json`.
//!
//! Generated once for each deployment, from the same operations that requests are checked against.
//! Independent of how requests are handled.
//!
//! Standards: OpenAPI 3.1.0, JSON Schema 2020-12.

use std::collections::HashSet;

use engine::app::route_table::Pattern;
use model::caller::Scope;
use runtime::component::Operation;
use serde_json::{Map, Value, json};

use crate::openapi::named_schemas::Schemas;
use crate::openapi::{operation_names, request_headers, response_headers};

/// The media type of a problem document (RFC 9457 §3).
pub(crate) const PROBLEM: &str = "application/problem+json";

/// Keyword in a body's schema: schemas of the same body in other media types, by type. Documented, not
/// enforced.
const CONTENT_TYPES: &str = "x-content-types";

/// One of the host's own operations.
#[derive(Debug)]
pub(crate) struct HostOperation {
    /// The `operationId`.
    pub(crate) id: &'static str,
    /// What requests are matched with; it may be wider than the path of the operation.
    pub(crate) pattern: Pattern,
    /// Every content type of its body has the same schema.
    pub(crate) operation: Operation,
    /// No token is needed.
    pub(crate) is_public: bool,
}

/// The operations of one component, or of the host.
pub(crate) struct Group<'a> {
    /// A component's name, or `host`; a component may be called so too.
    name: &'a str,
    /// Name and description of each tag.
    tags: Vec<(&'a str, Option<&'a str>)>,
    operations: Vec<Documented<'a>>,
    /// Routes without a description of their operations.
    unchecked: &'a [Pattern],
}

/// An operation, with what `describe` does not say.
struct Documented<'a> {
    operation: &'a Operation,
    /// The `operationId` of one of Postlet's own operations; others are derived.
    id: Option<&'a str>,
    tag: &'a str,
    /// No token is needed.
    is_public: bool,
    /// Other content types of the body have the schema of JSON.
    has_one_schema: bool,
}

impl<'a> Group<'a> {
    /// The operations of a component; `public` are the scopes granted without a token, none if a token is
    /// required.
    pub(crate) fn component(
        name: &'a str,
        description: Option<&'a str>,
        operations: &'a [Operation],
        public: Option<&[Scope]>,
        unchecked: &'a [Pattern],
    ) -> Self {
        let is_public = |scope: &str| {
            public.is_some_and(|granted| {
                scope.is_empty() || granted.iter().any(|granted| granted.as_str() == scope)
            })
        };
        let documented = |operation: &'a Operation| Documented {
            operation,
            id: operation_names::known(&operation.method, &operation.path),
            tag: name,
            is_public: is_public(&operation.scope),
            has_one_schema: false,
        };
        let operations = operations.iter().map(documented).collect();
        Self { name, tags: vec![(name, description)], operations, unchecked }
    }

    /// The host's own operations.
    pub(crate) fn host(operations: &'a [HostOperation]) -> Self {
        let documented = |host: &'a HostOperation| Documented {
            operation: &host.operation,
            id: Some(host.id),
            tag: operation_names::heading(&host.operation.path),
            is_public: host.is_public,
            has_one_schema: true,
        };
        let tags = operation_names::HEADINGS.iter().map(|(_, noun, text)| (*noun, Some(*text)));
        Self {
            name: "host",
            tags: tags.collect(),
            operations: operations.iter().map(documented).collect(),
            unchecked: &[],
        }
    }
}

/// The OpenAPI 3.1.0 document of one deployment.
pub(crate) fn document(title: &str, version: &str, groups: &[Group<'_>]) -> Value {
    let mut schemas = Schemas::default();
    let problem = schemas.put("Problem", problem());
    let mut paths = Map::new();
    let tags: Vec<Value> = groups.iter().flat_map(|group| &group.tags).map(tag).collect();
    let mut ids = HashSet::new();
    // The host, which is last, gets its names first, so that a tenant's operations do not change them.
    for group in groups.iter().rev() {
        for one in &group.operations {
            let (path, names) = template(&one.operation.path);
            let entry = paths.entry(path).or_insert_with(|| json!({}));
            if let Some(entry) = entry.as_object_mut() {
                let document = operation(group, one, &names, &mut schemas, &mut ids);
                entry.insert(one.operation.method.to_ascii_lowercase(), document);
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
                "description": "A token of this host. The names listed for an operation are the scopes that it requires.",
            }},
            "responses": {"problem": {
                "description": "A problem document (RFC 9457); `code` identifies the problem",
                "content": {PROBLEM: {"schema": problem}},
            }},
            "schemas": schemas.into_value(),
        },
    })
}

fn tag((name, description): &(&str, Option<&str>)) -> Value {
    match description {
        Some(text) => json!({"name": name, "description": text}),
        None => json!({"name": name}),
    }
}

/// A path item without operations (OpenAPI 3.1.0 §4.8.9), for a route that is not described.
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
            let description = "The rest of the path, of any number of segments; it may be empty";
            members.insert("description".to_owned(), json!(description));
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

fn operation(
    group: &Group<'_>,
    documented: &Documented<'_>,
    names: &[&str],
    schemas: &mut Schemas,
    ids: &mut HashSet<String>,
) -> Value {
    let Documented { operation, tag, is_public, .. } = documented;
    let id = identity(documented, ids);
    let mut parameters: Vec<Value> = names
        .iter()
        .map(|name| {
            let mut parameter = in_path(name);
            let meaning = documented.id.and_then(|_| operation_names::parameter(name));
            if let (Some(members), Some(meaning)) = (parameter.as_object_mut(), meaning) {
                members.insert("description".to_owned(), json!(meaning));
            }
            parameter
        })
        .collect();
    parameters.extend(operation.parameters.iter().map(|parameter| {
        json!({
            "name": parameter.name, "in": "query", "required": parameter.required,
            "description": parameter.summary,
            "schema": schemas.take(group.name, &format!("{id}:{}", parameter.name), &parameter.schema),
        })
    }));
    let sends = operation.method != "GET" && operation.scope == Scope::Send.as_str();
    parameters.extend(request_headers::parameters(operation, sends));
    let mut document = json!({
        "operationId": id, "tags": [tag], "summary": operation.summary,
        "parameters": parameters, "responses": responses(group, operation, &id, sends, schemas),
        "security": match operation.scope.as_str() {
            _ if *is_public => json!([]),
            "" => json!([{"token": []}]),
            scope => json!([{"token": [scope]}]),
        },
    });
    if let Some(members) = document.as_object_mut() {
        if let Some(body) = body(group, documented, &id, schemas) {
            members.insert("requestBody".to_owned(), body);
        }
        if operation.long_lived {
            members.insert("x-long-lived".to_owned(), json!(true));
        }
    }
    document
}

fn responses(
    group: &Group<'_>,
    operation: &Operation,
    id: &str,
    sends: bool,
    schemas: &mut Schemas,
) -> Map<String, Value> {
    let mut responses = Map::new();
    for answer in &operation.answers {
        // Two media types of one status are one response with two contents.
        let response = responses.entry(answer.status.to_string()).or_insert_with(|| {
            let mut response = json!({"description": answer.summary});
            let is_success = (200..300).contains(&answer.status);
            if let (Some(members), Some(headers)) =
                (response.as_object_mut(), response_headers::of_success(sends && is_success))
            {
                members.insert("headers".to_owned(), headers);
            }
            response
        });
        if answer.content_type.is_empty() {
            continue;
        }
        let media = match &answer.schema {
            Some(text) => {
                json!({"schema": schemas.take(group.name, &format!("{id}:{}", answer.status), text)})
            }
            None if answer.content_type == PROBLEM => {
                json!({"schema": {"$ref": "#/components/schemas/Problem"}})
            }
            None if answer.content_type.starts_with("text/") => {
                json!({"schema": {"type": "string"}})
            }
            None => json!({}),
        };
        if let Some(content) = response.as_object_mut().and_then(|response| {
            response.entry("content").or_insert_with(|| json!({})).as_object_mut()
        }) {
            content.insert(answer.content_type.clone(), media);
        }
    }
    for refused in ["4XX", "5XX"] {
        responses.insert(refused.to_owned(), json!({"$ref": "#/components/responses/problem"}));
    }
    responses
}

fn body(
    group: &Group<'_>,
    documented: &Documented<'_>,
    id: &str,
    schemas: &mut Schemas,
) -> Option<Value> {
    let operation = documented.operation;
    let mut content = Map::new();
    let mut forms = Map::new();
    if let Some(text) = &operation.body_schema {
        // A schema that does not parse was refused at deploy.
        let mut whole: Value = serde_json::from_str(text).unwrap_or_default();
        if let Some(Value::Object(others)) =
            whole.as_object_mut().and_then(|members| members.remove(CONTENT_TYPES))
        {
            forms = others;
        }
        let whole = schemas.take(group.name, &format!("{id}:body"), &whole.to_string());
        let mut media = Map::new();
        media.insert("schema".to_owned(), whole);
        if let Some(example) =
            operation.body_example.as_deref().and_then(|text| serde_json::from_str(text).ok())
        {
            media.insert("example".to_owned(), example);
        }
        for kind in operation.other_content_types.iter().filter(|_| documented.has_one_schema) {
            content.insert(kind.clone(), Value::Object(media.clone()));
        }
        content.insert("application/json".to_owned(), Value::Object(media));
    }
    for other in &operation.other_content_types {
        let media = forms.get(other).map_or_else(
            || json!({}),
            |form| json!({"schema": schemas.take(group.name, &format!("{id}:{other}"), &form.to_string())}),
        );
        content.entry(other.clone()).or_insert(media);
    }
    if content.is_empty() { None } else { Some(json!({"required": true, "content": content})) }
}

/// The path template of a pattern, and its parameters: `/a/:b` is `/a/{b}`.
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

/// The `operationId`, unique in a document: the names of two paths may be equal.
fn identity(documented: &Documented<'_>, ids: &mut HashSet<String>) -> String {
    let Documented { operation, id, .. } = documented;
    let derived = || operation_names::derived(&operation.method, &operation.path);
    let base = id.map_or_else(derived, str::to_owned);
    let mut id = base.clone();
    let mut more = 1;
    while !ids.insert(id.clone()) {
        more += 1;
        id = format!("{base}{more}");
    }
    id
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
            "parameter": {"type": "string", "description": "The query parameter that is invalid"},
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
                "protocol": {"type": "string", "enum": ["smtp", "imap"]},
                "reply": {"type": "string"},
                "enhancedCode": {"type": ["string", "null"]},
            }},
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_that_is_called_host_is_a_component() {
        let operation = |path: &str| Operation {
            method: "GET".to_owned(),
            path: path.to_owned(),
            summary: String::new(),
            scope: String::new(),
            parameters: Vec::new(),
            body_schema: None,
            body_example: None,
            other_content_types: Vec::new(),
            answers: Vec::new(),
            long_lived: false,
        };
        let own = [operation("/v1/accounts/special")];
        let host = [HostOperation {
            id: "listTokens",
            pattern: "/v1/tokens".parse().unwrap(),
            operation: operation("/v1/tokens"),
            is_public: false,
        }];
        let groups = [Group::component("host", Some("Mine"), &own, None, &[]), Group::host(&host)];
        let document = document("title", "1", &groups);
        assert_eq!(document["tags"][0], json!({"name": "host", "description": "Mine"}));
        assert_eq!(document["paths"]["/v1/accounts/special"]["get"]["tags"], json!(["host"]));
        assert_eq!(document["paths"]["/v1/tokens"]["get"]["tags"], json!(["tokens"]));
    }
}
