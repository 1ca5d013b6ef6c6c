//! The ids of callouts and metrics: the low two bits say the kind, the rest counts.
//!
//! Guests see no more than a number, but the SDKs panic when the same one comes twice at a time, and hosts tell by the kind bits
//! that `proxy_grpc_send` was given the id of a unary call.

use crate::MetricKind;

/// How far ids of one kind lie apart.
const STEP: u32 = 4;

/// What an id belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CalloutKind {
    /// `proxy_http_call`.
    Http,
    /// `proxy_grpc_call`.
    GrpcCall,
    /// `proxy_grpc_stream`.
    GrpcStream,
    /// `proxy_redis_call`; Higress's.
    Redis,
}

impl CalloutKind {
    /// The low two bits of ids of this kind.
    pub const fn bits(self) -> u32 {
        match self {
            Self::Http => 0,
            Self::GrpcCall => 1,
            Self::GrpcStream => 2,
            Self::Redis => 3,
        }
    }

    /// The kind that an id says it has; whether such a callout exists is another question.
    pub const fn of(id: u32) -> Self {
        match id & 3 {
            0 => Self::Http,
            1 => Self::GrpcCall,
            2 => Self::GrpcStream,
            _ => Self::Redis,
        }
    }
}

/// The kind that a metric's id says it has; none if no kind has these bits.
pub const fn metric_kind(id: u32) -> Option<MetricKind> {
    MetricKind::from_raw(id & 3)
}

/// Gives out ids. Never 0: guests use it for "none".
#[derive(Clone, Debug)]
pub struct Tokens {
    next: u32,
}

impl Default for Tokens {
    fn default() -> Self {
        Self::new()
    }
}

impl Tokens {
    /// A counter that has given out nothing.
    pub const fn new() -> Self {
        Self { next: STEP }
    }

    /// A fresh id for a callout. None if every id that could be tried is `taken`; the caller bounds how many callouts are
    /// outstanding, long before that.
    pub fn callout(&mut self, kind: CalloutKind, taken: impl Fn(u32) -> bool) -> Option<u32> {
        self.id(kind.bits(), taken)
    }

    /// A fresh id for a metric.
    pub fn metric(&mut self, kind: MetricKind, taken: impl Fn(u32) -> bool) -> Option<u32> {
        self.id(kind.raw(), taken)
    }

    fn id(&mut self, bits: u32, taken: impl Fn(u32) -> bool) -> Option<u32> {
        // LIMIT: as many tries as could ever be outstanding callouts of one plugin.
        for _ in 0..TRIES_MAX {
            let id = self.next | bits;
            self.next = self.next.checked_add(STEP).unwrap_or(STEP);
            if !taken(id) {
                return Some(id);
            }
        }
        None
    }
}

/// How many ids in a row may be taken before giving up.
const TRIES_MAX: u32 = 65_536;

#[cfg(test)]
mod tests;
