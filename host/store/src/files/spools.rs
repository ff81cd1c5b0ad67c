//! Spools: uploads in progress, charged to a tenant while they live.
//!
//! Small ones stay in memory; larger ones go to an unnamed file, which the system removes with the
//! last handle, even after a crash.
//!
//! Invariant: the sum of all spools never exceeds the limits, and a charge is released exactly
//! once: when the spool, or the octets made from it, are dropped.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use model::caller::Party;
use model::octets::{Octets, ReadAt};
use model::port::BoxFuture;
use model::port::spool::{Spool, SpoolError, Spools};

use crate::error::OpenError;
use crate::files::random_access::read_piece;
use crate::thread_pool::ThreadPool;

/// Limits of spools, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct SpoolLimits {
    /// One spool.
    pub per_spool: u64,
    /// All spools of one tenant together, without those of its anonymous requests: they have half
    /// as much. No single party has more than would then be left for others.
    pub per_tenant: u64,
    /// All spools together. Those of all anonymous requests have a quarter of it.
    pub host: u64,
    /// Larger spools go to a file.
    pub in_memory: usize,
}

impl Default for SpoolLimits {
    fn default() -> Self {
        Self { per_spool: 64 << 20, per_tenant: 256 << 20, host: 1 << 30, in_memory: 256 << 10 }
    }
}

/// Spools in unnamed files of one directory.
#[derive(Debug)]
pub struct FileSpools {
    dir: PathBuf,
    limits: SpoolLimits,
    ledger: Arc<Ledger>,
    crew: Arc<ThreadPool<()>>,
}

/// Two threads: one slow write does not stop every other spool.
const THREADS: usize = 2;
/// Small writes are buffered up to this size.
const GATHERED: usize = 64 * 1024;

impl FileSpools {
    /// Creates the directory when it is missing.
    ///
    /// # Errors
    /// [`OpenError::Io`].
    pub fn new(dir: &Path, limits: SpoolLimits) -> Result<Self, OpenError> {
        fs::create_dir_all(dir).map_err(OpenError::io(dir))?;
        let crew = ThreadPool::new("spool", vec![(); THREADS]).map_err(OpenError::io(dir))?;
        let ledger = Arc::new(Ledger { limits, charged: Mutex::default() });
        Ok(Self { dir: dir.to_owned(), limits, ledger, crew: Arc::new(crew) })
    }
}

impl Spools for FileSpools {
    fn create(&self, payer: &Party) -> Result<Box<dyn Spool>, SpoolError> {
        Ok(Box::new(FileSpool {
            dir: self.dir.clone(),
            limits: self.limits,
            charge: Charge { ledger: Arc::clone(&self.ledger), party: payer.clone(), bytes: 0 },
            crew: Arc::clone(&self.crew),
            buffer: BytesMut::new(),
            file: None,
            written: 0,
            torn: false,
        }))
    }
}

#[derive(Debug)]
struct FileSpool {
    dir: PathBuf,
    limits: SpoolLimits,
    charge: Charge,
    crew: Arc<ThreadPool<()>>,
    /// Bytes that are not in the file yet.
    buffer: BytesMut,
    file: Option<Arc<File>>,
    /// Bytes in the file.
    written: u64,
    /// A write was cancelled: the contents of the file are undefined.
    torn: bool,
}

impl Spool for FileSpool {
    fn write(&mut self, bytes: Bytes) -> BoxFuture<'_, Result<(), SpoolError>> {
        Box::pin(async move {
            if self.charge.bytes.saturating_add(bytes.len() as u64) > self.limits.per_spool {
                return Err(SpoolError::TooLarge { limit: self.limits.per_spool });
            }
            self.charge.raise(bytes.len() as u64)?;
            self.buffer.extend_from_slice(&bytes);
            let full = match self.file {
                None => self.buffer.len() > self.limits.in_memory,
                Some(_) => self.buffer.len() >= GATHERED,
            };
            if full { self.flush().await } else { Ok(()) }
        })
    }

    fn finish(mut self: Box<Self>) -> BoxFuture<'static, Result<Octets, SpoolError>> {
        Box::pin(async move {
            if self.file.is_some() {
                self.flush().await?;
            }
            if self.torn {
                return Err(SpoolError::Io(io::Error::other("an earlier write did not end")));
            }
            let held = match self.file {
                None => Held::Memory(self.buffer.freeze()),
                Some(file) => Held::File { file, size: self.written, crew: self.crew },
            };
            Ok(Arc::new(Spooled { held, charge: self.charge }) as Octets)
        })
    }
}

