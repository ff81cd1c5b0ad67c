//! Conversion of a draft as JSON to WIT.
//!
//! Invariant: attachments are in memory once, as base64 within the body; they are decoded into the
//! host's spool in chunks.

use kit::base64_stream;
use kit::bindings::postlet::mail::drafts;
use kit::bindings::postlet::mail::types;
use kit::bindings::postlet::mail::uploads::Spool;
use kit::problem::{Code, Problem};
use kit::request_body;
use kit::words;
use serde_json::Value;
use shapes::drafts as json;

use crate::schema_check;

/// The published schema.
pub(crate) const SCHEMA: &str = kit::schema!("draft");

/// The content type of an attachment that declares none.
pub(crate) const UNKNOWN_TYPE: &str = "application/octet-stream";

/// Parses the field `json` of a form: the host has not validated it, and `to` may be a field of the
/// form.
pub(crate) fn read_in_form(bytes: &[u8]) -> Result<drafts::Draft, Problem> {
    let malformed = |error: serde_json::Error| {
        let detail = format!("the field `json` cannot be read as JSON: {error}");
        Problem::new(Code::MalformedJson, detail)
    };
    let value: Value = serde_json::from_slice(bytes).map_err(malformed)?;
    let mut schema: Value = serde_json::from_str(SCHEMA).unwrap_or_default();
    schema.as_object_mut().map(|schema| schema.remove("required"));
    let faults = schema_check::faults(&schema, &value);
    drop(value);
    if !faults.is_empty() {
        return Err(Problem::of(faults));
    }
    let twice = "an object has a duplicate member";
    let draft = serde_json::from_slice(bytes).map_err(|_| Problem::at("", "repeated", twice))?;
    taken(draft)
}

/// Parses a draft.
pub(crate) fn read(bytes: &[u8]) -> Result<drafts::Draft, Problem> {
    taken(request_body::json(bytes)?)
}

fn taken(draft: json::Draft<'_>) -> Result<drafts::Draft, Problem> {
    let mut attachments = Vec::with_capacity(draft.attachments.len());
    for (index, attachment) in draft.attachments.into_iter().enumerate() {
        attachments.push(drafts::Attachment {
            content: decoded(&attachment.content, index)?,
            filename: attachment.filename.0.as_deref().map(words::filename),
            content_type: attachment.content_type.0.unwrap_or_else(|| UNKNOWN_TYPE.to_owned()),
            disposition: match attachment.disposition {
                json::Disposition::Attachment => drafts::Disposition::Attachment,
                json::Disposition::Inline => drafts::Disposition::Inline,
            },
            content_id: attachment.content_id.0,
        });
    }
    Ok(drafts::Draft {
        sender: draft.from.0.map(address),
        reply_to: addresses(draft.reply_to),
        to: addresses(draft.to),
        cc: addresses(draft.cc),
        bcc: addresses(draft.bcc),
        subject: draft.subject.0,
        text: draft.text.0,
        html: draft.html.0,
        attachments,
        in_reply_to: ids(draft.in_reply_to),
        references: ids(draft.references),
        headers: draft
            .headers
            .into_iter()
            .map(|json::Header { name, value }| types::Header { name, value })
            .collect(),
    })
}

fn decoded(text: &str, index: usize) -> Result<types::Octets, Problem> {
    let spool = Spool::create()?;
    let verdict = base64_stream::decode(text, |piece| spool.write(piece).map_err(Problem::from))?;
    verdict
        .map_err(|detail| Problem::at(format!("/attachments/{index}/content"), "base64", detail))?;
    Ok(Spool::finish(spool)?)
}

fn ids(ids: json::Ids) -> Vec<String> {
    match ids {
        json::Ids::Several(ids) => ids,
        json::Ids::Line(line) => in_line(&line),
    }
}

