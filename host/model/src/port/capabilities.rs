//! The ports of component capabilities: a trait for each interface that components import. `engine`
//! implements them; `runtime` calls them for the imports of a component, and converts every result
//! unchanged.
//!
//! A method without an implementation answers that it is not supported, so that a fake has only the
//! methods that its test needs.
//!
//! Invariant: a [`Grant`] comes only from [`AccountAccess::open_account`], and every method checks
//! the scope that it needs.

use std::fmt;
use std::future::ready;
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
use crate::problem::{Code, Fault, Problem};
use crate::submission::{Accepted, State, SubmissionStatus};

/// The capabilities behind a component's imports.
pub trait Capabilities:
    AccountAccess + Messages + Mailboxes + Submissions + Providers + Uploads + fmt::Debug
{
}

impl<T> Capabilities for T where
    T: AccountAccess + Messages + Mailboxes + Submissions + Providers + Uploads + fmt::Debug
{
}

/// What a method returns.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, Problem>>;

/// One answer for each key, in order.
pub type Answers<'a, T> = BoxFuture<'a, Vec<Result<T, Problem>>>;

/// The interface `accounts`.
pub trait AccountAccess: Send + Sync {
    /// Opens an account. Unknown, another tenant's, or not granted: always `no-such-account`.
    fn open_account<'a>(&'a self, _caller: &'a Arc<Caller>, _id: &'a str) -> Answer<'a, Grant> {
        unsupported()
    }
}

/// The interface `messages`.
pub trait Messages: Send + Sync {
    /// A page of a mailbox, newest first.
    fn find_messages<'a>(
        &'a self,
        _grant: &'a Grant,
        _query: MessageQuery,
    ) -> Answer<'a, Page<Summary>> {
        unsupported()
    }
    /// Opens one message; its content is fetched lazily.
    fn open_message<'a>(
        &'a self,
        _grant: &'a Grant,
        _key: &'a str,
    ) -> Answer<'a, Arc<dyn Message>> {
        unsupported()
    }
    /// Changes flags; the answers are the flags afterwards.
    fn change_flags<'a>(
        &'a self,
        _grant: &'a Grant,
        keys: &'a [String],
        _change: FlagChange,
    ) -> Answers<'a, Vec<String>> {
        each_unsupported(keys)
    }
    /// Moves messages.
    fn move_messages<'a>(
        &'a self,
        _grant: &'a Grant,
        keys: &'a [String],
        _mailbox: &'a str,
    ) -> Answers<'a, Moved> {
        each_unsupported(keys)
    }
    /// Copies messages.
    fn copy_messages<'a>(
        &'a self,
        _grant: &'a Grant,
        keys: &'a [String],
        _mailbox: &'a str,
    ) -> Answers<'a, Moved> {
        each_unsupported(keys)
    }
    /// Moves to the mailbox with the role `\Trash`.
    fn trash<'a>(&'a self, _grant: &'a Grant, keys: &'a [String]) -> Answers<'a, Moved> {
        each_unsupported(keys)
    }
    /// Destroys messages.
    fn expunge_forever<'a>(&'a self, _grant: &'a Grant, keys: &'a [String]) -> Answers<'a, ()> {
        each_unsupported(keys)
    }
}

/// The interface `mailboxes`.
pub trait Mailboxes: Send + Sync {
    /// Every mailbox of the account.
    fn mailboxes<'a>(
        &'a self,
        _grant: &'a Grant,
        _with_counters: bool,
    ) -> Answer<'a, Vec<Mailbox>> {
        unsupported()
    }
}

/// The interface `submission`.
pub trait Submissions: Send + Sync {
    /// Accepts a submission; durable on return.
    fn submit<'a>(&'a self, _grant: &'a Grant, _draft: Draft) -> Answer<'a, Accepted> {
        unsupported()
    }
    /// One submission.
    fn submission<'a>(&'a self, _grant: &'a Grant, _id: &'a str) -> Answer<'a, SubmissionStatus> {
        unsupported()
    }
    /// Newest first.
    fn submissions<'a>(
        &'a self,
        _grant: &'a Grant,
        _states: &'a [State],
        _cursor: Option<&'a str>,
        _limit: u32,
    ) -> Answer<'a, Page<SubmissionStatus>> {
        unsupported()
    }
}

/// The interface `providers`.
pub trait Providers: Send + Sync {
    /// Server discovery for a domain. Public knowledge, so it needs no account. Only the domain
    /// leaves the host.
    fn discover<'a>(
        &'a self,
        _caller: &'a Caller,
        _domain: &'a str,
    ) -> Answer<'a, DiscoveryResult> {
        unsupported()
    }
}

/// The interface `uploads`.
pub trait Uploads: Send + Sync {
    /// A spool for an upload, charged to the caller's tenant.
    fn spool(&self, _caller: &Caller) -> Result<Box<dyn Spool>, Problem> {
        Err(not_here())
    }
}

fn unsupported<'a, T: Send + 'a>() -> Answer<'a, T> {
    Box::pin(ready(Err(not_here())))
}

fn each_unsupported<'a, T: Send + 'a>(keys: &[String]) -> Answers<'a, T> {
    Box::pin(ready(keys.iter().map(|_| Err(not_here())).collect()))
}

fn not_here() -> Problem {
    Problem::new(Code::UpstreamUnsupported, "this capability is not supported here")
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
