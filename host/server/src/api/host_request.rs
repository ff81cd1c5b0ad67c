//! A request to one of the host's own operations, and what an operation takes: query parameters and a
//! JSON body.
//!
//! Handlers get a [`HostRequest`] after the checks of their row. Independent of which rows there are.

use http::{header, request};
use model::ids::RequestId;
use model::problem::{Code, Problem};
use serde::Deserialize;
use serde_json::Value;

use crate::http::request_body;
use crate::openapi::query::{matched, wrong_parameter};
use crate::schema::own_schema::OwnSchema;

/// A query parameter of one of the host's own operations.
#[derive(Debug)]
pub(crate) struct QueryParameter {
    pub(crate) name: &'static str,
    pub(crate) schema: OwnSchema,
    pub(crate) required: bool,
    /// One line.
    pub(crate) summary: &'static str,
}

/// The query of an operation.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Query {
    /// These parameters and no other.
    Checked(&'static [QueryParameter]),
    /// Any parameters; these are documented.
    Unchecked(&'static [QueryParameter]),
}

/// The JSON body of an operation.
#[derive(Debug)]
pub(crate) struct JsonBody {
    pub(crate) schema: OwnSchema,
    /// A body that fits the schema.
    pub(crate) example: &'static str,
    /// The media types that are accepted, all with the same schema.
    pub(crate) content_types: &'static [&'static str],
}

/// A request that passed the checks of its row.
#[derive(Debug)]
pub(crate) struct HostRequest<'a> {
    pub(crate) id: &'a RequestId,
    pub(crate) head: &'a request::Parts,
    /// Name and value of each `:name` of the path, decoded.
    pub(crate) params: &'a [(String, String)],
    /// The part of the path that `/...` matched.
    pub(crate) rest: &'a str,
    /// The query parameters; empty if they are not checked.
    pub(crate) query: Vec<(&'static str, String)>,
    /// Valid under the schema of the row; null if the row has none.
    pub(crate) body: Value,
}

impl Query {
    /// The documented parameters.
    pub(crate) const fn parameters(&self) -> &'static [QueryParameter] {
        match self {
            Self::Checked(parameters) | Self::Unchecked(parameters) => parameters,
        }
    }

    /// Checks a query, and returns its parameters.
    ///
    /// # Errors
    /// [`Code::InvalidQuery`].
    pub(crate) fn read(&self, text: &str) -> Result<Vec<(&'static str, String)>, Problem> {
        let Self::Checked(known) = *self else { return Ok(Vec::new()) };
        let found = matched(known, |parameter| (parameter.name, parameter.required), text)?;
        for (parameter, value) in &found {
            let schema = parameter.schema.compiled()?;
            if let Some(fault) = schema.parameter_fault(parameter.name, value) {
                return Err(wrong_parameter(parameter.name, fault.detail));
            }
        }
        Ok(found.into_iter().map(|(parameter, value)| (parameter.name, value)).collect())
    }
}

impl HostRequest<'_> {
    /// The value of the first `:name` of the path.
    pub(crate) fn path_parameter(&self) -> &str {
        self.params.first().map_or("", |(_, value)| value)
    }

    /// The value of a query parameter.
    pub(crate) fn query_parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// The languages that the client prefers; empty without Accept-Language.
    pub(crate) fn accept_language(&self) -> &str {
        request_body::text(self.head, header::ACCEPT_LANGUAGE).unwrap_or_default()
    }
}

/// Converts a body that fits its schema.
///
/// # Errors
/// [`Code::InvalidBody`].
pub(crate) fn from_body<'a, T: Deserialize<'a>>(body: &'a Value) -> Result<T, Problem> {
    T::deserialize(body).map_err(|error| Problem::new(Code::InvalidBody, error.to_string()))
}
