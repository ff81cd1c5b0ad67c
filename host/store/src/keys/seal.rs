//! Authenticated encryption of secrets at rest, bound to their row.
//!
//! Each record has a random data key that encrypts it and is itself encrypted by the master key, so
//! that changing the master key rewrites 72 bytes per record and never touches a password.
//! Independent of tables.
//!
//! Invariant: tenant, account, field and version are authenticated with both layers: a row copied
//! to another account does not open. Plaintext, data keys and the master key are wiped from memory
//! on drop.
//!
//! Standard: XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03), RFC 8439 §2.8.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{Key, KeyInit, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use model::port::store_error::StoreError;
use model::secret::Secret;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::error::failed;

/// The master key: wraps every record's data key. It is stored outside the databases.
#[derive(PartialEq, Eq)]
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    /// From 32 random bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// 32 new random bytes.
    pub(crate) fn generate() -> Result<Self, StoreError> {
        random().map(Self)
    }

    /// From base64, as in a file or in the environment.
    ///
    /// # Errors
    /// When it is not 32 bytes in base64.
    pub fn from_base64(text: &Secret) -> Result<Self, NotAKey> {
        let bytes = STANDARD.decode(text.reveal().trim()).map(Zeroizing::new);
        let bytes = bytes.map_err(|_| NotAKey)?;
        bytes.as_slice().try_into().map(Self::from_bytes).map_err(|_| NotAKey)
    }

    pub(crate) fn to_base64(&self) -> Secret {
        Secret::new(STANDARD.encode(&self.0[..]))
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

    /// Encrypts `plain` for one row only.
    pub(crate) fn seal(&self, place: &Place<'_>, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        let associated = place.associated();
        let data_key = random()?;
        let mut record = vec![VERSION];
        record.extend(encrypt(&self.0, &associated, &data_key[..])?);
        record.extend(encrypt(&data_key, &associated, plain)?);
        Ok(record)
    }

    /// Decrypts a sealed record; [`StoreError::Sealed`] for anything else.
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

    /// Wraps the data key of a record with this key instead of `old`: the secret itself is not
    /// decrypted.
    pub(crate) fn rewrap(
        &self,
        old: &Self,
        place: &Place<'_>,
        record: &[u8],
    ) -> Result<Vec<u8>, StoreError> {
        let associated = place.associated();
        let rest = record.strip_prefix(&[VERSION]).ok_or(StoreError::Sealed)?;
        let (wrapped, sealed) = rest.split_at_checked(WRAPPED).ok_or(StoreError::Sealed)?;
        let data_key = decrypt(&old.0, &associated, wrapped)?;
        let wrapped = encrypt(&self.0, &associated, &data_key)?;
        Ok([&[VERSION][..], &wrapped, sealed].concat())
    }
}

/// The text is not a master key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a master key is 32 bytes in base64, such as `openssl rand -base64 32` prints")]
pub struct NotAKey;

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

/// The row that a sealed record belongs to: the associated data.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) account: &'a str,
    /// The secret's name within the account.
    pub(crate) field: &'a str,
}

impl Place<'_> {
    /// Associated data. Ids have no `|`, so no two rows have the same.
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
    fn a_record_that_is_wrapped_anew_opens_with_the_new_key_only() {
        let (old, new) = (MasterKey::from_bytes([1; 32]), MasterKey::from_bytes([2; 32]));
        let record = old.seal(&HOME, b"hunter2").unwrap();
        let moved = new.rewrap(&old, &HOME, &record).unwrap();
        assert_eq!(new.open(&HOME, &moved).unwrap().as_slice(), b"hunter2");
        assert_eq!(record[1 + WRAPPED..], moved[1 + WRAPPED..], "the secret was not touched");
        check(&old, HOME, &moved);
        assert!(matches!(new.rewrap(&old, &HOME, &moved), Err(StoreError::Sealed)));
        let elsewhere = Place { account: "bo", ..HOME };
        assert!(matches!(new.rewrap(&old, &elsewhere, &record), Err(StoreError::Sealed)));
    }

    #[track_caller]
    fn check(key: &MasterKey, place: Place<'_>, record: &[u8]) {
        assert!(matches!(key.open(&place, record), Err(StoreError::Sealed)), "{place:?}");
    }
}
