//! A guest that misbehaves; the last segment of the path selects how.
//!
//! | path | what it does |
//! |---|---|
//! | `/loop` | never returns |
//! | `/eat` | allocates without end |
//! | `/recurse` | calls itself without end |
//! | `/panic` | traps |
//! | `/sleep` | waits for an hour |
//! | `/no-answer` | returns without a response |
//! | `/flood-output` | a body without end |
//! | `/trickle` | a body of one byte per second, without end |
//! | `/header-flood` | 100,000 header fields of 1 KiB each |
//! | `/log-flood` | writes to stdout and stderr without end |
//! | `/hold` | opens account handles without end (`?account=`) |
//! | `/leak` | makes header fields without end |
//! | `/now` | reads the clock without end |
//! | `/lift` | passes the host 24 MiB in one call |
//! | `/hand` | passes `?count=` entries to the host in `?list=`, with `?account=` |
//! | `/look-up` | looks up `?domain=` |
//! | `/keep` | allocates `?mebibytes=`, and waits for an hour |
//! | `/fields-bomb` | creates one header of 32,769 fields |
//! | `/swallow` | reads the request's body to its end |
//! | `/smuggle-length` | a Content-Length that is not the body's (`?length=`) |
//! | `/decline` | an error instead of a response, with a text of `?=` bytes that would forge log lines |
//! | `/answer-trap` | traps between the head and the first byte |
//! | `/answer-late-trap` | traps after the first byte |
//! | `/answer-loop` | never sends the first byte |
//! | `/answer-flush` | writes nothing, then waits for an hour |
//! | `/answer-unfinished` | drops a body that it has not finished |
//! | `/answer-length` | a body of four bytes, and a Content-Length of `?=` |
//! | `/answer-lengths` | two Content-Length fields |
//! | `/answer-status` | the status `?=`, whether the host accepts it or not |
//! | `/answer-body` | the same with a body of four bytes |
//! | `/smuggle-fields` | tries header fields that would split its response |
//! | `/remember` | searches all of its memory for the reverse of `?backwards=` |
//! | `/witness` | uses every capability with `?account=`, then answers with all of its memory |
//! | `/sockets` | tries TCP, UDP and name lookups |
//! | `/outbound` | tries an HTTP request to `?host=` |
//! | `/fs` | looks for preopened directories, and for files |
//! | `/env` | returns its environment and arguments |
//! | `/open-other` | opens the account `?account=` |
//! | `/` | returns the header fields that it received |
//!
//! Those from `/smuggle-fields` on answer 200 with JSON about what they found; a problem from
//! `accounts.open` is answered as it is. Anything else is 404.
//!
//! Built for wasm32-wasip2 only. Every import that it has is one that a tenant's
//! component may have.
#![cfg(target_family = "wasm")]
#![expect(clippy::panic, clippy::print_stdout, clippy::print_stderr, reason = "it misbehaves")]

mod drain;
mod lists;
mod misanswer;
mod probe;
mod smuggle;
mod witness;

use kit::problem::Problem;
use kit::request::{Request, not_found};
use kit::response::{Answer, serve};
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

struct Component;

wasip2::http::proxy::export!(Component);

impl Guest for Component {
    fn handle(inner: IncomingRequest, out: ResponseOutparam) {
        let target = inner.path_with_query().unwrap_or_default();
        let path = target.split('?').next().unwrap_or_default();
        match path.rsplit('/').next().unwrap_or_default() {
            "no-answer" => drop(out),
            "flood-output" => drain::flood(out),
            "trickle" => drain::trickle(out),
            "header-flood" => drain::header_flood(out),
            "smuggle-length" => smuggle::length(out, &target),
            word if misanswer::is_one(word) => {
                let number = target.rsplit('=').next().and_then(|text| text.parse().ok());
                misanswer::give(out, word, number.unwrap_or_default());
            }
            word => serve(inner, out, |request| answer(request, word)),
        }
    }
}

fn answer(request: &Request, word: &str) -> Result<Answer, Problem> {
    match word {
        "loop" => drain::spin(),
        "eat" => drain::eat(),
        "recurse" => Answer::json(200, &drain::recurse(1)),
        "panic" => panic!("on request"),
        "sleep" => {
            drain::sleep(3600);
            Ok(Answer::nothing())
        }
        "log-flood" => drain::log(),
        "hold" => drain::hold(&account(request)?),
        "leak" => drain::leak(),
        "now" => drain::now(),
        "lift" => drain::lift(),
        "fields-bomb" => drain::fields_bomb(),
        "swallow" => Answer::json(200, &request.body()?.whole(1 << 30)?.len()),
        "smuggle-fields" => Answer::json(200, &smuggle::fields()),
        "remember" => {
            let mut query = request.query(&["backwards"])?;
            Answer::json(200, &probe::remember(&query.take("backwards").unwrap_or_default()))
        }
        "witness" => {
            let memory = witness::testify(&account(request)?)?;
            Ok(Answer::bytes(200, "application/octet-stream", memory))
        }
        "sockets" => Answer::json(200, &probe::sockets()),
        "outbound" => {
            let query = request.query(&["host"])?;
            Answer::json(200, &probe::outbound(query.get("host").unwrap_or("127.0.0.1")))
        }
        "fs" => Answer::json(200, &probe::files()),
        "env" => Answer::json(200, &probe::environment()),
        "hand" => {
            let mut query = request.query(&["account", "list", "count"])?;
            let mut take = |name: &str| query.take(name).unwrap_or_default();
            lists::hand(&take("account"), &take("list"), take("count").parse().unwrap_or(0))
        }
        "look-up" => {
            let mut query = request.query(&["domain"])?;
            lists::look_up(&query.take("domain").unwrap_or_default())
        }
        "keep" => {
            let mut query = request.query(&["mebibytes"])?;
            let mebibytes = query.take("mebibytes").and_then(|count| count.parse().ok());
            drain::keep(mebibytes.unwrap_or(0))
        }
        "open-other" => Answer::json(200, &probe::open(&account(request)?)?),
        "" => Answer::json(200, &probe::fields(request)),
        _ => Err(not_found()),
    }
}

fn account(request: &Request) -> Result<String, Problem> {
    Ok(request.query(&["account"])?.take("account").unwrap_or_default())
}
