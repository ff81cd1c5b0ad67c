//! Submissions: a visible state within the deadline, and finally one message, a refusal, or a
//! marked possible duplicate.

use fault_matrix::cell::{Start, hold};
use fault_matrix::submissions::SUBMISSIONS;

#[test]
fn a_message_over_a_new_session_arrives_once() {
    check(Start::Cold);
}

#[test]
fn a_message_over_a_reused_session_arrives_once() {
    check(Start::Warm);
}

fn check(start: Start) {
    let (mut ran, mut wrong) = (0, Vec::new());
    for submission in SUBMISSIONS {
        for cell in submission.cells(start) {
            ran += 1;
            wrong.extend(submission.play(&cell).err());
        }
    }
    hold(ran, &wrong);
}
