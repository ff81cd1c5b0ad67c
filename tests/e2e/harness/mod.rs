//! What the tests drive Postlet with. In reading order.

pub(crate) mod wait;
#[allow(dead_code, reason = "other tests need more of it")]
pub(crate) mod proc;
pub(crate) mod http;
pub(crate) mod process;
pub(crate) mod imap;
pub(crate) mod kept;
pub(crate) mod site;
pub(crate) mod identity;
pub(crate) mod terminal;
pub(crate) mod mailroom;
pub(crate) mod hostile;
pub(crate) mod proxy;
pub(crate) mod smtp;
pub(crate) mod sink;
pub(crate) mod canary;
