//! Tests of plugins: cases in YAML, run over the real module with the host and the lanes that a gateway uses.
//!
//! Lives here: what a suite may say, the world that a tested plugin finds (mocks of upstreams, a clock that goes when it is told to),
//! the comparison of what was expected with what came, and the outcome as text, JSON and JUnit.
//! Never enters: sockets, files, the command line, a real upstream, the real time.
//! From: the text of a suite, and a plugin that `cofferdam` has compiled.
//! To: `cofferdam plugin test`, which reads files and prints.

mod matcher;
mod dump;
mod piece;
mod written;
pub use written::Suite;
mod case;
mod row;
mod settle;
mod stage;
mod world;
mod facts;
mod observed;
mod shared;
mod tcp;
mod judge;
mod cast;
mod run;
pub use run::{Make, Run, Settings, WriteGolden, run};
pub mod google;
mod outcome;
pub use outcome::{CallbackTimes, CaseOutcome, Coverage, Outcome};
