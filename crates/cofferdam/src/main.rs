//! The `cofferdam` command. Work is in `cmd`, one file for each verb; the rooms meet in `assemble`.

mod cmd {
    pub(crate) mod check;
    pub(crate) mod config;
    pub(crate) mod crash;
    pub(crate) mod doctor;
    pub(crate) mod import;
    pub(crate) mod logs;
    pub(crate) mod plugin;
    pub(crate) mod rollout;
    pub(crate) mod run;
    pub(crate) mod schema;
}
mod auditing;
mod granting;
mod begun;
mod text;
mod load;
mod loaded;
mod settle;
mod last_good;
mod signing;
mod sources;
mod looks;
mod numbers;
mod progress;
mod anchor;
mod stores;
mod feed;
mod assemble;
mod rollouts;
mod reload;
mod canary;
mod probe;
mod narrowing;
mod nowhere;
mod host;
mod crashes;
mod debugging;
mod logs;
mod records;
mod looking;
mod pages;
mod sayings;
mod voice;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use plug_host::Purpose;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A gateway for APIs and LLM traffic whose WebAssembly plugins cannot take it down.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Carry traffic as the configuration says; changes of the file are followed
    Run {
        /// The configuration
        file: PathBuf,
        /// Lines of plugins below this level are not written
        #[arg(long, value_enum, default_value_t = Level::Info)]
        plugin_log_level: Level,
    },
    /// Read everything that `run` reads and say what is wrong; exit 0 good, 1 wrong, 2 usage
    Check {
        /// The configuration
        file: PathBuf,
        /// How findings are written
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Say what this host allows a gateway, what follows, and what to do; exit 0 one can serve here, 1 something it needs is missing, 2 usage
    Doctor {
        /// The configuration to judge by; without one, what a gateway wants by default
        file: Option<PathBuf>,
        /// How findings are written
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Push configurations into a store, look at what stands and stood there, and go back
    Config {
        #[command(subcommand)]
        verb: cmd::config::Verb,
    },
    /// Make a configuration of those for Istio, Higress, Envoy, Envoy Gateway, Kong and APISIX, with notes on what has no counterpart
    Import {
        /// Files of YAML or JSON, which become one configuration; `-` is the standard input
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// How it is written
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Print the JSON Schema of a file: the configuration, what a gateway of a store starts with, a suite of tests, or a policy for plugins
    Schema {
        /// Of which file
        #[arg(value_enum, default_value_t = cmd::schema::Kind::Configuration)]
        of: cmd::schema::Kind,
    },
    /// Show why plugins died
    Crash {
        #[command(subcommand)]
        verb: cmd::crash::Verb,
    },
    /// Bring back what dead processes wrote down, verify chains of audit records, try masks
    Logs {
        #[command(subcommand)]
        verb: cmd::logs::Verb,
    },
    /// Lead a plugin's new generation into force, or back
    Rollout {
        #[command(subcommand)]
        verb: cmd::rollout::Verb,
    },
    /// Work on one plugin
    Plugin {
        #[command(subcommand)]
        verb: cmd::plugin::Verb,
    },
    /// Compile a module from standard input to standard output, for the gateway that started this process
    #[command(hide = true, name = COMPILE)]
    Compile {
        /// Bytes of address space
        memory_bytes_max: u64,
        /// Seconds of processor time
        cpu_seconds: u64,
        /// The code is for a debugger
        #[arg(long)]
        debugged: bool,
    },
}

/// The verb by which the gateway starts itself to compile a module.
const COMPILE: &str = "compile";

/// How findings are written.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

/// Levels of plugins' lines, as Proxy-Wasm names them.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Critical,
}

fn main() -> ExitCode {
    let code = match Arguments::parse().verb {
        Verb::Run { file, plugin_log_level } => cmd::run::run(&file, plugin_log_level.into()),
        Verb::Check { file, format } => cmd::check::check(&file, format),
        Verb::Doctor { file, format } => cmd::doctor::doctor(file.as_deref(), format),
        Verb::Config { verb } => cmd::config::config(&verb),
        Verb::Import { files, format } => cmd::import::import(&files, format),
        Verb::Schema { of } => cmd::schema::schema(of),
        Verb::Crash { verb } => cmd::crash::crash(&verb),
        Verb::Logs { verb } => cmd::logs::logs(&verb),
        Verb::Rollout { verb } => cmd::rollout::rollout(&verb),
        Verb::Plugin { verb } => cmd::plugin::plugin(&verb),
        Verb::Compile {
            memory_bytes_max,
            cpu_seconds,
            debugged,
        } => {
            let purpose = if debugged { Purpose::Debugging } else { Purpose::Serving };
            plug_host::compile_as_child(memory_bytes_max, cpu_seconds, purpose)
        }
    };
    voice::finish();
    code
}

impl From<Level> for plug_abi::LogLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::Trace => Self::Trace,
            Level::Debug => Self::Debug,
            Level::Info => Self::Info,
            Level::Warn => Self::Warn,
            Level::Error => Self::Error,
            Level::Critical => Self::Critical,
        }
    }
}
