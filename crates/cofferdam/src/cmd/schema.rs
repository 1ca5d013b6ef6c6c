//! `cofferdam schema`.

use std::process::ExitCode;

use clap::ValueEnum;
use gate_plan::document::schema_of;

/// Files that have a schema.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// The configuration of a gateway
    Configuration,
    /// The file of a gateway whose configuration stands in a store
    Store,
    /// A suite of `cofferdam plugin test`
    Suite,
    /// A policy of `cofferdam plugin check`
    Policy,
}

pub(crate) fn schema(kind: Kind) -> ExitCode {
    let schema = match kind {
        Kind::Configuration => gate_plan::schema(),
        Kind::Store => gate_plan::bootstrap_schema(),
        Kind::Suite => schema_of::<plug_trial::Suite>(),
        Kind::Policy => super::plugin::policy_schema(),
    };
    crate::voice::print(&format!("{schema:#}\n"));
    ExitCode::SUCCESS
}
