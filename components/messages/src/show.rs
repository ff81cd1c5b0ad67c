//! Reading: a page of messages, one message, its bodies, its parts, its bytes.
//!
//! Invariant: only what a request asks for is fetched. Every call on a message
//! may cost an IMAP round trip and a parse, so `fields=subject` makes none
//! beyond the summary.

use kit::answer::{Answer, Download, SANDBOX};
use kit::bindings::postlet::mail::content::Part;
use kit::bindings::postlet::mail::messages;
use kit::bindings::postlet::mail::messages::{Query, Want};
use kit::bindings::postlet::mail::reading::{Body, Message};
use kit::bindings::postlet::mail::types;
use kit::media;
use kit::problem::{Kind, Problem};
use kit::query::invalid;
use kit::request::Request;

use crate::rows::{Attachment, Field, Full, Lack, List, Row};

/// Bytes of a body within JSON.
const IN_JSON: u32 = 2 * 1024 * 1024;
/// Bytes of a body on its own.
const ALONE: u32 = 8 * 1024 * 1024;

pub(crate) const FIELDS: [&str; 21] = [
    "id",
    "mailbox",
    "uid",
    "messageId",
    "date",
    "received",
    "from",
    "to",
    "cc",
    "subject",
    "flags",
    "size",
    "threadId",
    "replyTo",
    "bcc",
    "inReplyTo",
    "references",
    "headers",
    "text",
    "html",
    "attachments",
];
/// Those of [`FIELDS`] that a list has: what a page costs no further fetch for.
pub(crate) const IN_LISTS: usize = 13;
/// What a list can have beside them, at a price.
pub(crate) const EXPANSIONS: [&str; 2] = ["preview", "attachments"];
/// Those that are read in the whole message, and may be found wanting.
const READ: [&str; 4] = ["headers", "text", "html", "attachments"];
const DETAILS: [&str; 4] = ["replyTo", "bcc", "inReplyTo", "references"];

/// `GET …/messages`.
pub(crate) fn list(request: &Request) -> Result<Answer, Problem> {
    let mut query = request.query(&["mailbox", "cursor", "limit", "fields", "expand"])?;
    let fields = query.words("fields", FIELDS.get(..IN_LISTS).unwrap_or_default())?;
    let wanted = |name: &str| fields.as_ref().is_none_or(|fields| fields.contains(&name));
    let mut want = Want::empty();
    for word in query.words("expand", &EXPANSIONS)?.unwrap_or_default() {
        want |= if word == "preview" { Want::PREVIEW } else { Want::ATTACHMENTS };
    }
    let limit = query.limit()?;
    let mailbox = query.take("mailbox").unwrap_or_else(|| "INBOX".to_owned());
    let query = Query { mailbox, want, cursor: query.take("cursor"), limit };
    let page = messages::find(&request.account()?, &query)?;
    let rows = page.rows.iter().map(|row| Row::new(row).only(wanted)).collect();
    Answer::json(200, &List { messages: rows, next_cursor: page.next_cursor.as_deref() })
}

/// `GET …/messages/{id}`.
pub(crate) fn one(request: &Request, id: &str) -> Result<Answer, Problem> {
    let fields = request.query(&["fields"])?.words("fields", &FIELDS)?;
    let message = messages::open(&request.account()?, id)?;
    if request.field("accept").is_some_and(|accept| media::prefers_text(&accept)) {
        return Ok(text_of(&message)?.with("vary", "accept"));
    }
    let wanted = |name: &str| fields.as_ref().is_none_or(|fields| fields.contains(&name));

    let summary = message.summary();
    let mut full = Full { row: Some(Row::new(&summary).only(wanted)), ..Full::default() };
    let details = if DETAILS.into_iter().any(wanted) { Some(message.details()?) } else { None };
    if let Some(details) = &details {
        full.add(details, wanted);
    }
    let headers = if wanted("headers") { Some(message.headers()?) } else { None };
    full.headers = headers.as_ref().map(|headers| headers.iter().map(Field::new).collect());
    if wanted("text") {
        full.text = Some(shown(message.body(Body::Text, IN_JSON))?);
    }
    if wanted("html") {
        full.html = Some(shown(message.body(Body::Html, IN_JSON))?);
    }
    let parts = if wanted("attachments") { Some(message.structure()?) } else { None };
    full.attachments = parts.as_ref().map(|parts| {
        let attached = parts.iter().filter(|part| part.attachment);
        (1..).zip(attached).map(|(number, part)| Attachment::new(number, part)).collect()
    });
    // Each of these needed the whole message, which was read for them.
    let lacking = if READ.into_iter().any(wanted) { message.faults()? } else { Vec::new() };
    let lacking = lacking.iter().filter(|fault| wanted(fault.pointer.trim_start_matches('/')));
    full.incomplete = Some(lacking.map(Lack::new).collect()).filter(|all: &Vec<_>| !all.is_empty());
    Ok(Answer::json(200, &full)?.with("vary", "accept"))
}

