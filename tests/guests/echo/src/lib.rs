//! A guest that returns the JSON object of the request with `"echoed": true` added.
//!
//! The benchmark compares it with the same few lines in the host: the difference is the cost of
//! isolation. It describes nothing, so the schema check is not part of it.
//!
//! Built for wasm32-wasip2 only.
#![cfg(target_family = "wasm")]

use kit::problem::Problem;
use kit::request::Request;
use kit::request_body::json;
use kit::response::{Answer, serve};
use serde_json::{Map, Value};
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

struct Component;

wasip2::http::proxy::export!(Component);

impl Guest for Component {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        serve(request, out, answer);
    }
}

fn answer(request: &Request) -> Result<Answer, Problem> {
    let mut object: Map<String, Value> = json(&request.body()?.whole(1024 * 1024)?)?;
    object.insert("echoed".to_owned(), Value::Bool(true));
    Answer::json(200, &object)
}
