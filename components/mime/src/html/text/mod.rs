//! Conversion of HTML to plain text.
//!
//! Links are followed by their URL, list items have marks, quotes have `> `, the cells of a row are
//! separated. Style, scripts, comments and hidden text, with which newsletters fill a preview, are
//! left out.
//!
//! HTML is read by html5ever's tokenizer, and a stack of open elements determines where each ends.
//! No tree is built: text stays where it was written, also where a browser would move it, and so no
//! nesting costs more than its length.
//!
//! Standard: WHATWG HTML sections 13.2.5 (tokenization) and 3.2.7 (`innerText`).

use std::borrow::Cow;
use std::cell::RefCell;

use html5ever::tokenizer::states::{Rawtext, Rcdata, ScriptData};
use html5ever::tokenizer::{
    BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};
use html5ever::{LocalName, tendril::StrTendril};

use crate::html::complexity::{CLOSES_P, is_cheap};
use crate::html::style::sight;
use crate::html::text_layout::{Cell, Layout};

/// Converts HTML to plain text.
pub fn text_of_html(html: &str) -> String {
    let html =
        if is_cheap(html) { Cow::Borrowed(html) } else { Cow::Owned(with_few_attributes(html)) };
    let page = Page(RefCell::new(Reader::default()));
    let tokenizer = Tokenizer::new(page, TokenizerOpts::default());
    let input = BufferQueue::default();
    input.push_back(StrTendril::from_slice(&html));
    // The sink never pauses the tokenizer.
    let _ = tokenizer.feed(&input);
    tokenizer.end();
    let mut reader = tokenizer.sink.0.into_inner();
    reader.end_link();
    reader.layout.finish()
}

/// Cuts tags that have very many attributes: each is compared with those before it, and nothing has
/// bounded their number here. Quotes in tags are removed, so that no tag looks like a part of
/// another one.
fn with_few_attributes(html: &str) -> String {
    /// White space and other separators of attributes.
    const MOST_BREAKS: usize = 1_000;

    let mut plain = String::with_capacity(html.len());
    let mut breaks = None;
    for character in html.chars() {
        match (character, breaks) {
            ('>', _) => breaks = None,
            ('<', None) => breaks = Some(0),
            ('"' | '\'', Some(_)) => continue,
            (' ' | '\t' | '\n' | '\r' | '\u{c}' | '/' | '=', Some(so_far)) => {
                breaks = Some(so_far + 1)
            }
            _ => {}
        }
        if breaks.is_none_or(|breaks| breaks < MOST_BREAKS) {
            plain.push(character);
        }
    }
    plain
}

/// The most elements open at once; deeper ones are shown at this level.
const DEEPEST: usize = 256;

/// Void elements.
const VOID: [&str; 14] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source",
    "track", "wbr",
];
/// Raw text elements, whose content is not shown.
const UNSEEN_TEXT: [&str; 8] =
    ["script", "style", "title", "textarea", "iframe", "noembed", "noframes", "noscript"];
/// Elements whose content is not part of the text.
const UNSEEN: [&str; 3] = ["select", "template", "datalist"];
/// Formatting elements: their end tag does not close the elements within.
const FORMATTING: [&str; 14] = [
    "a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u",
];
/// An end tag within one does not close elements outside it.
const BARRIERS: [&str; 4] = ["table", "td", "th", "caption"];
/// Elements on lines of their own.
#[rustfmt::skip]
const BLOCKS: [&str; 29] = [
    "address", "article", "aside", "body", "caption", "center", "dd", "details", "dialog", "dir", "div", "dl", "dt",
    "fieldset", "figcaption", "figure", "footer", "form", "header", "hgroup", "html", "legend", "main", "menu",
    "nav", "search", "section", "summary", "table",
];
/// Elements between empty lines.
#[rustfmt::skip]
const PARAGRAPHS: [&str; 9] = ["p", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "xmp"];
/// Schemes of URLs that lead out of the message.
const SCHEMES: [&str; 6] = ["http:", "https:", "mailto:", "tel:", "ftp:", "sms:"];

struct Page(RefCell<Reader>);

impl TokenSink for Page {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let mut reader = self.0.borrow_mut();
        match token {
            Token::CharacterTokens(text) => reader.text(&text),
            Token::TagToken(tag) if tag.kind == TagKind::EndTag => reader.end(&tag.name),
            Token::TagToken(tag) => return reader.start(&tag),
            Token::DoctypeToken(_)
            | Token::CommentToken(_)
            | Token::NullCharacterToken
            | Token::EOFToken
            | Token::ParseError(_) => {}
        }
        TokenSinkResult::Continue
    }
}

