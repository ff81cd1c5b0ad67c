//! Discovery against a name server and web servers of the tests' own, honest and
//! hostile, on a host in this process.

mod site;
mod honest;
mod hostile;
mod accounts;
