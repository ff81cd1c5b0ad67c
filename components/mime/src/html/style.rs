//! The `style` attribute: which elements it hides, and which declarations may be kept.
//!
//! Declarations are parsed one by one and by name; a malformed one is ignored. No style sheets, no
//! inheritance.
//!
//! Invariant: however [`harmless`] splits its input, each declaration in the output is made of
//! plain words, numbers and colours, so no CSS parser finds a URL, an escape or a comment in them.
//!
//! Standards: CSS Style Attributes, CSS Syntax Level 3.

use crate::html::css_numbers::{Found, numbers};

/// The effect of an element's style on the visibility of its text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    /// The element and its descendants are hidden, whatever their style.
    pub hides: bool,
    /// Its text is too small to be seen; descendants may be larger.
    pub is_tiny: Option<bool>,
    /// Its text is invisible; descendants may be visible.
    pub is_invisible: Option<bool>,
    /// White space is preserved.
    pub keeps_spaces: Option<bool>,
}

/// Hides from Outlook, which some buttons are: they have an alternative for it.
const HIDDEN_FROM_OUTLOOK: &str = "mso-hide";

/// The visibility that a style gives to an element of that name.
pub fn sight(element: &str, style: &str) -> Sight {
    let mut sight = Sight::default();
    let (mut is_clipped, mut is_flat) = (false, false);
    for (name, value) in declarations(style) {
        match name.as_str() {
            "display" => sight.hides |= value == "none",
            "visibility" => sight.is_invisible = Some(value != "visible"),
            "opacity" => sight.hides |= is_below(&value, 0.05),
            "max-height" => sight.hides |= is_below(&value, 1.0),
            "height" | "width" | "max-width" => is_flat |= is_below(&value, 1.0),
            "overflow" => is_clipped |= value == "hidden",
            HIDDEN_FROM_OUTLOOK => sight.hides |= value == "all" && element != "a",
            "font-size" => sight.is_tiny = tiny(&value).or(sight.is_tiny),
            // The shorthand has a size among other things: large text is visible.
            "font" if value.split([' ', '/']).any(|word| tiny(word) == Some(false)) => {
                sight.is_tiny = Some(false);
            }
            "white-space" => sight.keeps_spaces = Some(value.starts_with("pre")),
            _ => {}
        }
    }
    sight.hides |= is_clipped && is_flat;
    sight
}

/// The allowed properties, sorted: colours, sizes and alignment, as a rule within the element's own
/// box. Not allowed is what loads a resource (`background-image`, `list-style`, `cursor`,
/// `content`), what leaves the box (`position`, `transform`, `z-index`, shadows, outlines) and what
/// runs.
#[rustfmt::skip]
const HARMLESS: [&str; 82] = [
    "background", "background-color", "border", "border-bottom", "border-bottom-color", "border-bottom-left-radius",
    "border-bottom-right-radius", "border-bottom-style", "border-bottom-width", "border-collapse", "border-color",
    "border-left", "border-left-color", "border-left-style", "border-left-width", "border-radius", "border-right",
    "border-right-color", "border-right-style", "border-right-width", "border-spacing", "border-style", "border-top",
    "border-top-color", "border-top-left-radius", "border-top-right-radius", "border-top-style", "border-top-width",
    "border-width", "box-sizing", "caption-side", "clear", "color", "direction", "display", "empty-cells", "float",
    "font", "font-family", "font-size", "font-style", "font-variant", "font-weight", "height", "letter-spacing",
    "line-height", "list-style-position", "list-style-type", "margin", "margin-bottom", "margin-left", "margin-right",
    "margin-top", "max-height", "max-width", "min-height", "min-width", "opacity", "overflow", "overflow-wrap",
    "padding", "padding-bottom", "padding-left", "padding-right", "padding-top", "table-layout", "text-align",
    "text-decoration", "text-decoration-color", "text-decoration-line", "text-decoration-style", "text-indent",
    "text-overflow", "text-transform", "unicode-bidi", "vertical-align", "visibility", "white-space", "width",
    "word-break", "word-spacing", "word-wrap",
];
/// Functions of colours. Those of lengths can have a negative result.
const FUNCTIONS: [&str; 4] = ["rgb", "rgba", "hsl", "hsla"];

