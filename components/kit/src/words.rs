//! Syntax of short texts: an address in a form field, a file name, a JSON Pointer.
//!
//! Standards: RFC 5322 section 3.4 (only its simplest form); RFC 6901 section 3 (pointers).

/// Splits `Name <a@b>` into display name and address; any other text is returned as the address.
///
/// One address only: a form repeats its field instead; see [`is_list`].
#[must_use]
pub fn address(text: &str) -> (Option<&str>, &str) {
    let text = text.trim();
    let Some((name, rest)) = text.rsplit_once('<') else { return (None, text) };
    let Some(email) = rest.strip_suffix('>') else { return (None, text) };
    let name = name.trim();
    let name = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name);
    ((!name.is_empty()).then_some(name), email.trim())
}

/// Whether the text has several addresses, separated by commas or semicolons outside quotes.
#[must_use]
pub fn is_list(text: &str) -> bool {
    let (mut quoted, mut addresses, mut separators) = (false, 0, 0);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => quoted = !quoted,
            // A quoted pair (RFC 5322 section 3.2.1).
            '\\' if quoted => drop(chars.next()),
            '@' if !quoted => addresses += 1,
            ',' | ';' if !quoted => separators += 1,
            _ => {}
        }
    }
    addresses > 1 && separators > 0
}

/// The file name of an attachment that is sent. A receiver takes the text before a slash or a
/// backslash for a directory and drops it, so a part of the name would be lost.
#[must_use]
pub fn filename(name: &str) -> String {
    name.replace(['\\', '/'], "_")
}

/// A JSON Pointer to a member of the document.
#[must_use]
pub fn pointer(member: &str) -> String {
    format!("/{}", member.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_bring_its_name() {
        check("a@b.example", None, "a@b.example");
        check(" 李雷 <a@b.example> ", Some("李雷"), "a@b.example");
        check("\"Ann, of B\" <a@b>", Some("Ann, of B"), "a@b");
        check("I <3 mail <a@b>", Some("I <3 mail"), "a@b");
        check("<a@b>", None, "a@b");
        check("a@b, c@d", None, "a@b, c@d");
        check("Ann <a@b> x", None, "Ann <a@b> x");
    }

    #[test]
    fn several_addresses_are_told_from_one_with_a_comma_in_its_name() {
        for text in ["a@b, c@d", "Bob <b@x>, a@y", "Bob <b@x>; Ann <a@y>", "a@b;c@d"] {
            assert!(is_list(text), "{text:?}");
        }
        for text in
            ["a@b", "Ann, of B <a@b>", "\"Ann, a@b\" <a@b>", "\"\\\", a@b\" <a@b>", "a@b,", ""]
        {
            assert!(!is_list(text), "{text:?}");
        }
    }

    #[test]
    fn a_slash_in_a_file_name_costs_no_part_of_it() {
        assert_eq!(filename("a\\b/c.txt"), "a_b_c.txt");
    }

    #[test]
    fn a_pointer_escapes_its_own_marks() {
        assert_eq!(pointer("a/b~c"), "/a~1b~0c");
    }

    #[track_caller]
    fn check(text: &str, name: Option<&str>, email: &str) {
        assert_eq!(address(text), (name, email), "{text:?}");
    }
}
