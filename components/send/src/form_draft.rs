//! A draft as `multipart/form-data`: `curl -F to=a@b.example -F attachment=@file`.
//!
//! Address fields repeat; a value may be `Name <a@b>`. Files are copied to the host's spool while
//! they arrive. `json` holds a whole draft as JSON, to which the other fields add.
//!
//! Invariant: memory does not grow with the size of a file.

use kit::bindings::postlet::mail::drafts::{Attachment, Disposition, Draft};
use kit::bindings::postlet::mail::types;
use kit::bindings::postlet::mail::uploads::Spool;
use kit::multipart_form::{Form, Part, Trouble};
use kit::problem::{Code, Problem};
use kit::request_body::Body;
use kit::words;
use rules::media_type::Parameterised;
use shapes::drafts::MOST;

use crate::inline_files;
use crate::json_draft::{UNKNOWN_TYPE, in_line, read_in_form};

/// The most parts of a form: each list of a draft full, and the fields that occur once.
const PARTS: usize = 7 * MOST + 10;
/// The longest address field, in bytes.
const ADDRESS: usize = 2 * 1024;
/// The longest field of message ids, in bytes.
const IDS: usize = 128 * 1024;
/// The longest subject, in bytes.
const SUBJECT: usize = 16 * 1024;
/// The longest body, and the longest draft as JSON, in bytes.
const TEXT: usize = 8 * 1024 * 1024;
/// Bytes of one call of `spool.write`.
const PIECE: usize = 65_536;

const FIELDS: &str = "from, replyTo, to, cc, bcc, subject, text, html, inReplyTo, references, attachment, inline and json";

/// Parses a form into a draft.
pub(crate) fn read(body: Body, boundary: Option<&str>) -> Result<Draft, Problem> {
    let mut form = Form::new(body, boundary).map_err(malformed)?;
    let mut draft = Draft {
        sender: None,
        reply_to: Vec::new(),
        to: Vec::new(),
        cc: Vec::new(),
        bcc: Vec::new(),
        subject: None,
        text: None,
        html: None,
        attachments: Vec::new(),
        in_reply_to: Vec::new(),
        references: Vec::new(),
        headers: Vec::new(),
    };
    let mut parts = 0;
    while let Some(part) = form.part().map_err(trouble)? {
        parts += 1;
        if parts > PARTS {
            return Err(malformed(&format!("it has more than {PARTS} parts")));
        }
        take(&mut form, part, &mut draft)?;
        bounded(&draft)?;
    }
    let names = draft.attachments.iter().filter_map(|file| {
        let (name, id) = (file.filename.as_deref()?, file.content_id.as_deref()?);
        (file.disposition == Disposition::Inline && name != id).then_some((name, id))
    });
    let names: Vec<(&str, &str)> = names.collect();
    if let (Some(html), false) = (draft.html.as_deref(), names.is_empty()) {
        draft.html = Some(inline_files::renamed(html, &names));
    }
    Ok(draft)
}

/// The schema's limits on lists, checked after each part.
fn bounded(draft: &Draft) -> Result<(), Problem> {
    let lists = [
        ("to", draft.to.len()),
        ("cc", draft.cc.len()),
        ("bcc", draft.bcc.len()),
        ("replyTo", draft.reply_to.len()),
        ("attachments", draft.attachments.len()),
        ("inReplyTo", draft.in_reply_to.len()),
        ("references", draft.references.len()),
        ("headers", draft.headers.len()),
    ];
    match lists.into_iter().find(|(_, count)| *count > MOST) {
        None => Ok(()),
        Some((member, _)) => {
            let detail = format!("`{member}` may have at most {MOST} entries");
            Err(Problem::at(words::pointer(member), "max-items", detail))
        }
    }
}

