//! What every storing port may answer instead of a value.

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The id is taken.
    #[error("the id is taken")]
    Exists,
    /// Another owner has the claim, or a newer epoch of ours: stop working on it.
    #[error("the claim was lost")]
    LostClaim,
    /// The cursor is not one that this list gave out.
    #[error("the cursor is not one of this list")]
    Cursor,
    /// A sealed record does not open: wrong key, or the row was moved.
    #[error("a sealed record cannot be opened")]
    Sealed,
    /// There is no room for anything new. Nothing was stored.
    #[error("the disk is full")]
    Full,
    /// The disk, the database or its thread. Nothing was stored.
    #[error("the store failed: {0}")]
    Failed(String),
}
