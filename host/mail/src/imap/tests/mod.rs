//! IMAP client tests against scripted servers, over in-memory wires.

mod script;
mod commands;
mod login;
mod hostile;
mod overlong;
