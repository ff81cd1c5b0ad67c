//! Graph of a schema: its subschemas, and where each is evaluated.
//!
//! Built without evaluating the schema. If the target of a reference is ambiguous, every candidate is
//! considered.
//!
//! Standards: JSON Schema 2020-12 §8.2 (identifiers and references), §10
//! (applicators), RFC 6901 (pointers), RFC 3986 §2.1 (percent-encoding).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rules::percent;
use serde_json::{Map, Value};

/// Maximum of property names times nodes, up to which names are counted separately; beyond it all names
/// count as one.
const MOST_CELLS: usize = 50_000;
/// Assumed cost of a reference out of the schema, whose target can only be a meta-schema.
const META_SCHEMA: u64 = 50;

/// Kinds of places below a value: entries of a list, members without a known name; each known name has a
/// kind of its own.
const ENTRY: usize = 0;
const MEMBER: usize = 1;

/// The nodes of every subschema that can be evaluated, and the number of kinds of places.
pub(super) fn read(schema: &Value) -> (Vec<Node>, usize) {
    let mut graph = Graph::new(schema);
    graph.node(schema, "#", schema);
    let mut next = 0;
    while let Some((value, resource)) = graph.found.get(next).copied() {
        let read = graph.read(value, resource, next);
        if let Some(node) = graph.nodes.get_mut(next) {
            *node = Node { place: std::mem::take(&mut node.place), ..read };
        }
        next += 1;
    }
    let kinds = graph.kinds();
    (graph.nodes, kinds)
}

/// Subschemas that are evaluated at the same place.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) of: Vec<usize>,
    /// Whether they exclude each other.
    one: bool,
    /// Whether they are alternatives, of which more than one may be evaluated: `anyOf`, `oneOf`.
    union: bool,
    again: Again,
}

impl Group {
    fn all(of: Vec<usize>, again: Again) -> Self {
        Self { of, one: false, union: false, again }
    }

    fn one(of: Vec<usize>) -> Self {
        Self { of, one: true, union: false, again: Again::Looks }
    }
}

/// What `unevaluated…` does again with a group, to determine what was evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Again {
    Nothing,
    /// It visits what they evaluate.
    Looks,
    /// It evaluates and visits them.
    Evaluates,
}

/// One subschema, and the subschemas that it applies.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) place: String,
    /// Its cost without other subschemas.
    pub(super) own: u64,
    /// Whether it has `unevaluated…`, which visits the same subschemas again.
    again: bool,
    unevaluated: Vec<usize>,
    pub(super) same: Vec<Group>,
    /// `properties`, by kind of place.
    properties: BTreeMap<usize, Vec<usize>>,
    patterns: Vec<usize>,
    /// For members that no other keyword applies to: one of these is evaluated.
    other_members: Vec<usize>,
    /// For entries: one of these is evaluated.
    entries: Vec<usize>,
    /// For every entry: all are evaluated.
    contains: Vec<usize>,
}

impl Node {
    /// The cost of the subschemas that are evaluated at the same place, and of visiting them again. Of a
    /// union one is counted if it `descends`: see [`super::count`].
    pub(super) fn here(&self, descends: bool, of: impl Fn(usize) -> Count) -> Count {
        let mut count = Count::default();
        for group in &self.same {
            let all = group.of.iter().map(|at| of(*at));
            let sum = if group.one || (group.union && descends) {
                all.fold(Count::default(), Count::most)
            } else {
                all.fold(Count::default(), Count::and)
            };
            count.once = count.once.saturating_add(sum.once);
            count.again = count.again.saturating_add(match group.again {
                Again::Nothing => 0,
                Again::Looks => sum.again,
                Again::Evaluates => sum.again.saturating_add(sum.once),
            });
        }
        count
    }

