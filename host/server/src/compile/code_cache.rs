//! Cache of compiled code on disk, authenticated with a key of this host.
//!
//! Compiling a component takes up to a minute, and a host compiles those of all tenants
//! at its start. So the answer of each child process is cached: a file for each
//! component and kind of code, which begins with an HMAC over its name and its content.
//! A process that can write to the directory, but does not have the master key, can
//! remove files and nothing more.
//!
//! Independent of the content.
//!
//! Invariant: [`CodeCache::find`] returns only what [`CodeCache::keep`] stored under the
//! same name, on a host with the same master key. The file is read once, and verified in
//! memory.
//!
//! Standards: RFC 2104 (HMAC), RFC 5869 (HKDF).

use parking_lot::RwLock;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::os::untrusted_file;

/// The label under which the key is derived (HKDF `info`). Another file format needs another label.
pub(crate) const LABEL: &str = "postlet compiled code 1";

/// Bytes of the HMAC at the beginning of a file.
const MAC_BYTES: usize = 32;

type Key = Zeroizing<[u8; 32]>;

/// The key for new files, and the previous one, which is accepted while a rotation rewrites files.
#[derive(Clone)]
struct Keys {
    current: Key,
    previous: Option<Key>,
}

/// A directory of authenticated files.
#[derive(Clone)]
pub(crate) struct CodeCache {
    directory: PathBuf,
    keys: Arc<RwLock<Keys>>,
    /// The limit of all files together, in bytes.
    most: u64,
}

impl CodeCache {
    /// `directory` exists and is used by this host only; `most` is the limit in bytes.
    pub(crate) fn new(directory: PathBuf, key: Key, most: u64) -> Self {
        Self { directory, keys: Arc::new(RwLock::new(Keys { current: key, previous: None })), most }
    }

    /// The content that is cached under this name. A file that cannot be read or is not authentic is
    /// logged and ignored.
    pub(crate) fn find(&self, name: &[u8; 32]) -> Option<Vec<u8>> {
        let path = self.path(name);
        let whole = match untrusted_file::read(&path, self.most) {
            Ok(whole) => whole,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(file = %path.display(), %error, "cached code cannot be read");
                return None;
            }
        };
        let sound = whole.split_first_chunk::<MAC_BYTES>().is_some_and(|(mac_bytes, content)| {
            let keys = self.keys();
            let genuine = |key: &Key| {
                mac(key, name, content).is_some_and(|mac| mac.verify_slice(mac_bytes).is_ok())
            };
            genuine(&keys.current) || keys.previous.as_ref().is_some_and(genuine)
        });
        if !sound {
            tracing::warn!(file = %path.display(), "cached code has a wrong HMAC; it is compiled again");
            return None;
        }
        whole.get(MAC_BYTES..).map(<[u8]>::to_vec)
    }

    /// Stores `content`, and removes the oldest files where the limit requires it. Content above the
    /// limit is not stored. An error of the disk is logged.
    pub(crate) fn keep(&self, name: &[u8; 32], content: &[u8]) {
        let size = (MAC_BYTES + content.len()) as u64;
        if size > self.most {
            return;
        }
        if let Err(error) = self.make_room(size).and_then(|()| self.write(name, content)) {
            let directory = self.directory.display();
            tracing::warn!(%directory, %error, "compiled code cannot be cached");
        }
    }

    /// Writes a file atomically and durably.
    fn write(&self, name: &[u8; 32], content: &[u8]) -> io::Result<()> {
        let mac =
            mac(&self.keys().current, name, content).ok_or_else(|| io::Error::other("no HMAC"))?;
        // tempfile makes files of mode 0600.
        let mut file = tempfile::NamedTempFile::new_in(&self.directory)?;
        file.write_all(&mac.finalize().into_bytes())?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        file.persist(self.path(name)).map_err(|error| error.error)?;
        File::open(&self.directory)?.sync_all()
    }

    /// Removes the oldest files, also temporary ones that a crash left, until `more` bytes fit.
    fn make_room(&self, more: u64) -> io::Result<()> {
        let mut files: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let about = entry.metadata()?;
            if about.is_file() {
                files.push((about.modified()?, about.len(), entry.path()));
            }
        }
        files.sort();
        let mut held: u64 = files.iter().map(|(_, size, _)| size).sum();
        for (_, size, path) in files {
            if held.saturating_add(more) <= self.most {
                break;
            }
            remove(&path)?;
            held = held.saturating_sub(size);
        }
        Ok(())
    }

    /// Replaces the key, and rewrites the files under the new one. A file that cannot be rewritten is
    /// logged, and its component is compiled again when it is needed.
    pub(crate) fn reseal(&self, new: Key) {
        {
            let mut keys = self.keys.write();
            let old = std::mem::replace(&mut keys.current, new);
            keys.previous = Some(old);
        }
        if let Err(error) = self.reseal_files() {
            let directory = self.directory.display();
            tracing::warn!(%directory, %error, "cached code cannot be rewritten for the new key");
        }
        self.keys.write().previous = None;
    }

    fn reseal_files(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.directory)? {
            let file = entry?.file_name();
            let Some(name) = file.to_str().and_then(name_of) else { continue };
            if let Some(content) = self.find(&name) {
                self.write(&name, &content)?;
            }
        }
        Ok(())
    }

    fn keys(&self) -> Keys {
        self.keys.read().clone()
    }

    fn path(&self, name: &[u8; 32]) -> PathBuf {
        let name: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
        self.directory.join(name)
    }
}

