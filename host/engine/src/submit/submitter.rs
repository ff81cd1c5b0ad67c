//! Acceptance of submissions.
//!
//! Key and digest are looked up first, then the message is composed once and passes the tenant's
//! filters, then everything becomes durable in one step of the store; only then is there a receipt.
//! A repeated key runs no filter. Nothing here waits for a mail server.
//!
//! Invariant: the envelope's sender is one of the account's identities, before and after composing,
//! and after the filters.
//!
//! Standards: RFC 5322 §3.6.4 (Message-ID), RFC 6409 §8 (submission).

use std::sync::Arc;

use model::account::{Account, Identity};
use model::caller::Caller;
use model::ids::SubmissionId;
use model::mail::address::{Address, EmailAddress};
use model::mail::draft::{Composed, Draft};
use model::mail::message::Page;
use model::port::clock::{Clock, Entropy, ten_bytes};
use model::port::mime::Mime;
use model::port::outbox::{Acceptance, IdempotentReplay, Outbox};
use model::problem::{Code, Problem};
use model::submission::{
    Accepted, Idempotency, IdempotencyKey, NewSubmission, State, SubmissionStatus,
};

use crate::login::account_ref::AccountRef;
use crate::outbox::delivery_slots::DeliverySlots;
use crate::outbox::maintenance;
use crate::ports::Ports;
use crate::problems;
use crate::settings::Settings;
use crate::submit::draft_digest;
use crate::submit::filter_chain::{self, FilterChain};
use crate::submit::filter_registry::FilterRegistry;

/// Maximum number of identities listed in the error about another address.
const MOST_NAMED: usize = 10;

/// The dependencies of acceptance; one for each engine.
#[derive(Debug)]
pub(crate) struct Submitter {
    pub(crate) outbox: Arc<dyn Outbox>,
    pub(crate) mime: Arc<dyn Mime>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) filters: FilterRegistry,
    /// Notified of each accepted submission.
    pub(crate) slots: Arc<DeliverySlots>,
    pub(crate) settings: Settings,
}

impl Submitter {
    pub(crate) fn new(ports: &Ports, slots: Arc<DeliverySlots>, settings: Settings) -> Self {
        Self {
            outbox: Arc::clone(&ports.outbox),
            mime: Arc::clone(&ports.mime),
            clock: Arc::clone(&ports.clock),
            entropy: Arc::clone(&ports.entropy),
            filters: FilterRegistry::default(),
            slots,
            settings,
        }
    }
}

/// Accepts a submission; durable on return.
pub(crate) async fn submit(
    submitter: &Submitter,
    caller: &Caller,
    account: &Account,
    draft: Draft,
) -> Result<Accepted, Problem> {
    let idempotency = match &caller.idempotency_key {
        Some(key) => Some(idempotency(key, &draft).await?),
        None => None,
    };
    if let Some(idempotency) = &idempotency {
        let found = submitter.outbox.lookup(account, idempotency).await;
        if let Some(replay) = found.map_err(problems::store)? {
            return replayed(replay);
        }
    }
    if account.smtp.is_none() {
        let detail = "the account has no SMTP server to send with";
        return Err(Problem::new(Code::NotConfigured, detail));
    }
    let submission = compose(submitter, caller, account, draft, idempotency).await?;
    match submitter.outbox.accept(submission).await.map_err(problems::store)? {
        Acceptance::Stored(receipt) => {
            submitter.slots.accepted(&AccountRef::of(account));
            Ok(Accepted { receipt, is_replay: false })
        }
        Acceptance::Replayed(replay) => replayed(replay),
    }
}

async fn idempotency(key: &IdempotencyKey, draft: &Draft) -> Result<Idempotency, Problem> {
    let text = key.text();
    let fits = (1..=IdempotencyKey::LONGEST).contains(&text.len())
        && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if !fits {
        let detail = "Idempotency-Key is 1 to 255 printable ASCII characters";
        return Err(Problem::new(Code::InvalidIdempotencyKey, detail));
    }
    let digest = draft_digest::of(draft).await.map_err(|error| {
        Problem::new(Code::StoreUnavailable, "an attachment cannot be read").with_cause(error)
    })?;
    Ok(Idempotency { key: key.clone(), digest })
}

fn replayed(replay: IdempotentReplay) -> Result<Accepted, Problem> {
    match replay {
        IdempotentReplay::Same(receipt) => Ok(Accepted { receipt, is_replay: true }),
        IdempotentReplay::Mismatch => {
            let detail = "the Idempotency-Key belongs to another message; use a new one";
            Err(Problem::new(Code::IdempotencyMismatch, detail))
        }
    }
}

