//! Classification of leaf parts: body, alternative, inline or attachment.
//!
//! The rule is that of JMAP with its two lists, one for clients that show text and one for clients
//! that show HTML. Deviation: no text is dropped, as JMAP drops one beside the HTML within one
//! branch of an alternative; an empty branch is ignored; a name does not make a branch a file; a
//! rendering that neither list takes is distinguished from a file; and unknown subtypes of text are
//! text.
//!
//! Invariant: each leaf has exactly one use, and only leaves have one.
//!
//! Standards: RFC 8621 section 4.1.4, RFC 2046 section 5.1.4 (alternative), RFC 2387 (related), RFC
//! 2183 (disposition).

use std::collections::HashSet;

use crate::read::body_selection::{content_id, disposition, filename, id_of, location};
use crate::read::inline_references::Names;
use crate::read::parts::Node;

/// The use of a leaf part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Part of the message body.
    Body,
    /// The same content in a form that is not shown.
    Alternative,
    /// Shown by the HTML.
    Inline,
    /// A file, or any other content.
    Attachment,
}

/// A leaf of the body, and the renderings that it is in: at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words {
    /// Index of its node.
    pub leaf: usize,
    pub is_html: bool,
    pub in_text: bool,
    pub in_html: bool,
}

/// The kind of text of a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    Html,
    /// Another subtype of text, which is readable without conversion (RFC 2046 section 4.1.4).
    Markup,
    /// Only an alternative rendering of other text.
    Rendering,
    Other,
}

fn kind(media_type: &str) -> Kind {
    const DATA: [&str; 14] = [
        "calendar",
        "css",
        "csv",
        "directory",
        "ecmascript",
        "javascript",
        "json",
        "rfc822-headers",
        "rtf",
        "tab-separated-values",
        "vcard",
        "x-vcalendar",
        "x-vcard",
        "xml",
    ];
    match media_type.strip_prefix("text/") {
        None => Kind::Other,
        Some("plain") => Kind::Plain,
        Some("html") => Kind::Html,
        Some("x-amp-html" | "watch-html") => Kind::Rendering,
        Some(subtype) if DATA.contains(&subtype) => Kind::Other,
        Some(_) => Kind::Markup,
    }
}

/// The leaves of the body, in order, and those that are only other renderings of it. `is_blank` is
/// called for some leaves of alternatives.
pub fn words(nodes: &[Node], is_blank: &dyn Fn(usize) -> bool) -> (Vec<Words>, Vec<usize>) {
    let tree = Tree::of(nodes);
    let mut others = Vec::new();
    let mut own = Vec::new();
    // The alternatives that have a text or HTML branch.
    let mut spoken = HashSet::new();
    let readable = |index: &usize| tree.may_be_words(*index);
    for index in (0..nodes.len()).filter(readable) {
        let Some(node) = nodes.get(index) else { continue };
        match kind(&node.media_type) {
            Kind::Plain | Kind::Html => {
                own.push(index);
                spoken.extend(tree.alternatives(index).map(|(alternative, _)| alternative));
            }
            Kind::Markup | Kind::Rendering => others.push(index),
            Kind::Other => {}
        }
    }
    others.retain(|index| {
        let is_said = tree.alternatives(*index).any(|(around, _)| spoken.contains(&around));
        let stands = nodes.get(*index).is_some_and(|node| kind(&node.media_type) == Kind::Markup);
        if !is_said && stands {
            own.push(*index);
        }
        is_said
    });
    own.sort_unstable();
    (halves(nodes, &tree, own, &mut others, is_blank), others)
}

/// Assigns each leaf to its renderings. In an alternative with branches of both kinds each leaf is
/// in one. Where a branch has text that needs no conversion, the others repeat it, and their HTML
/// is not converted to text.
fn halves(
    nodes: &[Node],
    tree: &Tree<'_>,
    own: Vec<usize>,
    others: &mut Vec<usize>,
    is_blank: &dyn Fn(usize) -> bool,
) -> Vec<Words> {
    let is_html =
        |index: usize| nodes.get(index).is_some_and(|node| node.media_type == "text/html");
    // Branches that are not blank, and those of them that are HTML.
    let (mut speaking, mut html) = (HashSet::new(), HashSet::new());
    let mut blank = HashSet::new();
    for index in own.iter().copied() {
        let around: Vec<_> = tree.alternatives(index).collect();
        if around.is_empty() {
            continue;
        }
        if is_blank(index) {
            blank.insert(index);
            continue;
        }
        speaking.extend(around.iter().copied());
        if is_html(index) {
            html.extend(around);
        }
    }
    let with_html: HashSet<usize> = html.iter().map(|(alternative, _)| *alternative).collect();
    let texts = speaking.difference(&html);
    let with_text: HashSet<usize> = texts.map(|(alternative, _)| *alternative).collect();
    let both =
        |alternative: &usize| with_html.contains(alternative) && with_text.contains(alternative);
    let mut words = Vec::with_capacity(own.len());
    for index in own {
        let mut one = Words { leaf: index, is_html: is_html(index), in_text: true, in_html: true };
        for branch in tree.alternatives(index) {
            let (around, _) = branch;
            let is_said = with_html.contains(&around) || with_text.contains(&around);
            if both(&around) {
                if html.contains(&branch) { one.in_text = false } else { one.in_html = false }
            } else if is_said && !speaking.contains(&branch) {
                // A blank branch adds nothing to the other one.
                if one.is_html { one.in_text = false } else { one.in_html = false }
            }
        }
        words.push(one);
    }
    let is_text = |one: &&Words| one.in_text && !one.is_html && !blank.contains(&one.leaf);
    let spoken = words.iter().filter(is_text).flat_map(|one| tree.alternatives(one.leaf));
    let spoken: HashSet<(usize, usize)> = spoken.collect();
    let with_spoken: HashSet<usize> = spoken.iter().map(|(alternative, _)| *alternative).collect();
    for one in words.iter_mut().filter(|one| one.is_html) {
        let is_again =
            |branch: (usize, usize)| with_spoken.contains(&branch.0) && !spoken.contains(&branch);
        one.in_text &= !tree.alternatives(one.leaf).any(is_again);
    }
    let unused = words.iter().filter(|one| !one.in_text && !one.in_html);
    others.extend(unused.map(|one| one.leaf));
    words.retain(|one| one.in_text || one.in_html);
    words
}

