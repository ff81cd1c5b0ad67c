//! Fake capabilities that record their calls: one account, one message, one submission.

use std::io;
use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};
use engine::discovery::Discovery;
use model::account::Account;
use model::caller::{Caller, Grant};
use model::discovery::DiscoveryResult;
use model::future::BoxFuture;
use model::instant::Timestamp;
use model::mail::address::Address;
use model::mail::draft::Draft;
use model::mail::mailbox::Mailbox;
use model::mail::message::{
    FlagChange, Header, HeaderSummary, MailboxPosition, MessageQuery, Moved, Page, Part,
    ReplyHeaders, Summary, Usage,
};
use model::octets::{Octets, in_memory};
use model::port::capabilities::{
    AccountAccess, Answer, Answers, Body, Mailboxes, Message, Messages, Providers, Submissions,
    Uploads,
};
use model::port::spool::{Spool, SpoolError};
use model::problem::{Code, Fault, Problem};
use model::submission::{Accepted, Receipt, RecipientVerdict, SentCopy, State, SubmissionStatus};

/// The recorded calls, in order.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    pub(crate) discovery: Option<Discovery>,
    pub(crate) calls: Mutex<Vec<String>>,
    pub(crate) drafts: Mutex<Vec<Draft>>,
}

impl Desk {
    fn note(&self, call: String) {
        self.calls.lock().unwrap().push(call);
    }
}

/// More than one chunk, and not a multiple of one.
pub(crate) fn raw() -> Bytes {
    (0..200_001_u32).map(|at| (at % 251) as u8).collect::<Vec<_>>().into()
}

fn ready<'a, T: Send + 'a>(value: T) -> BoxFuture<'a, T> {
    Box::pin(async move { value })
}

fn summary() -> Summary {
    let person = |email: &str| vec![Address { name: None, email: email.to_owned() }];
    Summary {
        stored: Some(MailboxPosition {
            key: "k1".to_owned(),
            mailbox: "INBOX".to_owned(),
            uid: 7,
            received: Some(Timestamp::from_millis(0)),
            keywords: vec!["\\Seen".to_owned()],
        }),
        facts: HeaderSummary {
            message_id: Some("m@x".to_owned()),
            thread_id: "t".to_owned(),
            sender: person("ann@example.com"),
            to: person("bo@example.net"),
            subject: Some("Grüße".to_owned()),
            ..HeaderSummary::default()
        },
        size: Some(200_001),
        preview: None,
        has_attachments: None,
        unparsed: false,
        unavailable: false,
    }
}

fn receipt() -> Receipt {
    Receipt {
        submission: "sub_aaaaaaaaaaaaaaaa".parse().unwrap(),
        message_id: "m@x".to_owned(),
        state: State::DotSent,
        due: Timestamp::from_millis(1_500),
        warnings: vec!["the filter `f` was passed over".to_owned()],
    }
}

fn entry() -> SubmissionStatus {
    SubmissionStatus {
        receipt: receipt(),
        attempts: 2,
        recipients: vec![RecipientVerdict {
            recipient: "bo@example.net".parse().unwrap(),
            state: State::Deferred,
            reply: Some("451 later".to_owned()),
            at: None,
        }],
        possible_duplicate: true,
        last_error: None,
        sent_copy: Some(SentCopy::GivenUp),
        created: Timestamp::from_millis(0),
    }
}

impl AccountAccess for Desk {
    fn open_account<'a>(&'a self, caller: &'a Arc<Caller>, id: &'a str) -> Answer<'a, Grant> {
        if id != "ann" {
            return ready(Err(Problem::new(Code::NoSuchAccount, "there is none")));
        }
        let tenant = caller.tenant.clone();
        let account = Account { tenant, ..fakes::account::account("ann", "ann@example.com") };
        ready(Ok(Grant { caller: Arc::clone(caller), account: Arc::new(account) }))
    }
}

impl Messages for Desk {
    fn find_messages<'a>(&'a self, _: &'a Grant, query: MessageQuery) -> Answer<'a, Page<Summary>> {
        self.note(format!("find {} {} {}", query.mailbox, query.limit, query.preview));
        ready(Ok(Page { rows: vec![summary()], next_cursor: Some("c".to_owned()) }))
    }

