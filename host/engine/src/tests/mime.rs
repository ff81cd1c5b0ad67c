//! Parser fake that reads `Subject: x`, a blank line and a body.
//!
//! On `hostile` in its input it traps, on `odd` it fails.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use model::filter::Edit;
use model::instant::Timestamp;
use model::mail::draft::{Composed, Draft, Envelope};
use model::mail::message::{Cut, HeaderSummary, ParseOptions, ParsedMessage, ReplyHeaders};
use model::octets::{Octets, in_memory};
use model::port::BoxFuture;
use model::port::capacity::AtCapacity;
use model::port::mime::{Mime, MimeError};
use model::problem::Fault;

#[derive(Debug, Default)]
pub(crate) struct Plain {
    pub(crate) reads: AtomicUsize,
    pub(crate) summaries: AtomicUsize,
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn facts(text: &str) -> HeaderSummary {
    let subject = text.lines().find_map(|line| line.strip_prefix("Subject: "));
    let id = text.lines().find_map(|line| line.strip_prefix("Message-ID: <")?.strip_suffix('>'));
    let (message_id, subject) = (id.map(str::to_owned), subject.map(str::to_owned));
    HeaderSummary { message_id, subject, ..HeaderSummary::default() }
}

fn fault(code: &str) -> MimeError {
    fault_at("/subject", code)
}

fn fault_at(pointer: &str, code: &str) -> MimeError {
    MimeError::Faults(vec![Fault {
        pointer: pointer.to_owned(),
        code: code.to_owned(),
        detail: String::new(),
    }])
}

impl Mime for Plain {
    fn digest(&self) -> [u8; 32] {
        [7; 32]
    }

    fn summarise(
        &self,
        blocks: Vec<Bytes>,
    ) -> BoxFuture<'_, Result<Vec<Option<HeaderSummary>>, MimeError>> {
        self.summaries.fetch_add(1, Ordering::Relaxed);
        let texts: Vec<String> = blocks.iter().map(|block| text(block)).collect();
        Box::pin(async move {
            if texts.iter().any(|text| text.contains("hostile")) {
                return Err(MimeError::Failed("trap".to_owned()));
            }
            let read = |text: &String| (!text.contains("odd")).then(|| facts(text));
            Ok(texts.iter().map(read).collect())
        })
    }

    fn read(
        &self,
        raw: Octets,
        want: ParseOptions,
        limit: u32,
    ) -> BoxFuture<'_, Result<ParsedMessage, MimeError>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let all = text(&raw.in_memory().unwrap());
        Box::pin(async move {
            if all.contains("hostile") || (all.contains("hard html") && want.html) {
                return Err(MimeError::Failed("trap".to_owned()));
            }
            if all.contains("odd") {
                return Err(fault("odd"));
            }
            let (_, body) = all.split_once("\r\n\r\n").unwrap_or((&all, ""));
            let cut: String = body.chars().take(limit as usize).collect();
            let is_cut = cut.len() < body.len();
            Ok(ParsedMessage {
                facts: facts(&all),
                details: want.details.then(ReplyHeaders::default),
                text: want.text.then(|| cut.clone()),
                html: want.html.then(|| format!("<p>{cut}")),
                preview: want.preview.then(|| body.chars().take(200).collect()),
                has_attachments: body.contains("attached"),
                cut: Cut { text: is_cut, html: is_cut, html_as_sent: false },
                ..ParsedMessage::default()
            })
        })
    }

    fn decode<'a>(
        &'a self,
        raw: Octets,
        path: &'a str,
    ) -> BoxFuture<'a, Result<Octets, MimeError>> {
        let answer = if path == "1" { Ok(raw) } else { Err(fault("no-such-part")) };
        Box::pin(async move { answer })
    }

    fn compose<'a>(
        &'a self,
        draft: Draft,
        message_id: &'a str,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<Composed, MimeError>> {
        let recipients = [&draft.to, &draft.cc, &draft.bcc].into_iter().flatten();
        let subject = draft.subject.clone().unwrap_or_default();
        let composed = Composed {
            raw: in_memory(Bytes::from(format!(
                "Message-ID: <{message_id}>\r\nSubject: {subject}\r\n\r\n"
            ))),
            envelope: Envelope {
                sender: draft.sender.as_ref().unwrap().email.parse().unwrap(),
                recipients: recipients.map(|address| address.email.parse().unwrap()).collect(),
            },
        };
        let answer = if subject.contains('\n') { Err(fault("line-break")) } else { Ok(composed) };
        Box::pin(async move { answer })
    }

    /// Checks nothing but line breaks: a field `From` changes the sender.
    fn rewrite<'a>(
        &'a self,
        message: &'a Composed,
        edits: &'a [Edit],
    ) -> BoxFuture<'a, Result<Composed, MimeError>> {
        let mut all = text(&message.raw.in_memory().unwrap());
        let mut envelope = message.envelope.clone();
        for (number, edit) in edits.iter().enumerate() {
            match edit {
                Edit::AddHeader(header) if header.value.contains('\n') => {
                    let fault = fault_at(&format!("/{number}/value"), "control-character");
                    return Box::pin(async { Err(fault) });
                }
                Edit::AddHeader(header) if header.name == "From" => {
                    envelope.sender = header.value.parse().unwrap();
                }
                Edit::AddHeader(header) => {
                    let field = format!("\r\n{}: {}\r\n\r\n", header.name, header.value);
                    all = all.replacen("\r\n\r\n", &field, 1);
                }
                Edit::AddFooter(footer) => all.push_str(&footer.text),
                Edit::AddRecipient(email) => envelope.recipients.push(email.parse().unwrap()),
                Edit::RemoveRecipient(email) => {
                    envelope.recipients.retain(|known| known.as_str() != email);
                }
                Edit::RemoveHeader(_)
                | Edit::SetSubject(_)
                | Edit::SetText(_)
                | Edit::SetHtml(_) => {
                    let why = AtCapacity { is_own: false, bound: "none is free".to_owned() };
                    return Box::pin(async { Err(MimeError::Busy(why)) });
                }
            }
        }
        Box::pin(async move { Ok(Composed { raw: in_memory(Bytes::from(all)), envelope }) })
    }
}