async fn compose(
    submitter: &Submitter,
    caller: &Caller,
    account: &Account,
    mut draft: Draft,
    idempotency: Option<Idempotency>,
) -> Result<NewSubmission, Problem> {
    let (identity, sender) = sender(caller, account, draft.sender.as_ref())?;
    draft.sender = Some(sender);
    let created = submitter.clock.now();
    let message_id = message_id(&*submitter.entropy, &identity.email);
    let composed = submitter.mime.compose(draft, &message_id, created).await;
    let composed = composed.map_err(problems::composing)?;
    check(submitter, caller, account, &composed)?;
    let Submitter { filters, mime, clock, settings, .. } = submitter;
    let chain = FilterChain { filters, mime, clock: &**clock, settings };
    let filtered = filter_chain::before_send(&chain, caller, account, composed).await?;
    let composed = filtered.composed;
    check(submitter, caller, account, &composed)?;
    Ok(NewSubmission {
        id: SubmissionId::generate_at(created, ten_bytes(&*submitter.entropy)),
        tenant: account.tenant.clone(),
        account: account.id.clone(),
        generation: account.generation,
        message_id,
        sender: composed.envelope.sender,
        recipients: composed.envelope.recipients,
        raw: composed.raw,
        created,
        due: created,
        warnings: filtered.warnings,
        idempotency,
    })
}

/// Checks every accepted message.
fn check(
    submitter: &Submitter,
    caller: &Caller,
    account: &Account,
    composed: &Composed,
) -> Result<(), Problem> {
    let envelope = &composed.envelope;
    if !account.identities.iter().any(|identity| identity.email.same_as(&envelope.sender)) {
        return Err(foreign_sender(caller, account, envelope.sender.as_str()));
    }
    if envelope.recipients.is_empty() {
        return Err(Problem::new(Code::InvalidDraft, "the message has no recipient"));
    }
    let limit = submitter.settings.message_bytes;
    if composed.raw.size() > limit {
        let detail = format!("the finished message has more than {limit} bytes");
        return Err(Problem::new(Code::BodyTooLarge, detail));
    }
    Ok(())
}

/// The sender: an identity, with the display name of the draft.
fn sender<'a>(
    caller: &Caller,
    account: &'a Account,
    asked: Option<&Address>,
) -> Result<(&'a Identity, Address), Problem> {
    let Some(asked) = asked else {
        let first =
            account.identities.first().ok_or_else(|| foreign_sender(caller, account, "nobody"))?;
        return Ok((first, first.address()));
    };
    let identity = asked
        .email
        .parse::<EmailAddress>()
        .ok()
        .and_then(|email| account.identities.iter().find(|known| known.email.same_as(&email)))
        .ok_or_else(|| foreign_sender(caller, account, &asked.email))?;
    let name = asked.name.clone().or_else(|| identity.name.clone());
    Ok((identity, Address { name, email: asked.email.clone() }))
}

fn foreign_sender(caller: &Caller, account: &Account, email: &str) -> Problem {
    let own = account.email.as_str().eq_ignore_ascii_case(email);
    let though = if own { ", though it is its own address" } else { "" };
    let mut detail = format!(
        "`{}` is not one of the account's identities{though}",
        rules::foreign_text::printable(email)
    );
    // Anonymous callers of a form must not learn its addresses.
    if caller.token.is_some() {
        let known = account.identities.iter().take(MOST_NAMED);
        let known: Vec<&str> = known.map(|identity| identity.email.as_str()).collect();
        let more = if account.identities.len() > MOST_NAMED { " and others" } else { "" };
        detail += &format!(
            ": it may send as {}{more}. Leave `from` out to send as the first, or add this one by `PUT /v1/accounts/{{account}}/identities`",
            known.join(", ")
        );
    }
    Problem::new(Code::ForeignSender, detail)
}

/// A unique Message-ID, with the sender's domain where that may appear in a header field unchanged.
pub(crate) fn message_id(entropy: &dyn Entropy, sender: &EmailAddress) -> String {
    let mut random = [0_u8; 16];
    entropy.fill(&mut random);
    let domain = sender.domain();
    let domain = if domain.is_ascii() { domain } else { "postlet.invalid" };
    format!("{:032x}@{domain}", u128::from_be_bytes(random))
}

/// One submission of the account.
pub(crate) async fn get(
    submitter: &Submitter,
    account: &Account,
    id: &str,
) -> Result<SubmissionStatus, Problem> {
    let missing =
        || Problem::new(Code::NoSuchSubmission, "the account has no submission with this id");
    let id: SubmissionId = id.parse().map_err(|_| missing())?;
    let found = submitter.outbox.get(account, &id).await;
    if let Some(entry) = found.map_err(problems::store)? {
        return Ok(entry);
    }
    let (now, keep) = (submitter.clock.now(), submitter.settings.keep);
    let expired = maintenance::has_expired(&*submitter.outbox, &id, now, keep).await;
    if expired.map_err(problems::store)? {
        let days = keep.as_secs() / 86_400;
        let detail = format!("a submission is kept for {days} days after it ended");
        return Err(Problem::new(Code::SubmissionExpired, detail));
    }
    Err(missing())
}

/// Newest first.
pub(crate) async fn find(
    submitter: &Submitter,
    account: &Account,
    states: &[State],
    cursor: Option<&str>,
    limit: u32,
) -> Result<Page<SubmissionStatus>, Problem> {
    if !(1..=100).contains(&limit) {
        return Err(Problem::new(Code::InvalidQuery, "`limit` is 1 to 100"));
    }
    let found = submitter.outbox.find(account, states, cursor, limit).await;
    found.map_err(problems::store)
}
