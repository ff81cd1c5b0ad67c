//! Sealing: secrets at rest that only their own row can open.
//!
//! Each record has a random data key that encrypts it and is itself encrypted
//! by the master key, so that changing the master key rewrites 72 bytes per
//! record and never touches a password. Knows nothing of tables.
//!
//! Invariant: tenant, account, field and version are authenticated with both
//! layers: a row copied to another account does not open. Plaintext, data keys
//! and the master key are wiped from memory when dropped.
//!
//! Standard: XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03), RFC 8439 §2.8.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{Key, KeyInit, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use model::account::Credentials;
use model::ids::{AccountId, TenantId};
use model::port::store::StoreError;
use model::secret::Secret;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::failure::{OpenError, failed};

/// The key that wraps every record's own key. It lies outside the databases.
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    /// From 32 random bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Reads the key file, or makes one of mode 0600 with 32 random bytes in base64.
    ///
    /// # Errors
    /// [`OpenError::KeyExposed`] when group or others may touch the file, [`OpenError::KeyMalformed`], [`OpenError::Io`].
    pub fn load_or_create(path: &Path) -> Result<Self, OpenError> {
        match fs::metadata(path) {
            Ok(_) => Self::load(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::create(path),
            Err(error) => Err(OpenError::io(path)(error)),
        }
    }

    /// Reads the key file.
    ///
    /// # Errors
    /// As [`MasterKey::load_or_create`], and [`OpenError::Io`] when there is none.
    pub fn load(path: &Path) -> Result<Self, OpenError> {
        let mode = fs::metadata(path).map_err(OpenError::io(path))?.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(OpenError::KeyExposed { path: path.to_owned(), mode });
        }
        let text = Zeroizing::new(fs::read_to_string(path).map_err(OpenError::io(path))?);
        let malformed = || OpenError::KeyMalformed { path: path.to_owned() };
        let bytes = Zeroizing::new(STANDARD.decode(text.trim()).map_err(|_| malformed())?);
        bytes.as_slice().try_into().map(Self::from_bytes).map_err(|_| malformed())
    }

    /// Never a half-written key: the file appears whole, or not at all, and never replaces one.
    fn create(path: &Path) -> Result<Self, OpenError> {
        let key = Self(random().map_err(|error| OpenError::io(path)(io::Error::other(error)))?);
        let text = Zeroizing::new(STANDARD.encode(&key.0[..]));
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let write = || {
            // tempfile makes files of mode 0600.
            let mut file = tempfile::NamedTempFile::new_in(dir)?;
            writeln!(file, "{}", *text)?;
            file.as_file().sync_all()?;
            file.persist_noclobber(path).map_err(|error| error.error)?;
            File::open(dir)?.sync_all()
        };
        write().map_err(OpenError::io(path))?;
        Ok(key)
    }

    /// A key for one purpose, from which neither the master key nor that of another purpose follows
    /// (HKDF-SHA-256, RFC 5869). The label is public and never changes.
    #[must_use]
    pub fn derive(&self, label: &'static str) -> Zeroizing<[u8; 32]> {
        let mut derived = Zeroizing::new([0; 32]);
        let kdf = Hkdf::<Sha256>::new(None, &self.0[..]);
        // One block of SHA-256; the only error is a length of more than 255 of them.
        let expanded = kdf.expand(label.as_bytes(), &mut derived[..]);
        debug_assert!(expanded.is_ok(), "{label}");
        derived
    }

    /// Encrypts `plain` for one place only.
    pub(crate) fn seal(&self, place: &Place<'_>, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        let associated = place.associated();
        let data_key = random()?;
        let mut record = vec![VERSION];
        record.extend(encrypt(&self.0, &associated, &data_key[..])?);
        record.extend(encrypt(&data_key, &associated, plain)?);
        Ok(record)
    }

    /// What [`MasterKey::seal`] was given; [`StoreError::Sealed`] for anything else.
    pub(crate) fn open(
        &self,
        place: &Place<'_>,
        record: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let associated = place.associated();
        let rest = record.strip_prefix(&[VERSION]).ok_or(StoreError::Sealed)?;
        let (wrapped, sealed) = rest.split_at_checked(WRAPPED).ok_or(StoreError::Sealed)?;
        let data_key = decrypt(&self.0, &associated, wrapped)?;
        let data_key: Zeroizing<[u8; 32]> =
            data_key.as_slice().try_into().map(Zeroizing::new).map_err(|_| StoreError::Sealed)?;
        decrypt(&data_key, &associated, sealed)
    }

    /// A password, for its place.
    pub(crate) fn seal_credentials(
        &self,
        place: &Place<'_>,
        credentials: &Credentials,
    ) -> Result<Vec<u8>, StoreError> {
        self.seal(place, credentials.password.reveal().as_bytes())
    }

    /// The reverse of [`MasterKey::seal_credentials`].
    pub(crate) fn open_credentials(
        &self,
        place: &Place<'_>,
        record: &[u8],
    ) -> Result<Credentials, StoreError> {
        let mut plain = self.open(place, record)?;
        let password =
            String::from_utf8(std::mem::take(&mut *plain)).map_err(|_| StoreError::Sealed)?;
        Ok(Credentials { password: Secret::new(password) })
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

/// Where a sealed record belongs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// Whose.
    pub(crate) tenant: &'a str,
    /// Which account's.
    pub(crate) account: &'a str,
    /// Which secret of it.
    pub(crate) field: &'static str,
}

