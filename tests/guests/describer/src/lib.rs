//! A guest whose `describe` behaves as 16 of its own bytes say.
//!
//! A call of `describe` has no request and no environment, so a test that wants another behaviour
//! overwrites `describe=fine___` in the binary with another word:
//!
//! | word | what `describe` does |
//! |---|---|
//! | `fine` | describes `POST /things` with a typical schema |
//! | `loop` | never returns |
//! | `eat` | allocates without end |
//! | `empty` | describes no operation |
//! | `flood` | describes a million operations |
//! | `long` | describes ten thousand operations |
//! | `log` | writes to stdout and stderr without end |
//! | `panic` | traps |
//! | `schema` | an invalid schema of a body |
//! | `remote` | a schema that refers to another host |
//! | `example` | an example that does not fit |
//! | `outside` | a path outside of its routes |
//! | `scope` | a scope that does not exist |
//! | `told` | schemas from a JSON object in another 16 KiB of its bytes: `body`, `query` (of the parameter `q`) and `example`, each a string |
//! | `status` | a response with the status 9999 |
//! | `interim` | a response with the status 100 |
//! | `type` | a response with an invalid content type |
//! | `other` | an invalid content type of a request |
//!
//! It answers 200 and its environment to everything.
//!
//! Built for wasm32-wasip2 only.
#![cfg(target_family = "wasm")]
#![expect(clippy::panic, clippy::print_stdout, clippy::print_stderr, reason = "it misbehaves")]

use std::hint::black_box;

use kit::bindings::exports::postlet::mail::describe::{Guest, Operation};
use kit::describe::{Scope, json, operation, other, parameter};
use kit::problem::Problem;
use kit::request::Request;
use kit::response::{Answer, serve};
use serde_json::{Value, json as value};
use wasip2::exports::http::incoming_handler;
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

struct Component;

kit::bindings::export_describe!(Component);
wasip2::http::proxy::export!(Component);

/// Overwritten by tests.
static ORDER: [u8; 16] = *b"describe=fine___";

/// Overwritten by tests.
static TOLD: [u8; 16 << 10] = {
    let mut told = [b' '; 16 << 10];
    if let Some(mark) = told.first_chunk_mut() {
        *mark = *b"told=";
    }
    told
};

const BODY: &str = r##"{
  "type": "object", "additionalProperties": false, "required": ["name", "count"],
  "properties": {
    "name": {"type": "string", "minLength": 1, "maxLength": 20, "pattern": "^[a-z]+$"},
    "count": {"type": "integer", "minimum": 1, "maximum": 9},
    "kind": {"enum": ["one", "two"]},
    "tags": {"type": "array", "maxItems": 2, "items": {"$ref": "#/$defs/tag"}}
  },
  "$defs": {"tag": {"type": "string", "maxLength": 5}}
}"##;

impl Guest for Component {
    fn operations() -> Vec<Operation> {
        let order = black_box(&ORDER);
        let word = String::from_utf8_lossy(order);
        let fine = Operation {
            body_schema: Some(BODY.to_owned()),
            body_example: Some(r#"{"name": "ann", "count": 3}"#.to_owned()),
            answers: vec![json(200, r#"{"type": "object"}"#, "Its environment")],
            ..operation("POST", "/things", Scope::Read, "Make a thing")
        };
        let with = |schema: &str| Operation {
            body_schema: Some(schema.to_owned()),
            body_example: None,
            ..fine.clone()
        };
        let one = match word.trim_start_matches("describe=").trim_end_matches('_') {
            "loop" => loop {
                black_box(0);
            },
            "eat" => {
                let mut all = Vec::new();
                loop {
                    all.push(black_box(vec![1_u8; 1 << 20]));
                }
            }
            "log" => loop {
                println!("a line that nobody asked for");
                eprintln!("a line that nobody asked for");
            },
            "empty" => return Vec::new(),
            "long" => return vec![fine; 10_000],
            "flood" => return vec![fine; 1_000_000],
            "panic" => panic!("as told"),
            "schema" => with(r#"{"type": "thing"}"#),
            "remote" => with(r#"{"$ref": "https://example.test/schema.json"}"#),
            "example" => Operation { body_example: Some("{}".to_owned()), ..fine },
            "outside" => Operation { path: "/elsewhere".to_owned(), ..fine },
            "status" => Operation { answers: vec![json(9999, "{}", "None")], ..fine },
            "interim" => Operation { answers: vec![json(100, "{}", "None")], ..fine },
            "type" => Operation { answers: vec![other(200, "text\nplain", "None")], ..fine },
            "other" => Operation { other_content_types: vec!["csv".to_owned()], ..fine },
            "scope" => Operation { scope: "operate".to_owned(), ..fine },
            "told" => {
                let told = String::from_utf8_lossy(black_box(&TOLD)).into_owned();
                let told: Value =
                    serde_json::from_str(told.trim_start_matches("told=")).unwrap_or_default();
                let text = |name: &str| told.get(name).and_then(Value::as_str).map(str::to_owned);
                Operation {
                    body_schema: text("body"),
                    body_example: text("example"),
                    parameters: text("query")
                        .map(|schema| parameter("q", &schema, "What a test asks"))
                        .into_iter()
                        .collect(),
                    ..fine
                }
            }
            _ => fine,
        };
        vec![one]
    }
}

impl incoming_handler::Guest for Component {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        serve(request, out, answer);
    }
}

fn answer(_request: &Request) -> Result<Answer, Problem> {
    let environment: serde_json::Map<String, Value> =
        std::env::vars().map(|(name, text)| (name, Value::String(text))).collect();
    Answer::json(200, &value!({"environment": environment}))
}
