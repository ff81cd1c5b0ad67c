//! Canaries: secrets whose appearance anywhere is a leak, in every encoding.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

/// A secret, with its encodings.
pub struct Canary {
    name: &'static str,
    forms: BTreeSet<Vec<u8>>,
}

impl Canary {
    /// # Panics
    /// When the secret is so short that it could occur by chance.
    pub fn new(name: &'static str, secret: &str) -> Self {
        assert!(secret.len() >= 7, "{name} could be found by chance");
        let bytes = secret.as_bytes();
        let mut forms = BTreeSet::from([bytes.to_vec()]);
        for engine in [&STANDARD, &URL_SAFE] {
            for before in 0..3 {
                // Base64 within other bytes: the first and the last characters depend on the
                // neighbours.
                let mut padded = vec![0; before];
                padded.extend_from_slice(bytes);
                let text = engine.encode(&padded);
                let first = [0, 2, 3][before];
                let last = padded.len() * 8 / 6;
                forms.insert(text.as_bytes()[first..last].to_vec());
            }
        }
        let mut percent = String::new();
        let (mut decimal, mut hex) = (Vec::new(), String::new());
        for byte in bytes {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    percent.push(char::from(*byte));
                }
                other => write!(percent, "%{other:02X}").unwrap(),
            }
            decimal.push(byte.to_string());
            write!(hex, "{byte:02x}").unwrap();
        }
        forms.insert(percent.into_bytes());
        // As `{:?}` prints bytes.
        forms.insert(decimal.join(", ").into_bytes());
        forms.insert(hex.into_bytes());
        Self { name, forms }
    }

    /// # Panics
    /// When the bytes contain the secret in any encoding.
    #[track_caller]
    pub fn is_not_in(&self, place: &str, bytes: &[u8]) {
        for form in &self.forms {
            let found = bytes.windows(form.len()).position(|window| window == form);
            if let Some(at) = found {
                let around = &bytes[at.saturating_sub(200)..(at + 200).min(bytes.len())];
                let form = String::from_utf8_lossy(form);
                panic!(
                    "{} is in {place} as {form:?}: {}",
                    self.name,
                    String::from_utf8_lossy(around)
                );
            }
        }
    }

    /// Asserts that no file of a data directory contains it, except those whose purpose it is.
    /// Compiled code is left out: it is large, and older than the secret.
    #[track_caller]
    pub fn is_not_kept_in(&self, data: &Path) {
        for place in ["", "blobs", "spool"] {
            for entry in std::fs::read_dir(data.join(place)).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap();
                if path.is_file() && !["operator.token", "master.key"].contains(&name) {
                    self.is_not_in(name, &std::fs::read(&path).unwrap());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canary_is_found_in_every_encoding() {
        let secret = "a pass+word?/~é 42";
        let canary = Canary::new("the secret", secret);
        let found =
            |bytes: &[u8]| std::panic::catch_unwind(|| canary.is_not_in("here", bytes)).is_err();
        assert!(!found(b"no secret is contained"));
        for (before, after) in [("", ""), ("x", "y"), ("xy", "yz"), ("xyz", "yzx")] {
            let text = format!("{before}{secret}{after}");
            assert!(found(text.as_bytes()));
            assert!(found(STANDARD.encode(&text).as_bytes()), "{before:?}");
            assert!(found(URL_SAFE.encode(&text).as_bytes()), "{before:?}");
            assert!(found(format!("{:?}", text.as_bytes()).as_bytes()));
        }
        assert!(found(b"q=a%20pass%2Bword%3F%2F~%C3%A9%2042&x"));
    }
}
