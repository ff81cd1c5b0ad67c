//! Blobs: large bodies as files named by the SHA-256 of their bytes.
//!
//! They stay out of the database, so that its log stays small. Independent of submissions: a caller
//! that removes a file first asks the database which are in use.
//!
//! Invariant: a file under its final name is complete and durable, its name too, before a row may
//! refer to it; and its bytes are returned only if their digest equals its name.

use parking_lot::{Mutex, MutexGuard};
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use model::instant::Timestamp;
use model::octets::{Octets, ReadAt};
use model::port::BoxFuture;
use model::port::clock::Clock;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use crate::files::random_access::{PIECE, is_full, read_piece};
use crate::poison::Poison;
use crate::thread_pool::ThreadPool;

/// SHA-256.
pub(crate) type Digest = [u8; 32];

/// How long an unreferenced file is kept: longer than any request takes between file and row.
const GRACE: Duration = Duration::from_secs(60 * 60);
/// Files examined by one sweep, so that it stays cheap.
const SWEEP: usize = 8;
/// Maximum number of files recorded for later sweeps; the rest waits for the next start.
const REMEMBERED: usize = 4096;

/// The files of one directory.
#[derive(Clone, Debug)]
pub(crate) struct Blobs {
    root: PathBuf,
    clock: Arc<dyn Clock>,
    crew: Arc<ThreadPool<()>>,
    poison: Poison,
    shelf: Arc<Mutex<BlobDirectory>>,
}

#[derive(Debug, Default)]
struct BlobDirectory {
    /// Files whose row is being written.
    pinned: HashMap<Digest, u32>,
    /// Files that may have lost their last row.
    retired: VecDeque<Digest>,
    /// Marked for removal, however young, unless they are written again.
    condemned: HashSet<Digest>,
}

impl Blobs {
    /// Opens the directory, which belongs to this process alone, and removes partially written
    /// files.
    pub(crate) fn open(
        root: PathBuf,
        clock: Arc<dyn Clock>,
        crew: Arc<ThreadPool<()>>,
        poison: Poison,
    ) -> io::Result<Self> {
        let drafts = root.join(DRAFTS);
        if drafts.exists() {
            fs::remove_dir_all(&drafts)?;
        }
        fs::create_dir_all(&drafts)?;
        sync_dir(&root)?;
        Ok(Self { root, clock, crew, poison, shelf: Arc::default() })
    }

    /// Makes the bytes durable. The pin keeps the file until the row that names it is committed.
    pub(crate) async fn put(&self, raw: &Octets) -> io::Result<Pin> {
        let drafts = self.root.join(DRAFTS);
        let start = move |_: &mut ()| NamedTempFile::new_in(drafts);
        let mut draft = self.crew.run(start).await??;
        let mut hasher = Sha256::new();
        let mut offset = 0;
        while offset < raw.size() {
            let piece = raw.read_at(offset, PIECE).await?;
            if piece.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            offset += piece.len() as u64;
            let write = move |_: &mut ()| {
                hasher.update(&piece);
                draft.write_all(&piece)?;
                Ok::<_, io::Error>((draft, hasher))
            };
            (draft, hasher) = self.crew.run(write).await??;
        }
        let digest: Digest = hasher.finalize().into();
        let blobs = self.clone();
        let keep = move |_: &mut ()| blobs.keep(draft, digest);
        self.crew.run(keep).await?
    }

    fn keep(&self, draft: NamedTempFile, digest: Digest) -> io::Result<Pin> {
        draft.as_file().set_modified(system_time(self.clock.now()))?;
        self.synced(draft.as_file().sync_all())?;
        let path = self.path(&digest);
        let dir = path.parent().unwrap_or(&self.root);
        let mut shelf = self.shelf();
        // Each is opened before what it is to sync: a directory that cannot be opened is no failed
        // sync, and must not leave a name that was never synced.
        if !dir.exists() {
            let root = File::open(&self.root)?;
            fs::create_dir_all(dir)?;
            self.synced(root.sync_all())?;
        }
        let fan = File::open(dir)?;
        // Replaces an equal file: the new one is young, so no sweep removes it.
        draft.persist(&path).map_err(|error| error.error)?;
        self.synced(fan.sync_all())?;
        shelf.condemned.remove(&digest);
        *shelf.pinned.entry(digest).or_default() += 1;
        Ok(Pin { digest, shelf: Arc::clone(&self.shelf) })
    }

