//! The numbers of the ABI as types: statuses, levels, buffers, maps, streams, metrics, peers.

/// Declares an enum whose numbers are the ABI's, with the two conversions that every such type has.
macro_rules! numbers {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $raw:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u32)]
        pub enum $name { $($(#[$doc])* $variant = $raw,)+ }

        impl $name {
            /// Every value, in the order of the numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The value with this number; none if the ABI knows no such number.
            pub const fn from_raw(raw: u32) -> Option<Self> {
                match raw {
                    $($raw => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// The number that the guest knows.
            pub const fn raw(self) -> u32 {
                match self {
                    $(Self::$variant => $raw,)+
                }
            }
        }
    };
}

numbers! {
    /// What a host call answers.
    ///
    /// A guest does not survive every answer: the Rust SDK panics on a code it does not expect from that call, and its own
    /// enum has neither 6 nor 12. [`HostCall::denied`](field@crate::HostCall::denied) names a safe one for each call.
    Status {
        /// Done.
        Ok = 0,
        /// There is no such key, header, property, queue or metric.
        NotFound = 1,
        /// An argument makes no sense, or not here.
        BadArgument = 2,
        /// A value could not be encoded for the guest.
        SerializationFailure = 3,
        /// Bytes of the guest could not be decoded.
        ParseFailure = 4,
        /// An expression is wrong; only from Envoy's expression functions.
        BadExpression = 5,
        /// A pointer or length lies outside the guest's memory, or its allocator failed.
        InvalidMemoryAccess = 6,
        /// The queue holds nothing.
        Empty = 7,
        /// Somebody else changed the shared value in between.
        CasMismatch = 8,
        /// A result has another type than was asked for; nobody sends it.
        ResultMismatch = 9,
        /// The host could not do it.
        InternalFailure = 10,
        /// A connection broke; seen in `proxy_get_status` after a callout.
        BrokenConnection = 11,
        /// This host does not do it.
        Unimplemented = 12,
    }
}

numbers! {
    /// How important a log line is.
    LogLevel {
        /// Finest.
        Trace = 0,
        /// For the plugin's author.
        Debug = 1,
        /// Worth keeping.
        Info = 2,
        /// Something is off.
        Warn = 3,
        /// Something failed.
        Error = 4,
        /// The plugin cannot go on; Rust's panic hook and AssemblyScript's abort write this.
        Critical = 5,
    }
}

impl LogLevel {
    /// Its word in logs and suites.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

numbers! {
    /// A run of bytes that `proxy_get_buffer_bytes` and its companions name.
    BufferKind {
        /// Body of the request, as far as it is buffered.
        HttpRequestBody = 0,
        /// Body of the response, as far as it is buffered.
        HttpResponseBody = 1,
        /// Bytes from the client of a TCP connection.
        DownstreamData = 2,
        /// Bytes from the upstream of a TCP connection.
        UpstreamData = 3,
        /// Body of the answer to an HTTP callout; valid inside its callback.
        HttpCallResponseBody = 4,
        /// Message of a gRPC callout; valid inside its callback.
        GrpcReceive = 5,
        /// The configuration that plugins of one VM share.
        VmConfiguration = 6,
        /// The plugin's configuration.
        PluginConfiguration = 7,
        /// Arguments of `proxy_on_foreign_function`.
        CallData = 8,
        /// Raw RESP bytes of the answer to a Redis call; Higress's.
        RedisCallResponse = 9,
    }
}

numbers! {
    /// A list of key-value pairs that the header-map calls name.
    MapKind {
        /// Headers of the request.
        HttpRequestHeaders = 0,
        /// Trailers of the request.
        HttpRequestTrailers = 1,
        /// Headers of the response.
        HttpResponseHeaders = 2,
        /// Trailers of the response.
        HttpResponseTrailers = 3,
        /// Initial metadata of a gRPC callout's answer.
        GrpcReceiveInitialMetadata = 4,
        /// Trailing metadata of a gRPC callout's answer.
        GrpcReceiveTrailingMetadata = 5,
        /// Headers of an HTTP callout's answer.
        HttpCallResponseHeaders = 6,
        /// Trailers of an HTTP callout's answer.
        HttpCallResponseTrailers = 7,
    }
}

numbers! {
    /// The stream that `proxy_continue_stream` and `proxy_close_stream` name.
    StreamKind {
        /// The request of an exchange.
        HttpRequest = 0,
        /// The response of an exchange.
        HttpResponse = 1,
        /// The client's side of a TCP connection.
        Downstream = 2,
        /// The upstream's side of a TCP connection.
        Upstream = 3,
    }
}

numbers! {
    /// The kind of a metric; the low two bits of its id.
    MetricKind {
        /// Only grows.
        Counter = 0,
        /// A value that is set.
        Gauge = 1,
        /// A distribution; can be recorded, not read.
        Histogram = 2,
    }
}

numbers! {
    /// Who closed a TCP connection.
    PeerType {
        /// Not known.
        Unknown = 0,
        /// This proxy.
        Local = 1,
        /// The other end.
        Remote = 2,
    }
}

#[cfg(test)]
mod tests;
