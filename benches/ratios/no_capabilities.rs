//! Capabilities that refuse every call: the echo uses none.

use model::port::capabilities::{
    AccountAccess, Mailboxes, Messages, Providers, Submissions, Uploads,
};

/// Refuses every call.
#[derive(Debug)]
pub(crate) struct Powerless;

impl AccountAccess for Powerless {}
impl Messages for Powerless {}
impl Mailboxes for Powerless {}
impl Submissions for Powerless {}
impl Providers for Powerless {}
impl Uploads for Powerless {}
