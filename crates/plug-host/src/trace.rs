//! What the gateway knows of the trace that an exchange belongs to, as far as lines and callouts of plugins carry it.

use std::fmt;

use http::HeaderMap;

/// Ids by which everything is found together that is said of an exchange. As numbers, because what a trace is, is not known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceIds {
    /// The trace; never 0.
    pub trace: u128,
    /// The span; never 0.
    pub span: u64,
    /// The flags of `traceparent`.
    pub flags: u8,
}

/// What a line of a plugin is marked with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Marks {
    /// The ids of its exchange; none where it has no trace, or none is told of.
    pub ids: Option<TraceIds>,
    /// How many lines it stands for, itself included; none where nobody knows.
    pub factor: Option<f64>,
}

impl Marks {
    /// Of no exchange, and standing for itself.
    pub const NONE: Self = Self {
        ids: None,
        factor: Some(1.0),
    };
}

/// A callout in the trace of its exchange; the flow has its span.
pub trait CalloutStep: fmt::Debug {
    /// Tells whoever is called of the trace.
    fn tell(&self, headers: &mut HeaderMap);
    /// By what its exchange is found; none where it has no trace, or none is told of.
    fn ids(&self) -> Option<TraceIds>;
    /// It is over: with this status, or without an answer.
    fn ends(&self, status: Option<u16>);
}
