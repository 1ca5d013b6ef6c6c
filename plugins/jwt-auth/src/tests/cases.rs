//! Tests that are tables.

mod documents;
mod keys;
