//! Calls that change nothing: a problem within the deadline, and the next call works.

use fault_matrix::call::{Call, READING, VERIFYING};
use fault_matrix::cell::{Start, hold};

#[test]
fn a_read_on_a_new_session_ends_with_a_problem() {
    check(&READING, &[Start::Cold]);
}

#[test]
fn a_read_on_a_session_that_lay_idle_ends_with_a_problem_or_is_asked_again() {
    check(&READING, &[Start::Warm]);
}

#[test]
fn a_login_that_is_only_tried_tells_what_went_wrong() {
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
