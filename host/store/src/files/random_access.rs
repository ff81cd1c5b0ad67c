//! Random-access file reads without blocking the caller's executor; and the test for a full disk.
//!
//! Shared by spools and blobs.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;

use crate::thread_pool::ThreadPool;

/// The largest piece read at once: bounds the memory of one call.
pub(crate) const PIECE: usize = 256 * 1024;

/// At most `length` bytes (and at most [`PIECE`]) from `offset` of a file of `size` bytes; empty only at the end.
pub(crate) async fn read_piece(
    crew: &ThreadPool<()>,
    file: Arc<File>,
    size: u64,
    offset: u64,
    length: usize,
) -> io::Result<Bytes> {
    let left = usize::try_from(size.saturating_sub(offset)).unwrap_or(usize::MAX);
    let length = length.min(PIECE).min(left);
    if length == 0 {
        return Ok(Bytes::new());
    }
    let read = move |_: &mut ()| {
        let mut piece = vec![0; length];
        file.read_exact_at(&mut piece, offset).map(|()| Bytes::from(piece))
    };
    crew.run(read).await?
}

/// Whether there is no space, or none within this user's quota.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