fn take(form: &mut Form<Body>, part: Part, draft: &mut Draft) -> Result<(), Problem> {
    let name = part.name.as_str();
    // RFC 7578 section 4.4: a part may declare its charset.
    let media = Parameterised::parse(part.content_type.as_deref().unwrap_or_default());
    if part.filename.is_none() && media.other_charset().is_some() {
        let detail = "the field declares another charset; fields are taken in UTF-8";
        return Err(Problem::at(words::pointer(name), "charset", detail));
    }
    match name {
        "to" => draft.to.push(address(form, name)?),
        "cc" => draft.cc.push(address(form, name)?),
        "bcc" => draft.bcc.push(address(form, name)?),
        "replyTo" => draft.reply_to.push(address(form, name)?),
        "from" => once(&mut draft.sender, address(form, name)?, name)?,
        "subject" => once(&mut draft.subject, text(form, name, SUBJECT)?, name)?,
        "text" => once(&mut draft.text, text(form, name, TEXT)?, name)?,
        "html" => once(&mut draft.html, text(form, name, TEXT)?, name)?,
        "inReplyTo" => draft.in_reply_to.extend(in_line(&text(form, name, IDS)?)),
        "references" => draft.references.extend(in_line(&text(form, name, IDS)?)),
        "attachment" | "inline" if part.filename.is_none() => return Err(nameless(form, name)),
        "attachment" => {
            let content = spooled(form)?;
            draft.attachments.push(attachment(part, content, Disposition::Attachment));
        }
        "inline" => {
            let content = spooled(form)?;
            let mut file = attachment(part, content, Disposition::Inline);
            let number = draft.attachments.len() + 1;
            if let Some(name) = file.filename.as_deref() {
                file.content_id = Some(inline_files::content_id(name, number));
            }
            draft.attachments.push(file);
        }
        "json" => add(draft, read_in_form(&bytes(form, name, TEXT)?)?)?,
        _ => {
            return Err(Problem::at(
                words::pointer(name),
                "unknown-field",
                format!(
                    "there is no field `{}`; the fields are {FIELDS}",
                    name.chars().take(40).collect::<String>()
                ),
            ));
        }
    }
    Ok(())
}

/// Merges a draft from JSON into the fields so far.
fn add(draft: &mut Draft, other: Draft) -> Result<(), Problem> {
    draft.to.extend(other.to);
    draft.cc.extend(other.cc);
    draft.bcc.extend(other.bcc);
    draft.reply_to.extend(other.reply_to);
    draft.headers.extend(other.headers);
    draft.in_reply_to.extend(other.in_reply_to);
    draft.references.extend(other.references);
    draft.attachments.extend(other.attachments);
    if let Some(sender) = other.sender {
        once(&mut draft.sender, sender, "from")?;
    }
    for (slot, value, name) in [
        (&mut draft.subject, other.subject, "subject"),
        (&mut draft.text, other.text, "text"),
        (&mut draft.html, other.html, "html"),
    ] {
        if let Some(value) = value {
            once(slot, value, name)?;
        }
    }
    Ok(())
}

fn once<T>(slot: &mut Option<T>, value: T, name: &str) -> Result<(), Problem> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Problem::at(words::pointer(name), "repeated", "the field is given twice")),
    }
}

fn address(form: &mut Form<Body>, name: &str) -> Result<types::Address, Problem> {
    let text = text(form, name, ADDRESS)?;
    if words::is_list(&text) {
        let detail =
            if name == "from" { "one address only" } else { "repeat the field, one address each" };
        return Err(Problem::at(words::pointer(name), "several-addresses", detail));
    }
    let (name, email) = words::address(&text);
    Ok(types::Address { name: name.map(str::to_owned), email: email.to_owned() })
}

fn text(form: &mut Form<Body>, name: &str, cap: usize) -> Result<String, Problem> {
    String::from_utf8(bytes(form, name, cap)?)
        .map_err(|_| Problem::at(words::pointer(name), "utf-8", "the field is not UTF-8"))
}

fn bytes(form: &mut Form<Body>, name: &str, cap: usize) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    while let Some(piece) = form.data().map_err(trouble)? {
        if bytes.len() + piece.len() > cap {
            let detail = format!("`{name}` may have at most {cap} bytes");
            return Err(Problem::new(Code::BodyTooLarge, detail));
        }
        bytes.extend_from_slice(piece);
    }
    Ok(bytes)
}

fn spooled(form: &mut Form<Body>) -> Result<types::Octets, Problem> {
    let spool = Spool::create()?;
    while let Some(data) = form.data().map_err(trouble)? {
        for piece in data.chunks(PIECE) {
            spool.write(piece)?;
        }
    }
    Ok(Spool::finish(spool)?)
}

/// `attachment=plain`: curl sends a file for `@`, and text without it.
fn nameless(form: &mut Form<Body>, name: &str) -> Problem {
    let word = bytes(form, name, 100)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .filter(|word| !word.is_empty() && !word.chars().any(char::is_control));
    let word = word.as_deref().unwrap_or("FILE");
    let detail = format!("a file needs a file name; did you mean {name}=@{word}?");
    Problem::at(words::pointer(name), "filename", detail)
}

fn attachment(part: Part, content: types::Octets, disposition: Disposition) -> Attachment {
    Attachment {
        content_id: None,
        filename: part.filename.as_deref().map(words::filename),
        content_type: part.content_type.unwrap_or_else(|| UNKNOWN_TYPE.to_owned()),
        disposition,
        content,
    }
}

fn trouble(trouble: Trouble<Problem>) -> Problem {
    match trouble {
        Trouble::Source(problem) => problem,
        Trouble::Malformed(what) => malformed(what),
    }
}

fn malformed(what: &str) -> Problem {
    Problem::new(Code::MalformedRequest, format!("the form is malformed: {what}"))
}
