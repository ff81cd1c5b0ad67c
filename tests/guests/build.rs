//! Builds the components that only tests and benches run.
//!
//! They are separate from the `components` crate, so that a build of the host does not compile
//! them.

#[path = "../../components/build/guests.rs"]
mod guests;

use std::env;
use std::fs;
use std::path::PathBuf;

use guests::Outcome;

fn main() -> Outcome<()> {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo sets it")?);
    let root = here.ancestors().nth(2).ok_or("tests/guests lies in the workspace")?;
    guests::watch(
        root,
        &[
            "tests/guests",
            "components/build",
            "host/rules",
            "components/kit/src",
            "components/kit/Cargo.toml",
            "wit",
            "Cargo.toml",
            "Cargo.lock",
        ],
    );
    let packages = [
        "hostile-guest",
        "echo-guest",
        "describer-guest",
        "hostile-filter",
        "plain-guest",
        "async-guest",
    ];
    let files = guests::build(root, &packages)?;
    let [hostile, echo, describer, filter, plain, concurrent] = files.as_slice() else {
        return Err("one file for each package".into());
    };
    let code = format!(
        "/// Misbehaves by path; its own documentation has the list.\n\
         pub const HOSTILE: &[u8] = include_bytes!({hostile:?});\n\
         /// Returns the JSON object of the request with one member added.\n\
         pub const ECHO: &[u8] = include_bytes!({echo:?});\n\
         /// A filter that misbehaves by subject; its own documentation has the list.\n\
         pub const HOSTILE_FILTER: &[u8] = include_bytes!({filter:?});\n\
         /// Answers with its path; imports WASI only and describes nothing.\n\
         pub const PLAIN: &[u8] = include_bytes!({plain:?});\n\
         /// Uses WASI 0.3, and misbehaves by path; its own documentation has the list.\n\
         pub const ASYNC: &[u8] = include_bytes!({concurrent:?});\n\
         /// Its description is configured in its own bytes; its own documentation has the list.\n\
         pub const DESCRIBER: &[u8] = include_bytes!({describer:?});\n"
    );
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets it")?);
    fs::write(out.join("embedded.rs"), code)?;
    Ok(())
}
