//! Compares what two generations of a plugin made of the same exchange, and counts where they differ.
//!
//! Lives here: what is compared of an exchange, the comparison, and the counts with their examples.
//! Never enters: an engine, a clock, a socket, a file; nothing is run here, and nothing is recorded.
//! From: `gate-flow`, which records what the control made of an exchange and runs the candidate aside.
//! To: `cofferdam`, which shows the counts and hands them to the analysis of the rollout.

mod seen;
pub use seen::{Body, Message, Seen, Verdict};
mod compare;
pub use compare::{Difference, Kind, Rules, compare};
mod tally;
pub use tally::{Example, Skipped, Tally};

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
