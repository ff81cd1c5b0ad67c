//! Calls that change something: each is done or a problem, and no message is lost or duplicated.

use fault_matrix::cell::Start;
use fault_matrix::mailbox_calls::CHANGING;
use fault_matrix::scenario::check;

#[test]
fn a_change_on_a_new_session_succeeds_or_is_a_problem() {
    check(&CHANGING, &[Start::Cold]);
}

#[test]
fn a_change_on_an_idle_session_is_never_made_twice() {
    check(&CHANGING, &[Start::Warm]);
}
