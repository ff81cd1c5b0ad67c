//! Tests of deployments: applications deployed, refused, replaced and enforced.
//!
//! The host runs in this process, except where `postlet dev` is tested; the child that compiles is
//! always the real binary.

pub(crate) mod site;
mod compile_bombs;
mod schema_cases;
mod deploy_errors;
mod export_types;
mod wrong_files;
mod code_cache;
mod schema_enforcement;
mod filters;
mod host_routes;
mod tenant_routing;
mod http_protocol;
mod http2_frames;
mod dev_watch;
mod dev_start;
mod dev_output;
