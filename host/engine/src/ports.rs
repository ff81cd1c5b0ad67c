//! The ports that the engine depends on: no socket, no disk, no clock of its own.

use std::sync::Arc;

use model::port::accounts::Accounts;
use model::port::clock::{Clock, Entropy};
use model::port::imap::ImapConnect;
use model::port::mime::Mime;
use model::port::outbox::Outbox;
use model::port::smtp::SmtpConnect;
use model::port::spawner::Spawner;
use model::port::spool::Spools;
use model::port::token_endpoint::TokenEndpoint;

use crate::discovery::Discovery;
use crate::oauth::servers::Servers;
use crate::providers::Profiles;

/// One implementation of each port.
#[derive(Clone, Debug)]
pub struct Ports {
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub imap: Arc<dyn ImapConnect>,
    pub smtp: Arc<dyn SmtpConnect>,
    pub mime: Arc<dyn Mime>,
    pub outbox: Arc<dyn Outbox>,
    /// Accounts and their encrypted credentials.
    pub accounts: Arc<dyn Accounts>,
    /// Temporary storage of uploads.
    pub spools: Arc<dyn Spools>,
    /// Runs tasks that must not be cancelled.
    pub background: Arc<dyn Spawner>,
    /// Token endpoints of authorization servers: the operator configured them.
    pub tokens: Arc<dyn TokenEndpoint>,
    /// Token URLs of tenants.
    pub own_tokens: Arc<dyn TokenEndpoint>,
    /// Configured authorization servers. Not a port: plain configuration.
    pub authorization: Arc<Servers>,
    /// The provider table. Not a port: a table that was built at start.
    pub profiles: Arc<Profiles>,
    /// Discovery, for domains that are not in the table too.
    pub discovery: Arc<Discovery>,
}
