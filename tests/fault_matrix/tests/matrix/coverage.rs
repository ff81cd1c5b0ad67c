//! Coverage of the matrix: every step of the mailroom is reached by a call, or listed here with a
//! reason.

use std::collections::BTreeSet;

use fault_matrix::cell::STARTS;
use fault_matrix::fixture::steps;
use fault_matrix::mailbox_calls::{CHANGING, READING, VERIFYING};
use fault_matrix::scenario::Scenario;
use fault_matrix::submissions::SUBMISSIONS;
use mailroom::Protocol;

/// Steps of SMTP that Postlet never takes.
const NOT_SMTP: [(&str, &str); 3] = [
    ("HELO", "a server without EHLO has no AUTH, and nothing is sent without a login"),
    ("NOOP", "a kept session is used or dropped, never probed"),
    ("VRFY", "servers do not answer it truthfully"),
];

/// Steps of IMAP that Postlet never takes.
const NOT_IMAP: [(&str, &str); 18] = [
    ("ENABLE", "nothing that has to be enabled is used"),
    ("EXAMINE", "sessions are shared by reads and changes, so SELECT serves both"),
    ("LSUB", "all mailboxes are listed, subscribed or not"),
    ("CREATE", "the API creates no mailboxes"),
    ("DELETE", "the API removes no mailboxes"),
    ("SUBSCRIBE", "subscriptions belong to mail clients"),
    ("UNSUBSCRIBE", "subscriptions belong to mail clients"),
    ("IDLE", "no push notification is implemented"),
    ("DONE", "it ends IDLE"),
    ("CHECK", "NOOP does what is needed"),
    ("UNSELECT", "the next SELECT does it"),
    ("CLOSE", "it expunges messages that other clients have marked"),
    ("EXPUNGE", "it removes messages that other clients have marked; UID EXPUNGE does not"),
    ("SEARCH", "lists go by sequence numbers"),
    ("UID SEARCH", "lists go by sequence numbers"),
    ("STORE", "messages are changed by UID only"),
    ("COPY", "messages are copied by UID only"),
    ("MOVE", "messages are moved by UID only"),
];

#[test]
fn every_step_of_smtp_is_covered_or_listed() {
    check(Protocol::Smtp, &NOT_SMTP);
}

#[test]
fn every_step_of_imap_is_covered_or_listed() {
    check(Protocol::Imap, &NOT_IMAP);
}

fn check(protocol: Protocol, named: &[(&str, &str)]) {
    let mut reached = BTreeSet::new();
    for start in STARTS {
        for call in READING.iter().chain(&CHANGING).chain(&VERIFYING) {
            reached.extend(call.steps(start, protocol));
        }
        for submission in SUBMISSIONS {
            reached.extend(submission.steps(start, protocol));
        }
    }
    let named: BTreeSet<&str> = named.iter().map(|(step, _)| *step).collect();
    let both: Vec<_> = reached.intersection(&named).collect();
    assert!(both.is_empty(), "{both:?} are reached: remove them from the list");
    let missing: Vec<_> = steps(protocol)
        .iter()
        .filter(|step| !reached.contains(*step) && !named.contains(*step))
        .collect();
    assert!(
        missing.is_empty(),
        "no call reaches {missing:?}: cover them, or list them with a reason"
    );
    let unknown: Vec<_> = named.iter().filter(|step| !steps(protocol).contains(step)).collect();
    assert!(unknown.is_empty(), "the mailroom has no step {unknown:?}");
}
