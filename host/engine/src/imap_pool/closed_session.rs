//! Placeholder session of a lease without one: every command fails as lost.
//!
//! A mail server may accept only one connection of a user, so a session that is no longer usable
//! has to be closed before the next one opens.

use model::mail::mailbox::{Counters, Mailbox, MailboxName};
use model::mail::message::{Flag, FlagChange};
use model::octets::Octets;
use model::port::BoxFuture;
use model::port::imap::{
    AppendUid, CopyUid, FetchItem, FetchRow, ImapError, ImapSession, Messages, Removal, Selected,
    UidFlags,
};

/// Takes the place of a closed session.
#[derive(Debug)]
pub(crate) struct ClosedSession;

fn lost<'a, T: Send + 'a>() -> BoxFuture<'a, Result<T, ImapError>> {
    let gone = std::io::ErrorKind::NotConnected;
    Box::pin(std::future::ready(Err(ImapError::Lost(gone.into()))))
}

impl ImapSession for ClosedSession {
    fn has(&self, _: &str) -> bool {
        false
    }

    fn selected(&self) -> Option<&Selected> {
        None
    }

    fn select<'a>(&'a mut self, _: &'a MailboxName) -> BoxFuture<'a, Result<Selected, ImapError>> {
        lost()
    }

    fn list(&mut self) -> BoxFuture<'_, Result<Vec<Mailbox>, ImapError>> {
        lost()
    }

    fn counters<'a>(
        &'a mut self,
        _: &'a MailboxName,
    ) -> BoxFuture<'a, Result<Counters, ImapError>> {
        lost()
    }

    fn noop(&mut self) -> BoxFuture<'_, Result<(), ImapError>> {
        lost()
    }

    fn fetch<'a>(
        &'a mut self,
        _: &'a Messages,
        _: &'a [FetchItem],
        _: &'a mut Vec<FetchRow>,
    ) -> BoxFuture<'a, Result<(), ImapError>> {
        lost()
    }

    fn search_header<'a>(
        &'a mut self,
        _: &'static str,
        _: &'a str,
    ) -> BoxFuture<'a, Result<Vec<u32>, ImapError>> {
        lost()
    }

    fn store<'a>(
        &'a mut self,
        _: &'a [u32],
        _: &'a FlagChange,
    ) -> BoxFuture<'a, Result<Vec<UidFlags>, ImapError>> {
        lost()
    }

    fn move_to<'a>(
        &'a mut self,
        _: &'a [u32],
        _: &'a MailboxName,
    ) -> BoxFuture<'a, Result<Option<CopyUid>, ImapError>> {
        lost()
    }

    fn copy_to<'a>(
        &'a mut self,
        _: &'a [u32],
        _: &'a MailboxName,
    ) -> BoxFuture<'a, Result<Option<CopyUid>, ImapError>> {
        lost()
    }

    fn expunge_forever<'a>(&'a mut self, _: &'a [u32]) -> BoxFuture<'a, Result<(), ImapError>> {
        lost()
    }

    fn remove<'a>(&'a mut self, _: &'a [u32]) -> BoxFuture<'a, Result<Removal, ImapError>> {
        lost()
    }

    fn append<'a>(
        &'a mut self,
        _: &'a MailboxName,
        _: &'a [Flag],
        _: &'a Octets,
    ) -> BoxFuture<'a, Result<Option<AppendUid>, ImapError>> {
        lost()
    }

    fn logout(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}
