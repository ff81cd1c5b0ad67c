//! Tests of docs/limits.md: its numbers are those of the code, and limits that are cheap to reach
//! are enforced.
//!
//! A row with a key has the default of docs/configuration.md, which is compared with the code
//! elsewhere; a row without one has the number of a constant; and a limit that a few requests reach
//! is answered with the status, the code and the number of its row.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use crate::readme::{page, root};
use testkit::http::Client;
use testkit::process::Host;

/// Rows whose number is that of a constant: the file, and the text before the value.
const CONSTANTS: &[(&str, &str, &str)] = &[
    ("path and query", "host/server/src/http/request_head.rs", "LONGEST_URI: usize = "),
    ("header fields together", "host/server/src/http/request_head.rs", "HEAD_BYTES: usize = "),
    ("number of header fields", "host/server/src/http/request_head.rs", "HEAD_FIELDS: usize = "),
    (
        "the same, before it can be said in words",
        "host/server/src/serve/listener.rs",
        "HEAD_BYTES: usize = ",
    ),
    ("nesting of a JSON body", "host/server/src/schema/strict_json.rs", "MOST_DEPTH: usize = "),
    (
        "faults of a body that are told",
        "host/server/src/schema/explain.rs",
        "MOST_FAULTS: usize = ",
    ),
    ("rows of a page", "host/engine/src/messages/list.rs", "MOST: u32 = "),
    ("`Idempotency-Key`", "host/model/src/submission.rs", "LONGEST: usize = "),
    ("the sentence of a problem", "host/server/src/http/response.rs", "DETAIL: usize = "),
    (
        "recipients of a message",
        "components/mime/src/compose/draft_check.rs",
        "MOST_RECIPIENTS: usize = ",
    ),
    (
        "subject, or the value of a header field",
        "components/mime/src/compose/draft_check.rs",
        "LONGEST_VALUE: usize = ",
    ),
    ("name in an address", "components/mime/src/compose/draft_check.rs", "LONGEST_NAME: usize = "),
    (
        "name of a header field",
        "components/mime/src/compose/draft_check.rs",
        "LONGEST_HEADER_NAME: usize = ",
    ),
    (
        "`contentId`, `contentType`",
        "components/mime/src/compose/draft_check.rs",
        "LONGEST_ID: usize = ",
    ),
    ("finished message", "host/engine/src/settings.rs", "message_bytes: "),
    (
        "header of a part of a form",
        "components/kit/src/multipart_form.rs",
        "HEADER_BLOCK: usize = ",
    ),
    ("form field with an address", "components/send/src/form_draft.rs", "ADDRESS: usize = "),
    ("form field `subject`", "components/send/src/form_draft.rs", "SUBJECT: usize = "),
    (
        "form fields `text`, `html` and `json`",
        "components/send/src/form_draft.rs",
        "TEXT: usize = ",
    ),
    ("one file of a form", "host/store/src/files/spools.rs", "per_spool: "),
    ("files on their way, of a tenant", "host/store/src/files/spools.rs", "per_tenant: "),
    ("files on their way, of all tenants", "host/store/src/files/spools.rs", " host: "),
    ("message that is read", "host/engine/src/settings.rs", "message_bytes: "),
    (
        "header fields of a message",
        "components/mime/src/header/fields.rs",
        "LONGEST_BLOCK: usize = ",
    ),
    ("parts of a message", "components/mime/src/read/parts.rs", "MOST_PARTS: usize = "),
    ("multiparts within each other", "components/mime/src/read/parts.rs", "DEEPEST: usize = "),
    ("`text` and `html` in a message's JSON", "components/messages/src/read.rs", "IN_JSON: u32 = "),
    ("`…/text` and `…/html`", "components/messages/src/read.rs", "ALONE: u32 = "),
    (
        "a body that is read, and its HTML of that",
        "components/mime/src/read/body_selection.rs",
        "LONGEST_BODY: usize = ",
    ),
    ("header fields that are shown", "components/mime/src/read/mod.rs", "MOST_FIELDS: usize = "),
    ("`preview`", "components/mime/src/read/mod.rs", "PREVIEW: usize = "),
    ("a flag", "host/rules/src/flag.rs", "LONGEST: usize = "),
    ("IMAP sessions of an account", "host/engine/src/settings.rs", "sessions_per_account: "),
    ("messages that a tenant reads at once", "host/engine/src/settings.rs", "open_bytes: "),
    ("a consent is waited for", "host/engine/src/oauth/consent.rs", "LASTS: Duration = "),
    (
        "consents that are begun, of a tenant",
        "host/engine/src/oauth/consent.rs",
        "MOST_OF_TENANT: usize = ",
    ),
    (
        "consents that are begun, of all tenants",
        "host/engine/src/oauth/consent.rs",
        "MOST: usize = ",
    ),
    (
        "a refused login, before it is left alone",
        "host/engine/src/login/lockout.rs",
        "FREE: u32 = ",
    ),
    ("calls of the parser of mail at once", "host/runtime/src/limits/mod.rs", "mime_instances: "),
    ("filters at once", "host/runtime/src/limits/mod.rs", "filter_instances: "),
    ("JSON bodies of a tenant at once", "host/server/src/body_memory.rs", "SHARE_BYTES: u64 = "),
    ("elements of a table", "host/runtime/src/limits/mod.rs", "TABLE_ELEMENTS: usize = "),
    ("calls of the host", "host/runtime/src/limits/mod.rs", "host_calls: "),
    ("handles at once", "host/runtime/src/limits/mod.rs", "handles: "),
    (
        "bytes that one call carries into the host",
        "host/runtime/src/limits/mod.rs",
        "host_call_bytes: ",
    ),
    ("the answer", "host/runtime/src/limits/mod.rs", "response_body: "),
    ("header fields of the answer", "host/runtime/src/limits/mod.rs", "header_count: "),
    ("what it writes to stdout and stderr", "host/runtime/src/limits/mod.rs", "log_bytes: "),
    ("a line of that", "host/runtime/src/wasi/stdio_log.rs", "LINE: usize = "),
    ("keys of messages in a call", "host/runtime/src/wit/list_bounds.rs", "KEYS: usize = "),
    ("flags in a call", "host/runtime/src/wit/list_bounds.rs", "FLAGS: usize = "),
    ("states in a call", "host/runtime/src/wit/list_bounds.rs", "STATES: usize = "),
    (
        "an id, a mailbox, a cursor, a domain in a call",
        "host/runtime/src/wit/list_bounds.rs",
        "WORD: usize = ",
    ),
    (
        "entries of each list of a draft",
        "host/runtime/src/wit/list_bounds.rs",
        "IN_DRAFT: usize = ",
    ),
    ("a line of a draft", "host/runtime/src/wit/list_bounds.rs", "LINE: usize = "),
    ("a body of a draft", "host/runtime/src/wit/list_bounds.rs", "BODY: usize = "),
    (
        "edits of a filter's verdict",
        "components/mime/src/compose/draft_check.rs",
        "MOST_EDITS: usize = ",
    ),
    ("manifest", "host/server/src/deploy/mod.rs", "MOST_MANIFEST: u64 = "),
    (
        "routes, and filters, of an application",
        "host/engine/src/app/manifest/trigger.rs",
        "MOST_TRIGGERS: usize = ",
    ),
    (
        "components of an application",
        "host/engine/src/app/manifest/component.rs",
        "MOST_COMPONENTS: usize = ",
    ),
    ("component", "host/server/src/compile/mod.rs", "MOST_WASM: usize = "),
    ("operations in it", "host/server/src/openapi/operation.rs", "MOST_OPERATIONS: usize = "),
    (
        "parameters, answers and content types of an operation",
        "host/server/src/openapi/operation.rs",
        "MOST_OF_EACH: usize = ",
    ),
    (
        "name of a parameter or a content type",
        "host/server/src/openapi/operation.rs",
        "MOST_NAME: usize = ",
    ),
    ("a schema", "host/server/src/schema/mod.rs", "MOST_BYTES: usize = "),
    (
        "evaluations of subschemas for one value",
        "host/server/src/schema/cost/mod.rs",
        "MOST_EVALUATIONS: u64 = ",
    ),
    (
        "checking a request against a tenant's schema",
        "host/server/src/schema/child.rs",
        "CPU: Duration = ",
    ),
    ("segments of a route", "host/engine/src/app/route_table.rs", "MOST_SEGMENTS: usize = "),
];

