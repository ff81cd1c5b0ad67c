//! A scenario of the fault matrix: what runs once without a fault, and then with each fault at each
//! of its steps.

use std::collections::BTreeSet;
use std::time::Duration;

use mailroom::Protocol;

use crate::cell::{Cell, Start, faults, hold};
use crate::fixture::on_an_owned_clock;

/// A call, or a submission, with the settings of the servers.
pub trait Scenario: Copy {
    /// The protocols of its steps, the one that it is about first.
    const PROTOCOLS: [Protocol; 2];
    /// Longer than a cell could take, in the test's own time.
    const PATIENCE: Duration;

    /// The name, for messages of failed tests.
    fn name(self) -> &'static str;

    /// Runs without a fault; the steps that it reached.
    fn walk(self, start: Start, protocol: Protocol)
    -> impl Future<Output = BTreeSet<&'static str>>;

    /// Runs one cell; an error is the property that does not hold.
    fn run(self, cell: &Cell) -> impl Future<Output = Result<(), String>>;

    /// The steps without a fault.
    ///
    /// # Panics
    /// When the scenario fails.
    #[must_use]
    fn steps(self, start: Start, protocol: Protocol) -> BTreeSet<&'static str> {
        let mut steps = BTreeSet::new();
        on_an_owned_clock(async { steps = self.walk(start, protocol).await });
        steps
    }

    /// Every fault at every step.
    #[must_use]
    fn cells(self, start: Start) -> Vec<Cell> {
        let mut cells = Vec::new();
        for protocol in Self::PROTOCOLS {
            for step in self.steps(start, protocol) {
                let cell = |fault| Cell { call: self.name(), start, protocol, step, fault };
                cells.extend(faults().map(cell));
            }
        }
        cells
    }

    /// Runs one cell of the matrix.
    ///
    /// # Errors
    /// The cell, and the property that does not hold.
    fn play(self, cell: &Cell) -> Result<(), String> {
        let mut outcome = Err("it never ended".to_owned());
        on_an_owned_clock(async {
            if let Ok(ended) = tokio::time::timeout(Self::PATIENCE, self.run(cell)).await {
                outcome = ended;
            }
        });
        outcome.map_err(|what| format!("{cell}: {what}"))
    }
}

/// Runs every cell of every scenario.
///
/// # Panics
/// When a property does not hold.
pub fn check(scenarios: &[impl Scenario], starts: &[Start]) {
    let (mut ran, mut wrong) = (0, Vec::new());
    for scenario in scenarios {
        for cell in starts.iter().flat_map(|start| scenario.cells(*start)) {
            ran += 1;
            wrong.extend(scenario.play(&cell).err());
        }
    }
    hold(ran, &wrong);
}
