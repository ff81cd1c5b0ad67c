//! Conversion of drafts in both directions. The bytes of an attachment are behind a handle, which is
//! taken out of one guest's table and put into another's.

use model::mail::draft::{Attachment, Draft};
use wasmtime::component::ResourceTable;

use crate::wit::bindings::capabilities::postlet::mail::drafts;
use crate::wit::convert::Convert;

/// `$draft` as the other type. Both call their members alike.
macro_rules! draft {
    ($($into:ident)::+, $draft:ident, $attachments:expr) => {
        $($into)::+ {
            sender: $draft.sender.convert(),
            reply_to: $draft.reply_to.convert(),
            to: $draft.to.convert(),
            cc: $draft.cc.convert(),
            bcc: $draft.bcc.convert(),
            subject: $draft.subject,
            text: $draft.text,
            html: $draft.html,
            attachments: $attachments,
            in_reply_to: $draft.in_reply_to,
            references: $draft.references,
            headers: $draft.headers.convert(),
        }
    };
}

/// `$attachment` as the other type, likewise.
macro_rules! attachment {
    ($($into:ident)::+, $attachment:ident, $content:expr) => {
        $($into)::+ {
            filename: $attachment.filename,
            content_type: $attachment.content_type,
            disposition: $attachment.disposition.convert(),
            content_id: $attachment.content_id,
            content: $content,
        }
    };
}

/// Takes a guest's draft; its attachments leave the guest's table.
pub(crate) fn from_wit(table: &mut ResourceTable, draft: drafts::Draft) -> wasmtime::Result<Draft> {
    let mut attachments = Vec::with_capacity(draft.attachments.len());
    for attachment in draft.attachments {
        let content = table.delete(attachment.content)?;
        attachments.push(attachment!(Attachment, attachment, content));
    }
    Ok(draft!(Draft, draft, attachments))
}

/// Gives a draft to a guest; its attachments become the guest's.
pub(crate) fn to_wit(table: &mut ResourceTable, draft: Draft) -> wasmtime::Result<drafts::Draft> {
    let mut attachments = Vec::with_capacity(draft.attachments.len());
    for attachment in draft.attachments {
        let content = table.push(attachment.content)?;
        attachments.push(attachment!(drafts::Attachment, attachment, content));
    }
    Ok(draft!(drafts::Draft, draft, attachments))
}