impl FileSpool {
    async fn flush(&mut self) -> Result<(), SpoolError> {
        let bytes = self.buffer.split().freeze();
        let (at, length) = (self.written, bytes.len() as u64);
        let (file, dir) = (self.file.clone(), self.dir.clone());
        // Stays true when this future is dropped before the write completed.
        let torn = std::mem::replace(&mut self.torn, true);
        let write = move |_: &mut ()| {
            let file = match file {
                Some(file) => file,
                None => Arc::new(tempfile::tempfile_in(dir)?),
            };
            file.write_all_at(&bytes, at)?;
            Ok::<_, io::Error>(file)
        };
        let file = self.crew.run(write).await.map_err(|gone| SpoolError::Io(gone.into()))?;
        self.file = Some(file.map_err(SpoolError::Io)?);
        self.written += length;
        self.torn = torn;
        Ok(())
    }
}

/// The bytes of a finished spool, and their charge.
struct Spooled {
    held: Held,
    charge: Charge,
}

enum Held {
    Memory(Bytes),
    File { file: Arc<File>, size: u64, crew: Arc<ThreadPool<()>> },
}

impl ReadAt for Spooled {
    fn size(&self) -> u64 {
        match &self.held {
            Held::Memory(bytes) => bytes.size(),
            Held::File { size, .. } => *size,
        }
    }

    fn read_at(&self, offset: u64, length: usize) -> BoxFuture<'_, io::Result<Bytes>> {
        match &self.held {
            Held::Memory(bytes) => bytes.read_at(offset, length),
            Held::File { file, size, crew } => {
                Box::pin(read_piece(crew, Arc::clone(file), *size, offset, length))
            }
        }
    }

    fn in_memory(&self) -> Option<Bytes> {
        match &self.held {
            Held::Memory(bytes) => Some(bytes.clone()),
            Held::File { .. } => None,
        }
    }
}

impl fmt::Debug for Spooled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spooled").field("size", &self.size()).field("charge", &self.charge).finish()
    }
}

/// Bytes in use by each party.
#[derive(Debug)]
struct Ledger {
    limits: SpoolLimits,
    charged: Mutex<Charged>,
}

#[derive(Debug, Default)]
struct Charged {
    host: u64,
    /// The part of all anonymous requests.
    strangers: u64,
    parties: HashMap<Party, u64>,
}

/// The anonymous requests of all tenants together have this part of the total.
const STRANGERS: u64 = 4;

/// The charge of one spool.
#[derive(Debug)]
struct Charge {
    ledger: Arc<Ledger>,
    party: Party,
    bytes: u64,
}