    /// Every subschema that it applies, at any place.
    pub(super) fn all(&self) -> impl Iterator<Item = usize> {
        let same = self.same.iter().flat_map(|group| &group.of);
        let below = [&self.patterns, &self.other_members, &self.entries, &self.contains];
        let below = below.into_iter().chain(self.properties.values()).flatten();
        same.chain(below).chain(&self.unevaluated).copied()
    }

    /// The cost at the same place, with the node's own.
    pub(super) fn whole(&self, here: Count, own: Count) -> Count {
        let again = here.again.saturating_add(own.again);
        let once = here.once.saturating_add(own.once);
        Count { once: if self.again { once.saturating_add(again) } else { once }, again }
    }

    /// Evaluations that it causes at one place of this kind below the value.
    pub(super) fn below(&self, kind: usize, best: &[u64]) -> Count {
        let most = |some: &[usize]| some.iter().map(|at| at_of(best, *at)).max().unwrap_or(0);
        let all =
            |some: &[usize]| some.iter().map(|at| at_of(best, *at)).fold(0, u64::saturating_add);
        let mut again = most(&self.unevaluated);
        if kind == ENTRY {
            let contains = all(&self.contains);
            again = again.saturating_add(contains);
            return Count { once: most(&self.entries).saturating_add(contains), again };
        }
        let patterns = all(&self.patterns);
        let named = self.properties.get(&kind).map(|named| most(named).saturating_add(patterns));
        let other = || most(&self.other_members).max(patterns);
        let once = match named {
            // All names may count as one.
            Some(named) if kind == MEMBER => named.max(other()),
            Some(named) => named,
            None => other(),
        };
        Count { once, again }
    }
}

/// Evaluations for one evaluation of a node, and for visiting it again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Count {
    pub(super) once: u64,
    pub(super) again: u64,
}

impl Count {
    fn and(self, other: Self) -> Self {
        Self {
            once: self.once.saturating_add(other.once),
            again: self.again.saturating_add(other.again),
        }
    }

    fn most(self, other: Self) -> Self {
        Self { once: self.once.max(other.once), again: self.again.max(other.again) }
    }
}

struct Graph<'a> {
    root: &'a Value,
    index: HashMap<*const Value, usize>,
    found: Vec<(&'a Value, &'a Value)>,
    nodes: Vec<Node>,
    /// Subschemas with an `$id`.
    resources: Vec<(&'a str, &'a Value)>,
    /// Subschemas by `$anchor` or `$dynamicAnchor`.
    anchors: HashMap<&'a str, Vec<&'a Value>>,
    names: HashMap<&'a str, usize>,
}

impl<'a> Graph<'a> {
    fn new(root: &'a Value) -> Self {
        let mut graph = Self {
            root,
            index: HashMap::new(),
            found: Vec::new(),
            nodes: Vec::new(),
            resources: Vec::new(),
            anchors: HashMap::new(),
            names: HashMap::new(),
        };
        let objects = graph.survey(root);
        if objects.saturating_mul(graph.names.len()) > MOST_CELLS {
            graph.names.values_mut().for_each(|kind| *kind = MEMBER);
        }
        graph
    }

