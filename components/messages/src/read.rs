//! Read endpoints: a page of messages, one message, its bodies, its parts, its bytes.
//!
//! Invariant: only what a request asks for is fetched. Every call on a message may cost an IMAP
//! round trip and a parse, so `fields=subject` makes none beyond the summary.

use kit::bindings::postlet::mail::content::{Part, Usage};
use kit::bindings::postlet::mail::messages;
use kit::bindings::postlet::mail::messages::{Query, Want};
use kit::bindings::postlet::mail::reading::{Body, Message};
use kit::http::media_type;
use kit::http::query::invalid;
use kit::problem::{Code, Problem};
use kit::request::Request;
use kit::response::{Answer, Download, SANDBOX};
use shapes::member::Optional;
use shapes::messages as json;

use crate::conversion::{self, attachments, set};

/// The longest body within JSON, in bytes.
const IN_JSON: u32 = 2 * 1024 * 1024;
/// The longest body of an endpoint of its own, in bytes.
const ALONE: u32 = 4 * 1024 * 1024;

/// Members of a list that cost a fetch of each message.
pub(crate) const EXPANSIONS: [&str; 2] = ["preview", "attachments"];

/// `GET …/messages`.
pub(crate) fn list(request: &Request) -> Result<Answer, Problem> {
    let mut query = request.query(&["mailbox", "cursor", "limit", "fields", "expand"])?;
    let fields = query.words("fields", json::Summary::MEMBERS)?;
    let wanted = |name: &str| fields.as_ref().is_none_or(|fields| fields.contains(&name));
    let mut want = Want::empty();
    for word in query.words("expand", &EXPANSIONS)?.unwrap_or_default() {
        want |= if word == "preview" { Want::PREVIEW } else { Want::ATTACHMENTS };
    }
    let limit = query.limit()?;
    let mailbox = query.take("mailbox").unwrap_or_else(|| "INBOX".to_owned());
    let query = Query { mailbox, want, cursor: query.take("cursor"), limit };
    let page = messages::find(&request.account()?, &query)?;
    let row = |summary| {
        let row = conversion::row(summary, want);
        json::Row { summary: row.summary.only(wanted), ..row }
    };
    let messages = page.rows.iter().map(row).collect();
    Answer::json(200, &json::Messages { messages, next_cursor: page.next_cursor.as_deref() })
}

/// `GET …/messages/{id}`.
pub(crate) fn one(request: &Request, id: &str) -> Result<Answer, Problem> {
    let fields = request.query(&["fields"])?.words("fields", &json::Message::members())?;
    let message = messages::open(&request.account()?, id)?;
    if request.field("accept").is_some_and(|accept| media_type::prefers_text(&accept)) {
        return Ok(text_of(&message)?.with("vary", "accept"));
    }
    let wanted = |name: &str| fields.as_ref().is_none_or(|fields| fields.contains(&name));
    let any = |members: &[&str]| members.iter().any(|name| wanted(name));

    let summary = message.summary();
    let mut shown = json::Message {
        summary: conversion::members(&summary).only(wanted),
        defects: conversion::defects(&summary),
        ..json::Message::default()
    };
    let details = if any(json::Details::MEMBERS) { Some(message.details()?) } else { None };
    if let Some(details) = &details {
        shown.details = conversion::details(details).only(wanted);
    }
    let headers = if wanted("headers") { Some(message.headers()?) } else { None };
    shown.content.headers = Optional(headers.as_deref().map(conversion::fields));
    if wanted("text") {
        shown.content.text = set(body_in_json(&message, Body::Text)?);
    }
    if wanted("html") {
        shown.content.html = set(body_in_json(&message, Body::Html)?);
    }
    let parts = if any(json::Structure::MEMBERS) { Some(message.structure()?) } else { None };
    if let Some(parts) = &parts {
        shown.structure = conversion::structure(parts).only(wanted);
    }
    // Each of these members needs the whole message, so it was read for them.
    let was_read = any(json::Content::MEMBERS) || parts.is_some();
    let faults = if was_read { message.faults()? } else { Vec::new() };
    let is_of = |name: &str| wanted(name) || name == "attachments" && parts.is_some();
    let faults = faults.iter().filter(|fault| is_of(fault.pointer.trim_start_matches('/')));
    let faults: Vec<_> = faults.map(conversion::fault).collect();
    shown.incomplete = Optional(Some(faults).filter(|faults| !faults.is_empty()));
    Ok(Answer::json(200, &shown)?.with("vary", "accept"))
}

