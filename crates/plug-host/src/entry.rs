//! Callbacks by name and arguments.

use crate::exchange::{Direction, Visible};
use crate::guest::{Current, Guest};

/// One entry into the guest.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Entry {
    /// `proxy_on_context_create` and `proxy_on_request_headers` in one switch.
    Begin {
        context: u32,
        root: u32,
        headers: u32,
        end: u32,
    },
    ContextCreate {
        context: u32,
        root: u32,
    },
    VmStart {
        root: u32,
        size: u32,
    },
    Configure {
        root: u32,
        size: u32,
    },
    ResponseHeaders {
        context: u32,
        headers: u32,
        end: u32,
    },
    Body {
        direction: Direction,
        context: u32,
        size: u32,
        end: u32,
    },
    Trailers {
        direction: Direction,
        context: u32,
        trailers: u32,
    },
    /// `proxy_on_log`, `proxy_on_done` and `proxy_on_delete` in one switch, in Envoy's order for HTTP.
    End {
        context: u32,
    },
    /// `proxy_on_done`, `proxy_on_log` and `proxy_on_delete` in one switch, in Envoy's order for TCP.
    EndTcp {
        context: u32,
    },
    NewConnection {
        context: u32,
    },
    Data {
        direction: Direction,
        context: u32,
        size: u32,
        end: u32,
    },
    ConnectionClose {
        direction: Direction,
        context: u32,
        peer: u32,
    },
    Tick {
        root: u32,
    },
    QueueReady {
        root: u32,
        queue: u32,
    },
    HttpCallResponse {
        root: u32,
        token: u32,
        headers: u32,
        size: u32,
        trailers: u32,
    },
    GrpcInitialMetadata {
        root: u32,
        token: u32,
        entries: u32,
    },
    GrpcReceive {
        root: u32,
        token: u32,
        size: u32,
    },
    GrpcTrailingMetadata {
        root: u32,
        token: u32,
        entries: u32,
    },
    GrpcClose {
        root: u32,
        token: u32,
        status: u32,
    },
    RedisResponse {
        root: u32,
        token: u32,
        status: u32,
        size: u32,
    },
    RootDone {
        root: u32,
    },
    RootDelete {
        root: u32,
    },
}

impl Entry {
    /// The callback that runs first.
    pub(crate) fn callback(self) -> &'static str {
        match self {
            Self::Begin { .. } | Self::ContextCreate { .. } => "proxy_on_context_create",
            Self::VmStart { .. } => "proxy_on_vm_start",
            Self::Configure { .. } => "proxy_on_configure",
            Self::ResponseHeaders { .. } => "proxy_on_response_headers",
            Self::Body {
                direction: Direction::Request,
                ..
            } => "proxy_on_request_body",
            Self::Body { .. } => "proxy_on_response_body",
            Self::Trailers {
                direction: Direction::Request,
                ..
            } => "proxy_on_request_trailers",
            Self::Trailers { .. } => "proxy_on_response_trailers",
            Self::End { .. } => "proxy_on_log",
            Self::EndTcp { .. } | Self::RootDone { .. } => "proxy_on_done",
            Self::NewConnection { .. } => "proxy_on_new_connection",
            Self::Data {
                direction: Direction::Request,
                ..
            } => "proxy_on_downstream_data",
            Self::Data { .. } => "proxy_on_upstream_data",
            Self::ConnectionClose {
                direction: Direction::Request,
                ..
            } => "proxy_on_downstream_connection_close",
            Self::ConnectionClose { .. } => "proxy_on_upstream_connection_close",
            Self::Tick { .. } => "proxy_on_tick",
            Self::QueueReady { .. } => "proxy_on_queue_ready",
            Self::HttpCallResponse { .. } => "proxy_on_http_call_response",
            Self::GrpcInitialMetadata { .. } => "proxy_on_grpc_receive_initial_metadata",
            Self::GrpcReceive { .. } => "proxy_on_grpc_receive",
            Self::GrpcTrailingMetadata { .. } => "proxy_on_grpc_receive_trailing_metadata",
            Self::GrpcClose { .. } => "proxy_on_grpc_close",
            Self::RedisResponse { .. } => "proxy_on_redis_call_response",
            Self::RootDelete { .. } => "proxy_on_delete",
        }
    }
}

/// What can be read when an exchange is logged. Envoy lets request headers, response headers and response trailers be read then.
const LOGGED: Visible = Visible::LOG
    .with(Visible::REQUEST_HEAD)
    .with(Visible::RESPONSE_HEAD)
    .with(Visible::RESPONSE_TRAILERS);

impl Entry {
    /// What may be touched in this callback, after what could be touched before it.
    pub(crate) fn visible(self, before: Visible) -> Visible {
        match self {
            Self::ResponseHeaders { .. } => before.with(Visible::RESPONSE_HEAD),
            Self::Body { direction, .. } => before.with(Visible::body(direction)),
            Self::Trailers { direction, .. } => before.with(Visible::trailers(direction)),
            Self::Data { direction, .. } => before.with(Visible::data(direction)),
            Self::End { .. } => LOGGED,
            Self::EndTcp { .. } => Visible::LOG,
            _ => before,
        }
    }

    /// Whether an exchange's context begins with it.
    pub(crate) fn creates(self) -> bool {
        matches!(self, Self::Begin { .. } | Self::ContextCreate { .. })
    }

    /// Whether an exchange's context ends with it.
    pub(crate) fn deletes(self) -> bool {
        matches!(self, Self::End { .. } | Self::EndTcp { .. })
    }
}

