//! IMAP against scripted servers, over wires in memory.

mod script;
mod commands;
mod login;
mod hostile;
mod overlong;