/// The allowed declarations of a style.
pub fn harmless(style: &str) -> String {
    let mut kept = String::new();
    for declaration in style.split(';') {
        let Some((name, value)) = declaration.split_once(':') else { continue };
        let name = name.trim().to_ascii_lowercase();
        let value = value.trim();
        if HARMLESS.binary_search(&name.as_str()).is_ok()
            && is_plain(value)
            && is_within_bounds(&name, value)
        {
            if !kept.is_empty() {
                kept.push_str("; ");
            }
            kept.extend([name.as_str(), ": ", value]);
        }
    }
    kept
}

/// Whether a value has only words, numbers, colours, quoted font names, and calls of [`FUNCTIONS`];
/// no negative number, which would move content out of its box.
fn is_plain(value: &str) -> bool {
    let is_known =
        |character: char| character.is_alphanumeric() || " #%.,-+/!()'\"_".contains(character);
    let is_in_place = |found| match found {
        Found::Number { is_negative, .. } => !is_negative,
        Found::OpenQuote => false,
    };
    !value.is_empty()
        && value.chars().all(is_known)
        && numbers(value).all(is_in_place)
        && calls_only(value)
}

/// The longest distance beside a text or between letters, in CSS pixels.
const FARTHEST: f64 = 200.0;
/// The largest font size, in CSS pixels. Headlines reach 72.
const TALLEST: f64 = 100.0;

/// Whether all lengths are small enough not to move content away, or to paint over what is around.
///
/// Widths and heights are unbounded, since tables that fill a page have large ones; so a page that
/// displays the HTML clips it.
fn is_within_bounds(name: &str, value: &str) -> bool {
    let bound = match name {
        "font" | "font-size" => TALLEST,
        "text-indent" | "letter-spacing" | "word-spacing" | "vertical-align" => FARTHEST,
        _ if ["margin", "padding", "border"].iter().any(|start| name.starts_with(start)) => {
            FARTHEST
        }
        _ => return true,
    };
    numbers(value).all(|found| match found {
        // A component of a colour; a weight or a line height.
        Found::Number { is_argument: true, .. } => true,
        Found::Number { unit: "", .. } if name == "font" => true,
        Found::Number { value, unit, .. } => value * pixels(unit, bound) <= bound,
        Found::OpenQuote => false,
    })
}

/// The approximate number of pixels of a unit; one relative to the surrounding text or window is
/// taken for that of an ordinary one.
fn pixels(unit: &str, bound: f64) -> f64 {
    match unit.to_ascii_lowercase().as_str() {
        // Without a unit they are pixels in old pages.
        "" | "px" | "q" => 1.0,
        "pt" => 96.0 / 72.0,
        "in" => 96.0,
        "cm" => 96.0 / 2.54,
        "mm" => 96.0 / 25.4,
        // The whole width, or six times the font size.
        "%" if bound == TALLEST => 0.16,
        "%" => bound / 100.0,
        _ => 16.0,
    }
}

/// Whether a presentational attribute has an acceptable distance: the margins of pictures and
/// cells, in pixels.
pub fn is_near(attribute: &str, value: &str) -> bool {
    match attribute {
        "hspace" | "vspace" | "cellpadding" | "cellspacing" | "border" => {
            is_within_bounds("margin", value)
        }
        _ => true,
    }
}

/// Whether each parenthesis belongs to an allowed function, and none is nested.
fn calls_only(value: &str) -> bool {
    let mut pieces = value.split('(');
    let mut before = pieces.next().unwrap_or_default();
    if before.contains(')') {
        return false;
    }
    for piece in pieces {
        let start = before
            .rfind(|c: char| !c.is_alphanumeric() && c != '-' && c != '_')
            .map_or(0, |at| at + 1);
        let name = before.get(start..).unwrap_or_default();
        let is_known = FUNCTIONS.iter().any(|known| name.eq_ignore_ascii_case(known));
        let Some((_, after)) = piece.split_once(')') else { return false };
        if !is_known || after.contains(')') {
            return false;
        }
        before = after;
    }
    true
}

