//! What one plugin may do, as data.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::{CallSet, Name, Names};

/// What becomes of what is not granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// It is denied, counted and said.
    #[default]
    Enforce,
    /// It is let through, counted and said.
    Report,
}

impl Mode {
    /// Its word in the configuration.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Report => "report",
        }
    }
}

/// Names that may be read and names that may be written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Access {
    /// What may be read.
    pub read: Names,
    /// What may be written.
    pub write: Names,
}

impl Access {
    /// All, both ways.
    #[must_use]
    pub fn all() -> Self {
        Self {
            read: Names::all(),
            write: Names::all(),
        }
    }

    fn join(&mut self, other: Self) {
        self.read.join(other.read);
        self.write.join(other.write);
    }
}

/// What may be done with one body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Body {
    /// Whether it may be read.
    pub read: bool,
    /// Whether it may be changed.
    pub write: bool,
}

impl Body {
    fn join(&mut self, other: Self) {
        self.read |= other.read;
        self.write |= other.write;
    }
}

/// What may be done with the bodies of an exchange, or with the two directions of a TCP connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bodies {
    /// From the client.
    pub request: Body,
    /// To the client.
    pub response: Body,
}

/// What may be asked of Redis.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Redis {
    /// Commands, in upper case.
    pub commands: Names,
    /// Keys that they may name.
    pub keys: Names,
    /// Databases that a client may choose beside 0, as decimal numbers.
    pub databases: Names,
}

/// A folder of this machine that the plugin sees as a preopened one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Folder {
    /// Where it is on this machine.
    pub path: PathBuf,
    /// What the plugin calls it.
    pub name: String,
    /// Whether the plugin may make and change files in it.
    pub write: bool,
}

/// Bounds that the plugin's own limits do not go beyond, whatever they say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bounds {
    /// Linear memory.
    pub memory_bytes_max: Option<u64>,
    /// Stack of the guest.
    pub stack_bytes_max: Option<u64>,
    /// CPU time of one callback.
    pub cpu_slice_max: Option<Duration>,
    /// Share of one worker's CPU time.
    pub cpu_share_percent_max: Option<u8>,
}

/// What a plugin may do: what is listed here, and no more.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grant {
    /// What becomes of what is not granted.
    pub mode: Mode,
    /// Host calls and functions of WASI.
    pub calls: CallSet,
    /// Calls that the module may import although they are denied when it makes them.
    pub unneeded: CallSet,
    /// Upstreams that callouts may reach, by their names in the configuration.
    pub upstreams: Names,
    /// Headers of requests, in lower case; `host` is `:authority`.
    pub request_headers: Access,
    /// Headers of responses, in lower case.
    pub response_headers: Access,
    /// Trailers of both, in lower case.
    pub trailers: Access,
    /// Properties, their parts joined by dots.
    pub properties: Access,
    /// Bodies.
    pub bodies: Bodies,
    /// Metrics that it may define.
    pub metrics: Names,
    /// Keys of shared data.
    pub shared_data: Access,
    /// Queues of its own `vm_id`.
    pub queues: Names,
    /// Queues of other `vm_id`s.
    pub queues_of: BTreeMap<String, Names>,
    /// What may be asked of Redis.
    pub redis: Redis,
    /// Foreign functions.
    pub foreign_functions: Names,
    /// Environment variables, of those that the plugin is given.
    pub environment: Names,
    /// Folders, by the plugin's names for them.
    pub folders: Vec<Folder>,
    /// Bounds.
    pub bounds: Bounds,
}

impl Grant {
    /// Everything that can be listed.
    #[must_use]
    pub fn everything() -> Self {
        let body = Body {
            read: true,
            write: true,
        };
        Self {
            calls: CallSet::ALL,
            upstreams: Names::all(),
            request_headers: Access::all(),
            response_headers: Access::all(),
            trailers: Access::all(),
            properties: Access::all(),
            bodies: Bodies {
                request: body,
                response: body,
            },
            metrics: Names::all(),
            shared_data: Access::all(),
            queues: Names::all(),
            redis: Redis {
                commands: Names::all(),
                keys: Names::all(),
                databases: Names::all(),
            },
            foreign_functions: Names::all(),
            environment: Names::all(),
            ..Self::default()
        }
    }

    /// Adds what `other` lists. Mode stays, and bounds stay where `other` has none.
    pub fn join(&mut self, other: Self) {
        self.calls = self.calls.with(other.calls);
        self.unneeded = self.unneeded.with(other.unneeded);
        self.upstreams.join(other.upstreams);
        self.request_headers.join(other.request_headers);
        self.response_headers.join(other.response_headers);
        self.trailers.join(other.trailers);
        self.properties.join(other.properties);
        self.bodies.request.join(other.bodies.request);
        self.bodies.response.join(other.bodies.response);
        self.metrics.join(other.metrics);
        self.shared_data.join(other.shared_data);
        self.queues.join(other.queues);
        for (vm_id, names) in other.queues_of {
            self.queues_of.entry(vm_id).or_default().join(names);
        }
        self.redis.commands.join(other.redis.commands);
        self.redis.keys.join(other.redis.keys);
        self.redis.databases.join(other.redis.databases);
        self.foreign_functions.join(other.foreign_functions);
        self.environment.join(other.environment);
        self.folders.extend(other.folders);
        let (own, more) = (&mut self.bounds, other.bounds);
        own.memory_bytes_max = more.memory_bytes_max.or(own.memory_bytes_max);
        own.stack_bytes_max = more.stack_bytes_max.or(own.stack_bytes_max);
        own.cpu_slice_max = more.cpu_slice_max.or(own.cpu_slice_max);
        own.cpu_share_percent_max = more.cpu_share_percent_max.or(own.cpu_share_percent_max);
    }

    /// A name as its list has it, from as it is written.
    #[must_use]
    pub fn header_name(text: &str) -> Name {
        Name::read(&text.to_ascii_lowercase())
    }
}
