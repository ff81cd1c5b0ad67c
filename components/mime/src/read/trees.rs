//! Property tests of part trees, however they are nested: each leaf has one use and is in one list,
//! and no text is lost.

use proptest::prelude::*;

use super::*;
use crate::octets::memory::Memory;

#[derive(Clone, Debug)]
enum Tree {
    Leaf(Leaf),
    Multipart(&'static str, Vec<Tree>),
}

#[derive(Clone, Debug)]
struct Leaf {
    media_type: &'static str,
    disposition: &'static str,
    is_named: bool,
    /// The number of its content id, if any.
    id: Option<u8>,
    /// The content ids that it refers to, if it is HTML.
    shows: Vec<u8>,
    /// Whether it is only white space.
    is_blank: bool,
}

/// A message, and its leaves in order with the path that each must have.
#[derive(Default)]
struct Built {
    raw: String,
    leaves: Vec<(String, Leaf)>,
    boundaries: usize,
}

impl Built {
    fn of(tree: &Tree) -> Self {
        let mut built = Self::default();
        built.raw.push_str("Subject: x\r\n");
        let path = if matches!(tree, Tree::Leaf(_)) { "1" } else { "" };
        built.add(tree, path);
        built
    }

    fn add(&mut self, tree: &Tree, path: &str) {
        match tree {
            Tree::Leaf(leaf) => self.add_leaf(leaf, path),
            Tree::Multipart(subtype, children) => {
                self.boundaries += 1;
                let boundary = format!("b{}", self.boundaries);
                self.raw.push_str(&format!(
                    "Content-Type: multipart/{subtype}; boundary={boundary}\r\n\r\n"
                ));
                for (number, child) in (1..).zip(children) {
                    self.raw.push_str(&format!("--{boundary}\r\n"));
                    let dot = if path.is_empty() { "" } else { "." };
                    self.add(child, &format!("{path}{dot}{number}"));
                }
                self.raw.push_str(&format!("--{boundary}--\r\n"));
            }
        }
    }

