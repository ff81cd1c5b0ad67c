//! Host side of the `mime` component, in which untrusted mail is parsed.
//!
//! A new instance for each call, with its own limits and no access but to a spool for a composed
//! message. Whatever the mail causes in it, the host gets an error.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use model::filter::Edit;
use model::instant::Timestamp;
use model::mail::draft::{Composed, Draft, Envelope};
use model::mail::message::{HeaderSummary, ParseOptions, ParsedMessage};
use model::octets::Octets;
use model::port::BoxFuture;
use model::port::mime::{Mime, MimeError};
use model::port::spool::Spools;
use rules::foreign_text;
use wasmtime::Store;
use wasmtime::component::Resource;

use crate::component::Component;
use crate::error::{EndpointError, RuntimeError, chain, one_line};
use crate::guest_state::{GuestState, HostAccess};
use crate::limits::time_budget;
use crate::spawn::spawn;
use crate::wasm_engine::WasmEngine;
use crate::wit::bindings::capabilities::postlet::mail::types;
use crate::wit::bindings::mime_engine::MimeEnginePre;
use crate::wit::bindings::mime_engine::exports::postlet::mail::mime;
use crate::wit::bindings::mime_engine::postlet::mail::filtering;
use crate::wit::convert::Convert;
use crate::wit::drafts;

/// How long a call waits for one of the component's slots.
const PATIENCE: Duration = Duration::from_secs(10);

/// The `mime` component, ready to be called.
pub struct MimeComponent {
    machine: Arc<WasmEngine>,
    pre: MimeEnginePre<GuestState>,
    name: Arc<str>,
    digest: [u8; 32],
    spools: Arc<dyn Spools>,
}

/// The result of the guest's functions.
type Answer<T> = wasmtime::Result<Result<T, Vec<types::Fault>>>;

impl MimeComponent {
    pub(crate) fn new(
        machine: Arc<WasmEngine>,
        component: &Component,
        spools: Arc<dyn Spools>,
    ) -> Result<Self, RuntimeError> {
        let pre = machine.mime.instantiate_pre(&component.compiled).map_err(|error| {
            RuntimeError::Link { component: component.name().into(), source: one_line(error) }
        })?;
        let pre = MimeEnginePre::new(pre).map_err(|error| RuntimeError::NotExported {
            component: component.name().into(),
            interface: "postlet:mail/mime",
            source: one_line(error),
        })?;
        let name = Arc::clone(&component.name);
        Ok(Self { machine, pre, name, digest: component.digest(), spools })
    }

    /// Runs `work` in a new instance.
    async fn call<T: Send + 'static>(
        &self,
        work: impl for<'a> FnOnce(
            &'a mime::Guest,
            &'a mut Store<GuestState>,
        ) -> BoxFuture<'a, Answer<T>>
        + Send
        + 'static,
    ) -> Result<T, MimeError> {
        let place = self.machine.places.mime(PATIENCE).await.map_err(failed)?;
        let powers = HostAccess::Mime(Arc::clone(&self.spools));
        let limits = &self.machine.settings.mime;
        let mut instance = self.machine.instance(&self.name, limits, powers, place);
        let pre = self.pre.clone();
        // A separate task: an endpoint's CPU budget does not pay for the parsing that it requested.
        let task = spawn(async move {
            let store = &mut instance.store;
            let ended = time_budget::run(&instance.meter, async {
                let guest = pre.instantiate_async(&mut *store).await?;
                work(guest.postlet_mail_mime(), store).await
            })
            .await;
            instance.judge(ended)
        });
        match task.end().await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(faults)) => Err(MimeError::Faults(faults.convert())),
            Err(error) => Err(failed(error)),
        }
    }
}

fn failed(error: EndpointError) -> MimeError {
    if let EndpointError::Busy(full) = error {
        return MimeError::Busy(full.into());
    }
    MimeError::Failed(chain(&error))
}

/// Lends bytes that the guest may read until its call returns.
fn lend(store: &mut Store<GuestState>, raw: Octets) -> wasmtime::Result<Resource<Octets>> {
    let owned = store.data_mut().table.push(raw)?;
    Ok(Resource::new_borrow(owned.rep()))
}

impl Mime for MimeComponent {
    fn digest(&self) -> [u8; 32] {
        self.digest
    }