/// An open element.
struct Open {
    name: LocalName,
    sees: Sees,
    cell: Option<Cell>,
    /// Its indent, when it is a list.
    list: Option<(usize, Option<i32>)>,
}

/// The visibility of its text.
#[derive(Clone, Copy, Default)]
struct Sees {
    is_hidden: bool,
    is_tiny: bool,
    is_invisible: bool,
    keeps_spaces: bool,
}

struct Link {
    href: String,
    shows_picture: bool,
}

#[derive(Default)]
struct Reader {
    layout: Layout,
    open: Vec<Open>,
    /// The number of open elements beyond [`DEEPEST`].
    beyond: usize,
    /// The number of open paragraphs: mostly none, which saves a search.
    paragraphs: usize,
    link: Option<Link>,
    /// The element whose content is being skipped.
    skipped: Option<LocalName>,
    /// A line end directly after `<pre>` is ignored.
    after_pre: bool,
}

impl Reader {
    fn sees(&self) -> Sees {
        self.open.last().map(|open| open.sees).unwrap_or_default()
    }

    fn is_seen(&self) -> bool {
        let Sees { is_hidden, is_tiny, is_invisible, .. } = self.sees();
        !(is_hidden || is_tiny || is_invisible)
    }

    fn text(&mut self, text: &str) {
        let text = match std::mem::take(&mut self.after_pre) {
            true => text.strip_prefix('\n').unwrap_or(text),
            false => text,
        };
        if self.skipped.is_some() || !self.is_seen() {
            return;
        }
        if self.sees().keeps_spaces {
            self.layout.verbatim(text);
        } else {
            self.layout.words(text);
        }
    }

    fn start(&mut self, tag: &Tag) -> TokenSinkResult<()> {
        let name: &str = &tag.name;
        self.after_pre = false;
        if UNSEEN_TEXT.contains(&name) {
            self.skipped = Some(tag.name.clone());
            return TokenSinkResult::RawData(match name {
                "script" => ScriptData,
                "title" | "textarea" => Rcdata,
                _ => Rawtext,
            });
        }
        if matches!(name, "html" | "head" | "body") {
            return TokenSinkResult::Continue;
        }
        if self.open.len() >= DEEPEST && !VOID.contains(&name) {
            self.beyond += 1;
            if is_block(name) {
                self.layout.lines(1);
            }
            // Its tags are text here too, since their attributes were not bounded.
            return if name == "xmp" {
                TokenSinkResult::RawData(Rawtext)
            } else {
                TokenSinkResult::Continue
            };
        }
        self.close_implied(name);
        let sees = self.sees_within(tag);
        if !sees.is_hidden {
            self.begin(tag, sees);
        } else if is_block(name) && !matches!(name, "td" | "th") && !self.sees().is_hidden {
            // A hidden block still separates the text around it.
            self.layout.lines(1);
        }
        if VOID.contains(&name) {
            return TokenSinkResult::Continue;
        }
        let is_cell = matches!(name, "td" | "th") && !sees.is_hidden;
        let cell = is_cell.then(|| self.layout.cell());
        let list = self.list(tag).filter(|_| !sees.is_hidden);
        self.layout.indent += list.map_or(0, |(indent, _)| indent);
        self.paragraphs += usize::from(name == "p");
        self.open.push(Open { name: tag.name.clone(), sees, cell, list });
        match name {
            "xmp" => TokenSinkResult::RawData(Rawtext),
            "plaintext" => TokenSinkResult::Plaintext,
            _ => TokenSinkResult::Continue,
        }
    }

    fn sees_within(&self, tag: &Tag) -> Sees {
        let around = self.sees();
        let name: &str = &tag.name;
        let style = attribute(tag, "style").map(|style| sight(name, style)).unwrap_or_default();
        let is_unseen = UNSEEN.contains(&name) || attribute(tag, "hidden").is_some();
        let keeps_spaces = matches!(name, "pre" | "xmp" | "plaintext" | "listing").then_some(true);
        let is_sized = name == "font" && attribute(tag, "size").is_some();
        Sees {
            is_hidden: around.is_hidden || is_unseen || style.hides,
            is_tiny: style.is_tiny.unwrap_or(around.is_tiny && !is_sized),
            is_invisible: style.is_invisible.unwrap_or(around.is_invisible),
            keeps_spaces: style.keeps_spaces.or(keeps_spaces).unwrap_or(around.keeps_spaces),
        }
    }

