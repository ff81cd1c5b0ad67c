//! The chain of before-send filters that a message passes before it is accepted.
//!
//! In the order of the manifest, each on the result of those before it, all of them within one
//! deadline. A filter decides only its verdict: its binding lists the edits it may make, and `mime`
//! applies them.
//!
//! A filter fails when it returns no verdict, or edits that cannot be applied. Its binding decides
//! what follows: the message goes on as if there were no such filter, and the sender gets a
//! warning, or it is not accepted. Two failures reject the message whatever the binding says: an
//! edit that was not granted, since that is no accident, and a host without a free instance, since
//! the filter did not cause it and it must not open a way past it.
//!
//! A filter that exceeded its time or a limit may succeed later; one that trapped, or returned edits
//! that cannot be applied, would do so again for the same message, so the problem is not retryable.
//!
//! Invariant: after the chain, From and Message-ID are unchanged, and every failure is in the log
//! and in the response.

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use model::account::Account;
use model::caller::Caller;
use model::filter::{Binding, Edit, EditKind, Mode, OnError, Refusal, Verdict};
use model::mail::address::EmailAddress;
use model::mail::draft::Composed;
use model::port::capabilities::Message;
use model::port::clock::Clock;
use model::port::filter::FilterError;
use model::port::mime::{Mime, MimeError};
use model::problem::{Code, Fault, Problem};
use rules::foreign_text::printable;

use crate::problems;
use crate::settings::Settings;
use crate::submit::composed_message::ComposedMessage;
use crate::submit::filter_registry::{ActiveFilter, FilterRegistry};

/// The log target of filter decisions.
const LOG: &str = "postlet::filter";

/// The dependencies of a filter chain.
pub(crate) struct FilterChain<'a> {
    pub(crate) filters: &'a FilterRegistry,
    pub(crate) mime: &'a Arc<dyn Mime>,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) settings: &'a Settings,
}

/// The result of the chain.
#[derive(Debug)]
pub(crate) struct Filtered {
    pub(crate) composed: Composed,
    /// One sentence for each filter that failed open.
    pub(crate) warnings: Vec<String>,
}

/// Runs the tenant's filters on `composed`.
pub(crate) async fn before_send(
    chain: &FilterChain<'_>,
    caller: &Caller,
    account: &Account,
    composed: Composed,
) -> Result<Filtered, Problem> {
    let filters = chain.filters.of(&account.tenant);
    if filters.is_empty() {
        return Ok(Filtered { composed, warnings: Vec::new() });
    }
    let message = ComposedMessage::open(chain.mime, &composed.raw).await?;
    let time = chain.settings.filter_time;
    let mut passing = Passing {
        chain,
        caller,
        account,
        composed,
        message,
        warnings: Vec::new(),
        left: time,
        shadows_left: time,
    };
    for filter in filters.iter() {
        passing.pass(filter).await?;
    }
    Ok(Filtered { composed: passing.composed, warnings: passing.warnings })
}

/// A message between two filters.
struct Passing<'a> {
    chain: &'a FilterChain<'a>,
    caller: &'a Caller,
    account: &'a Account,
    composed: Composed,
    message: Arc<ComposedMessage>,
    warnings: Vec<String>,
    left: Duration,
    /// Shadow filters have a time limit of their own: trying a filter out must not delay the
    /// others.
    shadows_left: Duration,
}

/// Which edit cannot be applied, and why: the first segment of a fault's pointer is the edit's number.
fn misapplied(fault: &Fault, edits: &[Edit]) -> String {
    let number = fault.pointer.split('/').nth(1).unwrap_or_default();
    let edit = number.parse().ok().and_then(|number: usize| edits.get(number));
    let which = match edit {
        Some(edit) => format!("edit {number} (`{}`)", edit.kind()),
        None => "one of its edits".to_owned(),
    };
    match fault.code.as_str() {
        "control-character" => format!("{which} holds a control character"),
        code => format!("{which} cannot be applied: {}", printable(code)),
    }
}

