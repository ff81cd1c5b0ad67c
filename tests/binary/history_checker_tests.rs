//! Tests of the checker [`crate::history_checker`]: it finds planted faults, and none in a consistent
//! history.

use sha2::{Digest as _, Sha256};

use crate::history_checker::{Accepted, Arrival, Copies, Entry, Fault, History, faults};

/// Three messages over two connections in two runs, with a kill between: `b` was in the dot window
/// and arrived again.
fn sound() -> History {
    let arrivals =
        vec![arrival(1, 0, "a"), arrival(2, 0, "b"), arrival(3, 1, "b"), arrival(3, 1, "c")];
    let accepted =
        ["a", "b", "c"].map(|mark| Accepted { mark: mark.to_owned(), message_id: id(mark) });
    let entries = ["a", "b", "c"].map(|mark| Entry {
        message_id: id(mark),
        state: "sent".to_owned(),
        possible_duplicate: mark == "b",
    });
    History {
        accepted: accepted.to_vec(),
        arrivals,
        entries: entries.to_vec(),
        said_sent: [(id("a"), 0), (id("b"), 1)].into(),
        places: 1,
        kills: 1,
        copies: Some((Copies::AtMostOne, vec![id("a"), id("b"), id("c")])),
    }
}

#[test]
fn a_marked_repetition_from_the_dot_window_is_no_fault() {
    check(|_| (), &[]);
}

#[test]
fn a_draft_whose_response_was_lost_may_arrive_or_not() {
    check(|history| drop(history.accepted.remove(2)), &[]);
}

#[test]
fn a_planted_loss_is_found() {
    check(|history| drop(history.arrivals.remove(0)), &[Fault::Lost("a".to_owned())]);
}

#[test]
fn a_planted_duplicate_is_found() {
    // In the same run, over another connection, and not marked.
    let plant = |history: &mut History| history.arrivals.push(arrival(4, 1, "c"));
    check(plant, &[Fault::TwiceInOneRun("c".to_owned()), Fault::NotTold("c".to_owned())]);
}

#[test]
fn a_planted_duplicate_outside_of_the_dot_window_is_found() {
    let fault = || [Fault::OutsideTheDotWindow("b".to_owned())];
    // Its connection had carried another message before the kill.
    let followed = |history: &mut History| {
        history.arrivals.insert(2, Arrival { mark: "d".to_owned(), ..arrival(2, 0, "d") });
        history.entries.push(Entry { message_id: id("d"), ..history.entries[0].clone() });
    };
    check(followed, &fault());
    // Or the API had reported it as sent.
    let said = |history: &mut History| history.said_sent.extend([(id("b"), 0)]);
    check(said, &fault());
}

#[test]
fn an_unmarked_duplicate_is_found() {
    let plant = |history: &mut History| history.entries[1].possible_duplicate = false;
    check(plant, &[Fault::NotTold("b".to_owned())]);
}

#[test]
fn a_changed_byte_is_found() {
    let plant = |history: &mut History| history.arrivals[2].digest = digest("Subject: B");
    check(plant, &[Fault::Changed("b".to_owned())]);
}

#[test]
fn another_message_id_is_found() {
    let plant = |history: &mut History| history.arrivals[2].message_id = id("other");
    check(plant, &[Fault::Renamed("b".to_owned())]);
    let plant = |history: &mut History| history.accepted[0].message_id = id("c");
    check(plant, &[Fault::Renamed("a".to_owned())]);
}

#[test]
fn a_submission_that_the_api_omits_or_calls_unsent_is_found() {
    let forgotten = |history: &mut History| {
        history.entries.remove(0);
        history.copies = None;
    };
    let both = [Fault::Unlisted("a".to_owned()), Fault::Stranger("a".to_owned())];
    check(forgotten, &both);
    let expired = |history: &mut History| {
        history.entries[0].state = "expired".to_owned();
        history.copies = None;
    };
    check(expired, &[Fault::NotSent(id("a"))]);
}

#[test]
fn more_possible_duplicates_than_deliveries_are_found() {
    let plant = |history: &mut History| history.entries[2].possible_duplicate = true;
    check(plant, &[Fault::TooManyDoubts(2)]);
}

#[test]
fn copies_are_counted() {
    let copies = |wanted, ids: &[&str]| {
        let ids = ids.iter().map(|mark| id(mark)).collect();
        move |history: &mut History| history.copies = Some((wanted, ids))
    };
    check(copies(Copies::One, &["a", "b", "c"]), &[]);
    check(copies(Copies::AtMostOne, &["a"]), &[]);
    check(copies(Copies::One, &["a", "c"]), &[Fault::NoCopy(id("b"))]);
    check(copies(Copies::AtMostOne, &["a", "a"]), &[Fault::CopiedTwice(id("a"))]);
    check(copies(Copies::AtMostOne, &["x"]), &[Fault::StrangeCopy(id("x"))]);
}

#[track_caller]
fn check(plant: impl FnOnce(&mut History), want: &[Fault]) {
    let mut history = sound();
    plant(&mut history);
    assert_eq!(faults(&history), want);
}

fn id(mark: &str) -> String {
    format!("{mark}@example.test")
}

fn arrival(connection: usize, run: usize, mark: &str) -> Arrival {
    let (message_id, digest) = (id(mark), digest(&format!("Subject: {mark}")));
    Arrival { connection, run, mark: mark.to_owned(), message_id, digest }
}

fn digest(bytes: &str) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
