//! HTML that can be shown to a person.
//!
//! What remains is text, structure, links and pictures that came with the message. Scripts, style
//! sheets, forms, event handlers and everything that loads by itself from elsewhere are gone: a
//! remote picture tells its sender when and where the mail was read.
//!
//! Standards: WHATWG HTML (parsing), RFC 2392 (`cid:`).

use std::borrow::Cow;

use ammonia::Builder;
use ammonia::UrlRelative;

use crate::depth::is_cheap;
use crate::filename::cut;
use crate::html_text::text_of_html;

/// The most HTML that is looked at, in bytes.
pub const LONGEST: usize = 1024 * 1024;

/// HTML that was made safe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// It itself.
    Html(String),
    /// Its text as HTML, since it is too deep to be parsed.
    Text(String),
}

/// Sanitised HTML of at most `limit` bytes. What is too deep to be parsed is shown as its text.
pub fn clean(html: &str, limit: usize) -> Shown {
    let html = without_foreign(cut(html, LONGEST));
    let html = html.as_str();
    if !is_cheap(html) {
        // An escape makes six bytes out of one at most.
        let text = ammonia::clean_text(cut(&text(html), limit.saturating_sub(11) / 6));
        return Shown::Text(format!("<pre>{text}</pre>"));
    }
    Shown::Html(cut_tag(builder().clean(&with_rests(html)).to_string(), limit))
}

fn cut_tag(clean: String, limit: usize) -> String {
    if clean.len() <= limit {
        return clean;
    }
    // Not in the middle of a tag: what follows in somebody's page would become its attribute.
    let start = cut(&clean, limit);
    let whole = match (start.rfind('<'), start.rfind('>')) {
        (Some(open), Some(close)) if open < close => start,
        (Some(open), _) => cut(start, open),
        (None, _) => start,
    };
    whole.to_owned()
}

/// Parts text in which very many characters have to be escaped by comments, which the sanitiser takes out again.
///
/// Its serializer looks from each `&`, and each byte of a NO-BREAK SPACE, to the next `<` or `>` of the same text: a
/// long text of nothing else would cost its length squared. No ordinary text, and no address in an attribute,
/// comes near the bound; where one does, the comment becomes a part of it, which does no harm before sanitising.
fn with_rests(html: &str) -> Cow<'_, str> {
    const REST: &str = "<!---->";
    /// Characters to escape times bytes without a `<` or `>`.
    const MOST_STEPS: usize = 1 << 20;

    let mut rested = String::new();
    let (mut written, mut start, mut escapes) = (0, 0, 0usize);
    for (at, byte) in html.bytes().enumerate() {
        match byte {
            b'<' | b'>' => (start, escapes) = (at, 0),
            b'&' | 0xc2 => {
                escapes += 1;
                if escapes * (at - start) > MOST_STEPS {
                    rested.push_str(html.get(written..at).unwrap_or_default());
                    rested.push_str(REST);
                    (written, start, escapes) = (at, at, 0);
                }
            }
            _ => {}
        }
    }
    if written == 0 {
        return Cow::Borrowed(html);
    }
    rested.push_str(html.get(written..).unwrap_or_default());
    Cow::Owned(rested)
}

/// SVG and MathML parse by rules of their own, which is where sanitisers were beaten. Renamed, they are
/// unknown elements like any other.
fn without_foreign(html: &str) -> String {
    let mut plain = String::with_capacity(html.len());
    for (index, piece) in html.split('<').enumerate() {
        if index > 0 {
            plain.push('<');
        }
        let (slash, name) = match piece.strip_prefix('/') {
            Some(name) => ("/", name),
            None => ("", piece),
        };
        plain.push_str(slash);
        let starts = |word: &str| {
            name.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
        };
        if starts("svg") || starts("math") {
            plain.push_str("x-");
        }
        plain.push_str(name);
    }
    plain
}

/// The text of HTML, for those who sent nothing else.
pub fn text(html: &str) -> String {
    text_of_html(cut(html, LONGEST))
}

fn builder() -> Builder<'static> {
    let mut builder = Builder::default();
    builder
        .add_tags(["font"])
        .add_tag_attributes("font", ["color", "face", "size"])
        .add_tag_attributes("table", ["bgcolor", "border", "cellpadding", "cellspacing", "width"])
        .add_tag_attributes("td", ["bgcolor", "height", "valign", "width"])
        .add_tag_attributes("th", ["bgcolor", "height", "valign", "width"])
        .add_tag_attributes("tr", ["bgcolor", "valign"])
        .add_generic_attributes(["dir"])
        .add_url_schemes(["cid", "data"])
        .add_clean_content_tags(["title", "textarea", "select", "noscript"])
        .link_rel(Some("noopener noreferrer nofollow"))
        .url_relative(UrlRelative::Deny)
        .attribute_filter(filter);
    builder
}

/// Pictures come from the message itself; links lead out of it.
fn filter<'a>(element: &str, attribute: &str, value: &'a str) -> Option<Cow<'a, str>> {
    let lower = value.trim_start().to_ascii_lowercase();
    let own = lower.starts_with("cid:")
        || ["data:image/png", "data:image/jpeg", "data:image/gif", "data:image/webp"]
            .iter()
            .any(|kind| lower.starts_with(kind));
    let keep = match (element, attribute) {
        (_, "src") => element == "img" && own,
        ("a" | "area", "href") => !lower.starts_with("data:") && !lower.starts_with("cid:"),
        (_, "cite" | "longdesc" | "background") => false,
        _ => true,
    };
    keep.then_some(Cow::Borrowed(value))
}

