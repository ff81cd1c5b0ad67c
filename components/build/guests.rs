//! Builds the guest components with an inner cargo.
//!
//! A guest is a WebAssembly component, so it cannot be an ordinary dependency of the host: a build
//! script compiles it and passes on the path of the file. Included by the build scripts of
//! `components` and of `tests/guests`.
//!
//! Invariant: the inner cargo has a target directory of its own, so that it never waits for a lock
//! that the outer one holds, and inherits none of the outer one's flags, which are meant for the
//! host's target.

use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "wasm32-wasip2";
const PROFILE: &str = "guest";

/// What the outer cargo, or clippy, sets for the host's own compilation.
const NOT_FOR_GUESTS: [&str; 9] = [
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_MAKEFLAGS",
    "MAKEFLAGS",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "CLIPPY_ARGS",
];

pub(crate) type Outcome<T> = Result<T, Box<dyn Error>>;

/// Builds the packages; returns the paths of their `.wasm` files, in the same order.
pub(crate) fn build(root: &Path, packages: &[&str]) -> Outcome<Vec<PathBuf>> {
    ensure_target()?;
    let target = target_directory()?;
    let mut cargo = Command::new(env::var_os("CARGO").ok_or("cargo sets CARGO")?);
    cargo
        .current_dir(root)
        .args(["build", "--locked", "--target", TARGET, "--profile", PROFILE])
        .env("CARGO_TARGET_DIR", &target);
    for package in packages {
        cargo.args(["--package", package]);
    }
    if let Ok(jobs) = env::var("NUM_JOBS") {
        cargo.args(["--jobs", &jobs]);
    }
    for name in NOT_FOR_GUESTS {
        cargo.env_remove(name);
    }
    if !cargo.status()?.success() {
        return Err("a component does not compile: the messages above say why".into());
    }
    let output = target.join(TARGET).join(PROFILE);
    let file = |package: &&str| output.join(format!("{}.wasm", package.replace('-', "_")));
    Ok(packages.iter().map(file).collect())
}

/// Registers files whose change makes cargo run the build script again.
pub(crate) fn watch(root: &Path, paths: &[&str]) {
    for path in paths {
        println!("cargo:rerun-if-changed={}", root.join(path).display());
    }
}

/// Installs the target with rustup where it is missing; not every version of rustup acts on
/// rust-toolchain.toml.
fn ensure_target() -> Outcome<()> {
    let rustc = env::var_os("RUSTC").ok_or("cargo sets RUSTC")?;
    let sysroot = Command::new(rustc).args(["--print", "sysroot"]).output()?.stdout;
    let sysroot = PathBuf::from(String::from_utf8(sysroot)?.trim());
    if sysroot.join("lib/rustlib").join(TARGET).join("lib").is_dir() {
        return Ok(());
    }
    println!("cargo:warning=the target {TARGET} is missing: running `rustup target add {TARGET}`");
    let added = Command::new("rustup").args(["target", "add", TARGET]).status();
    if added.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    Err(format!("the components need the target {TARGET}: run `rustup target add {TARGET}`").into())
}

/// `<target>/guests`, where `<target>` is the outer cargo's: OUT_DIR is `<target>/<profile>/build/<package>/out`.
fn target_directory() -> Outcome<PathBuf> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    let target = out.ancestors().nth(4).ok_or("OUT_DIR is not four levels deep")?;
    Ok(target.join("guests"))
}
