//! Domain names: validation, and normalisation to ASCII (IDNA).
//!
//! Invariant: two spellings of one domain (case, an internationalised name and its A-labels) become
//! the same text, which holds only letters, digits, hyphens and dots.
//!
//! Standards: RFC 5890 §2.3.2.1 (A-labels), UTS 46; RFC 1035 §2.3.1 and §2.3.4 (labels, sizes).

/// The longest name in characters: 255 octets in a DNS message.
const LONGEST: usize = 253;
const LONGEST_LABEL: usize = 63;

/// The domain in ASCII and lower case; none when the text is not a domain.
#[must_use]
pub fn in_ascii(domain: &str) -> Option<String> {
    // No spelling of a domain is longer.
    if domain.len() > 4 * LONGEST {
        return None;
    }
    let ascii = idna::domain_to_ascii(domain).ok()?;
    let fits = ascii.len() <= LONGEST && ascii.split('.').all(is_label);
    fits.then_some(ascii)
}

fn is_label(label: &str) -> bool {
    (1..=LONGEST_LABEL).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_spellings_of_a_domain_become_one() {
        check("Mail.Example", Some("mail.example"));
        check("localhost", Some("localhost"));
        check("BÜCHER.example", Some("xn--bcher-kva.example"));
        check("xn--bcher-kva.example", Some("xn--bcher-kva.example"));
        check("例子.中国", Some("xn--fsqu00a.xn--fiqs8s"));
        // Combining marks are allowed, too.
        check("हिन्दी.भारत", Some("xn--j2bd4cyah0f.xn--h2brj9c"));
        check(&"a".repeat(63), Some(&"a".repeat(63)));
    }

    #[test]
    fn text_that_is_not_a_host_name_is_refused() {
        for text in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "-a",
            "a-",
            "b_c",
            "a b",
            "a\u{202e}b",
            "xn--\u{fc}",
            "a@b",
            "a\u{ff20}b",
            "[127.0.0.1]",
            "a\n",
        ] {
            check(text, None);
        }
        check(&"a".repeat(64), None);
        check(&format!("{}.b", ["a"; 126].join(".")), Some(&format!("{}.b", ["a"; 126].join("."))));
        check(&["a"; 128].join("."), None);
        check(&"ü".repeat(100_000), None);
    }

    #[track_caller]
    fn check(text: &str, want: Option<&str>) {
        assert_eq!(in_ascii(text).as_deref(), want, "{text:?}");
    }
}
