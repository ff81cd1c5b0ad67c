//! The matrix, row by row. What has to hold of a cell is in the library.

mod reading;
mod changing;
mod sending;
mod released;
mod coverage;
