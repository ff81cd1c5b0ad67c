//! Secret search: uses every capability, then returns all of its memory.

use kit::bindings::postlet::mail::drafts::Draft;
use kit::bindings::postlet::mail::grants::Account;
use kit::bindings::postlet::mail::messages;
use kit::bindings::postlet::mail::messages::{FlagChange, Query, Want};
use kit::bindings::postlet::mail::reading::{Body, Message};
use kit::bindings::postlet::mail::types::Address;
use kit::bindings::postlet::mail::uploads::Spool;
use kit::bindings::postlet::mail::{accounts, mailboxes, providers, submission};
use kit::problem::Problem;
use wasip2::http::types::{Fields, OutgoingRequest};

use crate::probe;

/// All of linear memory. A capability that fails is a problem, so that none is skipped unnoticed.
pub(crate) fn testify(id: &str) -> Result<Vec<u8>, Problem> {
    let account = accounts::open(id)?;
    let kept = (
        mailboxes::all(&account, true)?,
        providers::discover("gmail.com"),
        sent(&account)?,
        read(&account)?,
        (probe::sockets(), probe::outbound("127.0.0.1"), probe::files(), probe::environment()),
        // Refusals leave text in memory, too.
        accounts::open("nobody").err(),
        messages::open(&account, "no-key").err(),
        OutgoingRequest::new(Fields::new()),
    );
    let memory = memory();
    drop(std::hint::black_box(kept));
    Ok(memory)
}

fn sent(account: &Account) -> Result<impl Sized + use<>, Problem> {
    let spool = Spool::create()?;
    spool.write(b"an upload")?;
    let octets = Spool::finish(spool)?;
    let uploaded = octets.read(0, 100)?;
    let own = Address { name: None, email: account.email() };
    let draft = Draft {
        sender: None,
        reply_to: Vec::new(),
        to: vec![own],
        cc: Vec::new(),
        bcc: Vec::new(),
        subject: Some("from a component".to_owned()),
        text: Some("words".to_owned()),
        html: None,
        attachments: Vec::new(),
        in_reply_to: Vec::new(),
        references: Vec::new(),
        headers: Vec::new(),
    };
    let receipt = submission::submit(account, draft)?;
    let entry = submission::get(account, &receipt.submission_id)?;
    Ok((uploaded, receipt, entry, submission::find(account, &[], None, 10)?))
}

fn read(account: &Account) -> Result<impl Sized + use<>, Problem> {
    let query = Query {
        mailbox: "INBOX".to_owned(),
        want: Want::PREVIEW | Want::ATTACHMENTS,
        cursor: None,
        limit: 10,
    };
    let page = messages::find(account, &query)?;
    let keys = page.rows.iter().filter_map(|row| row.stored.as_ref());
    let keys: Vec<String> = keys.map(|stored| stored.key.clone()).take(1).collect();
    let mut seen = Vec::new();
    for key in &keys {
        let message: Message = messages::open(account, key)?;
        let raw = message.raw()?.read(0, 10_000)?;
        let words = (message.body(Body::Text, 10_000)?, message.headers()?, message.details()?);
        seen.push((raw, words, message.structure()?, message.summary()));
    }
    let change = FlagChange { add: vec!["\\Flagged".to_owned()], remove: Vec::new(), set: None };
    let flags = messages::change_flags(account, &keys, &change);
    let copied = messages::copy(account, &keys, "\\Archive");
    let moved = messages::move_(account, &keys, "\\Archive");
    let now: Vec<String> = moved.iter().flatten().filter_map(|moved| moved.now.clone()).collect();
    let gone = (messages::trash(account, &now), messages::expunge_forever(account, &now));
    Ok((page, seen, (flags, copied, moved, gone)))
}

fn memory() -> Vec<u8> {
    // Before the copy is made, which is in the same memory.
    let size = core::arch::wasm32::memory_size(0) << 16;
    let mut copy = vec![0; size];
    for (at, byte) in copy.iter_mut().enumerate().skip(1) {
        // SAFETY: linear memory is readable from zero to its size; nothing else runs here.
        #[expect(unsafe_code, reason = "reads memory that no reference covers")]
        let found = unsafe { std::ptr::with_exposed_provenance::<u8>(at).read_volatile() };
        *byte = found;
    }
    copy
}