#[test]
fn a_limit_with_a_key_has_its_default() {
    let defaults = defaults();
    let mut keys = 0;
    for (limit, row) in rows() {
        let Some(key) = row.key else { continue };
        let known = defaults.get(&key).unwrap_or_else(|| panic!("{limit}: no key `{key}`"));
        assert_eq!(row.number, Some(*known), "{limit}: `{key}`");
        keys += 1;
    }
    assert!(keys > 25, "{keys} keys: the table is not read");
    for key in defaults.keys().filter(|key| key.starts_with("limits.")) {
        let told = rows().values().any(|row| row.key.as_ref() == Some(key));
        assert!(told || key.starts_with("limits.stop-"), "`{key}` is not in docs/limits.md");
    }
}

#[test]
fn a_limit_without_a_key_has_the_number_of_its_constant() {
    let rows = rows();
    for (limit, file, before) in CONSTANTS {
        let row = rows.get(*limit).unwrap_or_else(|| panic!("no row {limit:?}"));
        let source = fs::read_to_string(root().join(file)).unwrap();
        let found =
            source.match_indices(before).find_map(|(at, _)| value(&source[at + before.len()..]));
        assert_eq!(row.number, found, "{limit}: {before} in {file}");
    }
}

/// The shares are defined in host/store/src/files/spools.rs, whose tests enforce them.
#[test]
fn files_without_a_token_have_a_share() {
    let rows = rows();
    let of = |limit: &str| rows[limit].number.unwrap();
    let tenant = of("the same, of a tenant's requests without a token");
    assert_eq!(tenant, of("files on their way, of a tenant") / 2);
    let all = of("the same, of all requests without a token");
    assert_eq!(all, of("files on their way, of all tenants") / 4);
}

