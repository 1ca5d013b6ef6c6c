//! The room of masks: personal data and secrets are found in a stream of text, and something else is written in their place.
//!
//! What lives here: the classes of what is found with their validators, the actions, the scanner that never holds more than it must, and the readers of
//! JSON, of lines of JSON and of server-sent events that lead it to values.
//! What never enters: sockets, files, clocks, keys (who hashes hands in a function), and knowledge of who calls: a guest, or what writes logs.
//! Data comes as pieces of a body or a line, cut anywhere, with [`rules::Rules`]; it goes back as bytes, and as counts by class.

pub mod class;
pub mod rules;
pub mod fault;

mod window;
mod checksum;
mod number;
mod phone;
mod passport;
mod word;
mod secret;
mod cloud;
mod address;
mod literal;
mod pattern;
mod names;
mod path;
mod replacement;
mod fold;
pub mod report;
mod sieve;
mod scan;
mod escape;
mod percent;
mod json;
mod query;
mod loose;
mod events;

pub mod masker;
pub mod field;
pub mod pack;

#[cfg(test)]
mod tests;
