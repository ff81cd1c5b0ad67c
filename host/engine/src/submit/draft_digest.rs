//! Draft digest: recognises a repeated draft under the same Idempotency-Key.
//!
//! Of the draft, not of the request: a multipart upload that is sent again has a new boundary and
//! is still the same draft. Attachments count by content.
//!
//! Invariant: every field is length-prefixed and lists are counted, so no two drafts share their
//! canonical form.

use std::io;

use model::mail::address::Address;
use model::mail::draft::{Attachment, Disposition, Draft};
use sha2::{Digest, Sha256};

/// Attachments are read in pieces of this size.
const PIECE: usize = 64 << 10;

/// SHA-256 of the draft's canonical form.
pub(crate) async fn of(draft: &Draft) -> io::Result<[u8; 32]> {
    let Draft {
        sender,
        reply_to,
        to,
        cc,
        bcc,
        subject,
        text,
        html,
        attachments,
        in_reply_to,
        references,
        headers,
    } = draft;
    let mut form = Form(Sha256::new_with_prefix(b"postlet draft 1"));
    form.count(usize::from(sender.is_some()));
    sender.iter().for_each(|address| form.address(address));
    for list in [reply_to, to, cc, bcc] {
        form.count(list.len());
        list.iter().for_each(|address| form.address(address));
    }
    [subject, text, html].into_iter().for_each(|text| form.optional(text.as_deref()));
    form.count(headers.len());
    for header in headers {
        form.text(&header.name);
        form.text(&header.value);
    }
    form.count(attachments.len());
    for attachment in attachments {
        form.attachment(attachment).await?;
    }
    // Omitted where there are none: digests of earlier releases stay the same.
    if !(in_reply_to.is_empty() && references.is_empty()) {
        for ids in [in_reply_to, references] {
            form.count(ids.len());
            ids.iter().for_each(|id| form.text(id));
        }
    }
    Ok(form.0.finalize().into())
}

struct Form(Sha256);

impl Form {
    fn count(&mut self, number: usize) {
        self.0.update((number as u64).to_be_bytes());
    }

    fn text(&mut self, text: &str) {
        self.count(text.len());
        self.0.update(text);
    }

    fn optional(&mut self, text: Option<&str>) {
        self.count(usize::from(text.is_some()));
        self.text(text.unwrap_or_default());
    }

    fn address(&mut self, address: &Address) {
        self.optional(address.name.as_deref());
        self.text(&address.email);
    }

    async fn attachment(&mut self, attachment: &Attachment) -> io::Result<()> {
        let Attachment { filename, content_type, disposition, content_id, content } = attachment;
        self.optional(filename.as_deref());
        self.text(content_type);
        self.text(match disposition {
            Disposition::Attachment => "attachment",
            Disposition::Inline => "inline",
        });
        self.optional(content_id.as_deref());
        let mut digest = Sha256::new();
        let mut offset = 0;
        loop {
            let piece = content.read_at(offset, PIECE).await?;
            if piece.is_empty() {
                break;
            }
            offset += piece.len() as u64;
            digest.update(&piece);
        }
        self.0.update(digest.finalize());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use model::octets::in_memory;

    use super::*;

    #[tokio::test]
    async fn the_same_draft_has_the_same_digest_and_every_field_counts() {
        let base = draft();
        check(&base, &draft(), true).await;
        check(&base, &Draft { subject: None, ..draft() }, false).await;
        check(&base, &Draft { subject: Some(String::new()), ..draft() }, false).await;
        check(&base, &Draft { to: Vec::new(), cc: draft().to, ..draft() }, false).await;
        check(&base, &Draft { html: Some("x".to_owned()), text: None, ..draft() }, false).await;
        let ids = || vec!["a@b".to_owned()];
        let reply = Draft { in_reply_to: ids(), ..draft() };
        check(&base, &reply, false).await;
        check(&reply, &Draft { references: ids(), ..draft() }, false).await;
        let mut other = draft();
        other.attachments[0].content = in_memory(Bytes::from_static(b"other"));
        check(&base, &other, false).await;
    }

    async fn check(one: &Draft, other: &Draft, want: bool) {
        assert_eq!(of(one).await.unwrap() == of(other).await.unwrap(), want, "{other:?}");
    }

    fn draft() -> Draft {
        Draft {
            to: vec![Address { name: None, email: "bo@example.net".to_owned() }],
            subject: Some("x".to_owned()),
            text: Some("x".to_owned()),
            attachments: vec![Attachment {
                filename: None,
                content_type: "text/plain".to_owned(),
                disposition: Disposition::Attachment,
                content_id: None,
                content: in_memory(Bytes::from(vec![7; 200_000])),
            }],
            ..Draft::default()
        }
    }
}