    fn add_leaf(&mut self, leaf: &Leaf, path: &str) {
        let number = self.leaves.len();
        let name = if leaf.is_named { format!("; name=n{number}.bin") } else { String::new() };
        self.raw.push_str(&format!("Content-Type: {}{name}\r\n", leaf.media_type));
        if !leaf.disposition.is_empty() {
            self.raw.push_str(&format!("Content-Disposition: {}\r\n", leaf.disposition));
        }
        if let Some(id) = leaf.id {
            self.raw.push_str(&format!("Content-ID: <{id}@x>\r\n"));
        }
        let shows: String =
            leaf.shows.iter().map(|id| format!("<img src=\"cid:{id}@x\">")).collect();
        let content = match (leaf.is_blank, leaf.media_type) {
            (true, _) => "  \r\n".to_owned(),
            (false, "text/html") => format!("<p>{}</p>{shows}", word(number)),
            (false, "message/rfc822") => format!("Subject: y\r\n\r\n{}", word(number)),
            (false, _) => word(number),
        };
        self.raw.push_str(&format!("\r\n{content}\r\n"));
        self.leaves.push((path.to_owned(), leaf.clone()));
    }
}

/// A word that is not the beginning of another.
fn word(number: usize) -> String {
    format!("word{number}end")
}

fn leaf() -> impl Strategy<Value = Leaf> {
    let types = prop::sample::select(vec![
        "text/plain",
        "text/plain",
        "text/plain",
        "text/plain",
        "text/html",
        "text/html",
        "text/html",
        "text/enriched",
        "text/x-amp-html",
        "text/calendar",
        "image/png",
        "image/png",
        "application/pdf",
        "application/pgp-signature",
        "message/rfc822",
        "message/delivery-status",
    ]);
    let dispositions = prop::sample::select(vec!["", "", "", "", "inline", "attachment"]);
    let shows = prop::collection::vec(0_u8..4, 0..3);
    let id = prop::option::weighted(0.3, 0_u8..4);
    let own = (prop::bool::weighted(0.2), id, prop::bool::weighted(0.1));
    (types, dispositions, shows, own).prop_map(
        |(media_type, disposition, shows, (is_named, id, is_blank))| {
            let is_blank = is_blank && media_type.starts_with("text/");
            Leaf { media_type, disposition, is_named, id, shows, is_blank }
        },
    )
}

fn tree() -> impl Strategy<Value = Tree> {
    leaf().prop_map(Tree::Leaf).prop_recursive(4, 40, 5, |inner| {
        let subtypes = prop::sample::select(vec![
            "mixed",
            "mixed",
            "alternative",
            "alternative",
            "alternative",
            "related",
            "signed",
            "report",
            "digest",
            "unheard-of",
        ]);
        let children = prop::collection::vec(inner, 1..6);
        (subtypes, children).prop_map(|(subtype, children)| Tree::Multipart(subtype, children))
    })
}

fn has(tree: &Tree, wanted: &str) -> bool {
    match tree {
        Tree::Leaf(_) => false,
        Tree::Multipart(subtype, children) => {
            *subtype == wanted || children.iter().any(|child| has(child, wanted))
        }
    }
}

/// The position of each leaf's word.
fn places(shown: Option<&str>, count: usize) -> Vec<Option<usize>> {
    (0..count).map(|number| shown.and_then(|shown| shown.find(&word(number)))).collect()
}

/// Whether a branch of an alternative is in the text as converted HTML, beside another one whose
/// own text is.
fn says_twice(parts: &[Part], said: &[(&str, bool)]) -> bool {
    let alternatives = parts.iter().filter(|part| part.content_type == "multipart/alternative");
    alternatives.map(|part| part.path.as_str()).any(|path| {
        let dot = if path.is_empty() { "" } else { "." };
        let branch = |leaf: &str| {
            let below = leaf.strip_prefix(path)?.strip_prefix(dot)?;
            below.split('.').next().map(str::to_owned)
        };
        let within = |(leaf, is_html): &(&str, bool)| Some((branch(leaf)?, *is_html));
        let within: Vec<_> = said.iter().filter_map(within).collect();
        let own = |found: &str| within.iter().any(|(name, is_html)| name == found && !is_html);
        within.iter().any(|(_, is_html)| !is_html) && !within.iter().all(|(name, _)| own(name))
    })
}

fn is_sorted(places: &[Option<usize>]) -> bool {
    places.iter().flatten().is_sorted()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    #[test]
    fn each_leaf_of_any_tree_has_one_use_and_no_words_are_lost(tree in tree()) {
        let built = Built::of(&tree);
        let raw = Memory(built.raw.clone().into_bytes());
        let reading = read(&raw, Want::ALL, 1_000_000).unwrap();
        prop_assert!(reading.faults.is_empty(), "{:?}", reading.faults);

        // The leaves are those that were written, each with its use.
        let leaves: Vec<&Part> = reading.parts.iter().filter(|part| part.usage.is_some()).collect();
        let paths: Vec<&str> = leaves.iter().map(|part| part.path.as_str()).collect();
        let want: Vec<&str> = built.leaves.iter().map(|(path, _)| path.as_str()).collect();
        prop_assert_eq!(paths, want, "{}", built.raw);
        for part in &reading.parts {
            prop_assert_eq!(part.usage.is_none(), part.content_type.starts_with("multipart/"));
        }
        let files = leaves.iter().any(|part| part.usage == Some(Use::Attachment));
        prop_assert_eq!(reading.has_attachments, files);

        // Each can be decoded.
        for part in &leaves {
            let mut decoded = Memory::default();
            decode(&raw, &part.path, &mut decoded).unwrap();
            prop_assert_eq!(decoded.0.len() as u64, part.size);
        }

        // The words of the body are present, in order, and no others.
        let texts = places(reading.text.as_deref(), leaves.len());
        let pages = places(reading.html.as_deref(), leaves.len());
        prop_assert!(is_sorted(&texts) && is_sorted(&pages), "{}", built.raw);

        // Each is there once, and so is the content of the branches of an alternative.
        for number in 0..leaves.len() {
            for shown in [&reading.text, &reading.html].into_iter().flatten() {
                prop_assert!(shown.matches(&word(number)).count() <= 1, "{}", built.raw);
            }
        }
        let said = leaves.iter().zip(&texts).filter(|(_, text)| text.is_some());
        let said: Vec<_> = said
            .map(|(part, _)| (part.path.as_str(), part.content_type == "text/html"))
            .collect();
        prop_assert!(!says_twice(&reading.parts, &said), "{}", built.raw);
        let shows_html = reading.html.is_some();
        for (((_, leaf), part), (text, page)) in
            built.leaves.iter().zip(&leaves).zip(texts.iter().zip(&pages))
        {
            let is_said = text.is_some() || page.is_some();
            match part.usage {
                _ if leaf.is_blank => prop_assert!(!is_said),
                Some(Use::Body) => {
                    prop_assert!(is_said, "{} is lost in {}", part.path, built.raw);
                    if !has(&tree, "alternative") {
                        prop_assert!(text.is_some() && page.is_some() == shows_html);
                    }
                }
                _ => prop_assert!(!is_said, "{} is shown in {}", part.path, built.raw),
            }
            match part.usage {
                Some(Use::Alternative) => prop_assert!(has(&tree, "alternative")),
                Some(Use::Inline) => prop_assert!(leaf.id.is_some()),
                _ if leaf.disposition == "attachment" => {
                    prop_assert_eq!(part.usage, Some(Use::Attachment));
                }
                // Nothing indicates that it is anything but body text.
                used if matches!(leaf.media_type, "text/plain" | "text/html") => {
                    let is_free = !leaf.is_named && leaf.id.is_none();
                    let is_file = used == Some(Use::Attachment);
                    prop_assert!(!(is_free && is_file), "{} in {}", part.path, built.raw);
                }
                _ => {}
            }
        }
        let body = leaves.iter().any(|part| part.usage == Some(Use::Body));
        prop_assert_eq!(reading.text.is_some(), body);
    }
}
