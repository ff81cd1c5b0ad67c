//! Typed identifiers: one type for each kind, parsed once at the edge.
//!
//! A generated id carries its kind as a prefix, so that a log line shows its kind. A tenant's and
//! an account's id may instead be chosen by the operator: then it is a DNS label (RFC 1035 §2.3.1).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::instant::Timestamp;

/// The text is not an id of the requested kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {kind} id: {rule}")]
pub struct InvalidId {
    kind: &'static str,
    rule: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $prefix:literal, $accepts:path, $rule:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        impl $name {
            /// The prefix of a generated id of this kind.
            pub const PREFIX: &'static str = $prefix;

            /// A fresh id from 80 random bits.
            #[must_use]
            pub fn generate(random: [u8; 10]) -> Self {
                let mut text = String::from($prefix);
                text.push_str(&base32(random));
                Self(text.into())
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                if $accepts(text, $prefix) { Ok(Self(text.into())) } else { Err(InvalidId { kind: $kind, rule: $rule }) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.into()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(
    /// One customer of this host. Every account, token, route and quota belongs to one.
    TenantId, "tenant", "ten_", is_chosen,
    "up to 63 lower-case letters, digits and hyphens, or a generated id"
);
id!(
    /// One mailbox login of a tenant. Unique within its tenant only.
    AccountId, "account", "acc_", is_chosen,
    "up to 63 lower-case letters, digits and hyphens, or a generated id"
);
id!(
    /// One accepted outgoing message.
    SubmissionId, "submission", "sub_", is_generated, "`sub_` and 16 letters and digits"
);
id!(
    /// One API key. The id may be shown; the secret never.
    TokenId, "token", "tok_", is_generated, "`tok_` and 16 letters and digits"
);
id!(
    /// One HTTP request; correlates log lines with what a caller reports.
    RequestId, "request", "req_", is_generated, "`req_` and 16 letters and digits"
);

impl SubmissionId {
    /// A new id from a time and 48 of the random bits: neighbours in time are neighbours on disk,
    /// and the id of a submission that is not kept any more still shows its age.
    #[must_use]
    pub fn generate_at(now: Timestamp, random: [u8; 10]) -> Self {
        let mut bytes = random;
        let seconds = u32::try_from(now.millis().max(0) / 1000).unwrap_or(u32::MAX);
        bytes[..4].copy_from_slice(&seconds.to_be_bytes());
        Self::generate(bytes)
    }

    /// The creation time, to the second; arbitrary for an id of random bits alone.
    #[must_use]
    pub fn made(&self) -> Timestamp {
        let digits = self.0.bytes().skip(Self::PREFIX.len()).take(7);
        // 35 bits, of which 32 are the time.
        let window = digits.fold(0_i64, |window, digit| {
            let value = ALPHABET.iter().position(|known| *known == digit);
            (window << 5) | i64::try_from(value.unwrap_or(0)).unwrap_or(0)
        });
        Timestamp::from_millis((window >> 3) * 1000)
    }
}

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Lower-case base32 (RFC 4648 §6 alphabet) without padding: 16 characters for 10 bytes.
fn base32(bytes: [u8; 10]) -> String {
    let mut text = String::with_capacity(16);
    let (mut window, mut bits) = (0_u32, 0_u32);
    for byte in bytes {
        window = (window << 8) | u32::from(byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            let digit = (window >> bits) & 31;
            text.push(ALPHABET.get(digit as usize).copied().unwrap_or(b'a').into());
        }
    }
    text
}

fn is_generated(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|token| {
        token.len() == 16 && token.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'))
    })
}

fn is_chosen(text: &str, prefix: &str) -> bool {
    is_generated(text, prefix)
        || (!text.is_empty()
            && text.len() <= 63
            && !text.starts_with('-')
            && !text.ends_with('-')
            && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_id_parses_as_its_own_kind_only() {
        let id = SubmissionId::generate([7; 10]);
        assert_eq!(id.as_str().parse::<SubmissionId>(), Ok(id.clone()));
        assert!(id.as_str().parse::<TokenId>().is_err());
        assert!(id.as_str().parse::<AccountId>().is_err());
    }

    #[test]
    fn a_submission_id_tells_when_it_was_made_and_sorts_by_it() {
        for seconds in [0, 1, 1_795_392_000, i64::from(u32::MAX)] {
            let at = Timestamp::from_millis(seconds * 1000 + 999);
            let id = SubmissionId::generate_at(at, [0xff; 10]);
            assert_eq!(id.made(), Timestamp::from_millis(seconds * 1000));
            assert_eq!(id.as_str().parse::<SubmissionId>(), Ok(id));
        }
        // A clock before 1970 makes ids, too.
        let early = SubmissionId::generate_at(Timestamp::from_millis(-1), [0; 10]);
        assert_eq!(early.made(), Timestamp::from_millis(0));
    }

    #[test]
    fn a_chosen_id_is_a_dns_label() {
        check("anna", true);
        check("a-1", true);
        check("", false);
        check("-a", false);
        check("Anna", false);
        check("a/b", false);
        check("a_b", false);
        check(&"a".repeat(64), false);
    }

    #[track_caller]
    fn check(text: &str, want: bool) {
        assert_eq!(text.parse::<AccountId>().is_ok(), want, "{text:?}");
    }
}
