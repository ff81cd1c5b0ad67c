//! Comparison of registrable domains: whether a server belongs to the domain that it is suggested
//! for.
//!
//! By the public suffix list: `imap.example.co.uk` belongs to `example.co.uk`, and not to
//! `other.co.uk`.
//!
//! Invariant: what cannot be determined counts as another owner's.

/// The registrable part of a normalised name; none for a public suffix.
pub(crate) fn registrable(name: &str) -> Option<&str> {
    psl::domain_str(name)
}

/// Whether both have the same registrable domain.
pub(crate) fn same_registrable_domain(one: &str, other: &str) -> bool {
    registrable(one).is_some_and(|owner| registrable(other) == Some(owner))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kin_share_what_was_registered() {
        check("example.com", "imap.example.com", true);
        check("mail.example.com", "example.com", true);
        check("example.co.uk", "imap.example.co.uk", true);
        check("example.co.uk", "imap.other.co.uk", false);
        check("example.com", "example.net", false);
        check("example.com", "example.com.attacker.net", false);
        check("example.com", "badexample.com", false);
        // Sites of different owners under a private suffix.
        check("ann.github.io", "bo.github.io", false);
    }

    #[test]
    fn a_public_suffix_is_nobodys() {
        check("co.uk", "co.uk", false);
        check("com", "com", false);
    }

    #[track_caller]
    fn check(one: &str, other: &str, want: bool) {
        assert_eq!(same_registrable_domain(one, other), want, "{one} and {other}");
    }
}
