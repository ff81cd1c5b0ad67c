//! The fault matrix by kind of call. The properties of a cell are checked in the library.

mod reading;
mod changing;
mod sending;
mod released;
mod coverage;
