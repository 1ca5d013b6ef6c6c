//! What an import lets a plugin do, in the words in which grants, policies and inspections speak of it.

use std::fmt;

use crate::{Family, HostCall, WasiCall};

/// Something that a plugin can do because it imports a function for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capability {
    /// Headers, trailers, metadata.
    Headers,
    /// Bodies, its own configuration, what callouts answered.
    Bodies,
    /// Answering in place of the upstream.
    Respond,
    /// Holding, resuming and closing streams.
    Flow,
    /// Attributes of exchange, connection and plugin.
    Properties,
    /// HTTP callouts.
    HttpCall,
    /// gRPC callouts.
    GrpcCall,
    /// Redis calls.
    Redis,
    /// Values that plugins of one `vm_id` share.
    SharedData,
    /// Queues that plugins of one `vm_id` share.
    SharedQueue,
    /// Functions by name, outside the ABI.
    ForeignFunctions,
    /// Endpoints of the chosen upstream.
    UpstreamHosts,
    /// Counters, gauges, histograms.
    Metrics,
    /// Lines in the operator's log, standard output and error included.
    Log,
    /// The clock.
    Clock,
    /// The timer.
    Timer,
    /// Random bytes.
    Random,
    /// Arguments and environment variables.
    Environment,
    /// Files.
    Files,
    /// Sockets of its own.
    Sockets,
    /// Ending itself, waiting, what runtimes need besides.
    Runtime,
}

impl Capability {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 21] = [
        Self::Headers,
        Self::Bodies,
        Self::Respond,
        Self::Flow,
        Self::Properties,
        Self::HttpCall,
        Self::GrpcCall,
        Self::Redis,
        Self::SharedData,
        Self::SharedQueue,
        Self::ForeignFunctions,
        Self::UpstreamHosts,
        Self::Metrics,
        Self::Log,
        Self::Clock,
        Self::Timer,
        Self::Random,
        Self::Environment,
        Self::Files,
        Self::Sockets,
        Self::Runtime,
    ];

    /// Its word in policies and output.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Headers => "headers",
            Self::Bodies => "bodies",
            Self::Respond => "respond",
            Self::Flow => "flow",
            Self::Properties => "properties",
            Self::HttpCall => "http_call",
            Self::GrpcCall => "grpc_call",
            Self::Redis => "redis",
            Self::SharedData => "shared_data",
            Self::SharedQueue => "shared_queue",
            Self::ForeignFunctions => "foreign_functions",
            Self::UpstreamHosts => "upstream_hosts",
            Self::Metrics => "metrics",
            Self::Log => "log",
            Self::Clock => "clock",
            Self::Timer => "timer",
            Self::Random => "random",
            Self::Environment => "environment",
            Self::Files => "files",
            Self::Sockets => "sockets",
            Self::Runtime => "runtime",
        }
    }

    /// What a plugin that has it can do.
    #[must_use]
    pub const fn summary(self) -> &'static str {
        match self {
            Self::Headers => "read and change headers and trailers",
            Self::Bodies => "read and change bodies, and read its configuration",
            Self::Respond => "answer in place of the upstream",
            Self::Flow => "hold, resume and close streams",
            Self::Properties => "read and set properties of exchange and connection",
            Self::HttpCall => "call upstreams by HTTP",
            Self::GrpcCall => "call upstreams by gRPC",
            Self::Redis => "talk to Redis",
            Self::SharedData => "share values with other plugins and workers",
            Self::SharedQueue => "share queues with other plugins and workers",
            Self::ForeignFunctions => "call functions of the host by name",
            Self::UpstreamHosts => "see and choose endpoints of the upstream",
            Self::Metrics => "keep counters, gauges and histograms",
            Self::Log => "write to the operator's log",
            Self::Clock => "read the clock",
            Self::Timer => "be called by a timer",
            Self::Random => "draw random bytes",
            Self::Environment => "read its arguments and environment",
            Self::Files => "ask for files; there are none unless they are granted",
            Self::Sockets => "ask for sockets; there are none",
            Self::Runtime => "end itself, wait, and what runtimes need",
        }
    }

    /// The one with this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|capability| capability.word() == word)
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}

impl HostCall {
    /// What it lets a plugin do.
    #[must_use]
    pub fn capability(&self) -> Capability {
        match self.family {
            Family::Log => Capability::Log,
            Family::Time if self.name == "proxy_set_tick_period_milliseconds" => Capability::Timer,
            Family::Time => Capability::Clock,
            Family::Buffer | Family::Inject => Capability::Bodies,
            Family::Map => Capability::Headers,
            Family::LocalResponse => Capability::Respond,
            Family::HttpCall => Capability::HttpCall,
            Family::GrpcCall => Capability::GrpcCall,
            Family::SharedData => Capability::SharedData,
            Family::SharedQueue => Capability::SharedQueue,
            Family::Metric => Capability::Metrics,
            Family::Property => Capability::Properties,
            Family::Foreign => Capability::ForeignFunctions,
            Family::Context | Family::Stream => Capability::Flow,
            Family::Redis => Capability::Redis,
            Family::UpstreamHosts => Capability::UpstreamHosts,
            Family::Legacy if self.name == "proxy_get_configuration" => Capability::Bodies,
            Family::Legacy => Capability::Flow,
            Family::Emscripten => Capability::Runtime,
        }
    }
}

impl WasiCall {
    /// What it lets a plugin do.
    #[must_use]
    pub fn capability(&self) -> Capability {
        match self.name {
            "fd_write" => Capability::Log,
            "clock_time_get" | "clock_res_get" => Capability::Clock,
            "random_get" => Capability::Random,
            "args_get" | "args_sizes_get" | "environ_get" | "environ_sizes_get" => Capability::Environment,
            "proc_exit" | "proc_raise" | "sched_yield" | "poll_oneoff" => Capability::Runtime,
            name if name.starts_with("sock_") => Capability::Sockets,
            _ => Capability::Files,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{HOST_CALLS, WASI_CALLS};

    #[test]
    fn words_lead_back_and_every_one_is_somebodys() {
        for capability in Capability::ALL {
            assert_eq!(Capability::from_word(capability.word()), Some(capability));
            let of_host = HOST_CALLS.iter().any(|call| call.capability() == capability);
            let of_wasi = WASI_CALLS.iter().any(|call| call.capability() == capability);
            assert!(of_host || of_wasi, "nothing gives `{capability}`");
        }
    }

    #[test]
    fn what_writes_is_told_from_what_reads_a_file() {
        let wasi = |name| crate::wasi_call(name).unwrap().capability();
        assert_eq!(wasi("fd_write"), Capability::Log);
        assert_eq!(wasi("fd_pwrite"), Capability::Files);
        assert_eq!(wasi("path_open"), Capability::Files);
        assert_eq!(wasi("sock_send"), Capability::Sockets);
        let host = |name| crate::host_call(name).unwrap().capability();
        assert_eq!(host("proxy_set_tick_period_milliseconds"), Capability::Timer);
        assert_eq!(host("proxy_get_current_time_nanoseconds"), Capability::Clock);
    }
}
