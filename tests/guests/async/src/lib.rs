//! A guest that uses WASI 0.3; the last segment of the path selects its behaviour.
//!
//! | path | what it does |
//! |---|---|
//! | `/echo` | returns the request's body, piece by piece |
//! | `/trickle` | a body of one byte, and more after an hour |
//! | `/loop` | never returns |
//! | `/late-loop` | a byte of a body, then never returns |
//! | `/sleep` | waits for an hour |
//! | `/panic` | traps |
//! | `/late-panic` | a byte of a body, then traps |
//! | `/say` | writes a line to stdout and one to stderr, over WASI 0.3 |
//! | `/leak` | makes streams without end |
//! | `/flood` | a body without end |
//! | `/headers` | a response with 101 header fields |
//!
//! Anything else is answered with its path.
//!
//! Built for wasm32-wasip2 only.
#![cfg(target_family = "wasm")]
#![expect(clippy::panic, reason = "it misbehaves")]

use std::hint::black_box;

use wasip3::cli;
use wasip3::cli::{stderr, stdout};
use wasip3::clocks::monotonic_clock::wait_for;
use wasip3::exports::http::handler::Guest;
use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wasip3::wit_bindgen::{FutureReader, StreamReader, StreamResult, StreamWriter};
use wasip3::{spawn_local, wit_future, wit_stream};

struct Component;

wasip3::http::service::export!(Component);

impl Guest for Component {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let target = request.get_path_with_query().unwrap_or_default();
        let path = target.split('?').next().unwrap_or_default().to_owned();
        let word = path.rsplit('/').next().unwrap_or_default().to_owned();
        let fields = Fields::new();
        match word.as_str() {
            "loop" => spin(),
            "panic" => panic!("on request"),
            "sleep" => an_hour().await,
            "leak" => leak(),
            "say" => {
                say(stdout::write_via_stream, "over stdout").await;
                say(stderr::write_via_stream, "over stderr").await;
            }
            "headers" => {
                for index in 0..101 {
                    fields.append(&format!("x-{index}"), b"v").map_err(|_| refused())?;
                }
            }
            _ => {}
        }
        let (mut out, body) = wit_stream::new();
        spawn_local(async move {
            match word.as_str() {
                "echo" => copy(request, &mut out).await,
                "flood" => while out.write_all(vec![b'x'; 1 << 16]).await.is_empty() {},
                "trickle" | "late-loop" | "late-panic" => {
                    out.write_all(b".".to_vec()).await;
                    match word.as_str() {
                        "late-loop" => spin(),
                        "late-panic" => panic!("on request"),
                        _ => an_hour().await,
                    }
                }
                _ => drop(out.write_all(format!("async {path}\n").into_bytes()).await),
            }
        });
        let (_, trailers) = wit_future::new(|| Ok(None));
        Ok(Response::new(fields, Some(body), trailers).0)
    }
}

async fn copy(request: Request, out: &mut StreamWriter<u8>) {
    let (_, done) = wit_future::new(|| Ok(()));
    let (mut body, _): (StreamReader<u8>, _) = Request::consume_body(request, done);
    loop {
        let (status, piece) = body.read(Vec::with_capacity(1 << 14)).await;
        let written = piece.is_empty() || out.write_all(piece).await.is_empty();
        if !written || !matches!(status, StreamResult::Complete(_)) {
            return;
        }
    }
}

async fn say(
    write: fn(StreamReader<u8>) -> FutureReader<Result<(), cli::types::ErrorCode>>,
    words: &str,
) {
    let (mut out, stream) = wit_stream::new();
    let ended = write(stream);
    out.write_all(format!("{words}\n").into_bytes()).await;
    drop(out);
    let _ = ended.await;
}

fn spin() -> ! {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

fn leak() -> ! {
    let mut held = Vec::new();
    loop {
        held.push(black_box(wit_stream::new::<u8>()));
    }
}

async fn an_hour() {
    wait_for(3_600_000_000_000).await;
}

fn refused() -> ErrorCode {
    ErrorCode::InternalError(None)
}
