//! Members of a JSON object that may be left out, and the words that a query parameter takes: the
//! members that `fields` selects from, the states that `state` selects from.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A member that is left out when it has no value. A plain `Option` is a member that is null then.
///
/// serde leaves it out by `#[serde(skip_serializing_if = "Optional::is_absent")]`, which also takes
/// it off the schema's `required`. In a request, `#[serde(default)]` does the same, and null is
/// refused.
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

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Optional<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(|value| Self(Some(value)))
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

/// Declares a set of members that a `fields` parameter selects from: each with its name in JSON, and
/// absent until it is set.
macro_rules! members {
    (pub struct $name:ident<$life:lifetime> {
        $($(#[$description:meta])* $json:literal $member:ident: $kind:ty,)*
    }) => {
        #[derive(Debug, Default, JsonSchema, Serialize)]
        pub struct $name<$life> {
            $(
                $(#[$description])*
                #[serde(rename = $json, skip_serializing_if = "Optional::is_absent")]
                pub $member: Optional<$kind>,
            )*
        }

        impl $name<'_> {
            /// The names in JSON, in order.
            pub const MEMBERS: &'static [&'static str] = &[$($json),*];

            /// Keeps the wanted members only.
            #[must_use]
            pub fn only(mut self, wanted: impl Fn(&str) -> bool) -> Self {
                $(if !wanted($json) { self.$member = Optional::default(); })*
                self
            }
        }
    };
}

pub(crate) use members;

/// Declares an enum by its words in JSON, which a query parameter takes too.
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
