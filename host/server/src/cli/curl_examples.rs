//! Example curl commands for the endpoints of a tenant's application, printed by `postlet dev`.
//!
//! Generated from the OpenAPI documents: a path that is in the tenant's document and not in
//! the default one belongs to the application. A route without a description gets a plain GET.

use engine::app::manifest::Manifest;
use engine::app::manifest::trigger::Target;
use engine::app::route_table::Pattern;
use rules::foreign_text::steers;
use serde_json::{Map, Value};

/// The account of `dev` that replaces `:account`.
const ACCOUNT: &str = "bob";

/// The members of a path item that are operations; the others describe the path.
const METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];

/// One line for each operation.
pub(crate) fn lines(url: &str, manifest: &Manifest, own: &[u8], default: &[u8]) -> Vec<String> {
    let (own, default) = (paths(own), paths(default));
    let mut lines = Vec::new();
    let mut described: Vec<Pattern> = Vec::new();
    for (path, item) in own.iter().filter(|(path, _)| !default.contains_key(*path)) {
        let operations = item.as_object().into_iter().flatten();
        for (method, operation) in operations.filter(|(name, _)| METHODS.contains(&name.as_str())) {
            described.extend(path.replace('{', ":").replace('}', "").parse());
            let example = operation.pointer("/requestBody/content/application~1json/example");
            lines.push(line(url, method, path, example));
        }
    }
    for route in &manifest.routes {
        let answers = matches!(route.target, Target::Component(_));
        if answers && !described.iter().any(|path| route.pattern.covers(path)) {
            let path = route.pattern.to_string();
            let segments = path.trim_end_matches("...").split('/').map(|segment| {
                segment
                    .strip_prefix(':')
                    .map_or_else(|| segment.to_owned(), |name| format!("{{{name}}}"))
            });
            lines.push(line(url, "get", &segments.collect::<Vec<_>>().join("/"), None));
        }
    }
    lines
}

fn paths(document: &[u8]) -> Map<String, Value> {
    let document: Value = serde_json::from_slice(document).unwrap_or_default();
    document.get("paths").and_then(Value::as_object).cloned().unwrap_or_default()
}

fn line(url: &str, method: &str, path: &str, example: Option<&Value>) -> String {
    let mut line = r#"curl -sS -H "Authorization: Bearer $TOKEN""#.to_owned();
    if method != "get" && !(method == "post" && example.is_some()) {
        line += &format!(" -X {}", method.to_uppercase());
    }
    line += &format!(" \"{url}{}\"", filled(path));
    if let Some(example) = example {
        line += &format!(" --json '{}'", plain(&example.to_string()).replace('\'', r"'\''"));
    }
    line
}

/// The same JSON with control characters escaped.
fn plain(json: &str) -> String {
    let mut plain = String::with_capacity(json.len());
    for letter in json.chars() {
        if steers(letter) {
            let mut units = [0; 2];
            plain.extend(
                letter.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")),
            );
        } else {
            plain.push(letter);
        }
    }
    plain
}

/// The path with `{account}` replaced, and each other `{name}` as a shell variable.
fn filled(path: &str) -> String {
    let segment =
        |segment: &str| match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some("account") => ACCOUNT.to_owned(),
            Some(name) => {
                let plain =
                    |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
                format!("${}", name.chars().map(plain).collect::<String>())
            }
            None => segment.to_owned(),
        };
    path.split('/').map(segment).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_endpoint_of_the_application_gets_a_line_and_no_other() {
        let manifest = "spin_manifest_version = 2\n[application]\nname = \"x\"\n\
            [[trigger.http]]\nroute = \"/hello/:account\"\ncomponent = \"own\"\n\
            [[trigger.http]]\nroute = \"/plain/:order/...\"\ncomponent = \"own\"\n\
            [component.own]\nsource = \"own.wasm\"\n";
        let manifest = engine::app::manifest::parse(manifest).unwrap();
        let default = json!({"paths": {"/v1/x": {"get": {}}}});
        let body =
            json!({"content": {"application/json": {"example": {"a": "it's\u{9b}\u{e0041}"}}}});
        let own = json!({"paths": {"/v1/x": {"get": {}}, "/hello/{account}": {
            "get": {}, "post": {"requestBody": body}, "delete": {}},
            "/plain/{order}/{rest}": {"summary": "x", "parameters": []}}});
        let text = |value: &Value| value.to_string().into_bytes();
        let lines = lines("http://h", &manifest, &text(&own), &text(&default));
        let head = r#"curl -sS -H "Authorization: Bearer $TOKEN""#;
        let want = [
            format!(r#"{head} -X DELETE "http://h/hello/bob""#),
            format!(r#"{head} "http://h/hello/bob""#),
            format!(r#"{head} "http://h/hello/bob" --json '{{"a":"it'\''s\u009b\udb40\udc41"}}'"#),
            format!(r#"{head} "http://h/plain/$ORDER/""#),
        ];
        assert_eq!(lines, want);
    }
}
