//! Calls that change nothing: a problem within the deadline, and the next call works.

use fault_matrix::cell::{Start, hold};
use fault_matrix::mailbox_calls::{Call, READING, VERIFYING};

#[test]
fn a_read_on_a_new_session_ends_with_a_problem() {
    check(&READING, &[Start::Cold]);
}

#[test]
fn a_read_on_an_idle_session_ends_with_a_problem_or_is_repeated() {
    check(&READING, &[Start::Warm]);
}

#[test]
fn a_verification_reports_the_fault() {
    check(&VERIFYING, &[Start::Cold]);
}

pub(crate) fn check(calls: &[Call], starts: &[Start]) {
    let (mut ran, mut wrong) = (0, Vec::new());
    for call in calls {
        for cell in starts.iter().flat_map(|start| call.cells(*start)) {
            ran += 1;
            wrong.extend(call.play(&cell).err());
        }
    }
    hold(ran, &wrong);
}
