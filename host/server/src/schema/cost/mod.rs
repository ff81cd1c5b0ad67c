//! Static cost analysis of a JSON Schema, before it is evaluated.
//!
//! Two `$ref`s to one definition double the work, and a chain of forty such definitions is a few lines
//! of text and cannot be evaluated in any reasonable time. So the evaluations in the graph of `$ref` and
//! applicators are counted, visiting each node once: at one place of a body, and at the places below it.
//! Costs that depend on the size of a body are not counted here; the limits of the evaluation apply.
//!
//! Standard: JSON Schema 2020-12 §7 (applicators), §9.4.1 (endless recursion).

mod graph;
mod recursion;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use serde_json::Value;

use crate::schema::cost::graph::{Count, Node};
use crate::schema::cost::recursion::recursive;

/// Maximum number of evaluations of subschemas at one place of a body.
pub(crate) const MOST_EVALUATIONS: u64 = 1000;
/// Maximum length of a chain of subschemas at one place: each takes stack space.
const MOST_CHAIN: usize = 200;
/// Maximum nesting of a body.
const LEVELS: usize = 64;
/// Why a schema is too costly, and where.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Costly {
    #[error(
        "at `{0}` one value of a body can be checked against more than {MOST_EVALUATIONS} subschemas; let each be referred to once, or name fewer alternatives"
    )]
    Multiplies(String),
    #[error("at `{0}` it refers to itself for the same value, without end")]
    Endless(String),
    #[error("at `{0}` more than {MOST_CHAIN} references and applicators follow each other")]
    Chained(String),
}

/// Checks the cost of a schema.
///
/// # Errors
/// If its evaluations multiply, do not end, or form too long a chain; with the place.
pub(crate) fn check(schema: &Value) -> Result<(), Costly> {
    let (nodes, kinds) = graph::read(schema);
    let order = Order::of(&nodes)?;
    count(&nodes, &order, kinds)
}

/// Topological order: each node after those that are evaluated at its place.
struct Order<'a> {
    nodes: &'a [Node],
    /// None while a node is being visited, then the length of the longest chain below it.
    heights: HashMap<usize, Option<usize>>,
    sorted: Vec<usize>,
}

impl<'a> Order<'a> {
    fn of(nodes: &'a [Node]) -> Result<Vec<usize>, Costly> {
        let mut order = Self { nodes, heights: HashMap::new(), sorted: Vec::new() };
        for at in 0..nodes.len() {
            order.visit(at, 0)?;
        }
        Ok(order.sorted)
    }

    fn visit(&mut self, at: usize, depth: usize) -> Result<usize, Costly> {
        let Some(node) = self.nodes.get(at) else { return Ok(0) };
        let place = || node.place.clone();
        match self.heights.get(&at) {
            Some(Some(height)) => return Ok(*height),
            Some(None) => return Err(Costly::Endless(place())),
            None => {}
        }
        if depth > MOST_CHAIN {
            return Err(Costly::Chained(place()));
        }
        self.heights.insert(at, None);
        let mut height = 0;
        for group in &node.same {
            for other in &group.of {
                height = height.max(1 + self.visit(*other, depth + 1)?);
            }
        }
        if height > MOST_CHAIN {
            return Err(Costly::Chained(place()));
        }
        self.heights.insert(at, Some(height));
        self.sorted.push(at);
        Ok(height)
    }
}

/// Counts evaluations at a place, then at each level below it, until one exceeds the maximum.
///
/// Recursive alternatives recur at a lower level, or they would not end. Of those, one is counted for
/// the levels below: such types (a tree, an expression) are common, and the cost of the other
/// alternatives depends on the depth of the body, which the limits of the evaluation bound. At one
/// place all of them count, and so do alternatives without recursion.
fn count(nodes: &[Node], order: &[usize], kinds: usize) -> Result<(), Costly> {
    let sorted = || order.iter().filter_map(|at| Some((*at, nodes.get(*at)?)));
    // At the place itself, for a value of any type.
    let mut counts = vec![Count::default(); nodes.len()];
    let mut best = vec![0; nodes.len()];
    for (at, node) in sorted() {
        let here = node.here(false, |other| counts.get(other).copied().unwrap_or_default());
        let whole = node.whole(here, Count { once: node.own, again: 1 });
        bounded(whole.once, node)?;
        put(&mut counts, at, whole);
        put(&mut best, at, whole.once);
    }
    let recursive = recursive(nodes);
    // Each round is one level further below, along a path of members and entries.
    for _ in 0..LEVELS {
        let mut deeper = vec![0; nodes.len()];
        let mut most = 0;
        for kind in 0..kinds {
            for (at, node) in sorted() {
                let descends = recursive.get(at).copied().unwrap_or(false);
                let here =
                    node.here(descends, |other| counts.get(other).copied().unwrap_or_default());
                let whole = node.whole(here, node.below(kind, &best));
                bounded(whole.once, node)?;
                put(&mut counts, at, whole);
                let before = deeper.get(at).copied().unwrap_or(0);
                put(&mut deeper, at, before.max(whole.once));
                most = most.max(whole.once);
            }
        }
        if most == 0 {
            break;
        }
        best = deeper;
    }
    Ok(())
}

fn put<T>(places: &mut [T], at: usize, value: T) {
    if let Some(place) = places.get_mut(at) {
        *place = value;
    }
}

fn bounded(count: u64, node: &Node) -> Result<(), Costly> {
    if count > MOST_EVALUATIONS { Err(Costly::Multiplies(node.place.clone())) } else { Ok(()) }
}
