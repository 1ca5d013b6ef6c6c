//! The questions that the host asks of a grant.

use std::borrow::Cow;
use std::sync::LazyLock;

use plug_abi::{BufferKind, Family, HOST_CALLS, MapKind, call_number, host_call};

use crate::header;
use crate::property::{self, Shown};
use crate::{Access, Body, CallSet, Grant, Mode, Names, redis};

/// Functions of WASI that no runtime does without, and that reach nothing.
const RUNTIME: [&str; 12] = [
    "args_get",
    "args_sizes_get",
    // Whose variables and folders are held against their lists.
    "environ_get",
    "environ_sizes_get",
    "fd_close",
    "fd_fdstat_get",
    "fd_fdstat_set_flags",
    "fd_prestat_dir_name",
    "fd_prestat_get",
    "poll_oneoff",
    "proc_exit",
    "sched_yield",
];

/// What is the plugin's own is granted to all: which context a call means, what C++ guests import besides, and what runtimes need.
static OWN: LazyLock<CallSet> = LazyLock::new(|| {
    let mut own = CallSet::NONE;
    for call in HOST_CALLS {
        if matches!(call.family, Family::Context | Family::Emscripten) {
            own.add(call_number(call.name));
        }
    }
    RUNTIME.iter().for_each(|name| own.add(call_number(name)));
    own
});

/// Calls of which some are always answered, because they are about the plugin itself: its configuration and its name.
const PARTLY_OWN: [&str; 3] = [
    "proxy_get_buffer_bytes",
    "proxy_get_buffer_status",
    "proxy_get_property",
];

impl Grant {
    /// Whether what is not granted is let through.
    #[must_use]
    pub fn only_reports(&self) -> bool {
        self.mode == Mode::Report
    }

    /// Whether a call may be made at all.
    #[must_use]
    pub fn has_call(&self, number: usize) -> bool {
        self.calls.has(number) || OWN.has(number)
    }

    /// Calls that need no second look, whatever their arguments are.
    #[must_use]
    pub fn free(&self) -> CallSet {
        let mut free = *OWN;
        for number in self.calls.iter() {
            if plug_abi::call_name(number).is_none_or(|name| self.is_free(name)) {
                free.add(number);
            }
        }
        // What it is told of itself is about itself.
        free.add(call_number("proxy_get_configuration"));
        free
    }

    fn is_free(&self, name: &str) -> bool {
        let bodies = [self.bodies.request, self.bodies.response];
        let maps = [&self.request_headers, &self.response_headers, &self.trailers];
        let all = |access: &Access| access.read.is_all() && access.write.is_all();
        let Some(call) = host_call(name) else {
            // Of WASI, the environment and files are looked at where they are read.
            return true;
        };
        match call.family {
            Family::Map => maps.into_iter().all(all),
            Family::Buffer => bodies.iter().all(|body| body.read && body.write),
            Family::Inject => self.bodies.response.write,
            // In place of an answer that is there already.
            Family::LocalResponse => self.bodies.response.write && self.response_headers.write.is_all(),
            Family::HttpCall => self.upstreams.is_all(),
            Family::GrpcCall => self.upstreams.is_all() || !BEGINS_A_CALL.contains(&name),
            // Plugins share a connection: that a call is one whole command is looked at whatever is granted.
            Family::Redis => name != "proxy_redis_call" && self.upstreams.is_all() && self.redis.databases.is_all(),
            Family::SharedData => all(&self.shared_data),
            // An id may be that of another's queue.
            Family::SharedQueue => false,
            Family::Metric => self.metrics.is_all(),
            Family::Property => all(&self.properties) && maps.into_iter().all(all),
            Family::Foreign => self.foreign_functions.is_all() && all(&self.properties) && self.bodies.response.write,
            _ => true,
        }
    }

    /// Whether a call is denied whatever its arguments are.
    #[must_use]
    pub fn denies_call(&self, name: &str, number: usize) -> bool {
        !self.has_call(number) && !PARTLY_OWN.contains(&name)
    }

    fn map(&self, kind: MapKind) -> Option<&Access> {
        match kind {
            MapKind::HttpRequestHeaders => Some(&self.request_headers),
            MapKind::HttpResponseHeaders => Some(&self.response_headers),
            MapKind::HttpRequestTrailers | MapKind::HttpResponseTrailers => Some(&self.trailers),
            // What a callout answered belongs to whoever may call out.
            _ => None,
        }
    }

