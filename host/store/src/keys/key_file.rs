//! The master key file, and its replacement in a key rotation.
//!
//! A new key is written beside the file in use, under its name with `.next`, and renamed over it
//! when no record needs the old one any more. So after a crash at any point every key that a record
//! may need is on disk.
//!
//! Invariant: the file appears complete or not at all; while `.next` exists, both keys are valid.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use model::secret::Secret;

use crate::error::OpenError;
use crate::keys::Keys;
use crate::keys::seal::MasterKey;

/// The location of the master key.
#[derive(Clone, Debug)]
pub struct KeyFile {
    path: PathBuf,
}

impl KeyFile {
    /// A file that may not exist yet.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the key, or creates a file of mode 0600 with 32 random bytes in base64. After an
    /// interrupted rotation the new key is the current one and the old one still opens.
    ///
    /// # Errors
    /// [`OpenError::KeyExposed`] when group or others may access a file,
    /// [`OpenError::KeyMalformed`], [`OpenError::Io`].
    pub fn load_or_create(&self) -> Result<Keys, OpenError> {
        match self.load()? {
            Some(keys) => Ok(keys),
            None => create(&self.path).map(Keys::from),
        }
    }

    /// As [`KeyFile::load_or_create`], without creating one.
    ///
    /// # Errors
    /// As [`KeyFile::load_or_create`].
    pub fn load(&self) -> Result<Option<Keys>, OpenError> {
        let Some(key) = load(&self.path)? else { return Ok(None) };
        Ok(Some(match load(&self.next())? {
            Some(next) => Keys::new(next, Some(key)),
            None => Keys::from(key),
        }))
    }

    /// Begins a rotation: a new key, durable beside the old one; the existing one when the last
    /// rotation did not end.
    ///
    /// # Errors
    /// As [`KeyFile::load_or_create`].
    pub fn begin(&self) -> Result<MasterKey, OpenError> {
        match load(&self.next())? {
            Some(next) => Ok(next),
            None => create(&self.next()),
        }
    }

    /// The file of the new key, while a rotation has not ended.
    #[must_use]
    pub fn unfinished(&self) -> Option<PathBuf> {
        Some(self.next()).filter(|next| next.exists())
    }

    /// Ends a rotation: to be called when no record is wrapped by the old key.
    ///
    /// # Errors
    /// [`OpenError::Io`].
    pub fn finish(&self) -> Result<(), OpenError> {
        match fs::rename(self.next(), &self.path) {
            // Already finished.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            renamed => renamed
                .and_then(|()| File::open(directory(&self.path))?.sync_all())
                .map_err(OpenError::io(&self.path)),
        }
    }

    fn next(&self) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(".next");
        name.into()
    }
}

fn load(path: &Path) -> Result<Option<MasterKey>, OpenError> {
    let mode = match fs::metadata(path) {
        Ok(about) => about.permissions().mode() & 0o7777,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(OpenError::io(path)(error)),
    };
    if mode & 0o077 != 0 {
        return Err(OpenError::KeyExposed { path: path.to_owned(), mode });
    }
    let text = Secret::new(fs::read_to_string(path).map_err(OpenError::io(path))?);
    let malformed = |_| OpenError::KeyMalformed { path: path.to_owned() };
    MasterKey::from_base64(&text).map(Some).map_err(malformed)
}

/// Creates the file atomically: complete, or not at all, and never replacing one.
fn create(path: &Path) -> Result<MasterKey, OpenError> {
    let key =
        MasterKey::generate().map_err(|error| OpenError::io(path)(io::Error::other(error)))?;
    let text = key.to_base64();
    let write = || {
        // tempfile creates files of mode 0600.
        let mut file = tempfile::NamedTempFile::new_in(directory(path))?;
        writeln!(file, "{}", text.reveal())?;
        file.as_file().sync_all()?;
        file.persist_noclobber(path).map_err(|error| error.error)?;
        File::open(directory(path))?.sync_all()
    };
    write().map_err(OpenError::io(path))?;
    Ok(key)
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_is_made_once_and_read_again() {
        let (_dir, file) = place();
        let made = file.load_or_create().unwrap();
        assert!(made == file.load_or_create().unwrap());
        assert_eq!(fs::metadata(&file.path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn both_keys_are_there_until_the_rotation_ends() {
        let (_dir, file) = place();
        drop(file.load_or_create().unwrap());
        let old = || load(&file.path).unwrap().unwrap();
        let first = old();
        let next = file.begin().unwrap();
        let mode = fs::metadata(file.next()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(file.begin().unwrap() == next, "one that was broken off goes on with its key");
        assert!(file.load_or_create().unwrap() == Keys::new(file.begin().unwrap(), Some(first)));
        assert_eq!(file.unfinished(), Some(file.next()));
        file.finish().unwrap();
        assert!(old() == next && file.unfinished().is_none());
        assert!(file.load_or_create().unwrap() == Keys::from(next));
        file.finish().unwrap();
        assert_eq!(fs::read_dir(directory(&file.path)).unwrap().count(), 1);
    }

    #[test]
    fn a_key_file_that_others_may_read_is_refused() {
        let (_dir, file) = place();
        drop(file.load_or_create().unwrap());
        fs::set_permissions(&file.path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = file.load_or_create().unwrap_err();
        assert!(matches!(error, OpenError::KeyExposed { mode: 0o640, .. }), "{error}");
    }

    #[test]
    fn a_file_that_is_no_key_is_refused() {
        let (_dir, file) = place();
        for text in ["", "short", "AAAA", "not base64 at all, whatever its length may be!!"] {
            fs::write(&file.path, text).unwrap();
            fs::set_permissions(&file.path, fs::Permissions::from_mode(0o600)).unwrap();
            let error = file.load_or_create().unwrap_err();
            assert!(matches!(error, OpenError::KeyMalformed { .. }), "{text:?}: {error}");
        }
    }

    fn place() -> (tempfile::TempDir, KeyFile) {
        let dir = tempfile::tempdir().unwrap();
        let file = KeyFile::new(dir.path().join("master.key"));
        (dir, file)
    }
}