impl<'a> Place<'a> {
    /// An account's password.
    pub(crate) fn password(tenant: &'a TenantId, account: &'a AccountId) -> Self {
        Self { tenant: tenant.as_str(), account: account.as_str(), field: "password" }
    }

    /// Ids have no `|`, so no two places read alike.
    fn associated(&self) -> String {
        format!("{}|{}|{}|{VERSION}", self.tenant, self.account, self.field)
    }
}

const VERSION: u8 = 1;
const NONCE: usize = 24;
const TAG: usize = 16;
const WRAPPED: usize = NONCE + 32 + TAG;

fn encrypt(key: &[u8; 32], associated: &str, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
    let mut nonce = [0; NONCE];
    getrandom::fill(&mut nonce).map_err(failed)?;
    let payload = Payload { msg: plain, aad: associated.as_bytes() };
    let sealed = XChaCha20Poly1305::new(Key::from_slice(key))
        .encrypt(&XNonce::from(nonce), payload)
        .map_err(failed)?;
    Ok([&nonce[..], &sealed].concat())
}

fn decrypt(
    key: &[u8; 32],
    associated: &str,
    record: &[u8],
) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let (nonce, sealed) = record.split_first_chunk::<NONCE>().ok_or(StoreError::Sealed)?;
    let payload = Payload { msg: sealed, aad: associated.as_bytes() };
    XChaCha20Poly1305::new(Key::from_slice(key))
        .decrypt(&XNonce::from(*nonce), payload)
        .map(Zeroizing::new)
        .map_err(|_| StoreError::Sealed)
}

fn random() -> Result<Zeroizing<[u8; 32]>, StoreError> {
    let mut key = Zeroizing::new([0; 32]);
    getrandom::fill(&mut key[..]).map_err(failed)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: Place<'static> = Place { tenant: "t", account: "anna", field: "password" };

    #[test]
    fn a_record_opens_in_its_own_place_only() {
        let key = MasterKey::from_bytes([1; 32]);
        let record = key.seal(&HOME, b"hunter2").unwrap();
        assert_eq!(key.open(&HOME, &record).unwrap().as_slice(), b"hunter2");
        check(&key, Place { tenant: "u", ..HOME }, &record);
        check(&key, Place { account: "bo", ..HOME }, &record);
        check(&key, Place { field: "token", ..HOME }, &record);
        check(&MasterKey::from_bytes([2; 32]), HOME, &record);
    }

    #[test]
    fn a_record_with_any_bit_flipped_or_byte_missing_does_not_open() {
        let key = MasterKey::from_bytes([1; 32]);
        let record = key.seal(&HOME, b"hunter2").unwrap();
        for at in 0..record.len() {
            let mut broken = record.clone();
            broken[at] ^= 1;
            check(&key, HOME, &broken);
            check(&key, HOME, &record[..at]);
        }
    }

    #[test]
    fn a_derived_key_belongs_to_one_master_key_and_one_purpose() {
        let (one, other) = (MasterKey::from_bytes([1; 32]), MasterKey::from_bytes([2; 32]));
        let keys = [one.derive("a"), one.derive("b"), other.derive("a"), Zeroizing::new([1; 32])];
        for (index, key) in keys.iter().enumerate() {
            assert!(keys.iter().skip(index + 1).all(|later| later != key), "{index}");
        }
        assert_eq!(one.derive("a"), one.derive("a"));
    }

    #[test]
    fn two_seals_of_one_secret_share_nothing() {
        let key = MasterKey::from_bytes([1; 32]);
        let (one, two) = (key.seal(&HOME, b"x").unwrap(), key.seal(&HOME, b"x").unwrap());
        assert!(one[1..].chunks(16).zip(two[1..].chunks(16)).all(|(one, two)| one != two));
    }

    #[test]
    fn a_key_file_is_made_once_and_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.key");
        let made = MasterKey::load_or_create(&path).unwrap();
        let read = MasterKey::load_or_create(&path).unwrap();
        assert_eq!(*made.0, *read.0);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_key_file_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.key");
        drop(MasterKey::load_or_create(&path).unwrap());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = MasterKey::load_or_create(&path).unwrap_err();
        assert!(matches!(error, OpenError::KeyExposed { mode: 0o640, .. }), "{error}");
    }

    #[test]
    fn a_file_that_is_no_key_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["", "short", "AAAA", "not base64 at all, whatever its length may be!!"] {
            let path = dir.path().join("master.key");
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            let error = MasterKey::load_or_create(&path).unwrap_err();
            assert!(matches!(error, OpenError::KeyMalformed { .. }), "{text:?}: {error}");
        }
    }

    #[track_caller]
    fn check(key: &MasterKey, place: Place<'_>, record: &[u8]) {
        assert!(matches!(key.open(&place, record), Err(StoreError::Sealed)), "{place:?}");
    }
}