/// A body that cannot be read is null, and `incomplete` says why.
fn body_in_json(message: &Message, body: Body) -> Result<Option<String>, Problem> {
    match message.body(body, IN_JSON) {
        Err(problem) if problem.code == Code::Unparsable.as_str() && !problem.faults.is_empty() => {
            Ok(None)
        }
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
    let answer = Answer::bytes(200, "text/plain; charset=utf-8", text.into_bytes())
        .with("x-content-type-options", "nosniff");
    with_incomplete(answer, message, "/text")
}

/// Adds the codes of the faults, those of `incomplete`, as a header field.
fn with_incomplete(answer: Answer, message: &Message, pointer: &str) -> Result<Answer, Problem> {
    let faults = message.faults()?;
    let codes = faults.iter().filter(|fault| fault.pointer == pointer).map(|f| f.code.as_str());
    let mut codes: Vec<&str> = codes.collect();
    codes.dedup();
    Ok(if codes.is_empty() { answer } else { answer.with("postlet-incomplete", codes.join(", ")) })
}

/// `GET …/messages/{id}/html`.
///
/// Sanitised, a browser may display it: inline pictures load, scripts do not run. As sent, it is a
/// download.
pub(crate) fn html(request: &Request, id: &str) -> Result<Answer, Problem> {
    let query = request.query(&["as"])?;
    let as_sent = match query.get("as") {
        None => false,
        Some("sent") => true,
        Some(_) => return Err(invalid("as", "`as` has to be `sent`, or absent")),
    };
    let message = messages::open(&request.account()?, id)?;
    if as_sent {
        return html_as_sent(request, id, &message);
    }
    let html = message.body(Body::Html, ALONE)?.ok_or_else(|| no_part("no HTML"))?;
    let answer = Answer::bytes(200, "text/html; charset=utf-8", html.into_bytes())
        .with("x-content-type-options", "nosniff")
        .with(
            "content-security-policy",
            format!("{SANDBOX}; img-src data:; style-src 'unsafe-inline'"),
        );
    with_incomplete(answer, &message, "/html")
}

/// The bytes of the first HTML leaf of the body, in their own charset: two leaves may have two.
fn html_as_sent(request: &Request, id: &str, message: &Message) -> Result<Answer, Problem> {
    let parts = message.structure()?;
    let mut bodies = parts.iter().filter(|part| part.use_ == Some(Usage::Body));
    let html = bodies.find(|part| part.content_type == "text/html");
    let how = Named { filename: Some("message.html"), etag: "html" };
    download(request, id, message, html.ok_or_else(|| no_part("no HTML"))?, &how)
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
        .ok_or_else(|| no_part("no part at that path"))?;
    serve(request, id, &message, part)
}

/// `GET …/messages/{id}/attachments/{n}`: the n-th of `attachments`, counted from 1.
pub(crate) fn attachment(request: &Request, id: &str, n: &str) -> Result<Answer, Problem> {
    request.query(&[])?;
    let missing = || no_part("no attachment with that number; they are counted from 1");
    let index = n.parse::<usize>().ok().and_then(|n| n.checked_sub(1)).ok_or_else(missing)?;
    let message = messages::open(&request.account()?, id)?;
    let parts = message.structure()?;
    let part = attachments(&parts).nth(index).ok_or_else(missing)?;
    serve(request, id, &message, part)
}

fn serve(request: &Request, id: &str, message: &Message, part: &Part) -> Result<Answer, Problem> {
    let how = Named { filename: part.filename.as_deref(), etag: &part.path };
    download(request, id, message, part, &how)
}

/// The file name of a download, and the part of its entity tag after the message's id.
struct Named<'a> {
    filename: Option<&'a str>,
    etag: &'a str,
}

fn download(
    request: &Request,
    id: &str,
    message: &Message,
    part: &Part,
    named: &Named<'_>,
) -> Result<Answer, Problem> {
    let parameters = [("charset", part.charset.as_deref()), ("method", part.method.as_deref())];
    let how = Download {
        content_type: media_type::content_type(&part.content_type, &parameters),
        etag: format!("\"{id}/{}\"", named.etag),
        disposition: Some(media_type::attachment(named.filename)),
    };
    Answer::download(request, message.part(&part.path)?, how)
}

fn no_part(what: &str) -> Problem {
    Problem::new(Code::NoSuchPart, format!("the message has {what}"))
}
