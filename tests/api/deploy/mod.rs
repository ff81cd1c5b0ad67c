//! Other people's applications on a host: deployed, refused, changed, and checked.
//!
//! In process, except where `postlet dev` itself is looked at; the child that
//! compiles is always the real binary.

pub(crate) mod site;
mod bombs;
mod cases;
mod refusing;
mod typing;
mod wrong_files;
mod keeping;
mod enforcing;
mod filtering;
mod addresses;
mod edge;
mod frames;
mod watching;
mod beginning;
mod authoring;
