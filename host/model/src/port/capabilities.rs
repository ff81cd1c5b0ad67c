//! The port of component capabilities. `engine` implements it; `runtime` calls it for the imports
//! of a component, and converts every result unchanged.
//!
//! Invariant: a [`Grant`] comes only from [`Capabilities::open_account`], and every method checks
//! the scope that it needs.

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
use crate::submission::{Accepted, State, SubmissionStatus};

/// The capabilities behind a component's imports.
pub trait Capabilities: Send + Sync + fmt::Debug {
    /// Opens an account. Unknown, another tenant's, or not granted: always `no-such-account`.
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
    /// Opens one message; its content is fetched lazily.
    fn open_message<'a>(
        &'a self,
        grant: &'a Grant,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Arc<dyn Message>, Problem>>;
    /// Changes flags; one result per key, in order, with the flags afterwards.
    fn change_flags<'a>(
        &'a self,
        grant: &'a Grant,
        keys: &'a [String],
        change: FlagChange,
    ) -> BoxFuture<'a, Vec<Result<Vec<String>, Problem>>>;
    /// Moves messages; one result per key, in order.
    fn move_messages<'a>(
        &'a self,
        grant: &'a Grant,
        keys: &'a [String],
        mailbox: &'a str,
    ) -> BoxFuture<'a, Vec<Result<Moved, Problem>>>;
    /// Copies messages; one result per key, in order.
    fn copy_messages<'a>(
        &'a self,
        grant: &'a Grant,
        keys: &'a [String],
        mailbox: &'a str,
    ) -> BoxFuture<'a, Vec<Result<Moved, Problem>>>;
    /// Moves to the mailbox with the role `\Trash`; one result per key, in order.
    fn trash<'a>(
        &'a self,
        grant: &'a Grant,
        keys: &'a [String],
    ) -> BoxFuture<'a, Vec<Result<Moved, Problem>>>;
    /// Destroys messages; one result per key, in order.
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

    /// Accepts a submission; durable on return.
    fn submit<'a>(
        &'a self,
        grant: &'a Grant,
        draft: Draft,
    ) -> BoxFuture<'a, Result<Accepted, Problem>>;
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

    /// Server discovery for a domain; none by default. Public knowledge, so it needs no account.
    /// Only the domain leaves the host.
    fn discover<'a>(
        &'a self,
        _caller: &'a Caller,
        _domain: &'a str,
    ) -> BoxFuture<'a, Result<DiscoveryResult, Problem>> {
        Box::pin(async { Ok(DiscoveryResult::default()) })
    }

    /// A spool for an upload, charged to the caller's tenant.
    fn spool(&self, caller: &Caller) -> Result<Box<dyn Spool>, Problem>;
}

/// One message. The first call that needs the bytes fetches them; later calls reuse them.
pub trait Message: Send + Sync + fmt::Debug {
    /// Known without a fetch.
    fn summary(&self) -> Summary;
    /// Every header field.
    fn headers(&self) -> BoxFuture<'_, Result<Vec<Header>, Problem>>;
    /// Reply-To, Bcc, In-Reply-To, References.
    fn details(&self) -> BoxFuture<'_, Result<ReplyHeaders, Problem>>;
    /// The MIME structure, depth first.
    fn structure(&self) -> BoxFuture<'_, Result<Vec<Part>, Problem>>;
    /// What could not be parsed or shown, and why; `/html` is the pointer of the HTML body.
    fn faults(&self) -> BoxFuture<'_, Result<Vec<Fault>, Problem>>;
    /// A body, truncated to `limit` bytes at a character boundary.
    fn body(&self, kind: Body, limit: u32) -> BoxFuture<'_, Result<Option<String>, Problem>>;
    /// A part, with its transfer encoding removed.
    fn part<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Octets, Problem>>;
    /// The message as stored in the mailbox.
    fn raw(&self) -> BoxFuture<'_, Result<Octets, Problem>>;
}

/// The kind of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Body {
    /// Plain text, made from the HTML body where there is no other.
    Text,
    /// Sanitised HTML.
    Html,
    /// HTML as received: never show it in a browser.
    HtmlAsSent,
}
