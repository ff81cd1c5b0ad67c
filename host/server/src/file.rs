//! Files that somebody else may have written.
//!
//! Invariant: what is no regular file is not opened, since a pipe would be waited
//! for and a device has no end; and no more is read than is allowed.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// All of a regular file of at most `most` bytes.
///
/// # Errors
/// When it is no regular file, is larger, or cannot be read.
pub(crate) fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let refused = |told: String| Err(io::Error::new(io::ErrorKind::InvalidInput, told));
    let about = fs::metadata(path)?;
    if !about.is_file() {
        return refused("it is not a regular file".to_owned());
    }
    let too_large = || format!("it has more than {most} bytes");
    if about.len() > most {
        return refused(too_large());
    }
    let mut bytes = Vec::new();
    // It may grow meanwhile.
    File::open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return refused(too_large());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
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
}
