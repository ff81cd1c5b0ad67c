//! A guest that answers a JSON object with the same and `"echoed": true`.
//!
//! The benchmark compares it with the same few lines in the host: what is left
//! is the price of isolation. It describes nothing, so no schema check is
//! counted.
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
