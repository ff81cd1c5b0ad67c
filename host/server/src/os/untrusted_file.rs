//! Reading of untrusted files: regular files only, with a size limit.
//!
//! Invariant: a pipe is never waited for and a device is never read; at most one byte
//! more than the limit is read.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// Reads a regular file of at most `most` bytes.
///
/// # Errors
/// When it is not a regular file, is larger, or cannot be read.
pub(crate) fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    take(open(path)?, most)
}

/// Reads a regular file of at most `most` bytes inside `directory`, after symbolic links are resolved.
///
/// # Errors
/// As [`read`], and when the resolved path is outside of `directory`.
pub(crate) fn read_within(directory: &Path, path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let real = path.canonicalize()?;
    // The opened file is compared, since the path may be replaced in between.
    let (opened, found) = (file.metadata()?, real.metadata()?);
    let same = (opened.dev(), opened.ino()) == (found.dev(), found.ino());
    if !same || !real.starts_with(directory.canonicalize()?) {
        return invalid("it is outside of the directory of the manifest");
    }
    take(file, most)
}

/// Opens without blocking on a pipe. The type is checked after opening: before, the file could be
/// replaced between the check and the opening.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

fn take(file: File, most: u64) -> io::Result<Vec<u8>> {
    let about = file.metadata()?;
    if !about.is_file() {
        return invalid("it is not a regular file");
    }
    let too_large = || format!("it has more than {most} bytes");
    if about.len() > most {
        return invalid(&too_large());
    }
    let mut bytes = Vec::new();
    // The file may grow after the check.
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return invalid(&too_large());
    }
    Ok(bytes)
}

fn invalid<T>(reason: &str) -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::InvalidInput, reason))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_regular_files_of_the_right_size_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, b"12345").unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        assert!(read(&path, 4).unwrap_err().to_string().contains("more than 4 bytes"));
        let error = read(directory.path(), 5).unwrap_err();
        assert!(error.to_string().contains("regular"), "{error}");
        let error = read(Path::new("/dev/zero"), 5).unwrap_err();
        assert!(error.to_string().contains("regular"), "{error}");
        assert_eq!(read(&path.join("none"), 5).unwrap_err().kind(), io::ErrorKind::NotADirectory);
    }

    #[test]
    fn a_pipe_is_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || sender.send(read(&pipe, 5).unwrap_err().to_string()));
        let error = receiver.recv_timeout(std::time::Duration::from_secs(60)).unwrap();
        assert!(error.contains("regular"), "{error}");
    }

    #[test]
    fn a_link_is_followed_within_its_directory_and_not_out_of_it() {
        let directory = tempfile::tempdir().unwrap();
        let (inside, outside) = (directory.path().join("inside"), directory.path().join("outside"));
        fs::create_dir_all(inside.join("deep")).unwrap();
        fs::create_dir(&outside).unwrap();
        for file in [inside.join("deep/file"), outside.join("file")] {
            fs::write(file, b"12345").unwrap();
        }
        symlink("deep/file", inside.join("near")).unwrap();
        symlink("../outside/file", inside.join("far")).unwrap();
        symlink(&outside, inside.join("away")).unwrap();
        assert_eq!(read_within(&inside, &inside.join("near"), 5).unwrap(), b"12345");
        for path in ["far", "away/file"] {
            let error = read_within(&inside, &inside.join(path), 5).unwrap_err();
            assert!(error.to_string().contains("outside of"), "{path}: {error}");
        }
    }
}
