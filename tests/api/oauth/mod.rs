//! Tests of OAuth mailboxes on a host in this process, with a fake authorization server over real
//! HTTP.

mod log_capture;
mod authorization_server;
mod site;
mod consent;
mod credential_change;
mod token_refresh;
mod real_servers;
mod cli_consent;
