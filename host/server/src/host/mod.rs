//! Composition root: builds a host from its configuration and stores.
//!
//! The only place that names the concrete types behind the ports. A [`Host`] is everything behind the
//! HTTP listener. `dev` builds one with stores in memory, `up` one with SQLite; nothing else differs.

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
use model::ids::TenantId;
use model::port::clock::{Clock, Entropy};
use net::dial::Dialer;
use net::egress_guard::Egress;
use net::https_fetch::Fetcher;
use net::tls::Trust;
use runtime::Runtime;
use runtime::limits::concurrency::Counters;
use runtime::limits::{Limits as GuestLimits, Settings as RuntimeSettings};

use crate::api::accounts::handlers::AccountsApi;
use crate::api::accounts::rate_limit::VerifyRateLimiter;
use crate::api::host_api::HostApi;
use crate::api::key_rotation::Rotation;
use crate::api::metrics::Metrics;
use crate::api::routes;
use crate::api::routes::HostRoutes;
use crate::auth::authenticator::Authenticator;
use crate::auth::tenant::TenantResolver;
use crate::body_memory::BodyMemory;
use crate::compile::Compiler;
use crate::compile::code_cache::CodeCache;
use crate::config::discovery::Sources;
use crate::config::limits::{Compile, Limits, MailTimes, Outbox as OutboxConfig};
use crate::config::{TenantConfig, ehlo_name};
use crate::deploy;
use crate::deploy::application::Variables;
use crate::deploy::{DeployFault, Deployments};
use crate::host::stores::Stores;
use crate::os::clock::SystemEntropy;
use crate::os::task::Tasks;

pub mod stores;

/// Everything behind the HTTP listener.
#[derive(Debug)]
pub struct Host {
    /// The host's own routes, and what their handlers use.
    pub(crate) routes: HostRoutes,
    pub(crate) api: HostApi,
    pub(crate) runtime: Runtime,
    pub(crate) tenants: TenantResolver,
    pub(crate) engine: Arc<Engine>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) limits: Limits,
    pub(crate) body_memory: BodyMemory,
}

/// Configuration of a host.
#[derive(Debug)]
pub struct HostConfig {
    /// The tenants that it serves.
    pub tenants: Vec<TenantConfig>,
    /// The executable that compiles components as a child process: this one.
    pub program: PathBuf,
    /// Egress rules: the servers that may be connected to.
    pub egress: Egress,
    /// PEM certificates trusted in addition to the public roots.
    pub extra_roots: Option<Vec<u8>>,
    /// Limits of requests.
    pub limits: Limits,
    /// Limits of compiling a tenant's component.
    pub compile: Compile,
    /// Retry schedule and concurrency of deliveries.
    pub outbox: OutboxConfig,
    /// Time limits of mail servers.
    pub mail: MailTimes,
    /// Argument of EHLO (RFC 5321 §4.1.1.1): a domain or address literal; none to detect it.
    pub ehlo_name: Option<String>,
    /// Sources of server discovery.
    pub sources: Sources,
    /// OAuth 2 authorization servers.
    pub authorization: Servers,
}

