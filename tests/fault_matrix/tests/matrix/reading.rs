//! Calls that change nothing: a problem within the deadline, and the next call works.

use fault_matrix::cell::Start;
use fault_matrix::mailbox_calls::{READING, VERIFYING};
use fault_matrix::scenario::check;

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
