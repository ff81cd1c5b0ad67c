//! Lazy access to one message.
//!
//! The common request is one round trip: flags, size and the whole message in one FETCH; a cached
//! message costs only the FETCH of its flags, which also proves that it still exists. A message
//! known to be large is fetched when its bytes are needed.
//!
//! Invariant: the bytes are never returned for another id than the one they were fetched for, and
//! never parsed outside the `mime` port.

use parking_lot::Mutex;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;

use futures_util::future::{self, Either};
use model::account::Account;
use model::ids::TenantId;
use model::limit::tenant_limiter::Permit;
use model::mail::message::{
    Header, MailboxPosition, ParseOptions, ParsedMessage, Part, ReplyHeaders, Summary,
};
use model::octets::{Octets, in_memory};
use model::port::BoxFuture;
use model::port::capabilities::{Body, Message};
use model::port::imap::{FetchItem, FetchRow, ImapError, Messages};
use model::port::mime::MimeError;
use model::problem::{Code, Fault, Problem};
use tokio::sync::OnceCell;

use crate::imap_pool::SessionError;
use crate::imap_pool::lease::Lease;
use crate::messages::body_text::{body_within, note, of, pointer};
use crate::messages::cache::{CacheKey, CachedSummary, LoadedMessage};
use crate::messages::in_flight::MeteredBytes;
use crate::messages::mailboxes;
use crate::messages::message_id::{AccountFingerprint, MessageRef};
use crate::messages::reader::Reader;
use crate::problems;

/// Up to this size a message is fetched immediately, even when its summary is cached.
const EAGER_BYTES: u64 = 256 << 10;
/// The initial limit of bodies, so that one parse serves most requests.
const BODY_LIMIT: u32 = 1 << 20;

/// Finds the message and usually fetches it.
pub(crate) async fn open(
    reader: &Arc<Reader>,
    account: &Arc<Account>,
    key: &str,
) -> Result<Arc<dyn Message>, Problem> {
    let place = MessageRef::parse(key, AccountFingerprint::of(account))
        .ok_or_else(problems::no_such_message)?;
    let cache_key = reader.cache_key(place.clone());
    let known = reader.cache.known(&cache_key);
    let size = known.as_ref().and_then(|known| known.size);
    // A message that a list could not parse is fetched whole.
    let mut known = known.filter(|known| !known.unread);
    let lazily = known.is_some() && size.is_some_and(|size| size > EAGER_BYTES);
    let (opened, row) = if lazily {
        (held(reader, &cache_key), None)
    } else {
        let (opened, row) = whole(reader, account, &place, size).await?;
        (Some(opened), row)
    };
    let row = match row {
        Some(row) => row,
        None => {
            // The request that fetched it may have parsed it, too.
            known = known.or_else(|| reader.cache.known(&cache_key).filter(|known| !known.unread));
            let items: &[FetchItem] = match &known {
                Some(_) => &[FetchItem::Flags],
                None => &[FetchItem::Flags, FetchItem::Received, FetchItem::Size],
            };
            fetch(reader, account, &place, items).await?
        }
    };
    let known = match (known, &opened) {
        (Some(known), _) => known,
        (None, Some(opened)) => {
            let facts = match read(reader, &place, opened, ParseOptions::USUAL, BODY_LIMIT).await {
                Ok(reading) => Some(reading.facts.clone()),
                Err(problem) if problem.code == Code::Unparsable => None,
                Err(problem) => return Err(problem),
            };
            let size = row.size.or(Some(opened.raw.len() as u64));
            let received = row.received;
            let known =
                Arc::new(CachedSummary { received, size, facts, unread: false, sketch: None });
            reader.cache.put_summary(cache_key, Arc::clone(&known));
            known
        }
        (None, None) => return Err(problems::no_such_message()),
    };
    let summary = summary(&place, &known, row.flags.unwrap_or_default());
    let bytes = opened.map_or_else(OnceCell::new, |opened| OnceCell::new_with(Some(opened)));
    let (reader, account) = (Arc::clone(reader), Arc::clone(account));
    Ok(Arc::new(LazyMessage { reader, account, place, summary, bytes, cuts: Mutex::default() }))
}

