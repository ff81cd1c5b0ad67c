//! The built-in components in the real runtime, over capabilities that remember
//! what they were asked for.
//!
//! Refuses to know mail: what the host's side does with a draft or a key is
//! tested there. Here a request goes in as bytes and an answer comes out.

#[cfg(test)]
mod desk;
#[cfg(test)]
mod house;
#[cfg(test)]
mod sending;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod providers;
mod filters;
