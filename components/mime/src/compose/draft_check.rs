//! Validation of a draft, before the first byte is written.
//!
//! All faults are reported, not only the first. A valid draft needs no further check: no string has
//! a line end, so no field can begin another one.
//!
//! Invariant: a [`Checked`] draft writes exactly the fields that were asked for. Of other messages'
//! ids it writes those that a line of ASCII can hold, and as many as fit in a field.
//!
//! Standards: RFC 5322 sections 2.2 and 3.6, RFC 2045 section 5.1, RFC 2392, RFC 5537 section
//! 3.4.4.

use std::collections::HashSet;

use crate::compose::address::Mailbox;
use crate::compose::bad_address;
use crate::compose::draft::{Draft, Stamp};
use crate::compose::edit::Edit;
use crate::fault::{Code, Fault};
use crate::header::address_list::Address;
use crate::header::filename::LONGEST as LONGEST_FILENAME;
use crate::read::Header;
use crate::read::body_selection::LONGEST_BODY;

/// The most recipients in To, Cc and Bcc together (RFC 5321 section 4.5.3.1.10 requires servers to
/// accept a hundred; none allows more than this).
pub const MOST_RECIPIENTS: usize = 1_000;
const LONGEST_NAME: usize = 255;
const LONGEST_HEADER_NAME: usize = 76;
/// The longest subject and additional field, in bytes.
const LONGEST_VALUE: usize = 8_192;
/// The most edits of one verdict.
pub const MOST_EDITS: usize = 100;
/// The longest content id, in bytes.
const LONGEST_ID: usize = 250;
/// The longest Message-ID of another message: a line holds 998 bytes (RFC 5322 section 2.1.1).
const LONGEST_MESSAGE_ID: usize = 900;
/// The longest field of Message-IDs, in bytes: servers truncate header blocks of 100 KiB.
const LONGEST_IDS: usize = 65_536;
const LONGEST_CONTENT_TYPE: usize = 250;
/// The last second of the year 9999, in milliseconds.
const LAST_DATE: i64 = 253_402_300_799_000;

/// Fields that are written from a member of the draft, or else by Postlet and the servers on the
/// way.
const RESERVED: [(&str, Option<&str>); 15] = [
    ("from", Some("from")),
    ("to", Some("to")),
    ("cc", Some("cc")),
    ("bcc", Some("bcc")),
    ("sender", Some("from")),
    ("reply-to", Some("replyTo")),
    ("subject", Some("subject")),
    ("in-reply-to", Some("inReplyTo")),
    ("references", Some("references")),
    ("date", None),
    ("message-id", None),
    ("mime-version", None),
    ("received", None),
    ("return-path", None),
    ("dkim-signature", None),
];
const RESERVED_FAMILIES: [&str; 2] = ["content-", "resent-"];

/// A mailbox: display name, if any, and address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub name: Option<String>,
    pub mailbox: Mailbox,
}

/// The addresses and ids of a valid draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    pub sender: Person,
    pub reply_to: Vec<Person>,
    pub to: Vec<Person>,
    pub cc: Vec<Person>,
    /// Without angle brackets.
    pub in_reply_to: Vec<String>,
    pub references: Vec<String>,
    /// The envelope's recipients, without duplicates, in the order To, Cc, Bcc.
    pub recipients: Vec<String>,
}

/// Validates a draft.
///
/// # Errors
/// All faults, in the draft's order.
pub fn check(draft: &Draft, stamp: &Stamp) -> Result<Checked, Vec<Fault>> {
    let mut faults = Faults::default();
    faults.stamp(stamp);
    let sender = match &draft.sender {
        Some(sender) => faults.person("/from", sender),
        None => {
            faults.add("/from", Code::NoSender, "a message needs a sender");
            None
        }
    };
    let reply_to = faults.people("/replyTo", &draft.reply_to);
    let to = faults.people("/to", &draft.to);
    let cc = faults.people("/cc", &draft.cc);
    let bcc = faults.people("/bcc", &draft.bcc);
    let count = draft.to.len() + draft.cc.len() + draft.bcc.len();
    if count == 0 {
        faults.add("", Code::NoRecipients, "a message needs a recipient");
    }
    if count > MOST_RECIPIENTS {
        let detail = format!("a message may have {MOST_RECIPIENTS} recipients at most");
        faults.add("", Code::TooManyRecipients, &detail);
    }
    if let Some(subject) = &draft.subject {
        faults.line("/subject", subject, LONGEST_VALUE);
    }
    faults.body("/text", draft.text.as_deref());
    faults.body("/html", draft.html.as_deref());
    faults.attachments(draft);
    let in_reply_to = faults.ids("/inReplyTo", &draft.in_reply_to);
    let references = faults.ids("/references", &draft.references);
    faults.headers(draft);
    match (sender, faults.0.is_empty()) {
        (Some(sender), true) => {
            let recipients = envelope([&to, &cc, &bcc]);
            Ok(Checked { sender, reply_to, to, cc, in_reply_to, references, recipients })
        }
        _ => Err(faults.0),
    }
}

