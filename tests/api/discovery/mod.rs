//! Tests of mail server discovery on a host in this process, with fake name and web servers,
//! well-behaved and hostile.

mod site;
mod sources;
mod hostile;
mod accounts;
