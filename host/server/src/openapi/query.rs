//! Validation of query parameters against the request's operation.
//!
//! A component would ignore an unknown parameter, and return another list than the one intended. So it
//! is refused, with the name that was probably intended.
//!
//! Invariant: every problem of a query names the parameter in the member `parameter`.

use model::problem::{Code, Fault, Problem};
use rules::foreign_text::within;

use crate::openapi::operation::{BodySchema, CheckedOperation};
use crate::schema::child_pool::Asking;
use crate::schema::words;

/// Maximum length of a name in a problem, in bytes.
const SHOWN: usize = 200;

impl CheckedOperation {
    /// Checks that every parameter is known, occurs once and fits its schema, and that none is missing.
    ///
    /// # Errors
    /// [`Code::InvalidQuery`]; [`Code::Unavailable`] if a tenant's schema cannot be evaluated.
    pub(crate) async fn check_query(&self, asking: Asking<'_>, query: &str) -> Result<(), Problem> {
        let refuse = |name: &str, detail: String| Err(wrong_parameter(name, detail));
        let mut seen: Vec<String> = Vec::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()).into_owned() {
            let Some((_, _, rule)) = self.parameters.iter().find(|(known, ..)| *known == name)
            else {
                let names = self.parameters.iter().map(|(known, ..)| known.as_str());
                let near = words::nearest(&name, names.clone());
                let near = near.map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
                let known: Vec<_> = names.map(|known| format!("`{known}`")).collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                return refuse(
                    &name,
                    format!(
                        "`{name}` is not a query parameter of this operation; {near}it takes {known}"
                    ),
                );
            };
            if seen.contains(&name) {
                return refuse(&name, format!("`{name}` is repeated"));
            }
            if let Some(fault) = rule.parameter(asking, &name, &value).await? {
                return refuse(&name, fault.detail);
            }
            seen.push(name);
        }
        match self.parameters.iter().find(|(name, required, _)| *required && !seen.contains(name)) {
            Some((name, ..)) => refuse(name, format!("`{name}` is required")),
            None => Ok(()),
        }
    }
}

impl BodySchema {
    /// The first fault of a query parameter.
    async fn parameter(
        &self,
        asking: Asking<'_>,
        name: &str,
        text: &str,
    ) -> Result<Option<Fault>, Problem> {
        match self {
            Self::Own(schema) => {
                let value = schema.query_value(text);
                let faults = if schema.fits(&value) {
                    Vec::new()
                } else {
                    schema.faults(&format!("/{name}"), &value, text.len())
                };
                Ok(faults.into_iter().next())
            }
            Self::Foreign(schema, checkers) => checkers.parameter(asking, schema, name, text).await,
        }
    }
}

/// The problem of a query, which names the parameter: a query has no JSON Pointers.
pub(crate) fn wrong_parameter(name: &str, detail: String) -> Problem {
    Problem::new(Code::InvalidQuery, detail).with_extra("parameter", within(SHOWN, name))
}