    /// A sync that failed is not tried again: see [`crate::sqlite::writer`].
    fn synced(&self, outcome: io::Result<()>) -> io::Result<()> {
        if let Err(error) = &outcome
            && !is_full(error)
        {
            self.poison.set(error);
        }
        outcome
    }

    /// A handle; the file is opened and its digest checked at the first read.
    pub(crate) fn octets(&self, digest: Digest, size: u64) -> Octets {
        let path = self.path(&digest);
        let crew = Arc::clone(&self.crew);
        Arc::new(Blob { path, digest, size, crew, file: Arc::default() })
    }

    /// Records that a row released the file.
    pub(crate) fn retire(&self, digest: Digest) {
        let mut shelf = self.shelf();
        if shelf.retired.len() < REMEMBERED {
            shelf.retired.push_back(digest);
        }
    }

    /// A few retired files that are old enough to be removed, if nothing refers to them.
    pub(crate) async fn expired(&self) -> io::Result<Vec<Digest>> {
        let candidates: Vec<Digest> = {
            let mut shelf = self.shelf();
            let some = SWEEP.min(shelf.retired.len());
            shelf.retired.drain(..some).collect()
        };
        if candidates.is_empty() {
            return Ok(candidates);
        }
        let blobs = self.clone();
        let sort = move |_: &mut ()| {
            let (ripe, young): (Vec<_>, Vec<_>) = candidates
                .into_iter()
                // A file whose age cannot be read is gone already.
                .filter_map(|one| Some((one, blobs.is_old(&blobs.path(&one)).ok()?)))
                .partition(|(_, old)| *old);
            blobs.shelf().retired.extend(young.into_iter().map(|(young, _)| young));
            ripe.into_iter().map(|(ripe, _)| ripe).collect()
        };
        Ok(self.crew.run(sort).await?)
    }

    /// Removes those of `unused` that are not being written again.
    pub(crate) async fn remove(&self, unused: Vec<Digest>) -> io::Result<()> {
        let blobs = self.clone();
        let remove =
            move |_: &mut ()| unused.iter().try_for_each(|digest| blobs.remove_one(digest));
        self.crew.run(remove).await?
    }

    /// Marks every retired file, for when there is no space to keep them for the grace period.
    /// Pinned files are left out: their row may be written by the time of the check.
    pub(crate) fn mark_unreferenced(&self) -> Vec<Digest> {
        let mut shelf = self.shelf();
        let BlobDirectory { pinned, retired, condemned } = &mut *shelf;
        let (kept, gone): (Vec<_>, Vec<_>) =
            retired.drain(..).partition(|digest| pinned.contains_key(digest));
        retired.extend(kept);
        condemned.extend(&gone);
        gone
    }

