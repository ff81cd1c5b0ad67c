//! The wiring: the only place that names concrete types.
//!
//! A [`Host`] is everything behind the HTTP edge. `dev` builds one over memory,
//! `up` one over SQLite; nothing else differs.

use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context;
use engine::discovery::Discovery;
use engine::discovery::search::Network;
use engine::engine::Engine;
use engine::oauth::servers::Servers;
use engine::ports::Ports;
use engine::settings::Settings;
use mail::imap::{Imap, ImapLimits};
use mail::smtp::{Smtp, SmtpLimits};
use model::caller::Scope;
use model::ids::TenantId;
use model::port::accounts::Accounts;
use model::port::clock::{Clock, Entropy};
use model::port::outbox::Outbox;
use model::port::tokens::{Token, Tokens};
use model::secret::Secret;
use net::dial::Dialer;
use net::egress_guard::Egress;
use net::https_fetch::Fetcher;
use net::tls::Trust;
use runtime::Runtime;
use runtime::limits::concurrency::Counters;
use runtime::limits::{Limits as GuestLimits, Settings as RuntimeSettings};
use store::files::spools::{FileSpools, SpoolLimits};
use store::keys::seal::MasterKey;
use store::memory::Memory;
use store::sqlite::Sqlite;
use zeroize::Zeroizing;

use crate::api::accounts::handlers::AccountsApi;
use crate::api::accounts::rate_limit::VerifyRateLimiter;
use crate::api::key_rotation::{KeyLocation, Rotation};
use crate::api::metrics::Metrics;
use crate::auth::authenticator::Authenticator;
use crate::auth::tenant::TenantResolver;
use crate::auth::token_format::{PresentedToken, mint};
use crate::body_memory::BodyMemory;
use crate::compile::code_cache::CodeCache;
use crate::compile::{Compiler, code_cache};
use crate::config::discovery::Sources;
use crate::config::limits::{Compile, Limits, MailTimes, Outbox as OutboxConfig};
use crate::config::master_key::KeySource;
use crate::config::{TenantConfig, ehlo_name};
use crate::deploy;
use crate::deploy::application::Variables;
use crate::deploy::{DeployFault, Deployments};
use crate::os::clock::{SystemClock, SystemEntropy};
use crate::os::task::Tasks;

/// Everything behind the HTTP edge.
#[derive(Debug)]
pub struct Host {
    pub(crate) deployments: Deployments,
    pub(crate) runtime: Runtime,
    pub(crate) tenancy: TenantResolver,
    pub(crate) keyring: Authenticator,
    pub(crate) desk: AccountsApi,
    pub(crate) rotation: Rotation,
    pub(crate) engine: Arc<Engine>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) limits: Limits,
    pub(crate) clock: Arc<dyn Clock>,
    /// For its condition and its figures; submissions are the engine's.
    pub(crate) outbox: Arc<dyn Outbox>,
    pub(crate) metrics: Metrics,
    pub(crate) budget: BodyMemory,
    /// Told to stop: what was begun is finished, and no load balancer should send more.
    pub(crate) stopping: AtomicBool,
}

/// What a host is built from.
#[derive(Debug)]
pub struct HostConfig {
    /// Whom it serves.
    pub tenants: Vec<TenantConfig>,
    /// The binary that compiles components when it is run as a child: this one.
    pub program: PathBuf,
    /// Which servers may be dialled.
    pub egress: Egress,
    /// PEM certificates trusted beside the public ones.
    pub extra_roots: Option<Vec<u8>>,
    /// Caps on requests.
    pub limits: Limits,
    /// What compiling a tenant's component may cost.
    pub compile: Compile,
    /// When submissions are tried again.
    pub outbox: OutboxConfig,
    /// How long mail servers may take.
    pub mail: MailTimes,
    /// The name or address literal that EHLO shows, where one was chosen.
    pub ehlo_name: Option<String>,
    /// How mail servers are found.
    pub sources: Sources,
    /// Who gives tokens for mailboxes without a password.
    pub authorization: Servers,
}

/// What is stored, and where.
#[derive(Debug)]
pub struct Stores {
    outbox: Arc<dyn Outbox>,
    accounts: Arc<dyn Accounts>,
    tokens: Arc<dyn Tokens>,
    spools: FileSpools,
    clock: Arc<dyn Clock>,
    /// Where compiled code is kept, and the key of its seal.
    kept: Option<(PathBuf, Zeroizing<[u8; 32]>)>,
    rotatable: KeyLocation,
}

