//! Components for tests and benches: misbehaving endpoints and a misbehaving filter, a minimal one,
//! and one with a configurable description.
//!
//! Invariant: nothing outside tests and benches depends on this crate.

/// [`DESCRIBER`] with another word in its bytes.
///
/// # Panics
/// When the word is longer than seven letters.
#[must_use]
pub fn describer(word: &str) -> Vec<u8> {
    const FINE: &[u8; 16] = b"describe=fine___";
    let mut order = *FINE;
    let told = format!("describe={word:_<7}");
    order.copy_from_slice(told.as_bytes());
    let mut wasm = DESCRIBER.to_vec();
    let places: Vec<usize> =
        wasm.windows(16).enumerate().filter(|(_, bytes)| bytes == FINE).map(|(at, _)| at).collect();
    for at in places {
        if let Some(place) = wasm.get_mut(at..at + 16) {
            place.copy_from_slice(&order);
        }
    }
    wasm
}

/// [`DESCRIBER`] with the description of this JSON object.
///
/// # Panics
/// When the object has more than 16 kB.
#[must_use]
pub fn describing(told: &str) -> Vec<u8> {
    const MARK: &[u8; 16] = b"told=           ";
    assert!(told.len() < (16 << 10) - MARK.len(), "{} bytes", told.len());
    let mut wasm = describer("told");
    let at = wasm.windows(MARK.len()).position(|bytes| bytes == MARK);
    let place = at.and_then(|at| wasm.get_mut(at + 5..at + 5 + told.len()));
    if let Some(place) = place {
        place.copy_from_slice(told.as_bytes());
    }
    wasm
}

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_overwritten_in_place() {
        let told = describing("{\"body\": \"true\"}");
        assert_eq!(told.len(), DESCRIBER.len());
        let want = br#"told={"body": "true"}"#;
        assert!(told.windows(want.len()).any(|bytes| bytes == want));
    }

    #[test]
    fn every_guest_is_a_component() {
        // The first eight bytes distinguish a component (layer 1) from a core module (layer 0).
        for wasm in [HOSTILE, ECHO, DESCRIBER, HOSTILE_FILTER, PLAIN, ASYNC] {
            assert_eq!(wasm.get(..8), Some(&b"\0asm\x0d\0\x01\0"[..]));
        }
    }

    #[test]
    fn a_word_is_overwritten_in_exactly_one_place() {
        let other = describer("loop");
        let differing = DESCRIBER.iter().zip(&other).filter(|(one, other)| one != other).count();
        assert_eq!((other.len(), differing), (DESCRIBER.len(), 4));
    }
}