/// The name and value of each declaration, in lower case.
fn declarations(style: &str) -> impl Iterator<Item = (String, String)> {
    style.split(';').filter_map(|declaration| {
        let (name, value) = declaration.split_once(':')?;
        let value = value.to_ascii_lowercase();
        let value = value.split('!').next().unwrap_or_default().trim().to_owned();
        Some((name.trim().to_ascii_lowercase(), value))
    })
}

/// Whether a font of that size is too small to be read; none where the size is relative to the
/// surrounding text.
fn tiny(size: &str) -> Option<bool> {
    const WORDS: [&str; 7] =
        ["xx-small", "x-small", "small", "medium", "large", "x-large", "xx-large"];
    if WORDS.contains(&size) {
        return Some(false);
    }
    let (number, unit) = length(size)?;
    match unit {
        _ if number == 0.0 => Some(true),
        "px" | "pt" | "" => Some(number < 2.0),
        "em" | "%" | "ex" | "ch" => None,
        _ => Some(false),
    }
}

fn is_below(size: &str, bound: f32) -> bool {
    length(size).is_some_and(|(number, unit)| {
        number == 0.0 || unit != "em" && unit != "%" && number < bound
    })
}

/// A number and its unit.
fn length(text: &str) -> Option<(f32, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_paints_and_sizes_stays() {
        assert!(HARMLESS.is_sorted());
        for style in [
            "color: red; background-color: #fff",
            "font-family: \"Segoe UI\", 'Helvetica Neue', 微软雅黑, sans-serif; font-size: 14.5px",
            "font: bold 14px/1.5 Arial; line-height: 1.5; text-align: center",
            "border: 1px solid rgb(1, 2, 3); border-top-color: rgba(0,0,0,.5)",
            "width: 100%; max-width: 600px; padding: 0 10px",
            "font-family: sans-serif, Font-9, Font9-8; color: #f00-9",
            "font-family: \"'\", '-9'",
            "display: none; max-height: 0; overflow: hidden",
            "text-decoration: none !important; vertical-align: text-top; white-space: pre-wrap",
        ] {
            assert_eq!(harmless(style), style);
        }
        assert_eq!(harmless(" COLOR :red;;margin:0"), "color: red; margin: 0");
    }

    #[test]
    fn what_loads_runs_or_leaves_its_place_is_gone() {
        for style in [
            "background: url(https://t.example/x)",
            "background:#fff url('//t.example/x') no-repeat",
            "background: URL (x)",
            "background-image: linear-gradient(red, blue)",
            "background: image-set(\"https://t.example/x\" 1x)",
            "background: u\\72l(x)",
            "background: \\75rl(x)",
            "background: u/**/rl(x)",
            "background: var(--x)",
            "background: ｕrl(x)",
            "background: rgb(url(x))",
            "list-style: url(x)",
            "list-style-image: url(x)",
            "cursor: url(x)",
            "content: 'x'",
            "width: expression(alert(1))",
            "width: exp/**/ression(alert(1))",
            "behavior: url(x)",
            "-moz-binding: url(x)",
            "position: fixed",
            "position: absolute; top: 0; left: 0; z-index: 9",
            "margin: -500px",
            "margin: 0-900px",
            "margin: 0-0-280px",
            "margin: 0%-900px",
            "margin: 1.5-.5em",
            "margin: 1e-1-900px",
            "padding: \"'\" -9px \"'\"",
            "margin-left: calc(-1 * 100px)",
            "margin-left: calc(0px - 100px)",
            "width: min(100%, 10px)",
            "text-indent: -.5em",
            "transform: scale(9)",
            "box-shadow: 0 0 0 999px red",
            "filter: blur(1px)",
            "@import 'x'",
            "color: red} * {color: blue",
            "color: red<",
            "font-family: 'a",
            "font-family: \"a\nb",
            "font-family: \"a\\",
            "color: rgb(1",
            "color: rgb)1(",
            "color:",
            "color",
            "--x: y",
            "",
        ] {
            assert_eq!(harmless(style), "", "{style}");
        }
        // A quoted string that was split is not joined again.
        assert_eq!(harmless("font-family: 'a; color: red; background: url(x)'"), "color: red");
        assert_eq!(
            harmless("color: red; /* ; width: 1px; */ height: 2px"),
            "color: red; width: 1px"
        );
    }

    #[test]
    fn what_hides_is_seen_in_every_spelling() {
        for style in [
            "display:none",
            "color:red; DISPLAY : None !important",
            "opacity:0",
            "opacity: 0.0",
            "max-height:0",
            "max-height:0px;overflow:hidden",
            "height:0;overflow:hidden",
            "width:0px; overflow:hidden",
            "mso-hide:all",
        ] {
            assert!(sight("div", style).hides, "{style}");
        }
        for style in [
            "display:block",
            "opacity:1",
            "opacity:.8",
            "max-height:100%",
            "height:0",
            "overflow:hidden",
            "max-height:none",
            "color:none",
            "display",
            "",
            ":;;",
        ] {
            assert!(!sight("div", style).hides, "{style}");
        }
    }

    #[test]
    fn lengths_that_only_move_something_away_are_gone() {
        for style in [
            "margin-right: 1200px",
            "margin: 0 1200px 0 auto",
            "margin: 0 2e3px",
            "margin-left: 1200",
            "margin-left: 101%",
            "margin-left: 13em",
            "margin-left: 3in",
            "margin-left: 99vw",
            "padding-left: 1200PX",
            "border-left: 1200px solid transparent",
            "border-spacing: 1200px 0",
            "text-indent: 1200px",
            "letter-spacing: 1200px",
            "vertical-align: 1200px",
            "font-size: 400px",
            "font-size: 9em",
            "font-size: 900%",
            "font: 400px/1 Arial",
            "font: bold 300pt Arial",
        ] {
            assert_eq!(harmless(style), "", "{style}");
        }
        assert_eq!(
            harmless("float: right; width: 300px; margin-right: 1200px"),
            "float: right; width: 300px"
        );
        assert_eq!(harmless("line-height: 0; font-size: 400px"), "line-height: 0");
        for style in [
            "margin: 0 auto; padding: 40px 10%; margin-left: 100%",
            "border: 1px solid rgb(255, 255, 255); border-radius: 50%",
            "font: 900 72px/500 Arial; font-size: 96px",
            "font-size: 2.5em; line-height: 0",
            "width: 1200px; min-height: 2000px",
        ] {
            assert_eq!(harmless(style), style);
        }
        assert!(is_near("hspace", "10") && is_near("width", "1200"));
        for attribute in ["hspace", "vspace", "cellpadding", "cellspacing", "border"] {
            assert!(!is_near(attribute, "1200") && !is_near(attribute, "1200px"), "{attribute}");
        }
    }

    /// The usual buttons that look alike everywhere have another link for Outlook.
    #[test]
    fn a_button_that_outlook_does_not_show_is_no_secret() {
        assert!(!sight("a", "background-color:#00f;mso-hide:all;").hides);
    }

    #[test]
    fn a_font_of_no_size_is_told_from_one_of_the_size_around() {
        for (style, tiny) in [
            ("font-size:0", Some(true)),
            ("font-size:0px", Some(true)),
            ("font-size:0.0em", Some(true)),
            ("font-size:1px", Some(true)),
            ("font-size:12px", Some(false)),
            ("font-size:medium", Some(false)),
            ("font-size:smaller", None),
            ("font-size:1em", None),
            ("font:0/0 a", None),
            ("font:bold 14px/1.5 Arial", Some(false)),
            ("color:red", None),
        ] {
            assert_eq!(sight("td", style).is_tiny, tiny, "{style}");
        }
    }
}
