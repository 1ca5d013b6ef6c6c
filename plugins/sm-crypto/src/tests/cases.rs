//! Tests that are tables.

mod documents;
