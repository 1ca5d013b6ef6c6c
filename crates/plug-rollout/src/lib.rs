//! Moves traffic from one generation of a plugin to the next, and back when the next one is worse: a state machine and its judgement.
//!
//! Lives here: which arm an exchange goes to, what both arms are measured by and what follows from it, the steps of a rollout as a saga
//! that survives the death of the process, and waves over several gateways.
//! Never enters: a clock, a file, an engine, YAML, a thread. Time comes in as an event, and what shall be done goes out as an effect.
//! From: counts of both arms, and orders of an operator, which `cofferdam` hands in.
//! To: `cofferdam`, which writes the record before it does the effects, and `gate-flow`, which asks for the arm of an exchange.

mod share;
pub use share::{Arm, Selector, Share};

mod spread;
pub use spread::Spread;
mod sample;
pub use sample::{Counts, Sample};
mod policy;
pub use policy::{Bound, CustomBound, Pause, Policy, QuantileBound, Step};

mod evidence;
mod rate;
mod cost;
mod quantile;
mod shadowed;
pub use shadowed::Shadowed;
mod verdict;
pub use verdict::{Finding, Verdict};
mod analysis;
pub use analysis::Analysis;

mod record;
pub use record::{Act, Effect, Reading, Record, Standing, StepRecord, StepState, Unreadable, VERSION, Why};
mod machine;
pub use machine::{Answer, Command, Event, Rollout, Turn};

mod wave;
pub use wave::{Campaign, Progress, Report, Rules, Stop, WaveSize, Word};
mod fleet;
pub use fleet::Fleet;
mod member;
pub use member::{Advice, Member, Mine, Task, View};

#[cfg(test)]
mod tests;
