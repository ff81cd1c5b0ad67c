//! What an endpoint can do. `engine` implements it; `runtime` calls it for the
//! imports of a component, and carries every answer across unchanged.
//!
//! Invariant: a [`Grant`] comes only from [`Capabilities::open_account`], and
//! every method checks the scope that it needs.

use std::fmt;
use std::sync::Arc;

use crate::caller::{Caller, Grant};
use crate::discovery::DiscoveryResult;
use crate::future::BoxFuture;
use crate::mail::draft::Draft;
use crate::mail::mailbox::Mailbox;
use crate::mail::message::{
    FlagChange, Header, MessageQuery, Moved, Page, Part, ReplyHeaders, Summary,
};
use crate::octets::Octets;
use crate::port::spool::Spool;
use crate::problem::{Fault, Problem};
use crate::submission::{Receipt, State, SubmissionStatus};

/// Everything that a component's imports lead to.
pub trait Capabilities: Send + Sync + fmt::Debug {
    /// Unknown, another tenant's, or not granted: always `no-such-account`.
    fn open_account<'a>(
        &'a self,
        caller: &'a Arc<Caller>,
        id: &'a str,
    ) -> BoxFuture<'a, Result<Grant, Problem>>;

    /// A page of a mailbox, newest first.
    fn find_messages<'a>(
        &'a self,
        grant: &'a Grant,
        query: MessageQuery,
    ) -> BoxFuture<'a, Result<Page<Summary>, Problem>>;
    /// One message, read lazily.
    fn open_message<'a>(
        &'a self,
        grant: &'a Grant,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Arc<dyn Message>, Problem>>;
    /// The flags afterwards; one answer per key, in order.
    fn change_flags<'a>(
        &'a self,
        grant: &'a Grant,
        keys: &'a [String],
        change: FlagChange,
    ) -> BoxFuture<'a, Vec<Result<Vec<String>, Problem>>>;
    /// One answer per key, in order.
    fn move_messages<'a>(
        &'a self,
        grant: &'a Grant,
        keys: &'a [String],
        mailbox: &'a str,
    ) -> BoxFuture<'a, Vec<Result<Moved, Problem>>>;
    /// One answer per key, in order.
    fn copy_messages<'a>(
        &'a self,
        grant: &'a Grant,
        keys: &'a [String],
        mailbox: &'a str,
    ) -> BoxFuture<'a, Vec<Result<Moved, Problem>>>;
    /// To the mailbox with the role `\Trash`; one answer per key, in order.
    fn trash<'a>(
        &'a self,
        grant: &'a Grant,
        keys: &'a [String],
    ) -> BoxFuture<'a, Vec<Result<Moved, Problem>>>;
    /// Destroys; one answer per key, in order.
    fn expunge_forever<'a>(
        &'a self,
        grant: &'a Grant,
        keys: &'a [String],
    ) -> BoxFuture<'a, Vec<Result<(), Problem>>>;

    /// Every mailbox of the account.
    fn mailboxes<'a>(
        &'a self,
        grant: &'a Grant,
        with_counters: bool,
    ) -> BoxFuture<'a, Result<Vec<Mailbox>, Problem>>;

    /// Durable when it answers.
    fn submit<'a>(
        &'a self,
        grant: &'a Grant,
        draft: Draft,
    ) -> BoxFuture<'a, Result<Receipt, Problem>>;
    /// One submission.
    fn submission<'a>(
        &'a self,
        grant: &'a Grant,
        id: &'a str,
    ) -> BoxFuture<'a, Result<SubmissionStatus, Problem>>;
    /// Newest first.
    fn submissions<'a>(
        &'a self,
        grant: &'a Grant,
        states: &'a [State],
        cursor: Option<&'a str>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Page<SubmissionStatus>, Problem>>;

    /// What can be found out about the mail service of a domain; by default nothing. Public knowledge,
    /// so it needs no account. Only the domain leaves the host.
    fn discover<'a>(
        &'a self,
        _caller: &'a Caller,
        _domain: &'a str,
    ) -> BoxFuture<'a, Result<DiscoveryResult, Problem>> {
        Box::pin(async { Ok(DiscoveryResult::default()) })
    }

    /// A place for an upload, charged to the caller's tenant.
    fn spool(&self, caller: &Caller) -> Result<Box<dyn Spool>, Problem>;
}

/// One message. The first call that needs the bytes fetches them; later ones use what is there.
pub trait Message: Send + Sync + fmt::Debug {
    /// Known from the start.
    fn summary(&self) -> Summary;
    /// Every header field.
    fn headers(&self) -> BoxFuture<'_, Result<Vec<Header>, Problem>>;
    /// Reply-To, Bcc, In-Reply-To, References.
    fn details(&self) -> BoxFuture<'_, Result<ReplyHeaders, Problem>>;
    /// The MIME structure, depth first.
    fn structure(&self) -> BoxFuture<'_, Result<Vec<Part>, Problem>>;
    /// What could not be read or shown, and why; `/html` is the pointer of the HTML body.
    fn faults(&self) -> BoxFuture<'_, Result<Vec<Fault>, Problem>>;
    /// A body, cut to `limit` bytes at a character.
    fn body(&self, kind: Body, limit: u32) -> BoxFuture<'_, Result<Option<String>, Problem>>;
    /// A part, decoded.
    fn part<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Octets, Problem>>;
    /// The bytes as they lie in the mailbox.
    fn raw(&self) -> BoxFuture<'_, Result<Octets, Problem>>;
}

/// Which body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Body {
    /// Plain text, made from the HTML where there is nothing else.
    Text,
    /// Sanitised.
    Html,
    /// Untouched: never show it in a browser.
    HtmlAsSent,
}