    /// Removes those of `unused` that are still marked, and unmarks the rest of `all`.
    pub(crate) async fn delete_marked(
        &self,
        all: Vec<Digest>,
        unused: HashSet<Digest>,
    ) -> io::Result<()> {
        let blobs = self.clone();
        let remove = move |_: &mut ()| {
            all.iter().try_for_each(|digest| {
                // Under the lock, so that the same bytes are not stored again in between.
                let mut shelf = blobs.shelf();
                let goes = shelf.condemned.remove(digest) && unused.contains(digest);
                if !goes {
                    return Ok(());
                }
                match fs::remove_file(blobs.path(digest)) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                    Ok(()) | Err(_) => Ok(()),
                }
            })
        };
        self.crew.run(remove).await?
    }

    /// Removes every old file that is not in `used`. Blocks: for the start only.
    pub(crate) fn collect(&self, used: &HashSet<Digest>) -> io::Result<()> {
        for fan in fs::read_dir(&self.root)? {
            let fan = fan?;
            if fan.file_name() == DRAFTS || !fan.file_type()?.is_dir() {
                continue;
            }
            for file in fs::read_dir(fan.path())? {
                let name = file?.file_name();
                // A file without such a name is not a blob.
                let Some(digest) = name.to_str().and_then(parse) else { continue };
                if !used.contains(&digest) {
                    self.remove_one(&digest)?;
                }
            }
        }
        Ok(())
    }

    fn remove_one(&self, digest: &Digest) -> io::Result<()> {
        let shelf = self.shelf();
        let path = self.path(digest);
        if shelf.pinned.contains_key(digest) || !self.is_old(&path)? {
            return Ok(());
        }
        // Under the lock, so that the same bytes are not stored again in between.
        fs::remove_file(path)
    }

    fn is_old(&self, path: &Path) -> io::Result<bool> {
        let modified = fs::metadata(path)?.modified()?;
        Ok(modified + GRACE <= system_time(self.clock.now()))
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        let name: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        self.root.join(name.chars().take(2).collect::<String>()).join(name)
    }

    /// The directory.
    #[cfg(test)]
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    fn shelf(&self) -> MutexGuard<'_, BlobDirectory> {
        self.shelf.lock()
    }
}

/// The directory of partially written files.
const DRAFTS: &str = "drafts";

/// Protects a file from removal while its row is being written.
#[derive(Debug)]
pub(crate) struct Pin {
    /// The digest, which is the file's name.
    pub(crate) digest: Digest,
    shelf: Arc<Mutex<BlobDirectory>>,
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut shelf = self.shelf.lock();
        if let Some(count) = shelf.pinned.get_mut(&self.digest) {
            *count -= 1;
            if *count == 0 {
                shelf.pinned.remove(&self.digest);
            }
        }
    }
}

/// One file, opened on first use.
struct Blob {
    path: PathBuf,
    digest: Digest,
    size: u64,
    crew: Arc<ThreadPool<()>>,
    file: Arc<OnceLock<Arc<File>>>,
}

impl Blob {
    async fn file(&self) -> io::Result<Arc<File>> {
        if let Some(file) = self.file.get() {
            return Ok(Arc::clone(file));
        }
        let (path, digest, size) = (self.path.clone(), self.digest, self.size);
        let cell = Arc::clone(&self.file);
        let open = move |_: &mut ()| {
            let file = verified(&path, &digest, size)?;
            Ok::<_, io::Error>(Arc::clone(cell.get_or_init(|| Arc::new(file))))
        };
        self.crew.run(open).await?
    }
}

impl ReadAt for Blob {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, length: usize) -> BoxFuture<'_, io::Result<Bytes>> {
        Box::pin(async move {
            let file = self.file().await?;
            read_piece(&self.crew, file, self.size, offset, length).await
        })
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blob").field("path", &self.path).field("size", &self.size).finish()
    }
}

/// The file, if it has this size and its bytes match the digest in its name.
fn verified(path: &Path, digest: &Digest, size: u64) -> io::Result<File> {
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "the stored bytes are damaged");
    let mut file = File::open(path)?;
    // If the size in the row is wrong only a part would be sent.
    if file.metadata()?.len() != size {
        return Err(damaged());
    }
    let mut hasher = Sha256::new();
    let mut piece = vec![0; PIECE];
    loop {
        let length = file.read(&mut piece)?;
        if length == 0 {
            break;
        }
        hasher.update(piece.get(..length).unwrap_or_default());
    }
    if Digest::from(hasher.finalize()) == *digest { Ok(file) } else { Err(damaged()) }
}

fn parse(name: &str) -> Option<Digest> {
    let mut digest = [0; 32];
    if name.len() != 64 || !name.is_ascii() {
        return None;
    }
    for (at, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(name.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(digest)
}

/// Syncs a directory: a name is durable only when its directory is.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn system_time(at: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(at.millis()).unwrap_or(0))
}
