//! Capabilities that refuse every call: the echo uses none.

use std::sync::Arc;

use model::caller::{Caller, Grant};
use model::future::BoxFuture;
use model::mail::draft::Draft;
use model::mail::mailbox::Mailbox;
use model::mail::message::{FlagChange, MessageQuery, Moved, Page, Summary};
use model::port::capabilities::{Capabilities, Message};
use model::port::spool::Spool;
use model::problem::{Code, Problem};
use model::submission::{Accepted, State, SubmissionStatus};

/// Refuses every call.
#[derive(Debug)]
pub(crate) struct Powerless;

type Answer<'a, T> = BoxFuture<'a, Result<T, Problem>>;
type Answers<'a, T> = BoxFuture<'a, Vec<Result<T, Problem>>>;

fn no() -> Problem {
    Problem::new(Code::NotFound, "there is nothing here")
}

fn none<'a, T: Send + 'a>() -> Answer<'a, T> {
    Box::pin(async { Err(no()) })
}

fn nothing<'a, T: Send + 'a>() -> Answers<'a, T> {
    Box::pin(async { Vec::new() })
}

impl Capabilities for Powerless {
    fn open_account<'a>(&'a self, _: &'a Arc<Caller>, _: &'a str) -> Answer<'a, Grant> {
        none()
    }
    fn find_messages<'a>(&'a self, _: &'a Grant, _: MessageQuery) -> Answer<'a, Page<Summary>> {
        none()
    }
    fn open_message<'a>(&'a self, _: &'a Grant, _: &'a str) -> Answer<'a, Arc<dyn Message>> {
        none()
    }
    fn change_flags<'a>(
        &'a self,
        _: &'a Grant,
        _: &'a [String],
        _: FlagChange,
    ) -> Answers<'a, Vec<String>> {
        nothing()
    }
    fn move_messages<'a>(
        &'a self,
        _: &'a Grant,
        _: &'a [String],
        _: &'a str,
    ) -> Answers<'a, Moved> {
        nothing()
    }
    fn copy_messages<'a>(
        &'a self,
        _: &'a Grant,
        _: &'a [String],
        _: &'a str,
    ) -> Answers<'a, Moved> {
        nothing()
    }
    fn trash<'a>(&'a self, _: &'a Grant, _: &'a [String]) -> Answers<'a, Moved> {
        nothing()
    }
    fn expunge_forever<'a>(&'a self, _: &'a Grant, _: &'a [String]) -> Answers<'a, ()> {
        nothing()
    }
    fn mailboxes<'a>(&'a self, _: &'a Grant, _: bool) -> Answer<'a, Vec<Mailbox>> {
        none()
    }
    fn submit<'a>(&'a self, _: &'a Grant, _: Draft) -> Answer<'a, Accepted> {
        none()
    }
    fn submission<'a>(&'a self, _: &'a Grant, _: &'a str) -> Answer<'a, SubmissionStatus> {
        none()
    }
    fn submissions<'a>(
        &'a self,
        _: &'a Grant,
        _: &'a [State],
        _: Option<&'a str>,
        _: u32,
    ) -> Answer<'a, Page<SubmissionStatus>> {
        none()
    }
    fn spool(&self, _: &Caller) -> Result<Box<dyn Spool>, Problem> {
        Err(no())
    }
}
