//! Members of a JSON object that may be left out, and enums by their words.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};

/// A member that is left out when it has no value. A plain `Option` is a member that is null then.
///
/// serde leaves it out by `#[serde(skip_serializing_if = "Optional::is_absent")]`, which also takes
/// it off the schema's `required`.
#[derive(Clone, Copy, Debug)]
pub struct Optional<T>(pub Option<T>);

impl<T> Optional<T> {
    #[must_use]
    pub fn is_absent(&self) -> bool {
        self.0.is_none()
    }
}

impl<T> Default for Optional<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Serialize> Serialize for Optional<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// The schema of `T`, which is not null unless `T` may be.
impl<T: JsonSchema> JsonSchema for Optional<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Optional_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<T>()
    }
}

/// Declares an enum by its words in JSON.
macro_rules! words {
    ($(#[$attribute:meta])* pub enum $name:ident { $($word:literal $variant:ident,)* }) => {
        #[derive(Clone, Copy, Debug, JsonSchema, PartialEq, Eq, Serialize)]
        $(#[$attribute])*
        pub enum $name {
            $(#[serde(rename = $word)] $variant,)*
        }

        impl $name {
            /// The words, in order.
            pub const WORDS: &'static [&'static str] = &[$($word),*];

            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}

pub(crate) use words;
