//! A guest that imports WASI only, like a component for Spin or for `wasmtime serve`.
//!
//! It answers every request with its path, describes nothing, and imports nothing of Postlet.
//!
//! Built for wasm32-wasip2 only.
#![cfg(target_family = "wasm")]

use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

struct Component;

wasip2::http::proxy::export!(Component);

impl Guest for Component {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        let fields = Fields::new();
        let _ = fields.set("content-type", &[b"text/plain".to_vec()]);
        let response = OutgoingResponse::new(fields);
        let body = response.body();
        ResponseOutparam::set(out, Ok(response));
        let Ok(body) = body else { return };
        if let Ok(stream) = body.write() {
            let _ = stream.blocking_write_and_flush(format!("plain {path}\n").as_bytes());
        }
        let _ = OutgoingBody::finish(body, None);
    }
}
