//! IMAP commands on messages of the selected mailbox: STORE, COPY, MOVE, EXPUNGE, and the flag
//! changes of FETCH.
//!
//! Each is a function of the store and the session's view. `Err` is a result like `Ok`; it only
//! ends the command early.
//!
//! Standards: RFC 3501 §6.4, RFC 4315 (UIDPLUS), RFC 6851 (MOVE).

use imap_codec::imap_types::flag::{Flag, StoreResponse, StoreType};
use imap_codec::imap_types::mailbox::Mailbox;
use imap_codec::imap_types::sequence::SequenceSet;

use crate::imap::answer::{Answer, into_target};
use crate::imap::names::name_of;
use crate::imap::sequence_numbers::{Numbering, SequenceView, flag_notice};
use crate::imap::sets::written;
use crate::mailbox::{Change, UIDVALIDITY};
use crate::store::{Refusal, Store, Transfer};

const READ_ONLY: Answer = Answer::no("[CANNOT] opened read-only");

/// Removes messages with `\Deleted`, in `set` or all.
pub(crate) fn expunge(
    store: &Store,
    view: &SequenceView,
    set: Option<&SequenceSet>,
) -> Result<Answer, Answer> {
    if view.read_only {
        return Err(READ_ONLY);
    }
    let uids = set.map(|set| view.uids(set, Numbering::Uid)).transpose()?;
    store.remove(view.user, view.mailbox, |message| {
        let asked = uids.as_ref().is_none_or(|uids| uids.binary_search(&message.uid).is_ok());
        asked && message.has("\\Deleted")
    });
    Ok(Answer::ok("expunged"))
}

/// STORE.
pub(crate) fn change_flags(
    store: &Store,
    view: &mut SequenceView,
    uids: &[u32],
    kind: &StoreType,
    flags: &[Flag<'_>],
    response: &StoreResponse,
    out: &mut Vec<u8>,
) -> Result<Answer, Answer> {
    if view.read_only {
        return Err(READ_ONLY);
    }
    let change = match kind {
        StoreType::Replace => Change::Replace,
        StoreType::Add => Change::Add,
        StoreType::Remove => Change::Remove,
    };
    let changed = store.flag(view.user, view.mailbox, uids, &words(flags), change);
    match response {
        StoreResponse::Silent => view.silenced(&changed),
        StoreResponse::Answer => {
            for (number, message) in view.messages(store, uids) {
                flag_notice(out, number, &message);
                view.told(message.uid, message.version);
            }
        }
    }
    Ok(Answer::ok("stored"))
}

/// Sets `\Seen` on messages about to be read; returns the UIDs that did not have it.
pub(crate) fn mark_seen(store: &Store, view: &mut SequenceView, uids: &[u32]) -> Vec<u32> {
    if view.read_only {
        return Vec::new();
    }
    let unseen = view.messages(store, uids).into_iter().filter(|(_, own)| !own.has("\\Seen"));
    let unseen: Vec<u32> = unseen.map(|(_, message)| message.uid).collect();
    let seen = ["\\Seen".to_owned()];
    view.silenced(&store.flag(view.user, view.mailbox, &unseen, &seen, Change::Add));
    unseen
}

/// COPY and MOVE.
pub(crate) fn transfer(
    store: &Store,
    view: &SequenceView,
    uids: &[u32],
    mailbox: &Mailbox<'_>,
    transfer: Transfer,
    out: &mut Vec<u8>,
) -> Result<Answer, Answer> {
    if view.read_only && transfer == Transfer::Move {
        return Err(READ_ONLY);
    }
    let name = name_of(mailbox).ok_or_else(|| into_target(Refusal::NoSuchMailbox))?;
    let pairs = store.transfer(view.user, view.mailbox, uids, &name, transfer);
    let pairs = pairs.map_err(into_target)?;
    if pairs.is_empty() {
        return Ok(Answer::ok("there was nothing to do"));
    }
    let (from, to): (Vec<u32>, Vec<u32>) = pairs.into_iter().unzip();
    let code = format!("[COPYUID {UIDVALIDITY} {} {}]", written(&from), written(&to));
    Ok(match transfer {
        Transfer::Copy => Answer::Ok(format!("{code} copied").into()),
        // RFC 6851 §4.3: before the EXPUNGE responses, so not in the tagged one.
        Transfer::Move => {
            out.extend_from_slice(format!("* OK {code} moved\r\n").as_bytes());
            Answer::ok("moved")
        }
    })
}

/// Flags as the store keeps them. `\Recent` and such can be set by the server only (RFC 3501
/// §2.3.2); a keyword that is not an atom is left out.
pub(crate) fn words(flags: &[Flag<'_>]) -> Vec<String> {
    let own = flags.iter().filter(|flag| !matches!(flag, Flag::Extension(_)));
    own.map(ToString::to_string).filter(|word| word.len() <= 128).collect()
}