/// The message, if another request holds it.
fn held(reader: &Reader, key: &CacheKey) -> Option<Arc<LoadedMessage>> {
    reader.cache.opened(key).or_else(|| reader.in_flight.opened(key))
}

/// The whole message, and its row unless another request fetched it.
async fn whole(
    reader: &Reader,
    account: &Account,
    place: &MessageRef,
    size: Option<u64>,
) -> Result<(Arc<LoadedMessage>, Option<FetchRow>), Problem> {
    let key = reader.cache_key(place.clone());
    if let Some(opened) = held(reader, &key) {
        return Ok((opened, None));
    }
    let turn = reader.in_flight.fetch_lock(&key);
    let expired = reader.clock.sleep(reader.settings.session_wait);
    let _turn = match future::select(pin!(turn.lock()), expired).await {
        Either::Left((turn, _)) => turn,
        Either::Right(((), _)) => return Err(too_much_open(reader)),
    };
    if let Some(opened) = held(reader, &key) {
        return Ok((opened, None));
    }
    check_size(reader, size)?;
    let share = room_for(reader, account, place, size).await?;
    let mut row = fetch(reader, account, place, WHOLE).await?;
    let bytes = row.whole.take().ok_or_else(problems::no_such_message)?;
    let bytes = MeteredBytes::around(bytes, share).ok_or_else(|| too_much_open(reader))?;
    let opened = Arc::new(LoadedMessage::new(bytes));
    reader.in_flight.share(&key, &opened);
    reader.cache.put_message(key, Arc::clone(&opened));
    Ok((opened, Some(row)))
}

const WHOLE: &[FetchItem] =
    &[FetchItem::Flags, FetchItem::Received, FetchItem::Size, FetchItem::Whole];

/// Reserves memory for a message before it is fetched: of the maximum size when its size is
/// unknown; only when that is not available the server is asked for the size first.
async fn room_for(
    reader: &Reader,
    account: &Account,
    place: &MessageRef,
    size: Option<u64>,
) -> Result<Permit<TenantId>, Problem> {
    let largest = reader.settings.message_bytes;
    let reserve = |bytes: u64| reader.in_flight.reserve(&account.tenant, bytes.min(largest));
    if let Some(share) = reserve(size.unwrap_or(largest)) {
        return Ok(share);
    }
    if size.is_some() {
        return Err(too_much_open(reader));
    }
    let row = fetch(reader, account, place, &[FetchItem::Size]).await?;
    reserve(row.size.unwrap_or(largest)).ok_or_else(|| too_much_open(reader))
}

fn too_much_open(reader: &Reader) -> Problem {
    problems::too_much_open(reader.settings.open_bytes)
}

fn summary(place: &MessageRef, known: &CachedSummary, keywords: Vec<String>) -> Summary {
    Summary {
        stored: Some(MailboxPosition {
            key: place.key(),
            mailbox: place.mailbox.decoded(),
            uid: place.uid,
            received: known.received,
            keywords,
        }),
        facts: known.facts.clone().unwrap_or_default(),
        size: known.size,
        preview: None,
        has_attachments: None,
        unparsed: known.facts.is_none(),
        unavailable: false,
    }
}

/// The row of one message, after its mailbox and UIDVALIDITY were checked.
async fn fetch(
    reader: &Reader,
    account: &Account,
    place: &MessageRef,
    items: &[FetchItem],
) -> Result<FetchRow, Problem> {
    let mut lease = reader.pool.lease(account, Some(&place.mailbox)).await?;
    let answer = fetch_with(&mut lease, place, items).await;
    lease.keep();
    match answer {
        Err(Failed::Whole(error)) => Err(too_large(reader, account, place, error).await),
        Err(Failed::Otherwise(problem)) => Err(problem),
        Ok(row) => Ok(row),
    }
}

enum Failed {
    /// The session was lost during the FETCH of the whole message.
    Whole(SessionError),
    Otherwise(Problem),
}

