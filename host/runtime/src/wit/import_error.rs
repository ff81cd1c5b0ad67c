//! The error of a host function: a problem for the guest, or a trap.
//!
//! Both leave an import by `?`. The bindings turn the problem into the guest's own by
//! `convert_problem`, so that no import has to.
#![expect(unreachable_pub, reason = "the macro names it in its public modules")]

use model::problem::Problem;
use wasmtime::component::ResourceTableError;

/// Why a host function returns no value.
#[derive(Debug)]
pub enum ImportError {
    /// The guest gets a problem.
    Problem(Problem),
    /// The instance ends.
    Trap(wasmtime::Error),
}

impl From<Problem> for ImportError {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<wasmtime::Error> for ImportError {
    fn from(trap: wasmtime::Error) -> Self {
        Self::Trap(trap)
    }
}

/// A handle that is not the guest's, or one too many.
impl From<ResourceTableError> for ImportError {
    fn from(error: ResourceTableError) -> Self {
        Self::Trap(error.into())
    }
}