    /// Collects ids, anchors and the names of properties; returns the number of objects.
    fn survey(&mut self, value: &'a Value) -> usize {
        match value {
            Value::Array(items) => items.iter().map(|item| self.survey(item)).sum(),
            Value::Object(members) => {
                let text = |name| members.get(name).and_then(Value::as_str);
                if let Some(id) = text("$id") {
                    self.resources.push((id, value));
                }
                for anchor in [text("$anchor"), text("$dynamicAnchor")].into_iter().flatten() {
                    self.anchors.entry(anchor).or_default().push(value);
                }
                let names = members.get("properties").and_then(Value::as_object);
                for name in names.into_iter().flat_map(Map::keys) {
                    let next = self.names.len() + MEMBER + 1;
                    self.names.entry(name).or_insert(next);
                }
                1 + members.values().map(|member| self.survey(member)).sum::<usize>()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
        }
    }

    fn kinds(&self) -> usize {
        self.names.values().copied().max().unwrap_or(MEMBER) + 1
    }

    /// The node of a subschema, created if needed; none for `true` and `false`, which cost nothing.
    fn node(&mut self, value: &'a Value, place: &str, resource: &'a Value) -> Option<usize> {
        let members = value.as_object()?;
        let key = std::ptr::from_ref(value);
        if let Some(known) = self.index.get(&key) {
            return Some(*known);
        }
        let own = members.contains_key("$id");
        let at = self.nodes.len();
        self.index.insert(key, at);
        self.found.push((value, if own { value } else { resource }));
        self.nodes.push(Node { place: place.to_owned(), ..Node::default() });
        Some(at)
    }

    fn read(&mut self, value: &'a Value, resource: &'a Value, at: usize) -> Node {
        let mut node = Node { own: 1, ..Node::default() };
        let Some(members) = value.as_object() else { return node };
        let place = self.nodes.get(at).map(|node| node.place.clone()).unwrap_or_default();
        let mut either = Vec::new();
        for (keyword, value) in members {
            let under = format!("{place}/{keyword}");
            let one = |graph: &mut Self| -> Vec<usize> {
                graph.node(value, &under, resource).into_iter().collect()
            };
            match keyword.as_str() {
                "allOf" => {
                    let of = self.list(value, &under, resource);
                    node.same.push(Group::all(of, Again::Evaluates));
                }
                "anyOf" | "oneOf" => {
                    let of = self.list(value, &under, resource);
                    let branches = value.as_array().map_or(&[][..], Vec::as_slice);
                    let one = self.exclude_each_other(branches, resource);
                    node.own += if one { branches.len() as u64 } else { 0 };
                    node.same.push(Group { of, one, union: true, again: Again::Evaluates });
                }
                "not" => node.same.push(Group::all(one(self), Again::Nothing)),
                "if" => node.same.push(Group::all(one(self), Again::Evaluates)),
                "then" | "else" => either.extend(one(self)),
                "dependentSchemas" | "dependencies" => {
                    let all = self.members(value, &under, resource);
                    let of = all.into_iter().map(|(_, node)| node).collect();
                    node.same.push(Group::all(of, Again::Looks));
                    node.own += values(value) / 8;
                }
                "$ref" | "$dynamicRef" | "$recursiveRef" => {
                    let reference = value.as_str().unwrap_or_default();
                    let targets = self.targets(reference, resource);
                    if targets.is_empty() {
                        node.own += META_SCHEMA;
                    }
                    let targets = targets
                        .into_iter()
                        .filter_map(|target| self.node(target, reference, resource));
                    let of = targets.collect();
                    node.same.push(Group::one(of));
                }
                "properties" => {
                    for (name, inner) in self.members(value, &under, resource) {
                        let kind = self.names.get(name).copied().unwrap_or(MEMBER);
                        node.properties.entry(kind).or_default().push(inner);
                    }
                }
                "patternProperties" => {
                    let all = self.members(value, &under, resource);
                    node.own += value.as_object().map_or(0, |all| all.len() as u64);
                    node.patterns.extend(all.into_iter().map(|(_, node)| node));
                }
                "additionalProperties" => node.other_members.extend(one(self)),
                "propertyNames" => node.patterns.extend(one(self)),
                "unevaluatedProperties" => {
                    node.unevaluated.extend(one(self));
                    node.other_members.extend(one(self));
                    node.again = true;
                }
                "unevaluatedItems" => {
                    node.unevaluated.extend(one(self));
                    node.entries.extend(one(self));
                    node.again = true;
                }
                "items" | "prefixItems" | "additionalItems" => {
                    node.entries.extend(one(self));
                    node.entries.extend(self.list(value, &under, resource));
                }
                "contains" => node.contains.extend(one(self)),
                "enum" | "const" | "required" | "dependentRequired" => {
                    node.own += values(value) / 8;
                }
                _ => {}
            }
        }
        node.same.push(Group::one(either));
        node
    }

    fn list(&mut self, value: &'a Value, under: &str, resource: &'a Value) -> Vec<usize> {
        let items = value.as_array().map_or(&[][..], Vec::as_slice);
        let nodes = items.iter().enumerate();
        nodes.filter_map(|(at, item)| self.node(item, &format!("{under}/{at}"), resource)).collect()
    }

    fn members(
        &mut self,
        value: &'a Value,
        under: &str,
        resource: &'a Value,
    ) -> Vec<(&'a str, usize)> {
        let members = value.as_object().into_iter().flatten();
        members
            .filter_map(|(name, member)| {
                let escaped = name.replace('~', "~0").replace('/', "~1");
                Some((name.as_str(), self.node(member, &format!("{under}/{escaped}"), resource)?))
            })
            .collect()
    }

    /// The possible targets of a reference, of which one is the target.
    fn targets(&self, reference: &str, resource: &'a Value) -> Vec<&'a Value> {
        let (base, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let last = |uri: &str| uri.trim_end_matches('#').rsplit('/').next().map(str::to_owned);
        let roots: Vec<&'a Value> = if base.is_empty() {
            vec![resource]
        } else {
            let named = self.resources.iter().filter(|(id, _)| last(id) == last(base));
            named.map(|(_, value)| *value).collect()
        };
        let fragment = String::from_utf8_lossy(&percent::decode_lenient(fragment)).into_owned();
        if fragment.is_empty() {
            roots
        } else if fragment.starts_with('/') {
            let found = roots.iter().filter_map(|root| root.pointer(&fragment));
            let mut found: Vec<&'a Value> = found.collect();
            if found.is_empty() {
                found.extend(self.root.pointer(&fragment));
            }
            found
        } else {
            self.anchors.get(fragment.as_str()).cloned().unwrap_or_default()
        }
    }

    /// Whether alternatives are distinguished by a required member with disjoint values.
    fn exclude_each_other(&self, branches: &'a [Value], resource: &'a Value) -> bool {
        let fixed: Vec<_> = branches.iter().map(|branch| self.fixed(branch, resource)).collect();
        let Some((first, others)) = fixed.split_first() else { return false };
        first.keys().any(|name| {
            let mut seen: BTreeSet<String> = BTreeSet::new();
            let mut all = std::iter::once(first).chain(others);
            all.all(|branch| {
                let values = branch.get(name);
                values.is_some_and(|values| values.iter().all(|value| seen.insert(value.clone())))
            })
        })
    }

    /// The required members of an alternative that have one of at most 64 fixed values.
    fn fixed(&self, branch: &'a Value, resource: &'a Value) -> BTreeMap<&'a str, Vec<String>> {
        let mut branch = branch;
        for _ in 0..8 {
            let Some(reference) = branch.get("$ref").and_then(Value::as_str) else { break };
            let [target] = self.targets(reference, resource)[..] else { break };
            branch = target;
        }
        let required = branch.get("required").and_then(Value::as_array).into_iter().flatten();
        let properties = branch.get("properties");
        required
            .filter_map(|name| {
                let name = name.as_str()?;
                let field = properties?.get(name)?;
                let values = match (field.get("const"), field.get("enum")) {
                    (Some(one), _) => vec![one.to_string()],
                    (None, Some(Value::Array(some))) if some.len() <= 64 => {
                        some.iter().map(Value::to_string).collect()
                    }
                    (None, _) => return None,
                };
                Some((name, values))
            })
            .collect()
    }
}

/// The number of JSON values in this one, with itself.
fn values(value: &Value) -> u64 {
    match value {
        Value::Array(items) => 1 + items.iter().map(values).sum::<u64>(),
        Value::Object(members) => 1 + members.values().map(values).sum::<u64>(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 1,
    }
}

fn at_of(counts: &[u64], at: usize) -> u64 {
    counts.get(at).copied().unwrap_or(0)
}
