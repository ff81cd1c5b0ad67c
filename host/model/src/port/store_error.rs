//! The error type of all storing ports.

/// Why the store refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The id is taken.
    #[error("the id is taken")]
    Exists,
    /// Another owner has the claim, or a newer epoch: stop working on it.
    #[error("the claim was lost")]
    LostClaim,
    /// The cursor is not one of this list.
    #[error("the cursor is not one of this list")]
    Cursor,
    /// An encrypted record does not decrypt: wrong key, or the row was moved.
    #[error("a sealed record cannot be opened")]
    Sealed,
    /// No space for anything new. Nothing was stored.
    #[error("the disk is full")]
    Full,
    /// The disk, the database or its thread failed. Nothing was stored.
    #[error("the store failed: {0}")]
    Failed(String),
}
