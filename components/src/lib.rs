//! The embedded default application: its manifest, its components, and the WIT package.
//!
//! A separate crate, so that the host's tests and the binary get the same bytes from one build.
//! Independent of what the host does with them.
//!
//! Invariant: every component that [`MANIFEST`] names is in [`COMPONENTS`].

/// One component, to be compiled by the host.
#[derive(Clone, Copy, Debug)]
pub struct Embedded {
    /// The path as `source` has it in the manifest.
    pub source: &'static str,
    pub wasm: &'static [u8],
}

/// The default application's `spin.toml`.
pub const MANIFEST: &str = include_str!("../../spin.toml");

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_component_of_the_manifest_is_embedded() {
        let manifest: toml::Table = MANIFEST.parse().unwrap();
        let named = manifest["component"].as_table().unwrap();
        assert_eq!(named.len(), COMPONENTS.len());
        for component in named.values() {
            let source = component["source"].as_str().unwrap();
            let embedded = COMPONENTS.iter().find(|embedded| embedded.source == source);
            // The first eight bytes distinguish a component (layer 1) from a core module (layer 0).
            let start = embedded.unwrap_or_else(|| panic!("{source} is embedded")).wasm.get(..8);
            assert_eq!(start, Some(&b"\0asm\x0d\0\x01\0"[..]), "{source}");
        }
        for trigger in manifest["trigger"]["http"].as_array().unwrap() {
            assert!(named.contains_key(trigger["component"].as_str().unwrap()), "{trigger}");
        }
    }

    #[test]
    fn the_wit_package_is_whole() {
        let names: Vec<_> = WIT.iter().map(|(name, _)| *name).collect();
        for name in ["types.wit", "worlds.wit", "messages.wit", "deps/http.wit"] {
            assert!(names.contains(&name), "{name} in {names:?}");
        }
        assert!(WIT.iter().all(|(_, text)| !text.is_empty()));
    }
}