async fn fetch_with(
    lease: &mut Lease,
    place: &MessageRef,
    items: &[FetchItem],
) -> Result<FetchRow, Failed> {
    enter(lease, place).await.map_err(Failed::Otherwise)?;
    let whole = items.contains(&FetchItem::Whole);
    let rows = match lease.fetch(&Messages::Uids(vec![place.uid]), items).await {
        Ok(rows) => rows,
        Err(error @ SessionError::Command(ImapError::Protocol(_))) if whole => {
            return Err(Failed::Whole(error));
        }
        Err(error) => return Err(Failed::Otherwise(error.into())),
    };
    // A server may report flags of the same message in a row of their own.
    let mut found: Option<FetchRow> = None;
    for row in rows.into_iter().filter(|row| row.uid == place.uid) {
        found = Some(match found {
            None => row,
            Some(first) => FetchRow {
                flags: row.flags.or(first.flags),
                received: first.received.or(row.received),
                size: first.size.or(row.size),
                whole: first.whole.or(row.whole),
                ..first
            },
        });
    }
    let row = found.ok_or_else(|| Failed::Otherwise(problems::no_such_message()))?;
    if whole && row.whole.is_none() {
        return Err(Failed::Otherwise(problems::unavailable_message()));
    }
    Ok(row)
}

/// Selects the position's mailbox. If the mailbox is gone, so is the message.
pub(crate) async fn enter(lease: &mut Lease, place: &MessageRef) -> Result<(), Problem> {
    let selected = match mailboxes::enter(lease, &place.mailbox).await {
        Ok(selected) => selected,
        Err(problem) if problem.code == Code::NoSuchMailbox => {
            return Err(problems::no_such_message());
        }
        Err(problem) => return Err(problem),
    };
    if selected.uid_validity == place.uid_validity {
        Ok(())
    } else {
        Err(problems::stale_message())
    }
}

/// A literal beyond the limit looks like a protocol violation: fetch the size to distinguish them.
async fn too_large(
    reader: &Reader,
    account: &Account,
    place: &MessageRef,
    error: SessionError,
) -> Problem {
    let Ok(mut lease) = reader.pool.lease(account, Some(&place.mailbox)).await else {
        return error.into();
    };
    let row = fetch_with(&mut lease, place, &[FetchItem::Size]).await;
    lease.keep();
    match row {
        Ok(row) => check_size(reader, row.size).err().unwrap_or_else(|| error.into()),
        Err(_) => error.into(),
    }
}

/// Whether the message may be read, as far as its size is known.
fn check_size(reader: &Reader, size: Option<u64>) -> Result<(), Problem> {
    let limit = reader.settings.message_bytes;
    match size {
        Some(size) if size > limit => Err(Problem::new(
            Code::Unparsable,
            format!("the message has {size} bytes, and Postlet reads at most {limit}"),
        )),
        Some(_) | None => Ok(()),
    }
}

/// A message in a mailbox.
struct LazyMessage {
    reader: Arc<Reader>,
    account: Arc<Account>,
    place: MessageRef,
    summary: Summary,
    bytes: OnceCell<Arc<LoadedMessage>>,
    /// Bodies that were requested and truncated.
    cuts: Mutex<Vec<Fault>>,
}

impl fmt::Debug for LazyMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LazyMessage").field("place", &self.place).finish_non_exhaustive()
    }
}

impl LazyMessage {
    async fn opened(&self) -> Result<&Arc<LoadedMessage>, Problem> {
        self.bytes
            .get_or_try_init(async || {
                Ok(whole(&self.reader, &self.account, &self.place, self.summary.size).await?.0)
            })
            .await
    }

    async fn read(&self, want: ParseOptions, limit: u32) -> Result<Arc<ParsedMessage>, Problem> {
        let opened = self.opened().await?;
        read(&self.reader, &self.place, opened, want, limit).await
    }
}

/// The cached parse, else a parse of everything that a request usually needs together with `want`.
async fn read(
    reader: &Reader,
    place: &MessageRef,
    opened: &Arc<LoadedMessage>,
    want: ParseOptions,
    limit: u32,
) -> Result<Arc<ParsedMessage>, Problem> {
    if let Some(reading) = opened.reading(want, limit) {
        return Ok(reading);
    }
    let (want, limit) = (with_first(want), limit.max(BODY_LIMIT));
    let reading = what_can_be_read(reader, opened, want, limit).await.map_err(problems::reading)?;
    let reading = Arc::new(reading);
    opened.add(want, limit, &reading);
    reader.cache.put_message(reader.cache_key(place.clone()), Arc::clone(opened));
    Ok(reading)
}