impl Passing<'_> {
    async fn pass(&mut self, filter: &ActiveFilter) -> Result<(), Problem> {
        let verdict = self.ask(filter).await;
        let binding = &filter.binding;
        if binding.mode == Mode::Shadow {
            self.log(binding, &verdict);
            return Ok(());
        }
        match verdict {
            Ok(Verdict::Accept) => Ok(()),
            Ok(Verdict::Reject(refusal)) => Err(self.rejected(binding, &refusal)),
            Ok(Verdict::Modify(edits)) => self.modify(binding, &edits).await,
            Err(FilterError::Busy(why)) => {
                let what = format!("the filter `{}` cannot run now", binding.name);
                Err(problems::crowded(&what, why).with_extra("filter", &*binding.name))
            }
            Err(error) => {
                let (code, reason) = match &error {
                    FilterError::Trapped(_) => (Code::FilterBroken, "it trapped".to_owned()),
                    FilterError::Limit(which) => {
                        (Code::FilterFailed, format!("it went over its limit of {which}"))
                    }
                    FilterError::Timeout => {
                        let within = self.chain.settings.filter_time.as_secs();
                        let reason = format!(
                            "it gave no verdict within the {within} s that a message's filters have together"
                        );
                        (Code::FilterFailed, reason)
                    }
                    FilterError::Busy(_) => (Code::FilterFailed, "it cannot run now".to_owned()),
                };
                self.failed(binding, code, &reason, Some(&error))
            }
        }
    }

    /// The verdict, or why there is none within the remaining time.
    async fn ask(&mut self, filter: &ActiveFilter) -> Result<Verdict, FilterError> {
        let clock = self.chain.clock;
        let left = match filter.binding.mode {
            Mode::Live => &mut self.left,
            Mode::Shadow => &mut self.shadows_left,
        };
        if left.is_zero() {
            return Err(FilterError::Timeout);
        }
        let begun = clock.monotonic();
        let message: Arc<dyn Message> = self.message.clone();
        let (tenant, request) = (&self.account.tenant, &self.caller.request);
        let judging = filter.judge.evaluate(tenant, request, message, &self.composed.envelope);
        let verdict = match select(judging, clock.sleep(*left)).await {
            Either::Left((verdict, _)) => verdict,
            Either::Right(((), _)) => Err(FilterError::Timeout),
        };
        *left = left.saturating_sub(clock.monotonic().saturating_sub(begun));
        verdict
    }

    async fn modify(&mut self, binding: &Binding, edits: &[Edit]) -> Result<(), Problem> {
        if let Some(kind) = edits.iter().map(Edit::kind).find(|kind| !binding.edits.contains(kind))
        {
            tracing::warn!(
                tenant = %self.account.tenant, request = %self.caller.request,
                filter = %binding.name, edit = %kind, "a filter made an edit that it is not granted"
            );
            let detail = format!(
                "the filter `{}` made the edit `{kind}`, which its manifest does not grant",
                binding.name
            );
            return Err(Problem::new(Code::EditNotGranted, detail)
                .with_extra("filter", &*binding.name)
                .with_extra("edit", kind.as_str()));
        }
        if edits.is_empty() {
            return Ok(());
        }
        let edited = match self.chain.mime.rewrite(&self.composed, edits).await {
            Ok(edited) => edited,
            Err(MimeError::Faults(faults)) => {
                let reason = match faults.first() {
                    Some(fault) => misapplied(fault, edits),
                    None => "its edits cannot be applied".to_owned(),
                };
                return self.failed(binding, Code::FilterBroken, &reason, None);
            }
            Err(error @ MimeError::Failed(_)) => {
                let reason = "its edits are too much for the writer";
                return self.failed(binding, Code::FilterFailed, reason, Some(&error));
            }
            Err(error @ MimeError::Busy(_)) => return Err(problems::composing(error)),
        };
        let limit = self.chain.settings.message_bytes;
        if edited.raw.size() > limit {
            let reason = format!("its edits make the message larger than {limit} bytes");
            return self.failed(binding, Code::FilterBroken, &reason, None);
        }
        if edited.envelope.recipients.is_empty() {
            return self.failed(binding, Code::FilterBroken, "its edits leave no recipient", None);
        }
        let message = ComposedMessage::open(self.chain.mime, &edited.raw).await?;
        if !self.is_still(&message, &edited) {
            let reason = "its edits change who sends the message";
            return self.failed(binding, Code::FilterBroken, reason, None);
        }
        (self.composed, self.message) = (edited, message);
        Ok(())
    }

    /// Whether it is still the same message of the same sender.
    fn is_still(&self, message: &ComposedMessage, edited: &Composed) -> bool {
        let own = |email: &EmailAddress| {
            self.account.identities.iter().any(|identity| identity.email.same_as(email))
        };
        let (before, after) = (&self.message.reading().facts, &message.reading().facts);
        before.sender == after.sender
            && before.message_id == after.message_id
            && self.composed.envelope.sender == edited.envelope.sender
            && own(&edited.envelope.sender)
    }

    fn rejected(&self, binding: &Binding, refusal: &Refusal) -> Problem {
        let (code, detail) = (printable(&refusal.code), printable(&refusal.detail));
        tracing::info!(
            target: LOG, tenant = %self.account.tenant, request = %self.caller.request,
            filter = %binding.name, code, "a filter rejected a message"
        );
        let detail = format!("the filter `{}` refused the message: {detail}", binding.name);
        Problem::new(Code::RejectedByFilter, detail)
            .with_extra("filter", &*binding.name)
            .with_extra("filterCode", code)
    }

    /// Applies the binding of a filter that failed; `code` is for the problem of a binding that fails closed.
    fn failed(
        &mut self,
        binding: &Binding,
        code: Code,
        reason: &str,
        cause: Option<&dyn Error>,
    ) -> Result<(), Problem> {
        let told = cause.map(ToString::to_string);
        tracing::warn!(
            tenant = %self.account.tenant, request = %self.caller.request,
            component = %binding.name, on_error = ?binding.on_error, reason, cause = told,
            "a filter failed"
        );
        match binding.on_error {
            OnError::Open => {
                let name = &binding.name;
                self.warnings.push(format!("the filter `{name}` was passed over: {reason}"));
                Ok(())
            }
            OnError::Closed => {
                let detail = format!("the filter `{}` failed: {reason}", binding.name);
                // Without its cause, which is in the log now and needs no second entry.
                Err(Problem::new(code, detail).with_extra("filter", &*binding.name))
            }
        }
    }

    fn log(&self, binding: &Binding, verdict: &Result<Verdict, FilterError>) {
        let mut not_granted = None;
        let (what, why) = match verdict {
            Ok(Verdict::Accept) => ("accept", None),
            Ok(Verdict::Modify(edits)) => {
                let granted = |kind: &EditKind| binding.edits.contains(kind);
                let kinds: BTreeSet<_> = edits.iter().map(Edit::kind).collect();
                not_granted = words(kinds.iter().filter(|kind| !granted(kind)));
                ("modify", words(kinds.iter()))
            }
            Ok(Verdict::Reject(refusal)) => ("reject", Some(printable(&refusal.code))),
            Err(error) => {
                return tracing::warn!(
                    tenant = %self.account.tenant, request = %self.caller.request,
                    component = %binding.name, cause = %error, "a shadow filter failed"
                );
            }
        };
        // In live mode, one of them would reject the whole message.
        tracing::info!(
            target: LOG, tenant = %self.account.tenant, request = %self.caller.request,
            filter = %binding.name, verdict = what, why, not_granted,
            "a shadow filter judged a message"
        );
    }
}

/// None for an empty list.
fn words<'a>(kinds: impl Iterator<Item = &'a EditKind>) -> Option<String> {
    let kinds: Vec<_> = kinds.map(|kind| kind.as_str()).collect();
    (!kinds.is_empty()).then(|| kinds.join(", "))
}