/// Validates the edits of one verdict.
///
/// # Errors
/// All faults, with pointers into the list.
pub fn check_edits(edits: &[Edit]) -> Result<(), Vec<Fault>> {
    let mut faults = Faults::default();
    if edits.len() > MOST_EDITS {
        let detail = format!("a verdict may hold {MOST_EDITS} edits at most");
        faults.add("", Code::TooManyEdits, &detail);
    }
    for (index, edit) in edits.iter().take(MOST_EDITS).enumerate() {
        let at = format!("/{index}");
        match edit {
            Edit::AddHeader(header) => faults.header(&at, header),
            Edit::RemoveHeader(name) => faults.header_name(&at, name),
            Edit::SetSubject(subject) => {
                faults.line(&at, subject, LONGEST_VALUE);
            }
            Edit::SetText(body) | Edit::SetHtml(body) => faults.new_body(&at, body),
            Edit::AddFooter(footer) => {
                faults.new_body(&format!("{at}/text"), &footer.text);
                faults.new_body(&format!("{at}/html"), footer.html.as_deref().unwrap_or_default());
            }
            Edit::AddRecipient(email) | Edit::RemoveRecipient(email) => {
                faults.mailbox(&at, email);
            }
        }
    }
    if faults.0.is_empty() { Ok(()) } else { Err(faults.0) }
}

fn envelope(groups: [&Vec<Person>; 3]) -> Vec<String> {
    let mut seen = HashSet::new();
    let people = groups.into_iter().flatten();
    let once = people.filter(|person| seen.insert(person.mailbox.key()));
    once.map(|person| person.mailbox.spelled()).collect()
}

#[derive(Default)]
struct Faults(Vec<Fault>);

impl Faults {
    fn add(&mut self, pointer: &str, code: Code, detail: &str) {
        self.0.push(Fault::at(pointer, code, detail));
    }

    fn stamp(&mut self, stamp: &Stamp) {
        let id = &stamp.message_id;
        let good = id.split('@').count() == 2 && !id.starts_with('@') && !id.ends_with('@');
        if !(good && is_id(id)) {
            self.add("/messageId", Code::BadMessageId, "not of the form left@right in ASCII");
        }
        if !(0..=LAST_DATE).contains(&stamp.date) {
            self.add("/date", Code::BadDate, "outside the years 1970 to 9999");
        }
    }

    fn people(&mut self, pointer: &str, people: &[Address]) -> Vec<Person> {
        // The excess is one fault already; the faults of each further address would not help.
        let people = people.iter().take(MOST_RECIPIENTS).enumerate();
        people
            .filter_map(|(index, address)| self.person(&format!("{pointer}/{index}"), address))
            .collect()
    }

    fn person(&mut self, pointer: &str, address: &Address) -> Option<Person> {
        // A display name of spaces only is left out: no reader would show it.
        let name = address.name.as_deref().filter(|name| !name.trim().is_empty());
        let given = address.name.as_deref().unwrap_or_default();
        let good = self.line(&format!("{pointer}/name"), given, LONGEST_NAME);
        let mailbox = self.mailbox(&format!("{pointer}/email"), &address.email)?;
        good.then(|| Person { name: name.map(str::to_owned), mailbox })
    }

    fn mailbox(&mut self, pointer: &str, email: &str) -> Option<Mailbox> {
        match Mailbox::parse(email) {
            Ok(mailbox) => Some(mailbox),
            Err(refusal) => {
                let (code, detail) = bad_address::describe(email, refusal);
                self.add(pointer, code, &detail);
                None
            }
        }
    }

    /// Validates a value that must stay on one line. True when it is valid.
    fn line(&mut self, pointer: &str, value: &str, longest: usize) -> bool {
        if value.chars().any(|character| character.is_control()) {
            self.add(pointer, Code::ControlCharacter, CONTROL);
            return false;
        }
        if value.len() > longest {
            self.add(pointer, Code::TooLong, &format!("longer than {longest} bytes"));
            return false;
        }
        true
    }

    fn body(&mut self, pointer: &str, body: Option<&str>) {
        if body.is_some_and(|body| body.contains('\0')) {
            self.add(pointer, Code::ControlCharacter, "a body may not hold NUL");
        }
    }

    fn attachments(&mut self, draft: &Draft) {
        for (index, attachment) in draft.attachments.iter().enumerate() {
            let at = |member: &str| format!("/attachments/{index}/{member}");
            if let Some(filename) = &attachment.filename {
                self.line(&at("filename"), filename, LONGEST_FILENAME);
            }
            let content_type = &attachment.content_type;
            if self.line(&at("contentType"), content_type, LONGEST_CONTENT_TYPE)
                && !is_content_type(content_type)
            {
                let detail = "not a media type of the form type/subtype; multipart is not one";
                self.add(&at("contentType"), Code::BadContentType, detail);
            }
            if let Some(id) = &attachment.content_id
                && self.line(&at("contentId"), id, LONGEST_ID)
                && !is_id(id)
            {
                let detail = "not a content id, which has letters, digits and punctuation, and no spaces \
                              and angle brackets";
                self.add(&at("contentId"), Code::BadContentId, detail);
            }
        }
    }

