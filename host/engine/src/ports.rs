//! Everything that the engine may reach: no socket, no disk, no clock of its own.

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
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
    /// Reading mail.
    pub imap: Arc<dyn ImapConnect>,
    /// Sending mail.
    pub smtp: Arc<dyn SmtpConnect>,
    /// The parser and writer of mail.
    pub mime: Arc<dyn Mime>,
    /// What was accepted for sending.
    pub outbox: Arc<dyn Outbox>,
    /// Accounts and their sealed credentials.
    pub accounts: Arc<dyn Accounts>,
    /// Places for uploads.
    pub spools: Arc<dyn Spools>,
    /// Runs what must come to its end.
    pub background: Arc<dyn Spawner>,
    /// Where authorization servers give tokens: the operator names them.
    pub tokens: Arc<dyn TokenEndpoint>,
    /// Where tenants' own addresses give tokens.
    pub own_tokens: Arc<dyn TokenEndpoint>,
    /// Who gives tokens. No port: it stands in the configuration.
    pub authorization: Arc<Servers>,
    /// What is known about mail services. No port: a table that was made at start.
    pub profiles: Arc<Profiles>,
    /// The same and more, for domains that are not in the table.
    pub discovery: Arc<Discovery>,
}
