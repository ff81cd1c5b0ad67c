//! Files beside the database: blobs, spools, and the reserve of disk space.

pub(crate) mod random_access;
pub mod spools;
pub(crate) mod reserve;
pub(crate) mod blobs;