    /// Whether a header, trailer or pseudo-header may be read.
    #[must_use]
    pub fn reads_header(&self, kind: MapKind, name: &[u8]) -> bool {
        self.map(kind)
            .is_none_or(|access| access.read.has(&header::canonical(kind, name)))
    }

    /// Whether a header, trailer or pseudo-header may be added, replaced and removed.
    #[must_use]
    pub fn writes_header(&self, kind: MapKind, name: &[u8]) -> bool {
        self.map(kind)
            .is_none_or(|access| access.write.has(&header::canonical(kind, name)))
    }

    /// The name of a header by which it is compared with others of its map.
    #[must_use]
    pub fn header<'a>(&self, kind: MapKind, name: &'a [u8]) -> Cow<'a, [u8]> {
        header::canonical(kind, name)
    }

    /// What may be done with a buffer. What the plugin is configured with and what a callout answered it may read.
    #[must_use]
    pub fn body(&self, kind: BufferKind) -> Body {
        match kind {
            BufferKind::HttpRequestBody | BufferKind::DownstreamData => self.bodies.request,
            BufferKind::HttpResponseBody | BufferKind::UpstreamData => self.bodies.response,
            _ => Body {
                read: true,
                write: true,
            },
        }
    }

    /// Whether a buffer may be read by a call of that number, which configurations always may.
    #[must_use]
    pub fn reads_buffer(&self, number: usize, kind: BufferKind) -> bool {
        let own = matches!(kind, BufferKind::VmConfiguration | BufferKind::PluginConfiguration);
        own || (self.calls.has(number) && self.body(kind).read)
    }

    /// Whether a property may be read; of a whole map, its entries are asked for one by one.
    #[must_use]
    pub fn reads_property(&self, path: &[&[u8]]) -> bool {
        if property::is_own(path) {
            return true;
        }
        let header = match property::shown(path) {
            Shown::Header(kind, name) => self.reads_header(kind, name),
            Shown::Several(headers) => headers.iter().all(|(kind, name)| self.reads_header(*kind, name)),
            Shown::Map(_) | Shown::Nothing => true,
        };
        header && self.properties.read.has(&property::canonical(path))
    }

    /// Whether a property is about the plugin itself.
    #[must_use]
    pub fn reads_own(&self, path: &[&[u8]]) -> bool {
        property::is_own(path)
    }

    /// What a property shows of the message.
    #[must_use]
    pub fn shown<'a>(&self, path: &[&'a [u8]]) -> Shown<'a> {
        property::shown(path)
    }

    /// Whether a property may be set.
    #[must_use]
    pub fn writes_property(&self, path: &[&[u8]]) -> bool {
        self.properties.write.has(&property::canonical(path))
    }

    /// Whether callouts may reach an upstream, by its name in the configuration.
    #[must_use]
    pub fn reaches(&self, upstream: &str) -> bool {
        self.upstreams.has(upstream.as_bytes())
    }

    /// Whether a queue may be used that is named so, of another `vm_id` if one is given.
    #[must_use]
    pub fn uses_queue(&self, vm_id: Option<&str>, name: &[u8]) -> bool {
        let names = vm_id.map_or(Some(&self.queues), |vm_id| self.queues_of.get(vm_id));
        names.is_some_and(|names| names.has(name))
    }

    /// Whether Redis may be sent these bytes.
    ///
    /// # Errors
    /// What in them is not granted.
    pub fn asks_redis(&self, query: &[u8]) -> Result<(), redis::Refused> {
        redis::check(query, &self.redis)
    }

    /// Whether a client of Redis may choose a database. The one that every connection begins with needs no line.
    #[must_use]
    pub fn reaches_database(&self, database: u32) -> bool {
        database == 0 || self.redis.databases.has(database.to_string().as_bytes())
    }

    /// Whether an environment variable may be seen.
    #[must_use]
    pub fn sees_variable(&self, name: &str) -> bool {
        self.calls.has(call_number("environ_get")) && self.environment.has(name.as_bytes())
    }

    /// Whether there are folders for it at all.
    #[must_use]
    pub fn opens_files(&self) -> bool {
        !self.folders.is_empty() && self.calls.has(call_number("path_open"))
    }

    /// Names of foreign functions.
    #[must_use]
    pub fn functions(&self) -> &Names {
        &self.foreign_functions
    }
}

/// Calls that begin a callout; others go on with one that was let through.
const BEGINS_A_CALL: [&str; 2] = ["proxy_grpc_call", "proxy_grpc_stream"];
