//! HTML sanitiser: output that is safe to display.
//!
//! Kept are text, structure, links, pictures that came with the message, and presentation: inline
//! styles and the attributes of tables. Scripts, style sheets, forms, event handlers and all remote
//! content that loads automatically are removed: a remote picture tells its sender when and where
//! the mail was read.
//!
//! Standards: WHATWG HTML (parsing), RFC 2392 (`cid:`).

use std::borrow::Cow;

use ammonia::Builder;
use ammonia::UrlRelative;

use crate::header::filename::cut;
use crate::html::complexity::is_cheap;
use crate::html::rewriting::rewritten;
use crate::html::style::{harmless, is_near};
use crate::html::text::text_of_html;

/// The most HTML that is sanitised, in bytes.
pub const LONGEST: usize = 1024 * 1024;

/// Safe output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// The sanitised HTML.
    Html(String),
    /// Its text as HTML, since it is too complex to be parsed.
    Text(String),
}

/// Sanitises HTML; the result has at most `limit` bytes. HTML that is too complex to be parsed is
/// shown as its text.
pub fn clean(html: &str, limit: usize) -> Shown {
    let rewritten = rewritten(cut(html, LONGEST));
    // It is passed to the parser unchanged from here.
    if !is_cheap(&rewritten) {
        // An escape replaces one byte by six at most.
        let text = ammonia::clean_text(cut(&text(html), limit.saturating_sub(11) / 6));
        return Shown::Text(format!("<pre>{text}</pre>"));
    }
    Shown::Html(cut_tag(builder().clean(&rewritten).to_string(), limit))
}

fn cut_tag(clean: String, limit: usize) -> String {
    if clean.len() <= limit {
        return clean;
    }
    // Not within a tag: what follows in the surrounding page would become its attribute.
    let start = cut(&clean, limit);
    let whole = match (start.rfind('<'), start.rfind('>')) {
        (Some(open), Some(close)) if open < close => start,
        (Some(open), _) => cut(start, open),
        (None, _) => start,
    };
    whole.to_owned()
}

/// The text of HTML, for a message that has no text body.
pub fn text(html: &str) -> String {
    text_of_html(cut(html, LONGEST))
}

/// Presentational attributes of tables, pictures, lists and fonts, which mail still uses.
const PRESENTATION: &[(&[&str], &[&str])] = &[
    (
        &["table"],
        &[
            "align",
            "bgcolor",
            "border",
            "bordercolor",
            "cellpadding",
            "cellspacing",
            "height",
            "width",
        ],
    ),
    (
        &["td", "th"],
        &["align", "bgcolor", "colspan", "height", "nowrap", "rowspan", "valign", "width"],
    ),
    (&["tr", "tbody", "thead", "tfoot"], &["align", "bgcolor", "height", "valign"]),
    (&["col", "colgroup"], &["align", "span", "valign", "width"]),
    (&["p", "div", "h1", "h2", "h3", "h4", "h5", "h6", "caption"], &["align"]),
    (&["hr"], &["align", "color", "noshade", "size", "width"]),
    (&["img"], &["align", "border", "height", "hspace", "vspace", "width"]),
    (&["ol", "ul", "li"], &["start", "type", "value"]),
    (&["font"], &["color", "face", "size"]),
];

fn builder() -> Builder<'static> {
    let mut builder = Builder::default();
    builder
        .add_tags(["font"])
        .add_generic_attributes(["dir", "hidden", "style"])
        .add_url_schemes(["cid", "data"])
        .add_clean_content_tags(["title", "textarea", "select", "noscript"])
        .link_rel(Some("noopener noreferrer nofollow"))
        .url_relative(UrlRelative::Deny)
        .attribute_filter(filter);
    for (tags, attributes) in PRESENTATION {
        for tag in *tags {
            builder.add_tag_attributes(tag, attributes.iter().copied());
        }
    }
    builder
}