/// Splits a header field value into message ids (RFC 5322 section 3.6.4): in angle brackets, with
/// or without white space and commas between them, or words separated by white space. Invalid ones
/// are kept, to be refused later.
pub(crate) fn in_line(line: &str) -> Vec<String> {
    let mut ids = Vec::new();
    let words = |text: &str, ids: &mut Vec<String>| {
        let words = text.split_whitespace().filter(|word| word.chars().any(|c| c != ','));
        ids.extend(words.map(str::to_owned));
    };
    let mut rest = line;
    while let Some((before, tail)) = rest.split_once('<') {
        let Some((id, after)) = tail.split_once('>') else { break };
        words(before, &mut ids);
        // Folding leaves white space within an id, which never holds any.
        let id: String = id.split_whitespace().collect();
        ids.push(format!("<{id}>"));
        rest = after;
    }
    words(rest, &mut ids);
    ids
}

fn addresses(list: Vec<json::Address>) -> Vec<types::Address> {
    list.into_iter().map(address).collect()
}

fn address(json::Address { name, email }: json::Address) -> types::Address {
    types::Address { name, email }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Attachments are written to the host's spool, so they are tested with a host.

    #[test]
    fn a_draft_is_read_as_it_is_written() {
        let draft = read(
            br#"{"from": {"email": "a@x.test"}, "to": [{"name": "Bo", "email": "b@x.test"}], "replyTo": [{"email": "r@x.test"}],
                 "subject": "s", "text": "t\r\n", "headers": [{"name": "X-A", "value": "v"}]}"#,
        )
        .unwrap();
        let pairs = |list: &[types::Address]| -> Vec<(Option<String>, String)> {
            list.iter().map(|one| (one.name.clone(), one.email.clone())).collect()
        };
        assert_eq!(draft.sender.map(|sender| sender.email).as_deref(), Some("a@x.test"));
        assert_eq!(pairs(&draft.to), [(Some("Bo".to_owned()), "b@x.test".to_owned())]);
        assert_eq!(pairs(&draft.reply_to), [(None, "r@x.test".to_owned())]);
        assert_eq!((draft.subject.as_deref(), draft.text.as_deref()), (Some("s"), Some("t\r\n")));
        assert!(draft.cc.is_empty() && draft.html.is_none() && draft.attachments.is_empty());
        let headers = draft.headers.iter().map(|field| (field.name.as_str(), field.value.as_str()));
        assert_eq!(headers.collect::<Vec<_>>(), [("X-A", "v")]);
    }

    #[test]
    fn what_is_no_draft_is_a_problem() {
        check("", "malformed-json");
        check("[]", "invalid-body");
        check(r#"{"To": []}"#, "invalid-body");
        check(r#"{"to": ["a@x.test"]}"#, "invalid-body");
        check(r#"{"to": [{"email": "a@x.test", "adress": 1}]}"#, "invalid-body");
        check(r#"{"text": null, "subject": 1}"#, "invalid-body");
    }

    #[test]
    fn a_line_of_ids_is_read_as_a_header_field_is() {
        for (line, want) in [
            ("<a@x><b@x>", &["<a@x>", "<b@x>"][..]),
            (" <a@x>\r\n\t<b@x> ", &["<a@x>", "<b@x>"]),
            ("<a@x>, <b@x>,<c@x>", &["<a@x>", "<b@x>", "<c@x>"]),
            ("<a\r\n @x>", &["<a@x>"]),
            ("a@x b@x", &["a@x", "b@x"]),
            ("a,b@x", &["a,b@x"]),
            ("a@x<b@x>c@x", &["a@x", "<b@x>", "c@x"]),
            ("<a@x", &["<a@x"]),
            ("<a<b@x>", &["<a<b@x>"]),
            (" ", &[]),
        ] {
            assert_eq!(in_line(line), want, "{line:?}");
        }
    }

    #[track_caller]
    fn check(body: &str, code: &str) {
        assert_eq!(
            read(body.as_bytes()).err().map(|problem| problem.told.code).as_deref(),
            Some(code),
            "{body}"
        );
    }
}