impl Stores {
    /// Everything on disk under `data`.
    ///
    /// # Errors
    /// When the directory is in use, or cannot be read or written.
    pub fn on_disk(data: &Path, source: KeySource) -> anyhow::Result<Self> {
        private_dir(data)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let keys = match &source {
            KeySource::File(file) => {
                // A new key could open nothing of what is there; and the old one may still be found.
                let databases = ["meta.db", "outbox.db"].map(|name| data.join(name));
                if !file.path().exists() && databases.iter().any(|file| file.exists()) {
                    anyhow::bail!(
                        "the master key {} is missing, but {} holds data that it sealed: bring the key back",
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

    /// Makes a token before there is a host.
    ///
    /// # Errors
    /// When it cannot be stored.
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

    /// Whose token this is; none when it is not one of this host, or not any more.
    pub(crate) async fn holder(&self, text: &str) -> Option<TenantId> {
        let shown = PresentedToken::parse(&format!("Bearer {text}"))?;
        let token = self.tokens.get(&shown.id).await.ok()?;
        let proven = shown.proves(token.as_ref());
        token.filter(|_| proven).map(|token| token.tenant)
    }

    /// Nothing outlives the process; large uploads go to unnamed files under `scratch`.
    ///
    /// # Errors
    /// When `scratch` cannot be written.
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

/// Mail, addresses and sealed passwords lie here: nobody else on the machine may look.
fn private_dir(dir: &Path) -> anyhow::Result<()> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.with_context(|| format!("cannot make {}", dir.display()))?;
    let mode = std::fs::metadata(dir)
        .with_context(|| format!("cannot read {}", dir.display()))?
        .permissions()
        .mode();
    if mode & 0o077 != 0 {
        tracing::warn!(dir = %dir.display(), "others on this machine can read the directory; `chmod 700` it");
    }
    Ok(())
}

fn spools(dir: &Path) -> anyhow::Result<FileSpools> {
    private_dir(dir)?;
    FileSpools::new(dir, SpoolLimits::default())
        .with_context(|| format!("the spools in {}", dir.display()))
}

/// Where this binary lies. Linux keeps it reachable even after it was replaced on disk.
///
/// # Errors
/// When the system does not say.
pub(crate) fn this_program() -> anyhow::Result<PathBuf> {
    let kept = Path::new("/proc/self/exe");
    if kept.exists() {
        return Ok(kept.to_owned());
    }
    std::env::current_exe().context("cannot find this program")
}

fn discovery(sources: Sources, dialer: &Arc<Dialer>, clock: &Arc<dyn Clock>) -> Discovery {
    let network = sources.network.then(|| Network {
        resolve: dialer.clone(),
        fetch: Arc::new(Fetcher::foreign(Arc::clone(dialer))),
        ispdb: sources.ispdb,
        database: Arc::new(Fetcher::configured(Arc::clone(dialer))),
        autodiscover: sources.autodiscover,
        https_port: sources.https_port,
        limit: sources.limit,
    });
    Discovery::new(sources.providers, sources.tenants, network, Arc::clone(clock))
}

impl Host {
    /// Builds a tenant's application beside the running one, then swaps them.
    ///
    /// # Errors
    /// With file, line and key of what is wrong; then what runs goes on running.
    pub async fn deploy(
        &self,
        tenant: &TenantId,
        manifest: &Path,
        given: &Variables,
    ) -> Result<(), DeployFault> {
        self.deployments.deploy(tenant, manifest, given).await
    }

    /// Delivers what was accepted, until `stop`. Only one may run on a data directory.
    pub async fn deliver(self: Arc<Self>, stop: impl Future<Output = ()> + Send) {
        Arc::clone(&self.engine).deliver_forever(stop).await;
    }

    /// How component instances fared so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.runtime.counters()
    }

    /// Children that were started to compile a component.
    #[must_use]
    pub fn children(&self) -> u64 {
        self.metrics.children.get()
    }

    /// Compiles the components and connects everything.
    ///
    /// # Errors
    /// When the configuration cannot be honoured on this machine.
    pub async fn build(parts: HostConfig, stores: Stores) -> anyhow::Result<Arc<Self>> {
        let HostConfig {
            tenants,
            program,
            egress,
            extra_roots,
            limits,
            compile,
            outbox,
            mail,
            ehlo_name,
            sources,
            authorization,
        } = parts;
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let trust = Trust::new(extra_roots.as_deref()).context("`tls.extra-roots`")?;
        let mut dialer = Dialer::new(egress, trust);
        if !sources.name_servers.is_empty() {
            dialer = dialer.with_name_servers(&sources.name_servers);
        }
        let dialer = Arc::new(dialer);
        let hello = match ehlo_name {
            Some(chosen) => Some(chosen),
            None => ehlo_name::of_machine(&*dialer).await,
        };
        let runtime = Runtime::new(RuntimeSettings {
            tenants: u32::try_from(tenants.len()).unwrap_or(u32::MAX),
            instances: limits.instances,
            stranger_instances: (limits.instances / 2).max(2),
            tenant_memory: limits.tenant_memory,
            stranger_memory: (limits.tenant_memory / 2).max(limits.memory),
            ..RuntimeSettings::default()
        })
        .context("the WebAssembly runtime")?;
        let keeper = stores
            .kept
            .filter(|_| compile.cache > 0)
            .map(|(directory, key)| CodeCache::new(directory, key, compile.cache));
        let rotation = Rotation::new(stores.rotatable, keeper.clone());
        // In children too: what a compiler leaves behind in memory goes with it.
        let trusted = Compiler::new(program.clone(), Compile::default(), keeper.clone());
        let (mime, embedded) = tokio::join!(
            trusted.compile(&runtime, "mime", components::MIME),
            deploy::embedded(&trusted, &runtime)
        );
        let mime = mime.context("the mime component")?.component;
        let spools = Arc::new(stores.spools);
        let mime = runtime.mime(&mime, spools.clone()).context("the mime component")?;
        let own_tokens = Arc::new(Fetcher::foreign(Arc::clone(&dialer)));
        let queue = stores.outbox;
        let ports = Ports {
            clock: Arc::clone(&stores.clock),
            entropy: Arc::clone(&entropy),
            imap: Arc::new(Imap::new(
                dialer.clone(),
                ImapLimits {
                    greeting: mail.imap_idle.min(ImapLimits::default().greeting),
                    command: mail.imap_idle,
                    total: mail.imap_command,
                    ..ImapLimits::default()
                },
            )),
            smtp: Arc::new(Smtp::new(
                dialer.clone(),
                hello.as_deref().unwrap_or_default(),
                SmtpLimits {
                    greeting: mail.smtp_step,
                    command: mail.smtp_step,
                    data: mail.smtp_step * 2,
                    final_dot: mail.final_dot,
                    ..SmtpLimits::default()
                },
            )),
            mime: Arc::new(mime),
            outbox: Arc::clone(&queue),
            accounts: Arc::clone(&stores.accounts),
            spools,
            profiles: Arc::clone(&sources.providers),
            discovery: Arc::new(discovery(sources, &dialer, &stores.clock)),
            background: Arc::new(Tasks),
            tokens: Arc::new(Fetcher::configured(Arc::clone(&dialer))),
            own_tokens: own_tokens.clone(),
            authorization: Arc::new(authorization),
        };
        let engine = Engine::new(
            ports,
            Settings {
                backoff: outbox.retry,
                give_up_after: outbox.give_up,
                keep: outbox.keep,
                deliveries: outbox.deliveries,
                deliveries_per_account: outbox.deliveries_per_account,
                lookups: limits.lookups,
                ..Settings::default()
            },
        );
        let guest = GuestLimits {
            memory: limits.memory,
            cpu: limits.cpu,
            idle: limits.idle,
            total: limits.total,
            request_body: limits.body,
            ..GuestLimits::default()
        };
        let compiler = Compiler::new(program, compile, keeper);
        let children = compiler.children().clone();
        let deployments =
            Deployments::new(runtime.clone(), Arc::clone(&engine), guest, compiler, embedded?)?;
        for tenant in &tenants {
            let Some(path) = &tenant.application else { continue };
            // One tenant's mistake must not keep the others from their mail.
            if let Err(fault) = deployments.deploy(&tenant.id, path, &tenant.variables).await {
                let id = tenant.id.as_str();
                tracing::error!(
                    tenant = id,
                    "not deployed, only the default application is: {fault}"
                );
                deployments.install_blocking_filters(&tenant.id, path, fault.to_string()).await;
            }
        }
        let tenancy = TenantResolver::new(&tenants);
        let ids: Vec<TenantId> = tenants.into_iter().map(|tenant| tenant.id).collect();
        let budget = BodyMemory::new(&ids);
        let tries = VerifyRateLimiter::new(&ids, limits.tries, Arc::clone(&stores.clock));
        let keyring = Authenticator::new(
            stores.tokens,
            Arc::clone(&stores.accounts),
            Arc::clone(&stores.clock),
            Arc::clone(&entropy),
            ids,
        );
        let desk = AccountsApi {
            accounts: stores.accounts,
            engine: Arc::clone(&engine),
            dialer,
            own_tokens,
            entropy: Arc::clone(&entropy),
            tries,
        };
        Ok(Arc::new(Self {
            deployments,
            runtime: runtime.clone(),
            tenancy,
            keyring,
            desk,
            rotation,
            engine,
            entropy,
            limits,
            clock: stores.clock,
            outbox: queue,
            metrics: Metrics::new(runtime, children),
            budget,
            stopping: AtomicBool::new(false),
        }))
    }
}
