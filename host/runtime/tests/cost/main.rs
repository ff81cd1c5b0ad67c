//! What reading a message costs the real `mime` component: at most a constant times its length.
//!
//! Instructions are counted (wasmtime's fuel), so that the figures are the same on every machine. Each
//! construct of HTML and MIME is repeated until the message has some length, and again until it has
//! twice that: twice as long may cost little more than twice as much.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may stop at the first surprise, and says what it measured"
)]

mod meter;
mod constructs;

use std::sync::OnceLock;

use crate::constructs::{Construct, elements, header_fields, html, mime_parts, pairs};
use crate::meter::Meter;

/// Of the shorter message, in bytes.
const LENGTH: usize = 16 << 10;
/// The same where there are very many constructs.
const SHORT: usize = 6 << 10;
/// How much more twice the length may cost. Linear is 2; what is the same for every message makes it less, and
/// memory that grows in steps a little more.
const MOST_GROWTH: f64 = 2.6;
/// Instructions for each byte, whatever the construct: with elements nested as deep as they may be, each end tag
/// looks through all of them.
const MOST_FOR_A_BYTE: u64 = 60_000;

#[test]
fn every_header_field_costs_a_constant_times_its_length() {
    check(&header_fields(), LENGTH);
}

#[test]
fn every_structure_of_parts_costs_a_constant_times_its_length() {
    check(&mime_parts(), LENGTH);
}

#[test]
fn every_construct_of_html_costs_a_constant_times_its_length() {
    check(&html(), LENGTH);
}

#[test]
fn elements_within_each_other_cost_a_constant_times_their_length() {
    check(&pairs(&["a", "p", "li", "dd", "div", "table", "td", "span"]), SHORT);
}

/// Every element with every other: minutes.
#[test]
#[ignore = "takes minutes; tests/full/cost runs it"]
fn all_elements_within_each_other_cost_a_constant_times_their_length() {
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
