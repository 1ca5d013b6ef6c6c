//! What a host call is: one row of the table from which linking, grants, documentation and coverage tests are read.

mod table;

use crate::signature::signature_text;
use crate::{Abi, Hosts, Signature, Status, ValueType};

pub use table::HOST_CALLS;

/// The module that guests import all of these from.
pub const HOST_MODULE: &str = "env";

/// What a host call is about; the files of `plug-host/calls` are cut along these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Log lines and the level that is worth producing.
    Log,
    /// The clock and the timer.
    Time,
    /// Bodies, configurations, answers of callouts.
    Buffer,
    /// Headers, trailers, metadata.
    Map,
    /// Answering in place of the upstream.
    LocalResponse,
    /// HTTP callouts.
    HttpCall,
    /// gRPC callouts, unary and streaming.
    GrpcCall,
    /// Values shared by the plugins of one `vm_id`.
    SharedData,
    /// Queues shared by the plugins of one `vm_id`.
    SharedQueue,
    /// Counters, gauges, histograms.
    Metric,
    /// Attributes of exchange, connection and plugin.
    Property,
    /// Functions by name, outside the ABI.
    Foreign,
    /// Whose context a call means, and when it may end.
    Context,
    /// Resuming and closing.
    Stream,
    /// Redis calls; Higress's.
    Redis,
    /// Injecting pieces of body; Higress's.
    Inject,
    /// Endpoints of the chosen upstream; Higress's.
    UpstreamHosts,
    /// Calls of 0.1.0 that later versions replaced.
    Legacy,
    /// What C++ guests import besides the ABI.
    Emscripten,
}

impl Family {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 19] = [
        Self::Log,
        Self::Time,
        Self::Buffer,
        Self::Map,
        Self::LocalResponse,
        Self::HttpCall,
        Self::GrpcCall,
        Self::SharedData,
        Self::SharedQueue,
        Self::Metric,
        Self::Property,
        Self::Foreign,
        Self::Context,
        Self::Stream,
        Self::Redis,
        Self::Inject,
        Self::UpstreamHosts,
        Self::Legacy,
        Self::Emscripten,
    ];

    /// Its word in grants.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Time => "time",
            Self::Buffer => "buffer",
            Self::Map => "map",
            Self::LocalResponse => "local_response",
            Self::HttpCall => "http_call",
            Self::GrpcCall => "grpc_call",
            Self::SharedData => "shared_data",
            Self::SharedQueue => "shared_queue",
            Self::Metric => "metric",
            Self::Property => "property",
            Self::Foreign => "foreign",
            Self::Context => "context",
            Self::Stream => "stream",
            Self::Redis => "redis",
            Self::Inject => "inject",
            Self::UpstreamHosts => "upstream_hosts",
            Self::Legacy => "legacy",
            Self::Emscripten => "emscripten",
        }
    }

    /// The one with this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|family| family.word() == word)
    }
}

/// A parameter of a host call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param {
    /// Its name in the specification, shortened: `_ptr` and `_len` are where and how long, `return_` is where the answer goes.
    pub name: &'static str,
    /// Its type.
    pub value_type: ValueType,
}

/// One function that guests import from [`HOST_MODULE`].
#[derive(Clone, Copy, Debug)]
pub struct HostCall {
    /// The name of the import.
    pub name: &'static str,
    /// What it is about.
    pub family: Family,
    /// The parameters as the specification has them.
    pub params: &'static [Param],
    /// The results as the specification has them.
    pub results: &'static [ValueType],
    /// Further types with which some SDK imports it. The module's own type decides how it is linked.
    pub shapes: &'static [Signature],
    /// The first version that has it. Not a condition for linking: modules mix.
    pub since: Abi,
    /// The last version that has it, if it was dropped. Not a condition for linking either: the AssemblyScript SDK announces
    /// 0.2.1 and imports `proxy_clear_route_cache`.
    pub until: Option<Abi>,
    /// Which other hosts provide it; grants and errors name them.
    pub providers: Hosts,
    /// What to answer when the plugin may not do this: a code after which a plugin of every SDK lives on. Where it is
    /// [`Status::Ok`] the call does nothing and writes zero to each of its return pointers.
    pub denied: Status,
    /// Whether it hands bytes over through the guest's allocator, so that the guest is re-entered.
    pub allocates: bool,
    /// What it does, in a few words.
    pub summary: &'static str,
}

impl HostCall {
    /// Whether a module may import it with this type.
    pub fn accepts(&self, params: &[ValueType], results: &[ValueType]) -> bool {
        self.is_standard(params, results) || self.shapes.iter().any(|shape| shape.is(params, results))
    }

    /// Every type with which a module may import it, the specification's first, as people write them.
    pub fn signatures(&self) -> Vec<String> {
        let params: Vec<ValueType> = self.params.iter().map(|param| param.value_type).collect();
        let standard = signature_text(&params, self.results);
        std::iter::once(standard)
            .chain(self.shapes.iter().map(Signature::to_string))
            .collect()
    }

    /// Whether this is the type that the specification gives it.
    pub fn is_standard(&self, params: &[ValueType], results: &[ValueType]) -> bool {
        self.results == results
            && self
                .params
                .iter()
                .map(|param| param.value_type)
                .eq(params.iter().copied())
    }
}

/// Finds a host call by the name of its import.
pub fn host_call(name: &str) -> Option<&'static HostCall> {
    HOST_CALLS.iter().find(|call| call.name == name)
}

#[cfg(test)]
mod tests;
