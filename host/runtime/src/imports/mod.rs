//! Host functions of components' imports: each calls `Capabilities` and converts the result. No
//! policy beyond size limits.
//!
//! A handle that is not the guest's, or one too many, is a trap; every other error is a problem.

use std::sync::Arc;

use model::caller::{Caller, Grant};
use model::port::capabilities::Capabilities;
use model::problem::Problem;
use wasmtime::component::Resource;

use crate::guest_state::{GuestState, HostAccess};
use crate::wit::bindings::capabilities::postlet::mail::types;
use crate::wit::convert::Convert;
use crate::wit::import_error::ImportError;
use crate::wit::problem;

mod octets;
mod accounts;
mod messages;
mod mailboxes;
mod submission;
mod providers;

/// Maximum size in bytes of a page of records, in a guest's memory: a larger one is cut to fewer
/// rows.
const PAGE: usize = 256 << 10;

/// The result of an import: a value, a problem or a trap.
type Answer<T> = Result<T, ImportError>;

/// The import is linked, but this instance has no access to it.
#[derive(Debug, thiserror::Error)]
#[error("this import has nothing behind it here")]
struct NoAccess;

impl GuestState {
    fn endpoint(&self) -> wasmtime::Result<(Arc<dyn Capabilities>, Arc<Caller>)> {
        match &self.powers {
            HostAccess::Endpoint { capabilities, caller, .. } => {
                Ok((Arc::clone(capabilities), Arc::clone(caller)))
            }
            HostAccess::None | HostAccess::Mime(_) | HostAccess::Filter { .. } => {
                Err(wasmtime::Error::new(NoAccess))
            }
        }
    }

    /// What an import that names an account needs.
    fn granted(
        &self,
        account: &Resource<Grant>,
    ) -> wasmtime::Result<(Arc<dyn Capabilities>, Grant)> {
        let (capabilities, _) = self.endpoint()?;
        Ok((capabilities, self.table.get(account)?.clone()))
    }

    fn refuse(&self, problem: Problem) -> types::Problem {
        problem::refuse(problem, self.powers.request())
    }

    /// The results of a batch, each a value or a problem.
    fn answers<T: Convert<U>, U>(
        &self,
        results: Vec<Result<T, Problem>>,
    ) -> Vec<Result<U, types::Problem>> {
        let mut answers = Vec::with_capacity(results.len());
        for result in results {
            answers.push(match result {
                Ok(value) => Ok(value.convert()),
                Err(problem) => Err(self.refuse(problem)),
            });
        }
        answers
    }
}