    fn open_message<'a>(&'a self, _: &'a Grant, key: &'a str) -> Answer<'a, Arc<dyn Message>> {
        match key {
            "k1" => ready(Ok(Arc::new(Letter) as Arc<dyn Message>)),
            _ => ready(Err(
                Problem::new(Code::StaleMessageId, "renumbered").with_extra("movedTo", "k2")
            )),
        }
    }

    fn change_flags<'a>(
        &'a self,
        _: &'a Grant,
        keys: &'a [String],
        change: FlagChange,
    ) -> Answers<'a, Vec<String>> {
        self.note(format!("flags {keys:?} {change:?}"));
        ready(vec![Ok(vec!["\\Seen".to_owned()])])
    }

    fn move_messages<'a>(
        &'a self,
        _: &'a Grant,
        keys: &'a [String],
        mailbox: &'a str,
    ) -> Answers<'a, Moved> {
        self.note(format!("move {keys:?} {mailbox}"));
        let mailbox = mailbox.trim_start_matches('\\').to_owned();
        ready(vec![Ok(Moved { key: "k1".to_owned(), now: Some("k2".to_owned()), mailbox })])
    }

    fn copy_messages<'a>(
        &'a self,
        _: &'a Grant,
        _: &'a [String],
        mailbox: &'a str,
    ) -> Answers<'a, Moved> {
        self.note(format!("copy {mailbox}"));
        ready(vec![Ok(Moved { key: "k1".to_owned(), now: None, mailbox: mailbox.to_owned() })])
    }

    fn trash<'a>(&'a self, _: &'a Grant, _: &'a [String]) -> Answers<'a, Moved> {
        self.note("trash".to_owned());
        // It was in the trash already.
        ready(vec![Ok(Moved {
            key: "k1".to_owned(),
            now: Some("k1".to_owned()),
            mailbox: "Deleted Items".to_owned(),
        })])
    }

    fn expunge_forever<'a>(&'a self, _: &'a Grant, _: &'a [String]) -> Answers<'a, ()> {
        self.note("expunge".to_owned());
        ready(vec![Ok(())])
    }
}

impl Mailboxes for Desk {
    fn mailboxes<'a>(&'a self, _: &'a Grant, _: bool) -> Answer<'a, Vec<Mailbox>> {
        ready(Ok(Vec::new()))
    }
}

impl Submissions for Desk {
    fn submit<'a>(&'a self, _: &'a Grant, draft: Draft) -> Answer<'a, Accepted> {
        let is_replay = draft.subject.as_deref() == Some("again");
        self.drafts.lock().unwrap().push(draft);
        ready(Ok(Accepted { receipt: receipt(), is_replay }))
    }

    fn submission<'a>(&'a self, _: &'a Grant, id: &'a str) -> Answer<'a, SubmissionStatus> {
        self.note(format!("submission {id}"));
        ready(Ok(entry()))
    }

    fn submissions<'a>(
        &'a self,
        _: &'a Grant,
        states: &'a [State],
        _: Option<&'a str>,
        limit: u32,
    ) -> Answer<'a, Page<SubmissionStatus>> {
        self.note(format!("submissions {states:?} {limit}"));
        ready(Ok(Page { rows: vec![entry()], next_cursor: None }))
    }
}

impl Providers for Desk {
    fn discover<'a>(&'a self, caller: &'a Caller, domain: &'a str) -> Answer<'a, DiscoveryResult> {
        Box::pin(async {
            Ok(match &self.discovery {
                Some(discovery) => discovery.find(&caller.tenant, domain).await,
                None => DiscoveryResult::default(),
            })
        })
    }
}

impl Uploads for Desk {
    fn spool(&self, _: &Caller) -> Result<Box<dyn Spool>, Problem> {
        Ok(Box::new(Paper::default()))
    }
}

/// A spool in memory.
#[derive(Debug, Default)]
pub(crate) struct Paper(BytesMut);

impl Spool for Paper {
    fn write(&mut self, bytes: Bytes) -> BoxFuture<'_, Result<(), SpoolError>> {
        self.0.extend_from_slice(&bytes);
        ready(match bytes.len() {
            0..=65_536 => Ok(()),
            _ => Err(SpoolError::Io(io::ErrorKind::InvalidInput.into())),
        })
    }

    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<Octets, SpoolError>> {
        ready(Ok(in_memory(self.0.freeze())))
    }
}

#[derive(Debug)]
struct Letter;

impl Message for Letter {
    fn summary(&self) -> Summary {
        summary()
    }

    fn headers(&self) -> BoxFuture<'_, Result<Vec<Header>, Problem>> {
        ready(Ok(vec![Header { name: "Subject".to_owned(), value: "Grüße".to_owned() }]))
    }

    fn details(&self) -> BoxFuture<'_, Result<ReplyHeaders, Problem>> {
        ready(Ok(ReplyHeaders::default()))
    }

    fn structure(&self) -> BoxFuture<'_, Result<Vec<Part>, Problem>> {
        let part = |path: &str, usage| Part {
            path: path.to_owned(),
            content_type: "text/html".to_owned(),
            charset: None,
            filename: Some("邮.html".to_owned()),
            content_id: None,
            disposition: None,
            size: 200_001,
            method: None,
            usage: Some(usage),
        };
        ready(Ok(vec![part("1", Usage::Body), part("2", Usage::Attachment)]))
    }

    fn faults(&self) -> BoxFuture<'_, Result<Vec<Fault>, Problem>> {
        ready(Ok(Vec::new()))
    }

    fn body(&self, kind: Body, _: u32) -> BoxFuture<'_, Result<Option<String>, Problem>> {
        ready(Ok(match kind {
            Body::Text => Some("hello".to_owned()),
            Body::Html | Body::HtmlAsSent => None,
        }))
    }

    fn part<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Octets, Problem>> {
        ready(Ok(in_memory(raw())))
    }

    fn raw(&self) -> BoxFuture<'_, Result<Octets, Problem>> {
        ready(Ok(in_memory(raw())))
    }
}
