//! The built-in `send` component: submits messages, and reports the status of submissions.
//!
//! Independent of how a message is composed, delivered or retried: it converts a request into a
//! draft and a receipt into a response.
//!
//! Compiles natively too, without its exports, so that code that needs no host is tested both
//! natively and in WebAssembly.

mod schema_check;
mod json_draft;
mod inline_files;
mod form_draft;
mod submissions;
mod describe;

use kit::bindings::postlet::mail::outcomes::State;
use kit::bindings::postlet::mail::submission;
use kit::problem::Problem;
use kit::request::{Request, Verb, not_found, wrong_type};
use kit::response::Answer;
use shapes::submissions::{SubmissionState, Submissions};

use crate::submissions::{STATES, receipt_json, state_json, submission_json};

/// The host's own cap on JSON bodies; a form is streamed and has none here.
const JSON_CAP: usize = 8 * 1024 * 1024;

kit::endpoint!(describe::operations, answer);

fn answer(request: &Request) -> Result<Answer, Problem> {
    let route = request.field("spin-matched-route").unwrap_or_default();
    if route.ends_with("/send") {
        match request.verb() {
            Verb::Post => send(request),
            Verb::Get | Verb::Patch | Verb::Delete | Verb::Other => {
                Err(Problem::method_not_allowed("POST"))
            }
        }
    } else if request.verb() != Verb::Get {
        Err(Problem::method_not_allowed("GET"))
    } else if route.ends_with("/submissions") {
        list(request)
    } else if route.ends_with("/submissions/:submission") {
        show(request)
    } else {
        Err(not_found())
    }
}

fn send(request: &Request) -> Result<Answer, Problem> {
    request.query(&[])?;
    let account = request.account()?;
    let media = request.content_type();
    let draft = match media.head.as_str() {
        "application/json" => json_draft::read(&request.body()?.whole(JSON_CAP)?)?,
        "multipart/form-data" => form_draft::read(request.body()?, media.parameter("boundary"))?,
        _ => return Err(wrong_type("application/json or multipart/form-data")),
    };
    if draft.text.is_none() && draft.html.is_none() && draft.attachments.is_empty() {
        let detail = "is missing, and there is neither `html` nor an attachment; for an empty \
                    message, give `text` as \"\"";
        return Err(Problem::at("/text", "missing", detail));
    }
    let receipt = submission::submit(&account, draft)?;
    let path = request.path();
    let base = path.strip_suffix("/send").unwrap_or(&path);
    let location = format!("{base}/submissions/{}", receipt.submission_id);
    Ok(Answer::json(202, &receipt_json(&receipt))?.with("location", location))
}

fn list(request: &Request) -> Result<Answer, Problem> {
    let mut query = request.query(&["state", "cursor", "limit"])?;
    let limit = query.limit()?;
    let wanted = query.words("state", SubmissionState::WORDS)?.unwrap_or_default();
    let is_wanted = |state: &State| wanted.contains(&state_json(*state).word());
    let states: Vec<_> = STATES.iter().copied().filter(is_wanted).collect();
    let cursor = query.take("cursor");
    let account = request.account()?;
    let page = submission::find(&account, &states, cursor.as_deref(), limit)?;
    Answer::json(
        200,
        &Submissions {
            submissions: page.entries.iter().map(submission_json).collect(),
            next_cursor: page.next_cursor.as_deref(),
        },
    )
}

fn show(request: &Request) -> Result<Answer, Problem> {
    request.query(&[])?;
    let account = request.account()?;
    let entry = submission::get(&account, &request.parameter("submission")?)?;
    Answer::json(200, &submission_json(&entry))
}
