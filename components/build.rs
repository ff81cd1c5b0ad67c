//! Builds the components of the default application and embeds them, with the WIT package that they
//! are written against.
//!
//! Invariant: what is embedded is built from this checkout; there is no prebuilt component.

#[path = "build/guests.rs"]
mod guests;

use std::env;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use guests::Outcome;

/// In the order of `COMPONENTS`, after `MIME` and `FILTER_FOOTER`.
const PACKAGES: [&str; 6] = [
    "mime-component",
    "filter-footer",
    "send-component",
    "messages-component",
    "mailboxes-component",
    "provider-config-component",
];

fn main() -> Outcome<()> {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo sets it")?);
    let root = here.parent().ok_or("components/ lies in the workspace")?;
    guests::watch(
        root,
        &[
            "components/build.rs",
            "components/build",
            "host/rules",
            "components/kit/src",
            "components/kit/Cargo.toml",
            "components/shapes/src",
            "components/shapes/Cargo.toml",
            "components/mime/src",
            "components/mime/Cargo.toml",
            "components/filter-footer",
            "components/send",
            "components/messages",
            "components/mailboxes",
            "components/provider-config",
            "wit",
            "spin.toml",
            "Cargo.toml",
            "Cargo.lock",
        ],
    );
    let files = guests::build(root, &PACKAGES)?;

    let mut code = String::new();
    let mut embedded = String::new();
    for (package, file) in PACKAGES.iter().zip(&files) {
        let bytes = format!("include_bytes!({file:?})");
        if *package == "mime-component" {
            writeln!(
                code,
                "/// The built-in MIME parser and composer.\npub const MIME: &[u8] = {bytes};"
            )?;
        } else if *package == "filter-footer" {
            writeln!(
                code,
                "/// A filter to bind or to copy; no part of the default application.\n\
                 pub const FILTER_FOOTER: &[u8] = {bytes};"
            )?;
        } else {
            let name = file.file_name().and_then(|name| name.to_str()).ok_or("an ASCII name")?;
            let source = format!("target/guests/wasm32-wasip2/guest/{name}");
            writeln!(embedded, "    Embedded {{ source: {source:?}, wasm: {bytes} }},")?;
        }
    }
    writeln!(
        code,
        "/// The components that `MANIFEST` names.\npub const COMPONENTS: &[Embedded] = &[\n{embedded}];"
    )?;

    let wit = root.join("wit");
    let mut texts = Vec::new();
    collect(&wit, &mut texts)?;
    texts.sort();
    writeln!(
        code,
        "/// Every file of `wit/`, with its path.\npub const WIT: &[(&str, &str)] = &["
    )?;
    for text in &texts {
        let name = text.strip_prefix(&wit)?.display().to_string();
        writeln!(code, "    ({name:?}, include_str!({text:?})),")?;
    }
    writeln!(code, "];")?;
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets it")?);
    fs::write(out.join("embedded.rs"), code)?;
    Ok(())
}

fn collect(directory: &Path, found: &mut Vec<PathBuf>) -> Outcome<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "wit") {
            found.push(path);
        }
    }
    Ok(())
}
