//! Schemas in the host's own code, compiled at first use.

use std::sync::OnceLock;

use model::problem::{Code, Problem};
use serde_json::Value;

use crate::schema::Schema;

/// A JSON Schema of the host.
#[derive(Debug)]
pub(crate) struct OwnSchema {
    text: &'static str,
    compiled: OnceLock<Option<Schema>>,
}

impl OwnSchema {
    pub(crate) const fn new(text: &'static str) -> Self {
        Self { text, compiled: OnceLock::new() }
    }

    pub(crate) const fn text(&self) -> &'static str {
        self.text
    }

    /// The compiled schema.
    ///
    /// # Errors
    /// [`Code::Internal`] if it is invalid; a test compiles every schema of the host.
    pub(crate) fn compiled(&self) -> Result<&Schema, Problem> {
        let compile = || {
            Schema::compile(self.text)
                .inspect_err(|error| tracing::error!(%error, "a schema of the host is invalid"))
                .ok()
        };
        let compiled = self.compiled.get_or_init(compile).as_ref();
        compiled.ok_or_else(|| Problem::new(Code::Internal, "a schema of the host is invalid"))
    }

    /// Parses and validates a body.
    ///
    /// # Errors
    /// [`Code::MalformedJson`], or [`Code::InvalidBody`] with the faults.
    pub(crate) fn check(&self, body: &[u8]) -> Result<Value, Problem> {
        self.compiled()?.check(body)
    }
}
