//! The WIT side: records in and out, and nothing decided.

use std::env;

use crate::verdict::Settings;

mod bindings {
    //! What wit-bindgen makes of the world `before-send-filter`.
    wit_bindgen::generate!({
        world: "before-send-filter",
        path: "../../wit",
        generate_all,
    });
}

use bindings::exports::postlet::mail::before_send::{Envelope, Guest, Verdict};
use bindings::postlet::mail::filtering::{Edit, Footer, Refusal};
use bindings::postlet::mail::reading::Message;

struct Component;

#[expect(unsafe_code, reason = "the component model's export shims are unsafe functions")]
const _: () = {
    bindings::export!(Component with_types_in bindings);
};

impl Guest for Component {
    fn judge(_message: &Message, envelope: Envelope) -> Verdict {
        let settings = Settings::read(|name| env::var(name).ok());
        if let Some(recipient) = settings.blocked(&envelope.recipients) {
            return Verdict::Reject(Refusal {
                code: "blocked-domain".to_owned(),
                detail: format!("nobody may write to {recipient}"),
            });
        }
        match settings.footer {
            Some(footer) => Verdict::Modify(vec![Edit::AddFooter(Footer {
                text: footer.text,
                html: footer.html,
            })]),
            None => Verdict::Accept,
        }
    }
}
