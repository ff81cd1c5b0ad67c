//! Complexity tests of the real `mime` component: the cost of reading a message is linear in its
//! length.
//!
//! Instructions are counted (wasmtime's fuel), so that the numbers are the same on every machine.
//! Each construct of HTML and MIME is repeated to some length and to twice that length; the second
//! may cost little more than twice as much.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may stop at the first surprise, and says what it measured"
)]

mod instruction_counter;
mod constructs;

use std::sync::OnceLock;

use crate::constructs::{Construct, elements, header_fields, html, mime_parts, pairs};
use crate::instruction_counter::Meter;

/// Length of the shorter message, in bytes.
const LENGTH: usize = 16 << 10;
/// The same for the test with very many constructs.
const SHORT: usize = 6 << 10;
/// Maximum growth of the cost for twice the length. Linear is 2; a constant part makes it less, and
/// memory that grows in steps a little more.
const MOST_GROWTH: f64 = 2.6;
/// Maximum instructions for each byte, for every construct: with elements nested as deep as
/// permitted, each end tag searches all of them.
const MOST_FOR_A_BYTE: u64 = 60_000;

#[test]
fn the_cost_of_every_header_field_is_linear() {
    check(&header_fields(), LENGTH);
}

#[test]
fn the_cost_of_every_structure_of_parts_is_linear() {
    check(&mime_parts(), LENGTH);
}

#[test]
fn the_cost_of_every_html_construct_is_linear() {
    check(&html(), LENGTH);
}

#[test]
fn the_cost_of_nested_elements_is_linear() {
    check(&pairs(&["a", "p", "li", "dd", "div", "table", "td", "span"]), SHORT);
}

/// Every element within every other; takes minutes.
#[test]
#[ignore = "takes minutes; tests/full/cost runs it"]
fn the_cost_of_all_pairs_of_nested_elements_is_linear() {
    check(&pairs(&elements()), SHORT);
}

#[track_caller]
fn check(constructs: &[Construct], length: usize) {
    // Compiled once.
    static METER: OnceLock<Meter> = OnceLock::new();
    let meter = METER.get_or_init(Meter::new);
    let mut faults = Vec::new();
    let mut dearest = (0, "");
    for construct in constructs {
        let [once, twice] =
            [length, 2 * length].map(|length| meter.read(&construct.message(length)));
        #[expect(clippy::cast_precision_loss, reason = "a ratio of two counts")]
        let growth = twice as f64 / once as f64;
        let for_a_byte = twice / (2 * length as u64);
        dearest = dearest.max((for_a_byte, construct.name.as_str()));
        if growth > MOST_GROWTH || for_a_byte > MOST_FOR_A_BYTE {
            faults.push(format!(
                "{}: {once} and then {twice} instructions: times {growth:.2}, {for_a_byte} for a byte",
                construct.name
            ));
        }
    }
    println!(
        "{} constructs; the dearest is {} for a byte: {}",
        constructs.len(),
        dearest.0,
        dearest.1
    );
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
