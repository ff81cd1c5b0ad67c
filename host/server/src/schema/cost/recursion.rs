//! Recursive subschemas: the strongly connected components of a schema's graph.
//!
//! Tarjan's algorithm ("Depth-first search and linear graph algorithms", 1972), iterative, since the
//! depth of the graph is up to a tenant.

use crate::schema::cost::graph::Node;

/// For each node, whether it applies itself, directly or through others.
pub(super) fn recursive(nodes: &[Node]) -> Vec<bool> {
    let next: Vec<Vec<usize>> = nodes.iter().map(|node| node.all().collect()).collect();
    let mut walk = Walk {
        order: vec![None; nodes.len()],
        lowest: vec![0; nodes.len()],
        open: vec![false; nodes.len()],
        stack: Vec::new(),
        count: 0,
        recursive: vec![false; nodes.len()],
    };
    for root in 0..nodes.len() {
        if walk.order.get(root).is_some_and(Option::is_none) {
            walk.from(root, &next);
        }
    }
    walk.recursive
}

struct Walk {
    /// Index of each node in the order of visits.
    order: Vec<Option<usize>>,
    /// Lowest index that is reachable from it (lowlink).
    lowest: Vec<usize>,
    /// Whether it is on the stack: its component is not complete.
    open: Vec<bool>,
    stack: Vec<usize>,
    count: usize,
    recursive: Vec<bool>,
}

impl Walk {
    fn from(&mut self, root: usize, next: &[Vec<usize>]) {
        let mut path = vec![(root, 0)];
        self.meet(root);
        while let Some((at, child)) = path.last_mut() {
            let (at, follows) = (*at, next.get(*at).and_then(|all| all.get(*child)).copied());
            *child += 1;
            match follows {
                Some(to) if self.order.get(to).is_some_and(Option::is_none) => {
                    self.meet(to);
                    path.push((to, 0));
                }
                Some(to) => {
                    if to == at {
                        set(&mut self.recursive, at, true);
                    }
                    if self.open.get(to).copied().unwrap_or(false) {
                        let met = self.order.get(to).copied().flatten().unwrap_or(0);
                        self.reaches(at, met);
                    }
                }
                None => {
                    path.pop();
                    let lowest = self.lowest.get(at).copied().unwrap_or(0);
                    if let Some((before, _)) = path.last() {
                        self.reaches(*before, lowest);
                    }
                    if self.order.get(at).copied().flatten() == Some(lowest) {
                        self.close(at);
                    }
                }
            }
        }
    }

    fn meet(&mut self, at: usize) {
        set(&mut self.order, at, Some(self.count));
        set(&mut self.lowest, at, self.count);
        set(&mut self.open, at, true);
        self.stack.push(at);
        self.count += 1;
    }

    fn reaches(&mut self, at: usize, met: usize) {
        if let Some(lowest) = self.lowest.get_mut(at) {
            *lowest = (*lowest).min(met);
        }
    }

    /// Completes a component: the nodes on the stack from this one on.
    fn close(&mut self, at: usize) {
        let from = self.stack.iter().rposition(|other| *other == at).unwrap_or(0);
        let members = self.stack.split_off(from);
        for member in &members {
            set(&mut self.open, *member, false);
            if members.len() > 1 {
                set(&mut self.recursive, *member, true);
            }
        }
    }
}

fn set<T>(all: &mut [T], at: usize, value: T) {
    if let Some(place) = all.get_mut(at) {
        *place = value;
    }
}
