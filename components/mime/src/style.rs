//! The `style` attribute: what it hides.
//!
//! Its declarations are read one by one and by name; what cannot be read is nothing. It knows no style sheet and
//! no inheritance.
//!
//! Standard: CSS Style Attributes.

/// What an element's style says about whether its text is seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    /// It and all within is not seen, whatever that says.
    pub hides: bool,
    /// Its text is too small to be seen; what is within may be larger.
    pub is_tiny: Option<bool>,
    /// Its text is not seen; what is within may be.
    pub is_invisible: Option<bool>,
    /// Spaces and line ends stay as they are.
    pub keeps_spaces: Option<bool>,
}

/// Hides from Outlook, which some buttons are: it has another one for them.
const HIDDEN_FROM_OUTLOOK: &str = "mso-hide";

/// Reads what a style says of an element of that name.
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
            // The shorthand names a size among other things: what is large is seen.
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

/// Name and value of each declaration, in lower case.
fn declarations(style: &str) -> impl Iterator<Item = (String, String)> {
    style.split(';').filter_map(|declaration| {
        let (name, value) = declaration.split_once(':')?;
        let value = value.to_ascii_lowercase();
        let value = value.split('!').next().unwrap_or_default().trim().to_owned();
        Some((name.trim().to_ascii_lowercase(), value))
    })
}

/// Whether a font of that size is too small to be read; none where the size is that of the text around.
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
