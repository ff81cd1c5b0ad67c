//! FETCH of many messages, bisected when one of them makes the command fail.
//!
//! Some servers end the FETCH of a whole page with NO because of one message that they cannot read
//! (Yahoo, Gmail), after the rows before it. And one message may exceed a limit of the session:
//! then the session is over. Rows that were received are kept, and the missing ones are fetched in
//! ever smaller sets, down to the message that causes the failure.
//!
//! Invariants: the number of commands is bounded; one message costs no other its row; after a
//! refusal for another reason no further command is sent.
//!
//! Standard: RFC 9051 §6.4.5 (FETCH), §6.4.9 (UID FETCH).

use std::collections::HashSet;
use std::ops::RangeInclusive;

use model::port::imap::{FetchItem, FetchRow, ImapError, Messages, NoCode};

use crate::imap_pool::SessionError;
use crate::imap_pool::lease::Lease;

/// Maximum number of failed commands: to find one message among a hundred takes eight, to find
/// three rarely more than twenty.
const MOST_REFUSALS: usize = 24;

/// The result of a bisected FETCH.
#[derive(Debug, Default)]
pub(crate) struct BisectResult {
    pub(crate) rows: Vec<FetchRow>,
    /// UIDs that the server does not return, or that were no longer fetched alone.
    pub(crate) refused: HashSet<u32>,
}

/// The kind of number in a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Uid,
    Sequence,
}

/// UID FETCH of `items`; after a response that ended the session, of `less`.
pub(crate) async fn fetch(
    lease: &mut Lease,
    uids: Vec<u32>,
    items: &[FetchItem],
    less: &[FetchItem],
) -> Result<BisectResult, SessionError> {
    pieces(lease, By::Uid, uids, items, less).await
}

/// FETCH of the flags of a range; of refused messages the UID alone, where the server returns it.
/// When it returns nothing, its first error is returned.
pub(crate) async fn flags(
    lease: &mut Lease,
    range: RangeInclusive<u32>,
) -> Result<Vec<FetchRow>, SessionError> {
    let items = [FetchItem::Flags];
    let mut rows = Vec::new();
    let Err(first) = lease.fetch_into(&mut rows, &Messages::Sequence(range.clone()), &items).await
    else {
        return Ok(rows);
    };
    if kind(&first) != Kind::Message || !lease.has_mailbox() {
        return Err(first);
    }
    let came: HashSet<u32> = rows.iter().map(|row| row.sequence).collect();
    let left = range.filter(|number| !came.contains(number)).collect();
    let found = pieces(lease, By::Sequence, left, &items, &items).await?;
    rows.extend(found.rows);
    let mut failed = 0;
    for number in found.refused {
        if failed == MOST_REFUSALS {
            break;
        }
        // Most servers return the UID of a message that they cannot read.
        let alone = Messages::Sequence(number..=number);
        match lease.fetch_into(&mut rows, &alone, &[]).await {
            Ok(()) => {}
            Err(error) if kind(&error) == Kind::Message => failed += 1,
            Err(error) => return Err(error),
        }
    }
    if rows.is_empty() { Err(first) } else { Ok(rows) }
}

/// Whether the failure of a FETCH may be caused by the messages in its set.
pub(crate) fn is_about_messages(lease: &Lease, error: &SessionError) -> bool {
    kind(error) != Kind::Other && lease.has_mailbox()
}

async fn pieces(
    lease: &mut Lease,
    by: By,
    numbers: Vec<u32>,
    items: &[FetchItem],
    less: &[FetchItem],
) -> Result<BisectResult, SessionError> {
    let mut found = BisectResult::default();
    let mut sets = vec![numbers];
    let mut refusals = 0;
    let mut items = items;
    while let Some(mut set) = sets.pop() {
        if refusals >= MOST_REFUSALS {
            found.refused.extend(set);
            continue;
        }
        let (Some(first), Some(last)) = (set.first(), set.last()) else { continue };
        let asked = match by {
            By::Uid => Messages::Uids(set.clone()),
            By::Sequence => Messages::Sequence(*first..=*last),
        };
        let before = found.rows.len();
        let Err(error) = lease.fetch_into(&mut found.rows, &asked, items).await else { continue };
        // The new session could not select the mailbox, and reported that.
        if !lease.has_mailbox() {
            return Err(error);
        }
        refusals += 1;
        let number = |row: &FetchRow| if by == By::Uid { row.uid } else { row.sequence };
        let came: HashSet<u32> =
            found.rows.get(before..).unwrap_or_default().iter().map(number).collect();
        let asked_alone = set.len() == 1;
        set.retain(|uid| !came.contains(uid));
        match (&error, kind(&error)) {
            (_, Kind::Message) if asked_alone => found.refused.extend(set),
            (_, Kind::Message) => halve(set, &mut sets),
            // Once: from here on the response is bounded by the size of the request.
            (_, Kind::Session) if items != less => {
                items = less;
                sets.push(set);
            }
            (_, Kind::Session | Kind::Other) => return Err(error),
        }
    }
    Ok(found)
}

/// The possible cause of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// One of the messages.
    Message,
    /// The response, which may be due to a message.
    Session,
    /// Anything else.
    Other,
}

fn kind(error: &SessionError) -> Kind {
    match error {
        SessionError::Command(ImapError::No { code: NoCode::Other, .. }) => Kind::Message,
        SessionError::Command(ImapError::Protocol(_)) => Kind::Session,
        SessionError::Command(
            ImapError::No { .. }
            | ImapError::Dial(_)
            | ImapError::Credentials { .. }
            | ImapError::NoTls
            | ImapError::NoMechanism
            | ImapError::Bad { .. }
            | ImapError::Bye { .. }
            | ImapError::Lost(_)
            | ImapError::Timeout
            | ImapError::Unsupported(_),
        )
        | SessionError::NoSession(_) => Kind::Other,
    }
}

/// Splits in two; the first half comes next.
fn halve(mut set: Vec<u32>, sets: &mut Vec<Vec<u32>>) {
    let second = set.split_off(set.len().div_ceil(2));
    sets.extend([second, set].into_iter().filter(|half| !half.is_empty()));
}
