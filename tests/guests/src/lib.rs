//! Builds the hostile guests of the tests.