/// The use of each node; none for a multipart.
pub fn uses(nodes: &[Node], words: &[Words], others: &[usize], shown: &Names) -> Vec<Option<Use>> {
    let mut uses: Vec<Option<Use>> = nodes
        .iter()
        .map(|node| {
            let id = content_id(node).is_some_and(|id| shown.ids.contains(&id));
            let address = || location(node).is_some_and(|at| shown.locations.contains(&at));
            let is_shown = !node.media_type.starts_with("message/") && (id || address());
            let used = if is_shown { Use::Inline } else { Use::Attachment };
            (!node.is_multipart).then_some(used)
        })
        .collect();
    let mut set = |index: usize, used: Use| {
        if let Some(place) = uses.get_mut(index) {
            *place = Some(used);
        }
    };
    others.iter().for_each(|index| set(*index, Use::Alternative));
    words.iter().for_each(|one| set(one.leaf, Use::Body));
    uses
}

/// Names that HTML could refer to: those of all leaves that are not the body.
pub fn names(nodes: &[Node], words: &[Words]) -> Names {
    let bodies: HashSet<usize> = words.iter().map(|one| one.leaf).collect();
    let mut names = Names::default();
    for (index, node) in nodes.iter().enumerate() {
        if !node.is_multipart && !bodies.contains(&index) {
            names.ids.extend(content_id(node));
            names.locations.extend(location(node));
        }
    }
    names
}

/// The position of each node.
struct Tree<'a> {
    nodes: &'a [Node],
    /// The index of a node among the children of its parent, from 0.
    places: Vec<usize>,
    /// For each multipart/related, its root part.
    roots: Vec<Option<usize>>,
}

impl<'a> Tree<'a> {
    fn of(nodes: &'a [Node]) -> Self {
        let mut counts = vec![0; nodes.len()];
        let mut places = vec![0; nodes.len()];
        let mut roots: Vec<Option<usize>> = vec![None; nodes.len()];
        for (index, node) in nodes.iter().enumerate() {
            let Some(parent) = node.parent else { continue };
            let (Some(count), Some(place)) = (counts.get_mut(parent), places.get_mut(index)) else {
                continue;
            };
            *place = *count;
            *count += 1;
            let start = nodes.get(parent).and_then(|parent| parent.content_type.param("start"));
            let start = start.and_then(id_of);
            let is_start = start.is_some() && content_id(node) == start;
            if let Some(root) = roots.get_mut(parent)
                && (root.is_none() || is_start)
            {
                *root = Some(index);
            }
        }
        Self { nodes, places, roots }
    }

    /// Whether a text part belongs to the body by its position, unless its sender declares
    /// otherwise: the first part, or a later one without a name of its own.
    fn may_be_words(&self, index: usize) -> bool {
        let Some(node) = self.nodes.get(index) else { return false };
        if node.is_multipart || disposition(node).as_deref() == Some("attachment") {
            return false;
        }
        let Some(parent) = node.parent else { return true };
        let around = self.nodes.get(parent).map(|parent| parent.media_type.as_str());
        match around {
            // A name is ignored there: each branch is a rendering of the whole.
            Some("multipart/alternative") => true,
            Some("multipart/related") => {
                // A part without any name cannot be referred to by the page.
                self.roots.get(parent) == Some(&Some(index))
                    || filename(node).is_none()
                        && content_id(node).is_none()
                        && location(node).is_none()
            }
            Some(_) | None => self.places.get(index) == Some(&0) || filename(node).is_none(),
        }
    }

    /// The alternatives around a node, each with its branch.
    fn alternatives(&self, index: usize) -> impl Iterator<Item = (usize, usize)> + use<'a, '_> {
        let up = |index: &usize| self.nodes.get(*index).and_then(|node| node.parent);
        let ways = std::iter::successors(Some(index), up);
        ways.filter_map(move |branch| Some((self.nodes.get(branch)?.parent?, branch))).filter(
            |(around, _)| {
                self.nodes.get(*around).is_some_and(|n| n.media_type == "multipart/alternative")
            },
        )
    }
}