    /// Validates Message-IDs, as the API shows them or as a header field has them. Everything that
    /// the API shows is accepted, so that any message can be replied to. An id that is not ASCII is
    /// left out: RFC 6532 needs SMTPUTF8 on the whole way, and an ASCII spelling of it would be the
    /// id of no message.
    fn ids(&mut self, pointer: &str, ids: &[String]) -> Vec<String> {
        let mut written = Vec::new();
        for (index, id) in ids.iter().enumerate() {
            let id = id.trim();
            let inner = id.strip_prefix('<').and_then(|id| id.strip_suffix('>'));
            let id = inner.unwrap_or(id);
            if !is_message_id(id) {
                let detail = "not a message id, which has characters, and no spaces, control characters \
                              and angle brackets";
                self.add(&format!("{pointer}/{index}"), Code::BadMessageId, detail);
            } else if id.is_ascii() && id.len() <= LONGEST_MESSAGE_ID {
                written.push(id.to_owned());
            }
        }
        first_and_last(written)
    }

    fn headers(&mut self, draft: &Draft) {
        for (index, header) in draft.headers.iter().enumerate() {
            self.header(&format!("/headers/{index}"), header);
        }
    }

    fn header(&mut self, pointer: &str, header: &Header) {
        self.header_name(&format!("{pointer}/name"), &header.name);
        self.line(&format!("{pointer}/value"), &header.value, LONGEST_VALUE);
    }

    fn header_name(&mut self, pointer: &str, name: &str) {
        if name.chars().any(char::is_control) {
            self.add(pointer, Code::ControlCharacter, CONTROL);
        } else if !is_header_name(name) {
            let detail = format!(
                "not a field name of 1 to {LONGEST_HEADER_NAME} characters (RFC 5322 section 2.2)"
            );
            self.add(pointer, Code::BadHeaderName, &detail);
        } else if let Some(writer) = reserved(name) {
            self.add(pointer, Code::ReservedHeader, &writer);
        }
    }

    fn new_body(&mut self, pointer: &str, body: &str) {
        self.body(pointer, Some(body));
        if body.len() > LONGEST_BODY {
            self.add(pointer, Code::TooLong, &format!("longer than {LONGEST_BODY} bytes"));
        }
    }
}

const CONTROL: &str = "holds a control character";

fn is_header_name(name: &str) -> bool {
    (1..=LONGEST_HEADER_NAME).contains(&name.len())
        && name.bytes().all(|byte| (33..=126).contains(&byte) && byte != b':')
}

/// The advice for a reserved field; none for others.
fn reserved(name: &str) -> Option<String> {
    let known = RESERVED.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    if let Some((_, Some(member))) = known {
        return Some(format!("written from the draft's `{member}`; give it there"));
    }
    let lower = name.to_ascii_lowercase();
    let is_ours = || RESERVED_FAMILIES.iter().any(|family| lower.starts_with(family));
    (known.is_some() || is_ours())
        .then(|| "written by Postlet, or by the servers on the way".to_owned())
}

/// An id of another message is copied as it is, as long as it cannot end its brackets or its line.
fn is_message_id(id: &str) -> bool {
    let good = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '<' | '>');
    !id.is_empty() && id.chars().all(good)
}

/// Drops ids that do not fit in one field: kept are the first, which identifies the conversation,
/// and the last ones (RFC 5537 section 3.4.4).
fn first_and_last(mut ids: Vec<String>) -> Vec<String> {
    let mut remaining = LONGEST_IDS.saturating_sub(ids.first().map_or(0, String::len));
    let fits = |id: &&String| match remaining.checked_sub(id.len()) {
        Some(left) => {
            remaining = left;
            true
        }
        None => false,
    };
    let last = ids.iter().skip(1).rev().take_while(fits).count();
    if last + 1 < ids.len() {
        ids.drain(1..ids.len() - last);
    }
    ids
}

/// Printable ASCII without angle brackets and white space.
fn is_id(id: &str) -> bool {
    (1..=LONGEST_ID).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>()\"\\,;".contains(&byte))
}

/// Content-Type syntax (RFC 2045 section 5.1), with parameters as tokens or quoted strings.
fn is_content_type(text: &str) -> bool {
    let (main, params) = text.split_once(';').unwrap_or((text, ""));
    let Some((kind, subtype)) = main.trim().split_once('/') else { return false };
    if !is_token(kind) || !is_token(subtype) || kind.eq_ignore_ascii_case("multipart") {
        return false;
    }
    let params = params.trim();
    params.is_empty()
        || params.split(';').all(|param| {
            let Some((name, value)) = param.trim().split_once('=') else { return false };
            let quoted = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            let good = |byte: u8| matches!(byte, 32..=126) && !b"\"\\;".contains(&byte);
            is_token(name)
                && match quoted {
                    Some(inner) => inner.bytes().all(good),
                    None => is_token(value),
                }
        })
}

fn is_token(text: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&byte);
    (1..=127).contains(&text.len()) && text.bytes().all(good)
}
