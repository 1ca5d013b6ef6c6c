//! The room of masks: personal data and secrets are found in a stream of text, and something else is written in their place.
//!
//! What lives here: the classes of what is found with their validators, the actions, packs of rules to start from, the sieve and the scanner that never
//! holds more than it must, and the readers of JSON, of lines of JSON, of server-sent events and of addresses that lead it to values.
//! What never enters: sockets, files, clocks, keys (who hashes hands in a function), what the gateway produced itself, and knowledge of who calls: a
//! guest, or what writes logs.
//! Data comes whole, as values of a record ([`field::Fields`], one for each worker, before the ring), or as pieces of a body or a file, cut anywhere
//! ([`masker::Masker`]), with [`rules::Rules`]; it goes back as bytes, as counts by class, and as places where something was.

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
#[cfg(not(target_family = "wasm"))]
mod block;
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
