//! Files that somebody else may have written.
//!
//! Invariant: what is no regular file is not read, since a pipe would be waited for
//! and a device has no end; and no more is read than is allowed.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// All of a regular file of at most `most` bytes.
///
/// # Errors
/// When it is no regular file, is larger, or cannot be read.
pub(crate) fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    take(open(path)?, most)
}

/// The same of a file that lies in `directory`, however its name leads there.
///
/// # Errors
/// Also when it lies elsewhere: it may be a link, or have become one.
pub(crate) fn read_within(directory: &Path, path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let real = path.canonicalize()?;
    // What was opened is compared, since the path may lead elsewhere a moment later.
    let (opened, found) = (file.metadata()?, real.metadata()?);
    let same = (opened.dev(), opened.ino()) == (found.dev(), found.ino());
    if !same || !real.starts_with(directory.canonicalize()?) {
        return refused("it leads out of the directory of the manifest");
    }
    take(file, most)
}

/// Without waiting for the other end of a pipe, and before it is asked what it is: between a question
/// and the opening it could become something else.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

fn take(file: File, most: u64) -> io::Result<Vec<u8>> {
    let about = file.metadata()?;
    if !about.is_file() {
        return refused("it is not a regular file");
    }
    let too_large = || format!("it has more than {most} bytes");
    if about.len() > most {
        return refused(&too_large());
    }
    let mut bytes = Vec::new();
    // It may grow meanwhile.
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return refused(&too_large());
    }
    Ok(bytes)
}

fn refused<T>(told: &str) -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::InvalidInput, told))
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
        let (told, heard) = std::sync::mpsc::channel();
        std::thread::spawn(move || told.send(read(&pipe, 5).unwrap_err().to_string()));
        let error = heard.recv_timeout(std::time::Duration::from_secs(60)).unwrap();
        assert!(error.contains("regular"), "{error}");
    }

    #[test]
    fn a_link_may_lead_about_in_its_directory_and_not_out_of_it() {
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
            assert!(error.to_string().contains("leads out of"), "{path}: {error}");
        }
    }
}