#[test]
fn an_exceeded_limit_is_answered_with_its_number() {
    let host = Host::dev();
    let mut demo = host.client(host.ready["token"].as_str().unwrap());
    let rows = rows();
    let long = |length: u64| "x".repeat(usize::try_from(length).unwrap());
    let draft = |more: Value| {
        let mut draft = json!({"to": [{"email": "bob@mailroom.test"}], "text": "x"});
        draft.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        draft.to_string()
    };
    let many = |count: u64| {
        (0..count).map(|n| json!({"email": format!("a{n}@mailroom.test")})).collect::<Vec<_>>()
    };
    let header =
        |name: &str, value: &str| draft(json!({"headers": [{"name": name, "value": value}]}));
    let json = ("content-type", "application/json");
    let form = ("content-type", "multipart/form-data; boundary=B");
    let field = |name: &str, value: &str| {
        format!(
            "--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n--B--\r\n"
        )
    };
    let send = "/v1/accounts/anna/send";
    let messages = "/v1/accounts/bob/messages";
    let of = |limit: &str| rows[limit].number.unwrap();
    let deep =
        |levels: u64| format!("{}{}", "[".repeat(levels as usize), "]".repeat(levels as usize));
    type Call<'a> = (&'a str, &'a str, String, Vec<(&'a str, &'a str)>, String);
    let beyond = long(of("header fields together"));
    let fields: Vec<String> =
        (0..of("number of header fields")).map(|n| format!("x-{n}")).collect();
    let key = long(of("`Idempotency-Key`") + 1);
    let calls: Vec<Call<'_>> = vec![
        (
            "path and query",
            "GET",
            format!("/v1/accounts?cursor={}", long(of("path and query"))),
            vec![],
            String::new(),
        ),
        (
            "header fields together",
            "GET",
            "/v1/accounts".into(),
            vec![("x-long", &beyond)],
            String::new(),
        ),
        (
            "number of header fields",
            "GET",
            "/v1/accounts".into(),
            fields.iter().map(|name| (name.as_str(), "y")).collect(),
            String::new(),
        ),
        ("JSON body", "POST", send.into(), vec![json], long(of("JSON body") + 1)),
        (
            "form, or another body",
            "POST",
            send.into(),
            vec![form],
            long(of("form, or another body") + 1),
        ),
        (
            "nesting of a JSON body",
            "POST",
            send.into(),
            vec![json],
            deep(of("nesting of a JSON body") + 1),
        ),
        (
            "`mailbox` in a query",
            "GET",
            format!("{messages}?mailbox={}", long(of("`mailbox` in a query") + 1)),
            vec![],
            String::new(),
        ),
        (
            "`cursor` in a query",
            "GET",
            format!("{messages}?cursor={}", long(of("`cursor` in a query") + 1)),
            vec![],
            String::new(),
        ),
        (
            "part of a path that names something",
            "GET",
            format!("{messages}/{}", long(of("part of a path that names something") + 1)),
            vec![],
            String::new(),
        ),
        (
            "rows of a page",
            "GET",
            format!("{messages}?limit={}", of("rows of a page") + 1),
            vec![],
            String::new(),
        ),
        (
            "`Idempotency-Key`",
            "POST",
            send.into(),
            vec![json, ("idempotency-key", &key)],
            draft(json!({})),
        ),
        (
            "recipients of a message",
            "POST",
            send.into(),
            vec![json],
            draft(json!({"cc": many(of("recipients of a message"))})),
        ),
        (
            "subject, or the value of a header field",
            "POST",
            send.into(),
            vec![json],
            draft(json!({"subject": long(of("subject, or the value of a header field") + 1)})),
        ),
        (
            "subject, or the value of a header field",
            "POST",
            send.into(),
            vec![json],
            header("X-A", &long(of("subject, or the value of a header field") + 1)),
        ),
        (
            "name in an address",
            "POST",
            send.into(),
            vec![json],
            draft(
                json!({"replyTo": [{"name": long(of("name in an address") + 1), "email": "a@mailroom.test"}]}),
            ),
        ),
        (
            "name of a header field",
            "POST",
            send.into(),
            vec![json],
            header(&format!("X-{}", long(of("name of a header field"))), "x"),
        ),
        (
            "header of a part of a form",
            "POST",
            send.into(),
            vec![form],
            format!("--B\r\nX: {}\r\n\r\n--B--\r\n", long(of("header of a part of a form") + 1)),
        ),
        (
            "form field with an address",
            "POST",
            send.into(),
            vec![form],
            field("to", &long(of("form field with an address") + 1)),
        ),
        (
            "form field `subject`",
            "POST",
            send.into(),
            vec![form],
            field("subject", &long(of("form field `subject`") + 1)),
        ),
        (
            "form fields `text`, `html` and `json`",
            "POST",
            send.into(),
            vec![form],
            field("html", &long(of("form fields `text`, `html` and `json`") + 1)),
        ),
        (
            "flags in one change",
            "PATCH",
            format!("{messages}/x"),
            vec![json],
            json!({"flags": {"add": vec!["x"; of("flags in one change") as usize + 1]}})
                .to_string(),
        ),
    ];
    for (limit, method, path, headers, body) in calls {
        check(&mut demo, limit, &rows[limit], (method, &path, &headers, body.as_bytes()));
    }
}

