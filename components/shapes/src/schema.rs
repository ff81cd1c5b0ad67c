//! JSON Schemas of the types, for the build scripts of the components.
//!
//! schemars derives the schema of each type; here it gets the rules that all of the API has: objects
//! are closed, and a `format` is one that the standard defines.
//!
//! Standard: JSON Schema 2020-12.

use std::path::PathBuf;
use std::{env, fs, io};

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

/// Writes the schema of a response to `OUT_DIR`, where `kit::schema!` finds it by this name.
///
/// # Errors
/// When the file cannot be written, or the caller is not a build script.
pub fn write_response<T: JsonSchema>(name: &str) -> io::Result<()> {
    write(name, &of::<T>(SchemaSettings::draft2020_12().for_serialize()))
}

/// Writes the schema of a request, likewise.
///
/// # Errors
/// The same.
pub fn write_request<T: JsonSchema>(name: &str) -> io::Result<()> {
    write(name, &of::<T>(SchemaSettings::draft2020_12().for_deserialize()))
}

fn write(name: &str, schema: &Schema) -> io::Result<()> {
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    let file = PathBuf::from(out).join(name).with_extension("json");
    fs::write(file, schema.as_value().to_string())
}

fn of<T: JsonSchema>(settings: SchemaSettings) -> Schema {
    let settings = settings.with_transform(RecursiveTransform(uniform));
    settings.into_generator().into_root_schema_for::<T>()
}

fn uniform(schema: &mut Schema) {
    // A comment of the source is wrapped; its line breaks mean nothing.
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.replace('\n', " ");
    }
    // `uint32` and the like name Rust's types.
    let of_rust = |format: &str| format.starts_with("int") || format.starts_with("uint");
    if schema.get("format").and_then(Value::as_str).is_some_and(of_rust) {
        schema.remove("format");
    }
    // Of an absent member, not of its value.
    if schema.get("default") == Some(&Value::Null) {
        schema.remove("default");
    }
    if schema.get("properties").is_some() {
        schema.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;
    use serde_json::json;

    use super::*;
    use crate::member::Optional;

    #[derive(JsonSchema, Serialize)]
    struct Example {
        /// A description
        /// of two lines
        size: u32,
        name: Option<String>,
        #[serde(skip_serializing_if = "Optional::is_absent")]
        count: Optional<u16>,
    }

    #[test]
    fn an_object_is_closed_and_an_optional_member_is_not_null() {
        let settings = SchemaSettings::draft2020_12().for_serialize();
        let schema = of::<Example>(settings).to_value();
        assert_eq!(schema["additionalProperties"], json!(false));
        assert_eq!(schema["required"], json!(["size", "name"]));
        let size =
            json!({"type": "integer", "minimum": 0, "description": "A description of two lines"});
        assert_eq!(schema["properties"]["size"], size);
        assert_eq!(schema["properties"]["name"]["type"], json!(["string", "null"]));
        assert_eq!(schema["properties"]["count"]["type"], json!("integer"));
    }
}
