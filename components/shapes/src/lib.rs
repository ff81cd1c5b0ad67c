//! JSON of the default application: each request and response as a Rust type, from which the parser,
//! the serialiser and the JSON Schema are derived.
//!
//! A crate of its own, since it compiles twice: into the guest, and into the guest's build script,
//! which derives the schemas natively and writes them to files ([`schema`]). The guest embeds these
//! files, so neither its size nor the time of `describe` grows.
//!
//! Independent of WIT and of the host: a component converts the records of the host into these types.
//!
//! A doc comment on a member is its description in the published schema. The types themselves have
//! ordinary comments where the schema has no description of them.

pub mod instant;
pub mod member;
#[cfg(not(target_family = "wasm"))]
pub mod schema;
pub mod mailboxes;
pub mod messages;
pub mod changes;
pub mod providers;
pub mod submissions;
pub mod drafts;