/// The HMAC over name and content: it includes the name, so that a renamed file is not authentic.
fn mac(key: &Key, name: &[u8; 32], content: &[u8]) -> Option<Hmac<Sha256>> {
    // HMAC accepts keys of any length, so this does not fail.
    let mut mac = Hmac::<Sha256>::new_from_slice(&key[..]).ok()?;
    mac.update(name);
    mac.update(content);
    Some(mac)
}

/// Parses the name of a cached file; none for any other file.
fn name_of(file: &str) -> Option<[u8; 32]> {
    let mut name = [0; 32];
    if file.len() != 2 * name.len() {
        return None;
    }
    for (at, byte) in name.iter_mut().enumerate() {
        *byte = u8::from_str_radix(file.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(name)
}

impl std::fmt::Debug for CodeCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("CodeCache").field(&self.directory).finish()
    }
}

/// Removes a file, which a concurrent deployment may have removed before.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    fn cache(directory: &Path, key: u8, most: u64) -> CodeCache {
        CodeCache::new(directory.to_owned(), Zeroizing::new([key; 32]), most)
    }

    #[test]
    fn cached_code_is_found_under_its_name_and_key_only() {
        let place = tempfile::tempdir().unwrap();
        let one = cache(place.path(), 1, 1000);
        assert_eq!(one.find(&[1; 32]), None);
        one.keep(&[1; 32], b"code");
        one.keep(&[2; 32], b"other");
        assert_eq!(one.find(&[1; 32]).as_deref(), Some(&b"code"[..]));
        assert_eq!(cache(place.path(), 2, 1000).find(&[1; 32]), None);
        let mode = fs::metadata(one.path(&[1; 32])).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::rename(one.path(&[2; 32]), one.path(&[1; 32])).unwrap();
        assert_eq!(one.find(&[1; 32]), None);
    }

    #[test]
    fn a_file_with_any_byte_flipped_or_missing_is_not_found() {
        let place = tempfile::tempdir().unwrap();
        let cache = cache(place.path(), 1, 1000);
        cache.keep(&[1; 32], b"code");
        let path = cache.path(&[1; 32]);
        let good = fs::read(&path).unwrap();
        assert_eq!(good.len(), MAC_BYTES + 4);
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, &bad).unwrap();
            assert_eq!(cache.find(&[1; 32]), None, "byte {at}");
            fs::write(&path, &good[..at]).unwrap();
            assert_eq!(cache.find(&[1; 32]), None, "{at} bytes");
        }
        cache.keep(&[1; 32], b"code");
        assert!(cache.find(&[1; 32]).is_some());
    }

    #[test]
    fn rewritten_files_are_found_with_the_new_key_only() {
        let place = tempfile::tempdir().unwrap();
        let running = cache(place.path(), 1, 1000);
        running.keep(&[1; 32], b"code");
        running.keep(&[2; 32], b"forged");
        let forged = running.path(&[2; 32]);
        fs::write(&forged, [0; 40]).unwrap();
        fs::write(place.path().join("tempfile"), b"half").unwrap();
        running.clone().reseal(Zeroizing::new([7; 32]));
        assert_eq!(running.find(&[1; 32]).as_deref(), Some(&b"code"[..]), "clones follow");
        let next = cache(place.path(), 7, 1000);
        assert_eq!(next.find(&[1; 32]).as_deref(), Some(&b"code"[..]));
        assert_eq!(next.find(&[2; 32]), None, "no forged file becomes a good one");
        assert_eq!(cache(place.path(), 1, 1000).find(&[1; 32]), None);
    }

    #[test]
    fn the_oldest_file_is_removed_first_and_content_above_the_limit_is_not_stored() {
        let place = tempfile::tempdir().unwrap();
        let cache = cache(place.path(), 1, 3 * 100);
        for name in 1..=3 {
            cache.keep(&[name; 32], &[0; 68]);
            let file = File::options().write(true).open(cache.path(&[name; 32])).unwrap();
            let then = SystemTime::UNIX_EPOCH + Duration::from_secs(name.into());
            file.set_modified(then).unwrap();
        }
        cache.keep(&[4; 32], &[0; 68]);
        let found = |name: u8| cache.find(&[name; 32]).is_some();
        assert_eq!([1, 2, 3, 4].map(found), [false, true, true, true]);
        cache.keep(&[5; 32], &[0; 300]);
        assert_eq!([2, 3, 4, 5].map(found), [true, true, true, false]);
    }
}
