//! The stub without an engine.
