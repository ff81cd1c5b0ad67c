//! Secret strings: passwords, tokens and keys.
//!
//! Invariant: no `Display`, no `Serialize`, a `Debug` without the content, and memory that is wiped
//! on drop.

use std::fmt;

use zeroize::Zeroizing;

/// A password, a token or a key.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text; the caller should not keep another copy.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The secret itself: only for the wire, the sealer and a digest.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
