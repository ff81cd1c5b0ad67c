//! HTML of many kinds of mail, and its plain text.

use super::*;

#[test]
fn words_and_lines_are_as_a_browser_shows_them() {
    check("  a\n b <b>c</b>d ", "a b cd");
    check("<div>a</div><div>b</div><div><br></div><div>c<br></div>d", "a\nb\n\nc\nd");
    check("<p>a</p><p>b</p>c", "a\n\nb\n\nc");
    check("<h1>a</h1>b<hr>c", "a\n\nb\n---\nc");
    check("a<br>b<br><br><br>c", "a\nb\n\nc");
    check(
        "<p class=MsoNormal>a<o:p></o:p></p><p class=MsoNormal><o:p>&nbsp;</o:p></p><p>b</p>",
        "a\n\nb",
    );
    check("<div>a</div><div>&nbsp;</div><div>b</div>", "a\n\nb");
    check("", "");
    check("<p> </p>", "");
}

#[test]
fn every_character_is_decoded() {
    check(
        "M&uuml;ller &amp; S&ouml;hne:&nbsp;12&nbsp;&euro; &lt;net&gt; &copy; &quot;x&quot;",
        "Müller & Söhne: 12 € <net> © \"x\"",
    );
    check(
        "&copy 2026 &#8364; &#x20ac; &#128; &notit; &unknown; AT&T",
        "© 2026 € € € ¬it; &unknown; AT&T",
    );
    check("a&#7;b&#0;c", "ab\u{fffd}c");
}

#[test]
fn addresses_of_links_stand_beside_their_text() {
    check(
        "<a href=\"https://example.com/activate?k=1&amp;v=2\">Activate\n</a>now",
        "Activate <https://example.com/activate?k=1&v=2> now",
    );
    check("<a href='https://x.test/'>https://x.test</a>", "https://x.test");
    check("<ul><li><a href='http://www.x.test/'>www.x.test</a></ul>", "- www.x.test");
    check("<a href='mailto:ann@x.test'>ann@x.test</a>", "ann@x.test");
    check("<a href='mailto:ann@x.test'>Ann</a>", "Ann <mailto:ann@x.test>");
    check("<a href='https://x.test/a b<c'>d</a>", "d <https://x.test/a%20b%3Cc>");
    for nowhere in
        ["javascript:x", "#top", "", "/a", "cid:1", "data:text/html,x", "http://", "file:///etc"]
    {
        check(&format!("<a href=\"{nowhere}\">a</a>b"), "ab");
    }
    check("<a href=https://x.test/>a", "a <https://x.test/>");
    check("<a name=x></a><a href='https://x.test/'></a>a", "a");
    check(
        "<a href='https://x.test/'><p>a</p><p>b</p></a><p>c</p>",
        "a\n\nb <https://x.test/>\n\nc",
    );
    check(
        "<a href='https://x.test/1'>a<a href='https://x.test/2'>b</a>",
        "a <https://x.test/1>b <https://x.test/2>",
    );
}

#[test]
fn a_picture_is_its_description() {
    check("a <img src=x alt=' a  boat '> b", "a a boat b");
    check("a<img src=x alt=''>b<img>", "ab");
    check("<a href='https://x.test/'><img alt=Shop></a>", "Shop <https://x.test/>");
    check("see <a href='https://x.test/'><img src=x></a> there", "see <https://x.test/> there");
    check("<img width=1 height=1 alt=pixel>a", "a");
}

#[test]
fn rows_are_lines_and_cells_stand_apart() {
    check(
        "<table><tr><td>Total</td><td>42</td></tr><tr><td>Tax<td>8</table>end",
        "Total\t42\nTax\t8\nend",
    );
    check("<table><tr><td><p>a</p></td><td><p>b</p></td></tr><tr><td><p>c</table>", "a\tb\nc");
    check("<table><tr><td></td><td>&nbsp;</td><td>a</td><td> </td></tr></table>b", "a\nb");
    check("<table><tr><td>a<br>b</td><td>c</td></tr></table>", "a\nb\nc");
    check("<table><tr><td><table><tr><td>a<td>b</table></td><td>c</table>", "a\tb\tc");
    check("<table><tr><td>x</td><td><ul><li>a<li>b</ul></td></table>", "x\t- a\n- b");
}

#[test]
fn lists_have_their_marks() {
    check("a<ul><li>b</li><li>c</li></ul>d", "a\n\n- b\n- c\n\nd");
    check("<ol><li>a<li>b<ul><li>c<li>d</ul><li>e</ol>", "1. a\n2. b\n   - c\n   - d\n3. e");
    check("<ol start=9><li>a<li><p>b</p><p>c</p><li value=3>d</ol>", "9. a\n10. b\n\n   c\n\n3. d");
    check("<ul><li>a<br>b</ul>", "- a\n  b");
    check("<ul><li></li></ul>a", "a");
    check("<dl><dt>a<dd>b<dt>c</dl>", "a\nb\nc");
}