/// Path of the running executable. On Linux it stays valid after the file is replaced on disk.
///
/// # Errors
/// If the system does not report it.
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
    /// Builds a tenant's application, then replaces the running one atomically.
    ///
    /// # Errors
    /// With file, line and key of the fault; the running application stays.
    pub async fn deploy(
        &self,
        tenant: &TenantId,
        manifest: &Path,
        given: &Variables,
    ) -> Result<(), DeployFault> {
        self.api.deployments.deploy(tenant, manifest, given).await
    }

    /// Delivers accepted submissions until `stop` completes. Only one may run on a data directory.
    pub async fn deliver(self: Arc<Self>, stop: impl Future<Output = ()> + Send) {
        Arc::clone(&self.engine).deliver_forever(stop).await;
    }

    /// Counters of component instances since the start.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.runtime.counters()
    }

    /// Number of child processes started to compile a component.
    #[must_use]
    pub fn children(&self) -> u64 {
        self.api.metrics.children.get()
    }

    /// Compiles the embedded components, builds the engine, and deploys the tenants' applications.
    ///
    /// # Errors
    /// If the configuration cannot be used on this machine. A tenant's application that does not deploy
    /// is logged instead.
    pub async fn build(config: HostConfig, stores: Stores) -> anyhow::Result<Arc<Self>> {
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let dialer = Arc::new(dialer(&config)?);
        let runtime = Runtime::new(runtime_settings(&config)).context("the WebAssembly runtime")?;
        let compile = config.compile;
        let cache = stores
            .kept
            .filter(|_| compile.cache > 0)
            .map(|(directory, key)| CodeCache::new(directory, key, compile.cache));
        let rotation = Rotation::new(stores.rotatable, cache.clone());
        // Embedded components are compiled in child processes too: the compiler's memory is returned
        // when the child ends.
        let trusted = Compiler::new(config.program.clone(), Compile::default(), cache.clone());
        let compiler = Compiler::new(config.program.clone(), compile, cache);
        let children = compiler.children().clone();
        let (mime, default) = tokio::join!(
            trusted.compile(&runtime, None, "mime", components::MIME),
            deploy::embedded(&trusted, &runtime)
        );
        let mime = mime.context("the mime component")?.component;
        let spools = Arc::new(stores.spools);
        let mime = runtime.mime(&mime, spools.clone()).context("the mime component")?;
        let own_tokens = Arc::new(Fetcher::foreign(Arc::clone(&dialer)));
        let greeting_name = match &config.ehlo_name {
            Some(chosen) => Some(chosen.clone()),
            None => ehlo_name::of_machine(&*dialer).await,
        };
        let settings = engine_settings(&config);
        let ports = Ports {
            clock: Arc::clone(&stores.clock),
            entropy: Arc::clone(&entropy),
            imap: Arc::new(Imap::new(dialer.clone(), imap_limits(&config.mail))),
            smtp: Arc::new(Smtp::new(
                dialer.clone(),
                greeting_name.as_deref().unwrap_or_default(),
                smtp_limits(&config.mail),
            )),
            mime: Arc::new(mime),
            outbox: Arc::clone(&stores.outbox),
            accounts: Arc::clone(&stores.accounts),
            spools,
            profiles: Arc::clone(&config.sources.providers),
            discovery: Arc::new(discovery(config.sources, &dialer, &stores.clock)),
            background: Arc::new(Tasks),
            tokens: Arc::new(Fetcher::configured(Arc::clone(&dialer))),
            own_tokens: own_tokens.clone(),
            authorization: Arc::new(config.authorization),
        };
        let engine = Engine::new(ports, settings);
        let limits = config.limits;
        let deployments = Deployments::new(
            runtime.clone(),
            Arc::clone(&engine),
            guest_limits(&limits),
            compiler,
            default?,
            routes::operations()?,
        )?;
        deploy_applications(&deployments, &config.tenants).await;
        let tenants = TenantResolver::new(&config.tenants);
        let ids: Vec<TenantId> = config.tenants.into_iter().map(|tenant| tenant.id).collect();
        let body_memory = BodyMemory::new(Arc::clone(&stores.clock));
        let tries = VerifyRateLimiter::new(limits.tries, Arc::clone(&stores.clock));
        let authenticator =
            Authenticator::new(stores.tokens, Arc::clone(&stores.clock), Arc::clone(&entropy), ids);
        let accounts = AccountsApi {
            accounts: stores.accounts,
            engine: Arc::clone(&engine),
            dialer,
            own_tokens,
            entropy: Arc::clone(&entropy),
            tries,
        };
        let api = HostApi {
            accounts,
            authenticator,
            deployments,
            rotation,
            metrics: Metrics::new(runtime.clone(), children),
            outbox: stores.outbox,
            clock: stores.clock,
            stopping: AtomicBool::new(false),
        };
        Ok(Arc::new(Self {
            routes: routes::by_path()?,
            api,
            runtime,
            tenants,
            engine,
            entropy,
            limits,
            body_memory,
        }))
    }
}

fn dialer(config: &HostConfig) -> anyhow::Result<Dialer> {
    let trust = Trust::new(config.extra_roots.as_deref()).context("`tls.extra-roots`")?;
    let dialer = Dialer::new(config.egress.clone(), trust);
    let name_servers = &config.sources.name_servers;
    Ok(if name_servers.is_empty() { dialer } else { dialer.with_name_servers(name_servers) })
}

fn runtime_settings(config: &HostConfig) -> RuntimeSettings {
    let limits = &config.limits;
    RuntimeSettings {
        tenants: u32::try_from(config.tenants.len()).unwrap_or(u32::MAX),
        instances: limits.instances,
        stranger_instances: (limits.instances / 2).max(2),
        tenant_memory: limits.tenant_memory,
        stranger_memory: (limits.tenant_memory / 2).max(limits.memory),
        ..RuntimeSettings::default()
    }
}

fn guest_limits(limits: &Limits) -> GuestLimits {
    GuestLimits {
        memory: limits.memory,
        cpu: limits.cpu,
        idle: limits.idle,
        total: limits.total,
        request_body: limits.body,
        ..GuestLimits::default()
    }
}

fn engine_settings(config: &HostConfig) -> Settings {
    let outbox = &config.outbox;
    Settings {
        backoff: outbox.retry.clone(),
        give_up_after: outbox.give_up,
        keep: outbox.keep,
        deliveries: outbox.deliveries,
        deliveries_per_account: outbox.deliveries_per_account,
        lookups: config.limits.lookups,
        ..Settings::default()
    }
}

fn imap_limits(mail: &MailTimes) -> ImapLimits {
    ImapLimits {
        greeting: mail.imap_idle.min(ImapLimits::default().greeting),
        command: mail.imap_idle,
        total: mail.imap_command,
        ..ImapLimits::default()
    }
}

fn smtp_limits(mail: &MailTimes) -> SmtpLimits {
    SmtpLimits {
        greeting: mail.smtp_step,
        command: mail.smtp_step,
        data: mail.smtp_step * 2,
        final_dot: mail.final_dot,
        ..SmtpLimits::default()
    }
}

/// Deploys the tenants' applications. One that does not deploy is logged, and its tenant keeps the
/// default application: a fault of one tenant must not affect the others.
async fn deploy_applications(deployments: &Deployments, tenants: &[TenantConfig]) {
    for tenant in tenants {
        let Some(path) = &tenant.application else { continue };
        if let Err(fault) = deployments.deploy(&tenant.id, path, &tenant.variables).await {
            let id = tenant.id.as_str();
            tracing::error!(
                tenant = id,
                "the application is not deployed, only the default one is: {fault}"
            );
            deployments.install_blocking_filters(&tenant.id, path, fault.to_string()).await;
        }
    }
}
