//! A filter: refuses mail to some domains and mail without a subject, and puts a footer below the rest.
//!
//! It is written against `wit/` alone, and called once for each message that is about to be sent,
//! in a fresh instance. It reads that one message and answers; it has no account, no network and
//! no files. The manifest's `environment` configures it.

use std::env;

use crate::exports::postlet::mail::before_send::{Envelope, Guest, Verdict};
use crate::postlet::mail::filtering::{Edit, Footer, Refusal};
use crate::postlet::mail::reading::Message;

wit_bindgen::generate!({ path: "wit", world: "before-send-filter", generate_all });

struct Filter;
export!(Filter);

impl Guest for Filter {
    fn judge(message: &Message, envelope: Envelope) -> Verdict {
        let domains = env::var("BLOCKED_DOMAINS").unwrap_or_default();
        for domain in domains.split(',').map(str::trim).filter(|domain| !domain.is_empty()) {
            let ending = format!("@{domain}").to_ascii_lowercase();
            // Who receives it, whatever its header says: Bcc stands here only.
            if let Some(recipient) = envelope
                .recipients
                .iter()
                .find(|recipient| recipient.to_ascii_lowercase().ends_with(&ending))
            {
                // The sender gets both, as 422 `rejected-by-filter`.
                return Verdict::Reject(Refusal {
                    code: "blocked-domain".to_owned(),
                    detail: format!("{recipient} is in a blocked domain"),
                });
            }
        }
        let subject = message.summary().facts.subject.unwrap_or_default();
        if subject.trim().is_empty() {
            return Verdict::Reject(Refusal {
                code: "no-subject".to_owned(),
                detail: "a message needs a subject".to_owned(),
            });
        }
        // The log has it with the request; `postlet dev` shows it.
        eprintln!("a message to {} recipients passes", envelope.recipients.len());
        match env::var("FOOTER") {
            // The manifest has to grant this kind of edit.
            Ok(text) => Verdict::Modify(vec![Edit::AddFooter(Footer { text, html: None })]),
            Err(_) => Verdict::Accept,
        }
    }
}
