//! Tests of deployments: applications deployed, refused, replaced and enforced.
//!
//! The host runs in this process, except where `postlet dev` is tested; the child that compiles is
//! always the real binary.

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
