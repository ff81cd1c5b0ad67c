//! Shared cache of compiled components, from one test host to the next.
//!
//! A debug build needs seconds to compile the components of the default application, and nearly
//! every test starts a host on an empty directory. The host caches compiled code, sealed with its
//! master key; so test hosts share one key, and each finds what another has compiled. The cache
//! itself is tested with directories of its own.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::process::{binary, scratch};

/// The common master key: thirty-two bytes.
const KEY: &[u8; 32] = b"every host of the tests has this";

/// Creates the data directory, with the common key and all code compiled so far. An existing
/// directory is unchanged.
pub fn lend(data: &Path) {
    let key = data.join("master.key");
    if data.join("compiled").exists() || key.exists() {
        return;
    }
    DirBuilder::new().recursive(true).mode(0o700).create(data.join("compiled")).unwrap();
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(key).unwrap();
    file.write_all(format!("{}\n", STANDARD.encode(KEY)).as_bytes()).unwrap();
    hand_over(shelf(), &data.join("compiled"));
}

/// Adds the code that the host of this directory has compiled.
pub fn keep(data: &Path) {
    let key = fs::read_to_string(data.join("master.key")).unwrap_or_default();
    if key.trim() == STANDARD.encode(KEY) {
        hand_over(&data.join("compiled"), shelf());
    }
}

/// One directory for each build of the binary, which determines the code of a component, and how it
/// describes itself.
fn shelf() -> &'static Path {
    static SHELF: OnceLock<PathBuf> = OnceLock::new();
    SHELF.get_or_init(|| {
        let binary = fs::metadata(binary()).unwrap();
        let build = format!("{}-{}-{}", binary.mtime(), binary.mtime_nsec(), binary.len());
        let shelves = scratch().join("compiled");
        let shelf = shelves.join(build);
        if !shelf.exists() {
            // Those of older builds are useless.
            drop(fs::remove_dir_all(&shelves));
            fs::create_dir_all(&shelf).unwrap();
        }
        shelf
    })
}

/// Links every complete file of `from` that `to` lacks. A file with its final name is never written
/// to.
fn hand_over(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let file = entry.unwrap();
        let name = file.file_name();
        // Others are not complete yet.
        if name.len() != 64 || to.join(&name).exists() {
            continue;
        }
        match fs::hard_link(file.path(), to.join(&name)) {
            Ok(()) => {}
            // Another test was faster.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            // On another file system a copy takes time, so it gets its final name at the end.
            Err(_) => {
                let new = tempfile::NamedTempFile::new_in(to).unwrap();
                fs::copy(file.path(), new.path()).unwrap();
                new.persist(to.join(&name)).unwrap();
            }
        }
    }
}