    fn summarise(
        &self,
        blocks: Vec<Bytes>,
    ) -> BoxFuture<'_, Result<Vec<Option<HeaderSummary>>, MimeError>> {
        let wanted = blocks.len();
        let blocks: Vec<Vec<u8>> = blocks.into_iter().map(Vec::from).collect();
        Box::pin(async move {
            let summarise = self.call(move |guest, store| {
                Box::pin(async move { guest.call_summarise(store, &blocks).await.map(Ok) })
            });
            let list = summarise.await?;
            if list.len() != wanted {
                let message = format!("{} answers to {wanted} header blocks", list.len());
                return Err(MimeError::Failed(message));
            }
            Ok(list.convert())
        })
    }

    fn read(
        &self,
        raw: Octets,
        want: ParseOptions,
        limit: u32,
    ) -> BoxFuture<'_, Result<ParsedMessage, MimeError>> {
        Box::pin(async move {
            let read = self.call(move |guest, store| {
                Box::pin(async move {
                    let raw = lend(store, raw)?;
                    guest.call_read(store, raw, want.convert(), limit).await
                })
            });
            read.await.map(Convert::convert)
        })
    }

    fn decode<'a>(
        &'a self,
        raw: Octets,
        path: &'a str,
    ) -> BoxFuture<'a, Result<Octets, MimeError>> {
        Box::pin(async move {
            let path = path.to_owned();
            let decode = self.call(move |guest, store| {
                Box::pin(async move {
                    let raw = lend(store, raw)?;
                    match guest.call_decode(&mut *store, raw, &path).await? {
                        Ok(octets) => Ok(Ok(store.data_mut().table.delete(octets)?)),
                        Err(faults) => Ok(Err(faults)),
                    }
                })
            });
            decode.await
        })
    }

    fn compose<'a>(
        &'a self,
        draft: Draft,
        message_id: &'a str,
        date: Timestamp,
    ) -> BoxFuture<'a, Result<Composed, MimeError>> {
        Box::pin(async move {
            let message_id = message_id.to_owned();
            let compose = self.call(move |guest, store| {
                Box::pin(async move {
                    let draft = drafts::to_wit(&mut store.data_mut().table, draft)?;
                    let date = date.convert();
                    match guest.call_compose(&mut *store, &draft, &message_id, date).await? {
                        Ok(mime::Composed { raw, sender, recipients }) => {
                            let raw = store.data_mut().table.delete(raw)?;
                            Ok(Ok((raw, sender, recipients)))
                        }
                        Err(faults) => Ok(Err(faults)),
                    }
                })
            });
            let (raw, sender, recipients) = compose.await?;
            Ok(Composed { raw, envelope: envelope(&sender, &recipients)? })
        })
    }

    fn rewrite<'a>(
        &'a self,
        message: &'a Composed,
        edits: &'a [Edit],
    ) -> BoxFuture<'a, Result<Composed, MimeError>> {
        Box::pin(async move {
            let raw = Arc::clone(&message.raw);
            let before = message.envelope.recipients.iter().map(ToString::to_string);
            let before: Vec<String> = before.collect();
            let edits: Vec<filtering::Edit> = edits.to_vec().convert();
            let rewrite = self.call(move |guest, store| {
                Box::pin(async move {
                    let raw = lend(store, raw)?;
                    match guest.call_rewrite(&mut *store, raw, &before, &edits).await? {
                        Ok(mime::Rewritten { raw, recipients }) => {
                            let raw = store.data_mut().table.delete(raw)?;
                            Ok(Ok((raw, recipients)))
                        }
                        Err(faults) => Ok(Err(faults)),
                    }
                })
            });
            let (raw, recipients) = rewrite.await?;
            let sender = message.envelope.sender.as_str();
            Ok(Composed { raw, envelope: envelope(sender, &recipients)? })
        })
    }
}

/// The envelope is checked again by the host: it is sent on the wire.
fn envelope(sender: &str, recipients: &[String]) -> Result<Envelope, MimeError> {
    let bad = |address: &str| {
        MimeError::Failed(format!(
            "`{}` is no envelope address",
            foreign_text::within(320, address)
        ))
    };
    let sender = sender.parse().map_err(|_| bad(sender))?;
    let recipients = recipients
        .iter()
        .map(|recipient| recipient.parse().map_err(|_| bad(recipient)))
        .collect::<Result<_, _>>()?;
    Ok(Envelope { sender, recipients })
}

impl std::fmt::Debug for MimeComponent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("MimeComponent").field(&self.name).finish()
    }
}
