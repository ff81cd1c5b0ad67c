//! A composed message as a filter reads it.
//!
//! It has no position in a mailbox yet. Most filters read the subject and a body, so one parse when
//! it is opened serves them all; the unsanitised HTML is parsed on request.
//!
//! Invariant: what a filter reads is what `mime` parsed from these very bytes.

use parking_lot::Mutex;
use std::sync::Arc;

use model::mail::message::{Header, ParseOptions, ParsedMessage, Part, ReplyHeaders, Summary};
use model::octets::Octets;
use model::port::BoxFuture;
use model::port::capabilities::{Body, Message};
use model::port::mime::Mime;
use model::problem::{Fault, Problem};

use crate::messages::body_text::{body_within, note};
use crate::problems;

/// The initial limit of bodies.
const BODY_LIMIT: u32 = 1 << 20;

#[derive(Debug)]
pub(crate) struct ComposedMessage {
    mime: Arc<dyn Mime>,
    raw: Octets,
    reading: ParsedMessage,
    /// Bodies that were requested and truncated.
    cuts: Mutex<Vec<Fault>>,
}

impl ComposedMessage {
    /// Parses the message.
    pub(crate) async fn open(mime: &Arc<dyn Mime>, raw: &Octets) -> Result<Arc<Self>, Problem> {
        let reading = mime.read(Arc::clone(raw), ParseOptions::USUAL, BODY_LIMIT).await;
        let reading = reading.map_err(problems::reading)?;
        let (mime, raw) = (Arc::clone(mime), Arc::clone(raw));
        Ok(Arc::new(Self { mime, raw, reading, cuts: Mutex::default() }))
    }

    pub(crate) fn reading(&self) -> &ParsedMessage {
        &self.reading
    }
}

impl Message for ComposedMessage {
    fn summary(&self) -> Summary {
        Summary {
            stored: None,
            facts: self.reading.facts.clone(),
            size: Some(self.raw.size()),
            preview: None,
            has_attachments: Some(self.reading.has_attachments),
            unparsed: false,
            unavailable: false,
        }
    }

    fn headers(&self) -> BoxFuture<'_, Result<Vec<Header>, Problem>> {
        Box::pin(async { Ok(self.reading.headers.clone()) })
    }

    fn details(&self) -> BoxFuture<'_, Result<ReplyHeaders, Problem>> {
        Box::pin(async { Ok(self.reading.details.clone().unwrap_or_default()) })
    }

    fn structure(&self) -> BoxFuture<'_, Result<Vec<Part>, Problem>> {
        Box::pin(async { Ok(self.reading.parts.clone()) })
    }

    fn faults(&self) -> BoxFuture<'_, Result<Vec<Fault>, Problem>> {
        Box::pin(async {
            let mut faults = self.reading.faults.clone();
            faults.extend(self.cuts.lock().iter().cloned());
            Ok(faults)
        })
    }

    fn body(&self, kind: Body, limit: u32) -> BoxFuture<'_, Result<Option<String>, Problem>> {
        Box::pin(async move {
            let known = match kind {
                Body::Text => self.reading.text.as_deref(),
                Body::Html => self.reading.html.as_deref(),
                Body::HtmlAsSent => None,
            };
            // Only the parser knows where HTML may be cut.
            let is_whole = known.is_none_or(|body| body.len() <= limit as usize);
            let (body, is_cut) = if kind != Body::HtmlAsSent
                && limit <= BODY_LIMIT
                && (kind == Body::Text || is_whole)
            {
                body_within(&self.reading, kind, limit)
            } else {
                let want = ParseOptions {
                    text: kind == Body::Text,
                    html: kind == Body::Html,
                    html_as_sent: kind == Body::HtmlAsSent,
                    ..ParseOptions::default()
                };
                let reading = self.mime.read(Arc::clone(&self.raw), want, limit).await;
                body_within(&reading.map_err(problems::reading)?, kind, limit)
            };
            if is_cut {
                note(&mut self.cuts.lock(), kind, limit);
            }
            Ok(body)
        })
    }

    fn part<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Octets, Problem>> {
        Box::pin(async move {
            self.mime.decode(Arc::clone(&self.raw), path).await.map_err(problems::reading)
        })
    }

    fn raw(&self) -> BoxFuture<'_, Result<Octets, Problem>> {
        Box::pin(async { Ok(Arc::clone(&self.raw)) })
    }
}
