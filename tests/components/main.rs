//! Tests of the built-in components in the real runtime, over fake capabilities that record their
//! calls.
//!
//! They know nothing of mail: what the host does with a draft or a message id is tested there. Here
//! a request goes in as bytes and a response comes out.

#[cfg(test)]
mod fake_capabilities;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod sending;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod providers;
mod filters;
