//! The outbox worker: the dependencies of deliveries and of sent copies.

use std::sync::Arc;

use model::port::accounts::Accounts;
use model::port::clock::{Clock, Entropy};
use model::port::outbox::Outbox;
use model::port::smtp::SmtpConnect;
use tokio::sync::Notify;

use crate::imap_pool::Pool;
use crate::logins::Logins;
use crate::outbox::delivery_slots::DeliverySlots;
use crate::ports::Ports;
use crate::providers::Profiles;
use crate::settings::Settings;

/// One for each engine.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) outbox: Arc<dyn Outbox>,
    pub(crate) accounts: Arc<dyn Accounts>,
    pub(crate) smtp: Arc<dyn SmtpConnect>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) profiles: Arc<Profiles>,
    pub(crate) logins: Logins,
    /// Sessions that append copies of sent mail.
    pub(crate) pool: Arc<Pool>,
    pub(crate) slots: Arc<DeliverySlots>,
    /// Notified when a sent copy is pending.
    pub(crate) sent: Notify,
    pub(crate) settings: Settings,
}

impl Worker {
    pub(crate) fn new(
        ports: &Ports,
        logins: Logins,
        pool: Arc<Pool>,
        slots: Arc<DeliverySlots>,
        settings: Settings,
    ) -> Self {
        Self {
            outbox: Arc::clone(&ports.outbox),
            accounts: Arc::clone(&ports.accounts),
            smtp: Arc::clone(&ports.smtp),
            clock: Arc::clone(&ports.clock),
            entropy: Arc::clone(&ports.entropy),
            profiles: Arc::clone(&ports.profiles),
            logins,
            pool,
            slots,
            sent: Notify::new(),
            settings,
        }
    }
}
