//! The built-in `messages` component: lists, reads, flags, moves and deletes messages.
//!
//! Independent of IMAP and MIME: the host provides parsed messages, and the bytes that pass through
//! here are copied, never interpreted.
//!
//! Compiles natively too, without its exports, so that code that needs no host is tested both
//! natively and in WebAssembly.

mod conversion;
mod read;
mod update;
mod describe;

use kit::problem::Problem;
use kit::request::{Request, Verb, not_found};
use kit::response::Answer;

kit::endpoint!(describe::operations, answer);

fn answer(request: &Request) -> Result<Answer, Problem> {
    let verb = request.verb();
    let rest = request.rest()?;
    let segments: Vec<&str> = rest.iter().map(String::as_str).collect();
    let allow = match (segments.as_slice(), verb) {
        ([], Verb::Get) => return read::list(request),
        ([], _) => "GET",
        ([id], Verb::Get) => return read::one(request, id),
        ([id], Verb::Patch) => return update::patch(request, id),
        ([id], Verb::Delete) => return update::delete(request, id),
        ([_], _) => "GET, PATCH, DELETE",
        ([id, "text"], Verb::Get) => return read::text(request, id),
        ([id, "html"], Verb::Get) => return read::html(request, id),
        ([id, "raw"], Verb::Get) => return read::raw(request, id),
        ([id, "parts", path], Verb::Get) => return read::part(request, id, path),
        ([id, "attachments", n], Verb::Get) => return read::attachment(request, id, n),
        ([_, "text" | "html" | "raw"] | [_, "parts" | "attachments", _], _) => "GET",
        ([id, "move"], Verb::Post) => return update::relocate(request, id),
        ([id, "copy"], Verb::Post) => return update::copy(request, id),
        ([_, "move" | "copy"], _) => "POST",
        _ => return Err(not_found()),
    };
    Err(Problem::method_not_allowed(allow))
}