    /// The effect of a start tag: what it shows, or how it places what follows.
    fn begin(&mut self, tag: &Tag, sees: Sees) {
        let name: &str = &tag.name;
        match name {
            "br" => self.layout.end_line(),
            "hr" => {
                self.layout.lines(1);
                self.layout.verbatim("---");
                self.layout.lines(1);
            }
            "img" => self.picture(tag, sees),
            "a" => {
                self.end_link();
                self.layout.begin_phrase();
                let href = attribute(tag, "href").and_then(address);
                self.link = href.map(|href| Link { href, shows_picture: false });
            }
            "blockquote" => {
                self.layout.lines_at_least(1);
                self.layout.quotes += 1;
            }
            "ul" | "ol" => self.layout.lines(if self.layout.indent == 0 { 2 } else { 1 }),
            "li" => {
                let marker = self.marker(tag);
                self.layout.item(marker);
            }
            "tr" => self.layout.row(),
            _ if PARAGRAPHS.contains(&name) => {
                self.layout.lines(2);
                self.after_pre = name == "pre";
            }
            _ if BLOCKS.contains(&name) => self.layout.lines(1),
            _ => {}
        }
    }

    /// The effect of the end of an element, which is still the innermost one.
    fn finish(&mut self, open: &Open) {
        self.layout.indent -= open.list.map_or(0, |(indent, _)| indent);
        self.paragraphs -= usize::from(&*open.name == "p");
        if open.sees.is_hidden {
            return;
        }
        if let Some(cell) = open.cell {
            return self.layout.end_cell(cell);
        }
        let name: &str = &open.name;
        match name {
            "a" => self.end_link(),
            "blockquote" => {
                self.layout.lines_at_least(2);
                self.layout.quotes -= 1;
            }
            "ul" | "ol" => self.layout.lines(if self.layout.indent == 0 { 2 } else { 1 }),
            "li" => self.layout.end_item(),
            "tr" => self.layout.end_row(),
            _ if PARAGRAPHS.contains(&name) => self.layout.lines(2),
            _ if BLOCKS.contains(&name) => self.layout.lines(1),
            _ => {}
        }
    }

    fn picture(&mut self, tag: &Tag, sees: Sees) {
        // The font size does not apply to a picture.
        if sees.is_invisible {
            return;
        }
        let is_dot = |side| {
            attribute(tag, side).is_some_and(|size| matches!(size.trim(), "0" | "1" | "1px"))
        };
        if is_dot("width") && is_dot("height") {
            return;
        }
        if let Some(link) = &mut self.link {
            link.shows_picture = true;
        }
        self.layout.words(attribute(tag, "alt").unwrap_or_default());
    }

    /// Puts the URL after the text of a link, unless they are the same.
    fn end_link(&mut self) {
        let Some(link) = self.link.take() else { return };
        let text = self.layout.phrase().trim();
        if text.is_empty() {
            if link.shows_picture {
                self.layout.verbatim(&format!("<{}>", link.href));
            }
        } else if !is_same(text, &link.href) {
            self.layout.beside(&format!("<{}>", link.href));
        }
    }

    fn list(&self, tag: &Tag) -> Option<(usize, Option<i32>)> {
        match &*tag.name {
            "ul" => Some((2, None)),
            "ol" => Some((3, Some(number(tag, "start").unwrap_or(1)))),
            _ => None,
        }
    }

    fn marker(&mut self, tag: &Tag) -> String {
        let list = self.open.iter_mut().rev().find_map(|open| open.list.as_mut());
        match list {
            Some((_, Some(next))) => {
                let this = number(tag, "value").unwrap_or(*next);
                *next = this.saturating_add(1);
                format!("{this}. ")
            }
            Some((_, None)) | None => "- ".to_owned(),
        }
    }

