//! The WIT package as a tar archive: `/-/wit.tar`.
//!
//! Reproducible: its bytes do not depend on when and where it is built.
//!
//! Standard: POSIX.1-2017, pax, "ustar Interchange Format".

use std::sync::LazyLock;

use bytes::Bytes;

/// Block size of a tar file, in bytes.
const BLOCK: usize = 512;
/// Top-level directory in the archive.
const DIRECTORY: &str = "wit";

static ARCHIVE: LazyLock<Bytes> = LazyLock::new(|| tar(components::WIT).into());

/// The archive: every file, below `wit/`.
pub(crate) fn archive() -> Bytes {
    ARCHIVE.clone()
}

fn tar(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (path, text) in files {
        archive.extend(header(&format!("{DIRECTORY}/{path}"), text.len()));
        archive.extend(text.as_bytes());
        archive.resize(archive.len().next_multiple_of(BLOCK), 0);
    }
    // Two blocks of zeros end the archive.
    archive.resize(archive.len() + 2 * BLOCK, 0);
    archive
}

/// The header of a regular file: owner root, modified at the epoch.
fn header(name: &str, size: usize) -> Vec<u8> {
    let zeros = |count| vec![0_u8; count];
    let mut header = Vec::with_capacity(BLOCK);
    let mut field = |text: &str, width: usize| {
        let mut bytes = text.as_bytes().to_vec();
        bytes.resize(width, 0);
        header.extend(bytes);
    };
    field(name, 100);
    field("0000644", 8); // mode
    field("0000000", 8); // uid
    field("0000000", 8); // gid
    field(&format!("{size:011o}"), 12);
    field("00000000000", 12); // mtime
    field("        ", 8); // chksum: blanks while it is computed
    field("0", 1); // typeflag: a regular file
    field("", 100); // linkname
    field("ustar", 6);
    field("00", 2);
    header.extend(zeros(BLOCK - header.len()));
    let sum: u32 = header.iter().copied().map(u32::from).sum();
    if let Some(checksum) = header.get_mut(148..156) {
        checksum.copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    header
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn the_systems_tar_unpacks_every_file() {
        let scratch = tempfile::tempdir().unwrap();
        let mut tar = Command::new("tar")
            .args(["-x", "-v"])
            .current_dir(scratch.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        tar.stdin.take().unwrap().write_all(&archive()).unwrap();
        assert!(tar.wait().unwrap().success());
        for (path, text) in components::WIT {
            let unpacked = std::fs::read_to_string(scratch.path().join("wit").join(path)).unwrap();
            assert_eq!(unpacked, *text, "{path}");
        }
    }

    #[test]
    fn names_fit_and_nothing_depends_on_the_day() {
        for (path, _) in components::WIT {
            assert!(format!("{DIRECTORY}/{path}").len() < 100, "{path}");
        }
        assert_eq!(archive(), Bytes::from(tar(components::WIT)));
        assert_eq!(archive().len() % BLOCK, 0);
    }
}