impl Charge {
    fn raise(&mut self, by: u64) -> Result<(), SpoolError> {
        let mut charged = self.ledger.charged.lock();
        let limits = self.ledger.limits;
        // What is left for others afterwards.
        let left = |of: u64, taken: u64| of.checked_sub(taken.saturating_add(by));
        let all = left(limits.host, charged.host).ok_or(SpoolError::Full { limit: limits.host })?;
        let own = match &self.party {
            Party::Host => None,
            Party::Tenant(_) => Some((limits.per_tenant, u64::MAX)),
            Party::Strangers(_) => {
                let left = left(limits.host / STRANGERS, charged.strangers);
                Some((limits.per_tenant / 2, left.unwrap_or(0)))
            }
        };
        if let Some((own, strangers)) = own {
            let held = charged.parties.get(&self.party).copied().unwrap_or(0).saturating_add(by);
            // Each with the number for the error: the configured limit, not the current remainder.
            let bounds = [(own, own), (strangers, limits.host / STRANGERS), (all, limits.host)];
            if let Some((_, limit)) = bounds.into_iter().find(|(most, _)| held > *most) {
                return Err(SpoolError::Full { limit });
            }
            charged.parties.insert(self.party.clone(), held);
        }
        if let Party::Strangers(_) = self.party {
            charged.strangers += by;
        }
        charged.host += by;
        self.bytes += by;
        Ok(())
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let mut charged = self.ledger.charged.lock();
        charged.host = charged.host.saturating_sub(self.bytes);
        if let Party::Strangers(_) = self.party {
            charged.strangers = charged.strangers.saturating_sub(self.bytes);
        }
        if let Some(held) = charged.parties.get_mut(&self.party) {
            *held = held.saturating_sub(self.bytes);
            if *held == 0 {
                charged.parties.remove(&self.party);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use model::ids::TenantId;

    use super::*;

    const SMALL: SpoolLimits =
        SpoolLimits { per_spool: 1000, per_tenant: 1500, host: 4000, in_memory: 100 };

    #[tokio::test]
    async fn bytes_come_back_as_they_were_written() {
        for length in [0, 1, 100, 101, 1000] {
            let (_dir, spools) = spools(SMALL);
            let bytes: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let octets = filled(&spools, &Party::Host, &bytes).await.unwrap();
            assert_eq!(octets.size(), length);
            assert_eq!(octets.in_memory().is_some(), length <= 100);
            let mut read = Vec::new();
            loop {
                let piece = octets.read_at(read.len() as u64, 33).await.unwrap();
                if piece.is_empty() {
                    break;
                }
                read.extend_from_slice(&piece);
            }
            assert_eq!(read, bytes);
            assert!(octets.read_at(u64::MAX, 9).await.unwrap().is_empty());
        }
    }

    #[tokio::test]
    async fn a_spool_that_is_too_large_is_refused() {
        let (_dir, spools) = spools(SMALL);
        let error = filled(&spools, &Party::Host, &[0; 1001]).await.unwrap_err();
        assert!(matches!(error, SpoolError::TooLarge { limit: 1000 }), "{error}");
    }

    #[tokio::test]
    async fn a_tenant_and_the_host_have_limits_and_dropping_gives_back() {
        let (_dir, spools) = spools(SMALL);
        let [anna, bo] = ["anna", "bo"].map(|name| Party::Tenant(name.parse().unwrap()));
        let first = filled(&spools, &anna, &[0; 1000]).await.unwrap();
        assert!(matches!(filled(&spools, &anna, &[0; 501]).await, Err(SpoolError::Full { .. })));
        let second = filled(&spools, &bo, &[0; 1000]).await.unwrap();
        let own = [
            filled(&spools, &Party::Host, &[0; 1000]).await.unwrap(),
            filled(&spools, &Party::Host, &[0; 1000]).await.unwrap(),
        ];
        assert!(matches!(
            filled(&spools, &Party::Host, &[0; 1]).await,
            Err(SpoolError::Full { .. })
        ));
        drop((first, own));
        let third = filled(&spools, &anna, &[0; 1000]).await.unwrap();
        drop((second, third));
        let charged = spools.ledger.charged.lock();
        assert_eq!((charged.host, charged.strangers, charged.parties.len()), (0, 0, 0));
    }

    /// Anonymous requests take nothing from the tenant's own limit, and however many use all of
    /// theirs, some is left.
    #[tokio::test]
    async fn strangers_have_a_share_of_their_own_and_nobody_has_all() {
        let limits = SpoolLimits { per_spool: 1000, per_tenant: 1000, host: 4000, in_memory: 100 };
        let (_dir, spools) = spools(limits);
        let names: Vec<TenantId> = (0..9).map(|at| format!("t{at}").parse().unwrap()).collect();
        let mut held = Vec::new();
        let mut take = async |payer: &Party| {
            let mut taken = 0;
            while let Ok(spool) = filled(&spools, payer, &[0; 50]).await {
                held.push(spool);
                taken += 50;
            }
            taken
        };
        for (at, tenant) in names.iter().enumerate() {
            let taken = take(&Party::Strangers(tenant.clone())).await;
            assert!((if at < 3 { 100..=500 } else { 0..=100 }).contains(&taken), "{at} {taken}");
        }
        for (at, tenant) in names.iter().enumerate().take(4) {
            let taken = take(&Party::Tenant(tenant.clone())).await;
            assert!(
                (if at < 2 { 700..=1000 } else { 150..=1000 }).contains(&taken),
                "{at} {taken}"
            );
        }
        assert!(take(&Party::Host).await > 0);
    }

    /// The error of a refusal names a number from docs/limits.md, never the current remainder.
    #[tokio::test]
    async fn the_bound_that_was_met_is_told() {
        let limits = SpoolLimits { per_spool: 5000, per_tenant: 1000, host: 4000, in_memory: 100 };
        let tenant = |name: &str| Party::Tenant(name.parse().unwrap());
        let strangers = |name: &str| Party::Strangers(name.parse().unwrap());
        let cases: &[(&[(Party, usize)], u64)] = &[
            (&[(tenant("a"), 1001)], 1000),
            (&[(strangers("a"), 501)], 500),
            // More than would then be left for other anonymous requests.
            (&[(strangers("a"), 500), (strangers("b"), 251)], 1000),
            (&[(strangers("a"), 500), (strangers("b"), 250), (strangers("c"), 251)], 1000),
            // More than would then be left of all.
            (
                &[
                    (tenant("a"), 1000),
                    (tenant("b"), 1000),
                    (tenant("c"), 1000),
                    (tenant("d"), 600),
                ],
                4000,
            ),
            (&[(Party::Host, 3500), (strangers("a"), 400)], 4000),
            (&[(Party::Host, 4000), (tenant("a"), 1)], 4000),
            (&[(Party::Host, 4001)], 4000),
        ];
        for (at, (held, want)) in cases.iter().enumerate() {
            let (_dir, spools) = spools(limits);
            let (last, before) = held.split_last().unwrap();
            let mut kept = Vec::new();
            for (payer, bytes) in before {
                kept.push(filled(&spools, payer, &vec![0; *bytes]).await.unwrap());
            }
            match filled(&spools, &last.0, &vec![0; last.1]).await {
                Err(SpoolError::Full { limit }) => assert_eq!(limit, *want, "case {at}"),
                other => panic!("case {at}: {other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn a_spool_file_has_no_name() {
        let (dir, spools) = spools(SMALL);
        let octets = filled(&spools, &Party::Host, &[0; 1000]).await.unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        assert_eq!(octets.size(), 1000);
    }

    #[tokio::test]
    async fn a_write_that_was_given_up_spoils_the_spool() {
        let (_dir, spools) = spools(SMALL);
        let mut spool = spools.create(&Party::Host).unwrap();
        {
            let mut write = spool.write(Bytes::from(vec![7; 500]));
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            // Either it is already complete, or it is dropped while it waits for the disk.
            if write.as_mut().poll(&mut context).is_ready() {
                return;
            }
        }
        assert!(matches!(spool.finish().await, Err(SpoolError::Io(_))));
    }

    fn spools(limits: SpoolLimits) -> (tempfile::TempDir, FileSpools) {
        let dir = tempfile::tempdir().unwrap();
        let spools = FileSpools::new(dir.path(), limits).unwrap();
        (dir, spools)
    }

    async fn filled(
        spools: &FileSpools,
        payer: &Party,
        bytes: &[u8],
    ) -> Result<Octets, SpoolError> {
        let mut spool = spools.create(payer)?;
        for piece in bytes.chunks(70) {
            spool.write(Bytes::copy_from_slice(piece)).await?;
        }
        spool.finish().await
    }
}