/// A body that could not be read is null, and `incomplete` says why.
fn shown(body: Result<Option<String>, types::Problem>) -> Result<Option<String>, Problem> {
    match body {
        Err(problem) if problem.code == "unparsable" && !problem.faults.is_empty() => Ok(None),
        body => Ok(body?),
    }
}

/// `GET …/messages/{id}/text`.
pub(crate) fn text(request: &Request, id: &str) -> Result<Answer, Problem> {
    request.query(&[])?;
    text_of(&messages::open(&request.account()?, id)?)
}

fn text_of(message: &Message) -> Result<Answer, Problem> {
    let text = message.body(Body::Text, ALONE)?.ok_or_else(|| no_part("no text"))?;
    Ok(Answer::bytes(200, "text/plain; charset=utf-8", text.into_bytes())
        .with("x-content-type-options", "nosniff"))
}

/// `GET …/messages/{id}/html`.
///
/// Sanitised, it may be shown: pictures within it load, nothing runs. As sent, a browser stores it.
pub(crate) fn html(request: &Request, id: &str) -> Result<Answer, Problem> {
    let query = request.query(&["as"])?;
    let as_sent = match query.get("as") {
        None => false,
        Some("sent") => true,
        Some(_) => return Err(invalid("`as` is `sent`, or left out.")),
    };
    let message = messages::open(&request.account()?, id)?;
    let kind = if as_sent { Body::HtmlAsSent } else { Body::Html };
    let html = message.body(kind, ALONE)?.ok_or_else(|| no_part("no HTML"))?;
    let answer = Answer::bytes(200, "text/html; charset=utf-8", html.into_bytes())
        .with("x-content-type-options", "nosniff");
    Ok(if as_sent {
        answer
            .with("content-security-policy", SANDBOX)
            .with("content-disposition", media::attachment(Some("message.html")))
    } else {
        answer.with(
            "content-security-policy",
            format!("{SANDBOX}; img-src data:; style-src 'unsafe-inline'"),
        )
    })
}

/// `GET …/messages/{id}/raw`.
pub(crate) fn raw(request: &Request, id: &str) -> Result<Answer, Problem> {
    request.query(&[])?;
    let message = messages::open(&request.account()?, id)?;
    let how = Download {
        content_type: "message/rfc822".to_owned(),
        etag: format!("\"{id}\""),
        disposition: None,
    };
    Answer::download(request, message.raw()?, how)
}

/// `GET …/messages/{id}/parts/{path}`: any part, by IMAP's path.
pub(crate) fn part(request: &Request, id: &str, path: &str) -> Result<Answer, Problem> {
    request.query(&[])?;
    let message = messages::open(&request.account()?, id)?;
    let parts = message.structure()?;
    let part = parts
        .iter()
        .find(|part| part.path == path)
        .ok_or_else(|| no_part("no part of this path"))?;
    serve(request, id, &message, part)
}

/// `GET …/messages/{id}/attachments/{n}`: the n-th of `attachments`, counted from 1.
pub(crate) fn attachment(request: &Request, id: &str, n: &str) -> Result<Answer, Problem> {
    request.query(&[])?;
    let missing = || no_part("no attachment of this number; they are counted from 1");
    let index = n.parse::<usize>().ok().and_then(|n| n.checked_sub(1)).ok_or_else(missing)?;
    let message = messages::open(&request.account()?, id)?;
    let parts = message.structure()?;
    let part = parts.iter().filter(|part| part.attachment).nth(index).ok_or_else(missing)?;
    serve(request, id, &message, part)
}

fn serve(request: &Request, id: &str, message: &Message, part: &Part) -> Result<Answer, Problem> {
    let how = Download {
        content_type: media::content_type(&part.content_type, part.charset.as_deref()),
        etag: format!("\"{id}/{}\"", part.path),
        disposition: Some(media::attachment(part.filename.as_deref())),
    };
    Answer::download(request, message.part(&part.path)?, how)
}

fn no_part(what: &str) -> Problem {
    Problem::new(Kind::NoSuchPart, format!("The message has {what}."))
}
