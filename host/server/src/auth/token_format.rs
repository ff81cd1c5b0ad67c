//! Format of API tokens: creation, parsing, and comparison with the stored digest.
//!
//! `plt_<id>_<secret>`: the id finds the row, and the 256 random bits of the secret, encoded as
//! base64url, prove it. Only their SHA-256 digest is stored. The comparison takes constant time, also
//! for an unknown id.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::ids::TokenId;
use model::port::clock::{Entropy, ten_bytes};
use model::port::tokens::Token;
use model::secret::Secret;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

const PREFIX: &str = "plt_";

/// A new token.
#[derive(Debug)]
pub struct NewToken {
    /// Id of the row.
    pub id: TokenId,
    /// SHA-256 of the secret, for the row.
    pub digest: [u8; 32],
    /// The token's text, which is shown once.
    pub text: Secret,
}

/// Creates a token.
pub fn mint(entropy: &dyn Entropy) -> NewToken {
    let id = TokenId::generate(ten_bytes(entropy));
    let mut random = [0; 32];
    entropy.fill(&mut random);
    let secret = URL_SAFE_NO_PAD.encode(random);
    let word = id.as_str().trim_start_matches(TokenId::PREFIX);
    NewToken { digest: digest(&secret), text: Secret::new(format!("{PREFIX}{word}_{secret}")), id }
}

/// A token of a request: an id to look up, and a digest to compare.
#[derive(Debug)]
pub(crate) struct PresentedToken {
    pub(crate) id: TokenId,
    digest: [u8; 32],
}

impl PresentedToken {
    /// Parses the value of the Authorization field (RFC 6750 §2.1).
    pub(crate) fn parse(authorization: &str) -> Option<Self> {
        let (scheme, text) = authorization.split_once(' ')?;
        let (word, secret) = text.trim().strip_prefix(PREFIX)?.split_once('_')?;
        let id = format!("{}{word}", TokenId::PREFIX).parse().ok()?;
        scheme.eq_ignore_ascii_case("bearer").then(|| Self { id, digest: digest(secret) })
    }

    /// Whether the stored token has this secret. Takes constant time.
    pub(crate) fn proves(&self, stored: Option<&Token>) -> bool {
        let against = stored.map_or([0; 32], |token| token.digest);
        bool::from(self.digest.ct_eq(&against)) && stored.is_some()
    }
}

fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::clock::SystemEntropy;
    use model::instant::Timestamp;

    #[test]
    fn a_minted_token_proves_itself_and_nothing_else_does() {
        let minted = mint(&SystemEntropy);
        let row = Token {
            id: minted.id.clone(),
            tenant: "acme".parse().unwrap(),
            name: None,
            digest: minted.digest,
            scopes: Vec::new(),
            accounts: None,
            created: Timestamp::from_millis(0),
            expires: None,
        };
        let text = minted.text.reveal();
        check(&format!("Bearer {text}"), &row, true);
        check(&format!("bearer {text}"), &row, true);
        check(&format!("Bearer {text}x"), &row, false);
        check(&format!("Basic {text}"), &row, false);
        check(text, &row, false);
        check("Bearer plt_", &row, false);
        assert!(!PresentedToken::parse(&format!("Bearer {text}")).unwrap().proves(None));
    }

    #[track_caller]
    fn check(authorization: &str, row: &Token, want: bool) {
        let got = PresentedToken::parse(authorization)
            .is_some_and(|shown| shown.id == row.id && shown.proves(Some(row)));
        assert_eq!(got, want, "{authorization:?}");
    }
}
