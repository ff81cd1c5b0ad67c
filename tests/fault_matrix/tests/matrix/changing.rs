//! Calls that change something: done or a problem, nothing lost, nothing there twice.

use fault_matrix::call::CHANGING;
use fault_matrix::cell::Start;

use crate::reading::check;

#[test]
fn a_change_on_a_new_session_is_done_or_told() {
    check(&CHANGING, &[Start::Cold]);
}

#[test]
fn a_change_on_a_session_that_lay_idle_is_never_made_twice() {
    check(&CHANGING, &[Start::Warm]);
}