/// Filters attributes: pictures must be part of the message, links must lead out of it, and a style
/// is reduced to harmless declarations.
fn filter<'a>(element: &str, attribute: &str, value: &'a str) -> Option<Cow<'a, str>> {
    if attribute == "style" {
        return Some(harmless(value))
            .filter(|style| !style.is_empty() && is_written_cheaply(style))
            .map(Cow::Owned);
    }
    let lower = value.trim_start().to_ascii_lowercase();
    let keep = match (element, attribute) {
        (_, "src") => element == "img" && (lower.starts_with("cid:") || is_picture(&lower)),
        ("a" | "area", "href") => !lower.starts_with("data:") && !lower.starts_with("cid:"),
        (_, "cite" | "longdesc" | "background") => false,
        _ => is_near(attribute, value),
    };
    (keep && is_written_cheaply(value)).then_some(Cow::Borrowed(value))
}

/// Whether a `data:` URL is a raster image. Its media type is everything before the first `;` or
/// `,` (RFC 2397 section 3).
fn is_picture(address: &str) -> bool {
    const KINDS: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

    let media_type = address.strip_prefix("data:").and_then(|data| data.split_once([';', ',']));
    media_type.is_some_and(|(media_type, _)| KINDS.contains(&media_type))
}

/// Whether the serializer, which searches from each character to escape to the next quote, `<` or
/// `>`, is fast enough on an attribute. No useful URL comes near the bound.
fn is_written_cheaply(value: &str) -> bool {
    /// Characters to escape times bytes.
    const MOST_STEPS: usize = 1 << 24;

    value.split(['"', '<', '>']).all(|piece| {
        let escapes = piece.bytes().filter(|byte| matches!(byte, b'&' | 0xc2)).count();
        escapes * piece.len() <= MOST_STEPS
    })
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
    fn how_it_looks_stays() {
        for html in [
            "<p style=\"color: red; margin: 0\">a</p>",
            "<div align=\"center\" dir=\"rtl\">a</div>",
            "<div style=\"display: none\">a</div><span hidden=\"\">b</span>",
            "<font color=\"#f00\" face=\"Arial\" size=\"2\">a</font>",
            "<ol start=\"3\" type=\"a\"><li value=\"7\">a</li></ol>",
            "<img src=\"cid:1@x\" width=\"10\" height=\"20\" border=\"0\">",
            "<h1 align=\"right\">a</h1><hr width=\"50%\" size=\"1\">",
        ] {
            check(html, html);
        }
        let table = "<table align=\"center\" bgcolor=\"#eee\" border=\"0\" cellpadding=\"1\" cellspacing=\"2\" width=\"600\">\
            <tbody><tr bgcolor=\"red\" valign=\"top\"><td align=\"left\" colspan=\"2\" height=\"9\" nowrap=\"\" rowspan=\"1\" \
            valign=\"middle\" width=\"50%\" style=\"padding: 0\">a</td></tr></tbody></table>";
        check(table, table);
    }

    #[test]
    fn a_style_loads_nothing_and_stays_where_it_is() {
        check(
            "<p style=\"background:url(https://t.example/x);color:red\">a</p>",
            "<p style=\"color: red\">a</p>",
        );
        check("<p style=\"background:&#117;rl(x)\">a</p>", "<p>a</p>");
        check("<p style=\"position:fixed;top:0\">a</p>", "<p>a</p>");
        check(
            "<p style='font-family:\"a\"'>a</p>",
            "<p style=\"font-family: &quot;a&quot;\">a</p>",
        );
        check(
            "<img align=right hspace=1200 width=300 alt=a>",
            "<img align=\"right\" alt=\"a\" width=\"300\">",
        );
        check(
            "<p style=\"color:red\" style=\"position:fixed\">a</p>",
            "<p style=\"color: red\">a</p>",
        );
        for gone in [
            "<table background=https://t.example/x><tr><td background=https://t.example/x>a</table>",
            "<img srcset='https://t.example/x 2x' lowsrc=x dynsrc=x>",
            "<video poster=https://t.example/x src=x></video><audio src=x autoplay></audio>",
            "<link rel=stylesheet href=https://t.example/x><style>@import 'https://t.example/x'</style>",
            "<input type=image src=https://t.example/x><form action=https://t.example/x></form>",
            "<object data=https://t.example/x></object><embed src=https://t.example/x>",
            "<svg><image href=https://t.example/x /></svg><picture><source srcset=https://t.example/x></picture>",
            "<p class=x id=y contenteditable tabindex=1 accesskey=a>",
            "<q cite=https://t.example/x>a</q><body background=https://t.example/x>",
        ] {
            let Shown::Html(clean) = clean(gone, 10_000) else { panic!("it is cheap") };
            assert!(!clean.contains("t.example") && !clean.contains("=\"y\""), "{gone}: {clean}");
        }
    }

    #[test]
    fn only_pictures_of_the_message_load() {
        check("<img src=\"https://t.example/x\" alt=a>", "<img alt=\"a\">");
        check("<img src=\"cid:1@x\">", "<img src=\"cid:1@x\">");
        check("<img src=\"data:image/png;base64,AA\">", "<img src=\"data:image/png;base64,AA\">");
        for kind in
            ["image/svg+xml", "image/pngfoo/svg+xml", "image/webpx", "image/png/svg+xml", ""]
        {
            check(&format!("<img src=\"data:{kind},x\">"), "<img>");
            check(&format!("<img src=\"data:{kind};base64,x\">"), "<img>");
        }
        check("<img src=\"data:image/png\">", "<img>");
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
        for piece in ["&", "\u{a0}", "&nbsp;x ", "\u{a9}", "&</x>"] {
            let html = piece.repeat(20_000);
            let Shown::Html(clean) = clean(&html, usize::MAX) else { panic!("it is cheap") };
            let want = piece.replace("&nbsp;", "\u{a0}").replace('&', "&amp;").replace("</x>", "");
            assert_eq!(clean, want.replace('\u{a0}', "&nbsp;").repeat(20_000));
        }
        let words = "a & b ".repeat(900);
        let want = format!("<pre>{}</pre>", words.replace('&', "&amp;"));
        check(&format!("<xmp>{words}</xmp>"), &want);
        check("<xmp>a <svg> & <b></xmp>", "<pre>a &lt;svg&gt; &amp; &lt;b&gt;</pre>");
    }

    #[test]
    fn links_lead_where_they_led() {
        let query = "abcdefghijklmnopqrstuvwxyz=1&".repeat(300);
        for address in ["https://e.test/?q=<svg>&r=<math>", &format!("https://e.test/?{query}")] {
            let html = format!("<a href=\"{address}\" title=\"{address}\">a</a>");
            let Shown::Html(clean) = clean(&html, 100_000) else { panic!("it is cheap") };
            let escaped = address.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            assert!(clean.contains(&format!("href=\"{escaped}\"")), "{clean}");
            assert!(clean.contains(&format!("title=\"{escaped}\"")), "{clean}");
        }
        check("<img alt=\"<svg>\">", "<img alt=\"&lt;svg&gt;\">");
        // Too costly.
        check(&format!("<p title=\"{}\">a</p>", "&".repeat(5_000)), "<p>a</p>");
    }

    #[test]
    fn what_a_comment_says_stays_unsaid_and_unparsed() {
        let many = "&".repeat(1_100);
        let deep = "<div>".repeat(2_000);
        check(&format!("<!--{many}{deep}-->a"), "a");
        check(&format!("<!--{many} b & c{many}-->a"), "a");
        check(&format!("<style>{many}{deep}</style>a"), "a");
        for start in ["", "<!-->", "<!----!>", "<p title='<!--'>", "<! x='>", "<style><!--</style>"]
        {
            for around in [format!("{many}{deep}"), format!("{deep}{many}")] {
                let html = format!("{start}{around}-->a");
                assert!(matches!(clean(&html, 10_000), Shown::Text(_)), "{start}");
            }
        }
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
        // Some need a second character; names without a semicolon are the legacy ones.
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