#[track_caller]
fn check(
    client: &mut Client,
    limit: &str,
    row: &Row,
    (method, path, headers, body): (&str, &str, &[(&str, &str)], &[u8]),
) {
    let answer = client.call(method, path, headers, body);
    let problem = answer.json();
    let told = format!("{} `{}`", answer.status, problem["code"].as_str().unwrap_or_default());
    assert_eq!(told, row.beyond, "{limit}: {problem}");
    // Names of resources that do not exist are not reported as too long.
    if answer.status != 404 {
        let number = row.number.unwrap().to_string();
        assert!(problem.to_string().contains(&number), "{limit}: {number} is not in {problem}");
    }
}

struct Row {
    /// The first row of its value.
    number: Option<u64>,
    key: Option<String>,
    beyond: String,
}

fn rows() -> BTreeMap<String, Row> {
    let page = page("docs/limits.md");
    let lines =
        page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| limit |"));
    let rows: BTreeMap<String, Row> = lines
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let [limit, value, key, beyond] = cells[..] else { panic!("{line}") };
            let unit = if value.contains("MiB") && !value.contains("ms") { 1 << 20 } else { 1 };
            let number = self::value(value).map(|number| number * unit);
            let key = Some(key.trim_matches('`').to_owned()).filter(|key| !key.is_empty());
            (limit.to_owned(), Row { number, key, beyond: beyond.to_owned() })
        })
        .collect();
    assert!(rows.len() > 90, "{} rows: the table is not read", rows.len());
    rows
}

/// The defaults of docs/configuration.md, by table and key.
fn defaults() -> BTreeMap<String, u64> {
    let page = page("docs/configuration.md");
    let block = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let mut table = String::new();
    let mut defaults = BTreeMap::new();
    for line in block.lines() {
        if let Some(name) = line.strip_prefix('[') {
            table = name.split(']').next().unwrap().to_owned();
        } else if let Some((key, rest)) = line.split_once(" = ")
            && let Some(number) = value(rest)
        {
            defaults.insert(format!("{table}.{key}"), number);
        }
    }
    defaults
}

/// Parses a number as in Rust, TOML or a sentence: `8 << 20`, `8 * 1024`, `1_000`,
/// `Duration::from_secs(5)`.
fn value(text: &str) -> Option<u64> {
    let text = text
        .strip_prefix("Duration::")
        .map_or(text, |rest| rest.split_once('(').map_or("", |(_, rest)| rest));
    let end = text.find([';', ',', ')', '}', '\n']).unwrap_or(text.len());
    let text = text[..end].trim();
    let number = |word: &str| word.split(' ').next()?.replace('_', "").parse::<u64>().ok();
    if let Some((number_, shift)) = text.split_once(" << ") {
        return Some(number(number_)? << number(shift)?);
    }
    if text.contains(" * ") {
        return text.split(" * ").map(number).product();
    }
    number(text)
}
