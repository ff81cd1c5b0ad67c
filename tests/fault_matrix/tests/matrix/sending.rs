//! Submissions: a visible state within the deadline, and finally one message, a refusal, or a
//! marked possible duplicate.

use fault_matrix::cell::Start;
use fault_matrix::scenario::check;
use fault_matrix::submissions::SUBMISSIONS;

#[test]
fn a_message_over_a_new_session_arrives_once() {
    check(&SUBMISSIONS, &[Start::Cold]);
}

#[test]
fn a_message_over_a_reused_session_arrives_once() {
    check(&SUBMISSIONS, &[Start::Warm]);
}
