//! The stores of a host: SQLite and files for `up`, memory for `dev`.

use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use model::caller::Scope;
use model::ids::TenantId;
use model::port::accounts::Accounts;
use model::port::clock::{Clock, Entropy};
use model::port::outbox::Outbox;
use model::port::tokens::{Token, Tokens};
use model::secret::Secret;
use store::files::spools::{FileSpools, SpoolLimits};
use store::keys::seal::MasterKey;
use store::memory::Memory;
use store::sqlite::Sqlite;
use zeroize::Zeroizing;

use crate::api::key_rotation::KeyLocation;
use crate::auth::token_format::{PresentedToken, mint};
use crate::compile::code_cache;
use crate::compile::code_cache::CodeCache;
use crate::config::master_key::KeySource;
use crate::os::clock::{SystemClock, SystemEntropy};

/// The stores behind the ports, and the locations of compiled code and the master key.
#[derive(Debug)]
pub struct Stores {
    pub(crate) outbox: Arc<dyn Outbox>,
    pub(crate) accounts: Arc<dyn Accounts>,
    pub(crate) tokens: Arc<dyn Tokens>,
    pub(crate) spools: FileSpools,
    pub(crate) clock: Arc<dyn Clock>,
    /// Directory of compiled code, and the key that seals it.
    pub(crate) kept: Option<(PathBuf, Zeroizing<[u8; 32]>)>,
    pub(crate) rotatable: KeyLocation,
}

impl Stores {
    /// Opens the stores on disk under `data`, and creates what is missing.
    ///
    /// # Errors
    /// If the directory is in use, cannot be read or written, or its master key is missing.
    pub fn on_disk(data: &Path, source: KeySource) -> anyhow::Result<Self> {
        private_dir(data)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let keys = match &source {
            KeySource::File(file) => {
                // A new key could not decrypt the stored data, and the old one may be found again.
                let databases = ["meta.db", "outbox.db"].map(|name| data.join(name));
                if !file.path().exists() && databases.iter().any(|file| file.exists()) {
                    anyhow::bail!(
                        "the master key {} is missing, but {} contains data that it encrypted: restore the key",
                        file.path().display(),
                        data.display()
                    );
                }
                let key = file.load_or_create();
                key.with_context(|| format!("the master key {}", file.path().display()))?
            }
            KeySource::Environment(keys) => keys.clone(),
        };
        let compiled = data.join("compiled");
        private_dir(&compiled)?;
        let seal = keys.current().derive(code_cache::LABEL);
        let sqlite = Sqlite::open(data, keys.clone(), Arc::clone(&clock))
            .with_context(|| format!("the store in {}", data.display()))?;
        if let Some(previous) = keys.previous() {
            CodeCache::new(compiled.clone(), previous.derive(code_cache::LABEL), u64::MAX)
                .reseal(seal.clone());
        }
        let kept = Some((compiled, seal));
        let rotatable = match source {
            KeySource::File(file) => {
                file.finish().context("the rotation of the master key")?;
                KeyLocation::File(file, sqlite.clone())
            }
            KeySource::Environment(_) => KeyLocation::Environment,
        };
        let spools = spools(&data.join("spool"))?;
        Ok(Self {
            outbox: Arc::new(sqlite.clone()),
            accounts: Arc::new(sqlite.clone()),
            tokens: Arc::new(sqlite),
            spools,
            clock,
            kept,
            rotatable,
        })
    }

    /// Creates a token before the host is built.
    ///
    /// # Errors
    /// If it cannot be stored.
    pub async fn token(
        &self,
        tenant: &TenantId,
        name: &str,
        scopes: &[Scope],
    ) -> anyhow::Result<Secret> {
        let minted = mint(&SystemEntropy);
        let token = Token {
            id: minted.id,
            tenant: tenant.clone(),
            name: Some(name.to_owned()),
            digest: minted.digest,
            scopes: scopes.to_vec(),
            accounts: None,
            created: self.clock.now(),
            expires: None,
        };
        self.tokens.create(&token).await.context("a token cannot be stored")?;
        Ok(minted.text)
    }

    /// The tenant of a token; none if the token is unknown or revoked.
    pub(crate) async fn holder(&self, text: &str) -> Option<TenantId> {
        let shown = PresentedToken::parse(&format!("Bearer {text}"))?;
        let token = self.tokens.get(&shown.id).await.ok()?;
        let proven = shown.proves(token.as_ref());
        token.filter(|_| proven).map(|token| token.tenant)
    }

    /// Stores in memory: nothing outlives the process. Large uploads go to unlinked files under
    /// `scratch`.
    ///
    /// # Errors
    /// If `scratch` cannot be written.
    pub fn in_memory(scratch: &Path) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let mut key = [0; 32];
        SystemEntropy.fill(&mut key);
        let memory = Memory::new(MasterKey::from_bytes(key), Arc::clone(&clock));
        let spools = spools(scratch)?;
        Ok(Self {
            outbox: Arc::new(memory.clone()),
            accounts: Arc::new(memory.clone()),
            tokens: Arc::new(memory),
            spools,
            clock,
            kept: None,
            rotatable: KeyLocation::Nothing,
        })
    }
}

/// Creates a directory with mode 0700: it holds mail, addresses and encrypted passwords.
fn private_dir(dir: &Path) -> anyhow::Result<()> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.with_context(|| format!("cannot create {}", dir.display()))?;
    let mode = std::fs::metadata(dir)
        .with_context(|| format!("cannot read {}", dir.display()))?
        .permissions()
        .mode();
    if mode & 0o077 != 0 {
        tracing::warn!(dir = %dir.display(), "other users of this machine can read the directory; change its mode to 700");
    }
    Ok(())
}

fn spools(dir: &Path) -> anyhow::Result<FileSpools> {
    private_dir(dir)?;
    FileSpools::new(dir, SpoolLimits::default())
        .with_context(|| format!("the spools in {}", dir.display()))
}