    /// Closes the elements that a start tag closes implicitly.
    fn close_implied(&mut self, name: &str) {
        match name {
            "li" => self.end_one_of(&["li"], &["ul", "ol", "table", "td", "th"]),
            "dd" | "dt" => self.end_one_of(&["dd", "dt"], &["dl", "table", "td", "th"]),
            "option" => self.end_one_of(&["option"], &["select"]),
            "a" => self.end_formatting("a"),
            "td" | "th" => self.end_one_of(&["td", "th"], &["table"]),
            "tr" => self.end_one_of(&["tr"], &["table"]),
            "tbody" | "thead" | "tfoot" => {
                self.end_one_of(&["tbody", "thead", "tfoot"], &["table"])
            }
            _ => {}
        }
        if self.paragraphs > 0 && CLOSES_P.contains(&name) {
            self.end_one_of(&["p"], &BARRIERS);
        }
    }

    fn end(&mut self, name: &LocalName) {
        if self.skipped.as_ref() == Some(name) {
            self.skipped = None;
            return;
        }
        let word: &str = name;
        if word == "br" {
            return self.layout.end_line();
        }
        if matches!(word, "html" | "head" | "body") || VOID.contains(&word) {
            return;
        }
        if self.beyond > 0 {
            self.beyond -= 1;
            if is_block(word) {
                self.layout.lines(1);
            }
        } else if FORMATTING.contains(&word) {
            self.end_formatting(word);
        } else if matches!(word, "td" | "th" | "tr" | "tbody" | "thead" | "tfoot" | "caption") {
            self.end_one_of(&[word], &["table"]);
        } else if word == "table" {
            self.end_one_of(&[word], &[]);
        } else if is_block(word) {
            self.end_one_of(&[word], &BARRIERS);
        } else {
            // Other elements: the end tag does not close beyond its block.
            let block = self.open.iter().rposition(|open| is_block(&open.name)).unwrap_or_default();
            if self.open.iter().skip(block).any(|open| open.name == *name) {
                self.end_one_of(&[word], &[]);
            }
        }
    }

    /// Closes the innermost element of these names, and all within, unless there is a barrier in
    /// between.
    fn end_one_of(&mut self, names: &[&str], barriers: &[&str]) {
        let mut inner = self.open.iter().rposition(|open| {
            let name: &str = &open.name;
            names.contains(&name) || barriers.contains(&name)
        });
        inner = inner
            .filter(|index| self.open.get(*index).is_some_and(|open| names.contains(&&*open.name)));
        let Some(index) = inner else { return };
        while self.open.len() > index {
            let Some(open) = self.open.pop() else { return };
            self.finish(&open);
        }
    }

    /// Closes a formatting element; elements opened within it stay open.
    fn end_formatting(&mut self, name: &str) {
        let inner = self.open.iter().rposition(|open| {
            let open: &str = &open.name;
            open == name || BARRIERS.contains(&open)
        });
        let Some(index) =
            inner.filter(|index| self.open.get(*index).is_some_and(|open| &*open.name == name))
        else {
            return;
        };
        let open = self.open.remove(index);
        self.finish(&open);
    }
}

fn is_block(name: &str) -> bool {
    BLOCKS.contains(&name)
        || PARAGRAPHS.contains(&name)
        || matches!(name, "blockquote" | "ul" | "ol" | "li" | "td" | "th" | "tr")
}

fn attribute<'a>(tag: &'a Tag, name: &str) -> Option<&'a str> {
    let found = tag.attrs.iter().find(|attribute| &*attribute.name.local == name);
    found.map(|attribute| &*attribute.value)
}

fn number(tag: &Tag, name: &str) -> Option<i32> {
    attribute(tag, name)?.trim().parse().ok()
}

/// A URL as it is written within `<>`; none for one that leads nowhere.
fn address(href: &str) -> Option<String> {
    let href: String = href.trim().chars().filter(|c| !c.is_control()).collect();
    let is_known = |scheme: &&&str| {
        href.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    let scheme = SCHEMES.iter().find(is_known)?;
    if href.get(scheme.len()..)?.trim_matches('/').is_empty() {
        return None;
    }
    Some(href.replace(' ', "%20").replace('<', "%3C").replace('>', "%3E"))
}

/// Whether a link's text is its URL.
fn is_same(text: &str, href: &str) -> bool {
    let bare = |address: &str| {
        let address = address.trim_end_matches('/');
        let scheme = ["https://", "http://", "mailto:", "tel:"]
            .iter()
            .find_map(|scheme| address.strip_prefix(scheme));
        scheme.unwrap_or(address).to_owned()
    };
    text == href || bare(text) == bare(href)
}

#[cfg(test)]
mod tests;
