//! JSON Schemas of the host's own responses, for the OpenAPI document.
//!
//! One file contains all, so that they can refer to each other.

use serde_json::Value;

const ALL: &str = include_str!("../../schema/answers.json");

/// The schema with this name, as text.
pub(crate) fn answer(name: &str) -> String {
    let all: Value = serde_json::from_str(ALL).unwrap_or_default();
    let defs = all.get("$defs").cloned().unwrap_or_default();
    serde_json::json!({"$ref": format!("#/$defs/{name}"), "$defs": defs}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Schema;

    #[test]
    fn every_one_is_a_schema() {
        let all: Value = serde_json::from_str(ALL).unwrap();
        for name in all["$defs"].as_object().unwrap().keys() {
            Schema::compile(&answer(name)).unwrap();
        }
    }
}
