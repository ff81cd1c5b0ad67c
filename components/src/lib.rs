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
    use std::fs;
    use std::path::Path;

    use serde_json::Value;

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

    #[test]
    fn every_schema_is_strict() {
        let mut seen = 0;
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("send/schema");
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let schema: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap())
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            strict(&schema, &path);
            seen += 1;
        }
        assert!(seen > 5);
    }

    /// Every object schema is closed, and its required members are defined.
    fn strict(schema: &Value, path: &Path) {
        if let Some(object) = schema.as_object() {
            if object.get("type").is_some_and(|kind| kind == "object") {
                assert_eq!(
                    object.get("additionalProperties"),
                    Some(&Value::Bool(false)),
                    "{}: {schema}",
                    path.display()
                );
                for name in object.get("required").and_then(Value::as_array).into_iter().flatten() {
                    assert!(object["properties"].get(name.as_str().unwrap()).is_some(), "{name}");
                }
            }
            object.values().for_each(|inner| strict(inner, path));
        }
        schema.as_array().into_iter().flatten().for_each(|inner| strict(inner, path));
    }
}