/// Everything; or, where a body exceeds the parser's limits, all but that body, whose absence is
/// reported.
async fn what_can_be_read(
    reader: &Reader,
    opened: &LoadedMessage,
    want: ParseOptions,
    limit: u32,
) -> Result<ParsedMessage, MimeError> {
    let read = |want| reader.mime.read(in_memory(opened.raw.clone()), want, limit);
    let without_html = ParseOptions { html: false, ..want };
    let without_bodies = ParseOptions { text: false, preview: false, ..without_html };
    let mut gone = Vec::new();
    let mut last = want;
    let mut answer = read(want).await;
    for (less, pointer) in [(without_html, "/html"), (without_bodies, "/text")] {
        if !matches!(answer, Err(MimeError::Failed(_))) {
            break;
        }
        if less != last {
            last = less;
            gone.push(Fault {
                pointer: pointer.to_owned(),
                code: "too-costly".to_owned(),
                detail: "the parser gave up on this body: it took too much time or memory"
                    .to_owned(),
            });
            answer = read(less).await;
        }
    }
    let mut reading = answer?;
    reading.faults.extend(gone);
    Ok(reading)
}

fn with_first(want: ParseOptions) -> ParseOptions {
    if want.html_as_sent {
        want
    } else {
        ParseOptions { preview: want.preview, ..ParseOptions::USUAL }
    }
}

impl Message for LazyMessage {
    fn summary(&self) -> Summary {
        self.summary.clone()
    }

    fn headers(&self) -> BoxFuture<'_, Result<Vec<Header>, Problem>> {
        let want = ParseOptions { headers: true, ..ParseOptions::default() };
        Box::pin(async move { Ok(self.read(want, 0).await?.headers.clone()) })
    }

    fn details(&self) -> BoxFuture<'_, Result<ReplyHeaders, Problem>> {
        let want = ParseOptions { details: true, ..ParseOptions::default() };
        Box::pin(async move { Ok(self.read(want, 0).await?.details.clone().unwrap_or_default()) })
    }

    fn structure(&self) -> BoxFuture<'_, Result<Vec<Part>, Problem>> {
        let want = ParseOptions { structure: true, ..ParseOptions::default() };
        Box::pin(async move { Ok(self.read(want, 0).await?.parts.clone()) })
    }

    fn faults(&self) -> BoxFuture<'_, Result<Vec<Fault>, Problem>> {
        Box::pin(async move {
            let mut faults = self.read(ParseOptions::USUAL, BODY_LIMIT).await?.faults.clone();
            faults.extend(self.cuts.lock().iter().cloned());
            Ok(faults)
        })
    }

    fn body(&self, kind: Body, limit: u32) -> BoxFuture<'_, Result<Option<String>, Problem>> {
        let want = ParseOptions {
            text: kind == Body::Text,
            html: kind == Body::Html,
            html_as_sent: kind == Body::HtmlAsSent,
            ..ParseOptions::default()
        };
        Box::pin(async move {
            let reading = self.read(want, limit).await?;
            let (body, _) = of(&reading, kind);
            let pointer = pointer(kind);
            let fault = reading.faults.iter().find(|fault| fault.pointer == pointer);
            if let (None, Some(fault)) = (body, fault) {
                return Err(problems::unreadable_body(fault));
            }
            // Only the parser knows where HTML may be cut.
            let shorter = match body {
                Some(html) if kind == Body::Html && html.len() > limit as usize => {
                    let raw = in_memory(self.opened().await?.raw.clone());
                    let read = self.reader.mime.read(raw, want, limit).await;
                    Some(read.map_err(problems::reading)?)
                }
                Some(_) | None => None,
            };
            let (body, is_cut) = body_within(shorter.as_ref().unwrap_or(&reading), kind, limit);
            if is_cut {
                note(&mut self.cuts.lock(), kind, limit);
            }
            Ok(body)
        })
    }

    fn part<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Octets, Problem>> {
        Box::pin(async move {
            let raw = in_memory(self.opened().await?.raw.clone());
            self.reader.mime.decode(raw, path).await.map_err(problems::reading)
        })
    }

    fn raw(&self) -> BoxFuture<'_, Result<Octets, Problem>> {
        Box::pin(async move { Ok(in_memory(self.opened().await?.raw.clone())) })
    }
}