#[test]
fn quotes_are_marked() {
    check("a<blockquote>b<br>c<blockquote>d</blockquote></blockquote>e", "a\n> b\n> c\n> > d\n\ne");
    check("<blockquote><p>a</p><p>b</p></blockquote>", "> a\n>\n> b");
    check(
        "<div>Yes.</div><div class=gmail_quote><div>On Monday Bo wrote:<br></div><blockquote>No?</blockquote></div>",
        "Yes.\nOn Monday Bo wrote:\n> No?",
    );
}

#[test]
fn preformatted_text_stays() {
    check("a<pre>\n b\n\n\n  c\td</pre>e", "a\n\n b\n\n\n  c\td\n\ne");
    check("<div style='white-space: pre-wrap'>a\n  b</div>", "a\n  b");
    check("&nbsp;&nbsp;if (a)&nbsp; b", "  if (a) b");
    check("x<br>&nbsp;&nbsp;&nbsp;&nbsp;y", "x\n    y");
}

#[test]
fn what_is_not_seen_is_gone() {
    for hidden in [
        "<style>x{y:z}</style>",
        "<script>x</script>",
        "<title>x</title>",
        "<!-- x -->",
        "<!--[if mso]><p>x</p><![endif]-->",
        "<div style=\"display:none\">x<p>y</p></div>",
        "<div style='display: none !important; font-size:1px'>x<table><tr><td>y</table></div>",
        "<span style=visibility:hidden>x</span>",
        "<span hidden>x</span>",
        "<div style='mso-hide:all'>x</div>",
        "<div style='max-height:0;overflow:hidden'>x</div>",
        "<div style='font-size:0'>x</div>",
        "<div style='opacity:0'>x</div>",
        "<td style=display:none>x</td>",
        "<select><option>x<option>y</select>",
        "<template>x</template>",
        "<noscript>x</noscript>",
        "<textarea>x</textarea>",
    ] {
        check(&format!("a{hidden}b"), if hidden.contains("<div") { "a\nb" } else { "ab" }.trim());
    }
}

#[test]
fn what_is_seen_within_is_shown() {
    // As MJML lays out its columns.
    check("<td style='font-size:0px;padding:20px 0'><div style='font-size:13px'>a</div></td>", "a");
    check("<div style='visibility:hidden'>a<b style='visibility:visible'>b</b></div>", "b");
    check("<![if !mso]>a<![endif]><!--[if !mso]><!-->b<!--<![endif]-->", "ab");
    check("<a style='mso-hide:all' href='https://x.test/'>Go</a>", "Go <https://x.test/>");
    check("<div><span style=display:none>a</div>b", "b");
    check("<p style=display:none>a<p>b", "b");
    check("<table><tr><td hidden>a<td>b</table>", "b");
}

#[test]
fn fillers_of_a_preview_are_gone() {
    check(&format!("Hello{}you", "&nbsp;&zwnj;".repeat(90)), "Hello you");
    check(
        &format!("<div>Hello</div><div>{}</div>you", "&#847; &#8199;&#65279;&shy;".repeat(90)),
        "Hello\n\nyou",
    );
    check(
        "\u{645}\u{6cc}\u{200c}\u{62e}\u{648}\u{627}\u{647}\u{645}",
        "\u{645}\u{6cc}\u{200c}\u{62e}\u{648}\u{627}\u{647}\u{645}",
    );
    check("\u{1f468}\u{200d}\u{1f469}", "\u{1f468}\u{200d}\u{1f469}");
    check(&format!("a{}b", "&nbsp;".repeat(50)), "a b");
}

#[test]
fn broken_markup_loses_no_words() {
    check("<b>a<div>b</b>c</div>d", "a\nbc\nd");
    check("<table>a<tr>b<td>c</table>d", "a\nb\tc\nd");
    check("<p>a</div>b</span></table>c", "abc");
    check("a < b <3 <", "a < b <3 <");
    check("<p>a<", "a<");
    check("a<p style=", "a");
    check("<div style='display:none'>a</div", "");
    check("</p></br>a</html>b", "ab");
    check("<ul><ul><li>a</ul></ul>b", "  - a\n\nb");
    check("a<blockquote>b</p></td>c", "a\n> bc");
}

#[test]
fn depth_and_attributes_cost_nothing_but_their_form() {
    let deep = format!("{}a<p>b", "<div>".repeat(100_000));
    check(&deep, "a\nb");
    let quotes = format!("{}a", "<blockquote>".repeat(1_000));
    check(&quotes, &format!("{}a", "> ".repeat(8)));
    let many = format!("<a {} href=https://x.test/>a</a>b", "x ".repeat(100_000));
    check(&many, "ab");
    let hidden = format!("<!<b x='><i {}>a", "x ".repeat(100_000));
    check(&hidden, "a");
    let raw = format!("{}<xmp><b>a</b></xmp>", "<div>".repeat(256));
    check(&raw, "<b>a</b>");
}

#[track_caller]
fn check(html: &str, want: &str) {
    let text = text_of_html(html);
    assert_eq!(text, want, "{}", html.get(..300).unwrap_or(html));
}
