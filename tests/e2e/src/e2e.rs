//! The whole gateway from outside: the real binary, real sockets, one module for each theme.
//!
//! `UPDATE=1` writes the golden files anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod setting;
mod certificates;
mod routes;
mod forwarding;
mod broken;
mod streaming;
mod tls;
mod tcp;
mod plugins;
mod crashes;
mod replay;
mod least_power;
mod lldb;
mod profile;
mod limits;
mod configuration;
mod modules;
mod packages;
mod sources;
mod signatures;
mod grants;
mod compiling;
mod checking;
mod suites;
mod workbench;
mod commands;
mod doctor;
mod importing;
mod reload;
mod generations;
mod stores;
mod rollouts;
mod shadows;
mod waves;
mod matrix;
mod stop;
mod admin;
mod metrics;
mod access_log;
mod log_commands;
mod control_records;
mod callout_records;
mod call_records;
mod traces;
mod logs;
mod hostile;