#[cfg(test)]
mod tests {
    use html5ever::data::NAMED_ENTITIES;

    use super::*;

    #[test]
    fn what_acts_is_gone() {
        check("<script>x</script>a", "a");
        check("<p onclick=x>a</p>", "<p>a</p>");
        check("<style>x</style><form><input>a</form>", "a");
        check("<a href=\"javascript:x\">a</a>", "<a rel=\"noopener noreferrer nofollow\">a</a>");
        check(
            "<a href=\" data:text/html,x\">a</a>",
            "<a rel=\"noopener noreferrer nofollow\">a</a>",
        );
        check("<iframe src=x></iframe><object data=x></object><base href=x>a", "a");
        check("<meta http-equiv=refresh content=0>a", "a");
        check(
            "<sVg><a xlink:href=javascript:x>a</a><path/></svg>b",
            "<a rel=\"noopener noreferrer nofollow\">a</a>b",
        );
        check("<svg><style><img src=cid:x></style></svg>", "");
        check("<math><mi><mglyph><style><img src=x onerror=x>", "");
        check("<div style=\"background:url(http://x)\">a</div>", "<div>a</div>");
    }

    #[test]
    fn only_pictures_of_the_message_load() {
        check("<img src=\"https://t.example/x\" alt=a>", "<img alt=\"a\">");
        check("<img src=\"cid:1@x\">", "<img src=\"cid:1@x\">");
        check("<img src=\"data:image/png;base64,AA\">", "<img src=\"data:image/png;base64,AA\">");
        check("<img src=\"data:image/svg+xml,x\">", "<img>");
        check("<img src=\"//t.example/x\">", "<img>");
    }

    #[test]
    fn links_stay() {
        check(
            "<a href=\"https://x.example/?a=b&c\">a</a>",
            "<a href=\"https://x.example/?a=b&amp;c\" rel=\"noopener noreferrer nofollow\">a</a>",
        );
    }

    #[test]
    fn a_cut_never_leaves_half_a_tag() {
        let html = "<p title=\"aaaaaaaaaa\">bbbb</p>".repeat(10);
        for limit in 0..html.len() {
            let Shown::Html(cut) = clean(&html, limit) else { panic!("it is cheap") };
            assert!(cut.len() <= limit, "{limit}");
            assert!(cut.rfind('<') < cut.rfind('>') || !cut.contains('<'), "{cut}");
        }
    }

    #[test]
    fn a_text_that_is_parted_shows_the_same() {
        for piece in ["&", "\u{a0}", "&nbsp;x ", "\u{a9}"] {
            let html = piece.repeat(20_000);
            assert!(with_rests(&html).contains("<!---->"), "{piece:?}");
            let Shown::Html(clean) = clean(&html, usize::MAX) else { panic!("it is cheap") };
            let want = piece.replace("&nbsp;", "\u{a0}").replace('&', "&amp;");
            assert_eq!(clean, want.replace('\u{a0}', "&nbsp;").repeat(20_000));
        }
        let mail =
            "<p>Ham &amp; eggs &amp; <a href=\"https://x.example/?a=1&b=2\">this</a>".repeat(9_000);
        assert!(!with_rests(&mail).contains("<!---->"));
        let link = format!("<a href=\"https://x.example/?{}\">x</a>", "a=1&".repeat(250));
        assert!(!with_rests(&link).contains("<!---->"));
    }

    #[test]
    fn a_hundred_thousand_divs_become_text() {
        let html = format!("{}deep & <b>bold</b>", "<div>".repeat(100_000));
        let text = "<pre>deep&#32;&amp;&#32;bold</pre>".to_owned();
        assert_eq!(clean(&html, 10_000), Shown::Text(text));
    }

    #[test]
    fn text_is_made_from_html() {
        assert_eq!(
            text("<div>a</div><div>b</div><div><br></div><ul><li>c</li><li>d</LI ></ul>e"),
            "a\nb\n\n- c\n- d\n\ne"
        );
        assert_eq!(
            text("<style>x</style><p>Hello <b>you</b></p><p>there&amp;then"),
            "Hello you\n\nthere&then"
        );
    }

    #[test]
    fn every_entity_is_found() {
        let mut lost = Vec::new();
        let mut found = 0;
        // Of some a second character belongs to it; names without a semicolon are those of old.
        let names = NAMED_ENTITIES.entries().filter(|(name, _)| name.ends_with(';'));
        for (name, (first, second)) in names.filter(|(_, (first, _))| *first != 0) {
            found += 1;
            let want: String = [*first, *second]
                .into_iter()
                .filter(|c| *c != 0)
                .filter_map(char::from_u32)
                .collect();
            let shown = text(&format!("a&{name}b"));
            let is_blank = want.trim().is_empty() && shown.split_whitespace().eq(["a", "b"]);
            if shown != format!("a{want}b") && !is_blank {
                lost.push(*name);
            }
        }
        assert_eq!(found, 2_125);
        assert!(lost.is_empty(), "{} are lost: {lost:?}", lost.len());
    }

    #[track_caller]
    fn check(html: &str, want: &str) {
        assert_eq!(clean(html, 10_000), Shown::Html(want.to_owned()), "{html}");
    }
}
