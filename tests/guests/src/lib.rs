//! Components that only tests and benches run: an endpoint and a filter that
//! misbehave, and one that does as little as a component can.
//!
//! Invariant: nothing outside tests and benches depends on this crate.

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_components() {
        // The first eight bytes tell a component (layer 1) from a core module (layer 0).
        for wasm in [HOSTILE, ECHO, HOSTILE_FILTER] {
            assert_eq!(wasm.get(..8), Some(&b"\0asm\x0d\0\x01\0"[..]));
        }
    }
}
