//! History checker of the kill test: accepted drafts, the mail server's arrivals, and the final
//! state in the API must be consistent.
//!
//! Pure: values in, faults out, without a clock. A run is the life of one host process, counted
//! from zero; a kill ends it. A connection belongs to the run in which it was made, since only the
//! host of that run can have used it.
//!
//! Checked invariant: an accepted message arrives. It arrives twice only if a kill came between the
//! final dot and the record of its verdict (RFC 1047 describes that moment), with the same
//! Message-ID and the same bytes, and then the API marks a possible duplicate.

use std::collections::{BTreeMap, BTreeSet};

/// A draft that was answered 202.
#[derive(Clone, Debug)]
pub(crate) struct Accepted {
    /// A text that no other draft contains.
    pub(crate) mark: String,
    pub(crate) message_id: String,
}

/// A message that the mail server received completely.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    /// The connection; its arrivals are in order.
    pub(crate) connection: usize,
    pub(crate) run: usize,
    pub(crate) mark: String,
    pub(crate) message_id: String,
    /// SHA-256 of its bytes.
    pub(crate) digest: [u8; 32],
}

/// The final state of a submission in the API.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) message_id: String,
    pub(crate) state: String,
    pub(crate) possible_duplicate: bool,
}

/// The number of copies of a sent message in the mailbox for sent mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Copies {
    AtMostOne,
    One,
}

/// Everything that was observed.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    pub(crate) accepted: Vec<Accepted>,
    pub(crate) arrivals: Vec<Arrival>,
    pub(crate) entries: Vec<Entry>,
    /// Message-ID, and the run in which the API first reported `sent`.
    pub(crate) said_sent: BTreeMap<String, usize>,
    /// Maximum number of concurrent deliveries, each of which a kill may leave in doubt.
    pub(crate) places: usize,
    pub(crate) kills: usize,
    /// Message-IDs in the mailboxes for sent mail, one for each copy; None where no copies are
    /// kept.
    pub(crate) copies: Option<(Copies, Vec<String>)>,
}

/// An inconsistency, with the mark or the Message-ID.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// Accepted, and it never arrived.
    Lost(String),
    /// Accepted, and not listed by the API.
    Unlisted(String),
    /// The mail server accepted everything, so every final state must be `sent`.
    NotSent(String),
    /// It arrived, and the API lists no submission for it.
    Stranger(String),
    /// It arrived under two Message-IDs, or under another than the receipt's.
    Renamed(String),
    /// It arrived twice with different bytes.
    Changed(String),
    /// It arrived twice in one run, without a kill in between.
    TwiceInOneRun(String),
    /// It arrived again although its verdict was known: another message followed on its connection,
    /// or the API had reported `sent`.
    OutsideTheDotWindow(String),
    /// It arrived twice, and is not marked as a possible duplicate.
    NotTold(String),
    /// More possible duplicates than concurrent deliveries and kills allow.
    TooManyDoubts(usize),
    /// A sent message has no copy.
    NoCopy(String),
    /// A sent message has several copies.
    CopiedTwice(String),
    /// A copy of a message that was not sent.
    StrangeCopy(String),
}

/// Every fault, in order; empty for a consistent history.
pub(crate) fn faults(history: &History) -> Vec<Fault> {
    let entries: BTreeMap<&str, &Entry> =
        history.entries.iter().map(|entry| (entry.message_id.as_str(), entry)).collect();
    let mut arrived: BTreeMap<&str, Vec<(usize, &Arrival)>> = BTreeMap::new();
    for (place, arrival) in history.arrivals.iter().enumerate() {
        arrived.entry(&arrival.mark).or_default().push((place, arrival));
    }
    let mut faults = BTreeSet::new();
    for accepted in &history.accepted {
        match arrived.get(accepted.mark.as_str()) {
            None => {
                faults.insert(Fault::Lost(accepted.mark.clone()));
            }
            Some(times) if times[0].1.message_id != accepted.message_id => {
                faults.insert(Fault::Renamed(accepted.mark.clone()));
            }
            Some(_) => {}
        }
        if !entries.contains_key(accepted.message_id.as_str()) {
            faults.insert(Fault::Unlisted(accepted.mark.clone()));
        }
    }
    for (mark, times) in &arrived {
        let entry = entries.get(times[0].1.message_id.as_str());
        if entry.is_none() {
            faults.insert(Fault::Stranger((*mark).to_owned()));
        }
        for pair in times.windows(2) {
            let told = entry.is_some_and(|entry| entry.possible_duplicate);
            faults.extend(repeated(history, pair[0], pair[1].1, told));
        }
    }
    let mut doubts = 0;
    for entry in &history.entries {
        doubts += usize::from(entry.possible_duplicate);
        if entry.state != "sent" {
            faults.insert(Fault::NotSent(entry.message_id.clone()));
        }
    }
    if doubts > history.places * history.kills {
        faults.insert(Fault::TooManyDoubts(doubts));
    }
    faults.extend(copied(history, &entries));
    faults.into_iter().collect()
}

/// The fault of `again`, the next arrival after `first` of the same draft.
fn repeated(
    history: &History,
    (place, first): (usize, &Arrival),
    again: &Arrival,
    told: bool,
) -> Vec<Fault> {
    let followed = history.arrivals[place + 1..]
        .iter()
        .any(|later| later.connection == first.connection && later.mark != first.mark);
    let known = history.said_sent.get(&first.message_id).is_some_and(|run| *run < again.run);
    let mark = || first.mark.clone();
    [
        (first.message_id != again.message_id, Fault::Renamed(mark())),
        (first.digest != again.digest, Fault::Changed(mark())),
        (first.run >= again.run, Fault::TwiceInOneRun(mark())),
        (followed || known, Fault::OutsideTheDotWindow(mark())),
        (!told, Fault::NotTold(mark())),
    ]
    .into_iter()
    .filter_map(|(wrong, fault)| wrong.then_some(fault))
    .collect()
}

fn copied(history: &History, entries: &BTreeMap<&str, &Entry>) -> Vec<Fault> {
    let Some((wanted, copies)) = &history.copies else { return Vec::new() };
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for copy in copies {
        *counts.entry(copy).or_default() += 1;
    }
    let mut faults = Vec::new();
    for (copy, count) in &counts {
        if *count > 1 {
            faults.push(Fault::CopiedTwice((*copy).to_owned()));
        }
        if entries.get(copy).is_none_or(|entry| entry.state != "sent") {
            faults.push(Fault::StrangeCopy((*copy).to_owned()));
        }
    }
    if *wanted == Copies::One {
        let sent = history.entries.iter().filter(|entry| entry.state == "sent");
        let missing = sent.filter(|entry| !counts.contains_key(entry.message_id.as_str()));
        faults.extend(missing.map(|entry| Fault::NoCopy(entry.message_id.clone())));
    }
    faults
}