impl Guest {
    /// The shim goes over to the next callback: the effective context is the exchange's own again.
    pub(crate) fn enter(&mut self, callback: u32) {
        self.callback = match callback {
            2 => "proxy_on_request_headers",
            3 => "proxy_on_log",
            4 => "proxy_on_done",
            _ => "proxy_on_delete",
        };
        if let Some(trial) = &self.trial {
            trial.entering(self.callback);
        }
        self.current = self.entered.clone();
        self.count();
        if let Current::Stream(stream) = &self.current {
            let visible = stream.visible.get();
            stream.visible.set(match callback {
                2 => visible.with(Visible::REQUEST_HEAD),
                3 => visible,
                // Envoy shows the exchange to its log and then no more.
                _ => Visible::LOG,
            });
        }
    }
}

/// LIMIT: words of an entry.
const WORDS_MAX: usize = 5;

/// What an entry holds as a number of a recording.
trait Word: Sized {
    fn word(self) -> u32;
    fn from_word(word: u32) -> Option<Self>;
}

impl Word for u32 {
    fn word(self) -> u32 {
        self
    }

    fn from_word(word: u32) -> Option<Self> {
        Some(word)
    }
}

impl Word for Direction {
    fn word(self) -> u32 {
        match self {
            Self::Request => 0,
            Self::Response => 1,
        }
    }

    fn from_word(word: u32) -> Option<Self> {
        match word {
            0 => Some(Self::Request),
            1 => Some(Self::Response),
            _ => None,
        }
    }
}

/// Gives entries the numbers under which recordings know them: a number once given keeps its meaning.
macro_rules! coded {
    ($($code:literal $variant:ident { $($field:ident),+ };)+) => {
        impl Entry {
            /// Its code, and its words with their count.
            pub(crate) fn coded(self) -> (u8, [u32; WORDS_MAX], usize) {
                match self {
                    $(Self::$variant { $($field),+ } => {
                        let mut words = [0; WORDS_MAX];
                        let given = [$(Word::word($field)),+];
                        for (place, word) in words.iter_mut().zip(given) {
                            *place = word;
                        }
                        ($code, words, given.len())
                    })+
                }
            }

            /// The entry behind a code and its words; none when there is no such entry.
            pub(crate) fn from_coded(code: u8, words: &[u32]) -> Option<Self> {
                match code {
                    $($code => {
                        let [$($field),+] = <[u32; [$(stringify!($field)),+].len()]>::try_from(words).ok()?;
                        Some(Self::$variant { $($field: Word::from_word($field)?),+ })
                    })+
                    _ => None,
                }
            }
        }
    };
}

coded! {
    1 Begin { context, root, headers, end };
    2 ContextCreate { context, root };
    3 VmStart { root, size };
    4 Configure { root, size };
    5 ResponseHeaders { context, headers, end };
    6 Body { direction, context, size, end };
    7 Trailers { direction, context, trailers };
    8 End { context };
    9 EndTcp { context };
    10 NewConnection { context };
    11 Data { direction, context, size, end };
    12 ConnectionClose { direction, context, peer };
    13 Tick { root };
    14 QueueReady { root, queue };
    15 HttpCallResponse { root, token, headers, size, trailers };
    16 GrpcInitialMetadata { root, token, entries };
    17 GrpcReceive { root, token, size };
    18 GrpcTrailingMetadata { root, token, entries };
    19 GrpcClose { root, token, status };
    20 RedisResponse { root, token, status, size };
    21 RootDone { root };
    22 RootDelete { root };
}

impl Entry {
    /// The root context in whose name it runs, as far as the entry says.
    pub(crate) fn root(self) -> u32 {
        match self {
            Self::Begin { root, .. } => root,
            Self::ContextCreate { context, root: 0 } => context,
            Self::ContextCreate { root, .. } => root,
            Self::ResponseHeaders { .. } | Self::Body { .. } | Self::Trailers { .. } => 0,
            Self::End { .. } | Self::EndTcp { .. } | Self::NewConnection { .. } => 0,
            Self::Data { .. } | Self::ConnectionClose { .. } => 0,
            of_root => of_root.context(),
        }
    }

    /// The context in which it runs.
    pub(crate) fn context(self) -> u32 {
        match self {
            Self::Begin { context, .. }
            | Self::ContextCreate { context, .. }
            | Self::ResponseHeaders { context, .. }
            | Self::Body { context, .. }
            | Self::Trailers { context, .. }
            | Self::End { context }
            | Self::EndTcp { context }
            | Self::NewConnection { context }
            | Self::Data { context, .. }
            | Self::ConnectionClose { context, .. } => context,
            Self::VmStart { root, .. }
            | Self::Configure { root, .. }
            | Self::Tick { root }
            | Self::QueueReady { root, .. }
            | Self::HttpCallResponse { root, .. }
            | Self::GrpcInitialMetadata { root, .. }
            | Self::GrpcReceive { root, .. }
            | Self::GrpcTrailingMetadata { root, .. }
            | Self::GrpcClose { root, .. }
            | Self::RedisResponse { root, .. }
            | Self::RootDone { root }
            | Self::RootDelete { root } => root,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_gives_back_its_entry_and_nothing_else() {
        let words: Vec<u32> = vec![1, 2, 3, 4, 5];
        let mut known = 0;
        for code in 0..=u8::MAX {
            let of_code: Vec<Entry> = (0..=words.len())
                .filter_map(|count| Entry::from_coded(code, words.get(..count)?))
                .collect();
            assert!(of_code.len() <= 1, "{of_code:?}");
            for entry in of_code {
                known += 1;
                let (again, given, count) = entry.coded();
                assert_eq!((again, given.get(..count)), (code, words.get(..count)));
            }
        }
        assert_eq!(known, 22);
        let wrong_direction = Entry::from_coded(6, &[2, 1, 1, 1]);
        assert!(wrong_direction.is_none());
    }
}
