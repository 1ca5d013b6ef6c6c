//! What a callback's return value asks the host to do.

use crate::Abi;

/// What a header callback asks for. The numbers are Envoy's `FilterHeadersStatus`, which the C++, AssemblyScript and Higress SDKs
/// pass through; the Rust and Go SDKs know only 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HeadersAction {
    /// Go on with the next plugin.
    Continue,
    /// Hold the headers; body callbacks still come, and a `Continue` from one of them releases everything.
    StopIteration,
    /// Go on, but end the stream after these headers.
    ContinueAndEndStream,
    /// Hold everything until the plugin resumes; no callbacks meanwhile. Exceeding the buffer limit is an error (413 or 500).
    StopAllIterationAndBuffer,
    /// Hold everything until the plugin resumes; no callbacks meanwhile. At the buffer limit the sender is slowed down.
    StopAllIterationAndWatermark,
}

impl HeadersAction {
    /// Reads the return value of a header callback.
    ///
    /// A plain pause (1) is widened to [`Self::StopAllIterationAndWatermark`], as proxy-wasm-cpp-host does since its change 95:
    /// before that, body callbacks reached plugins that believed themselves paused. It is taken literally for 0.2.100
    /// (Higress) or when the plugin's configuration says so (Envoy's `allow_on_headers_stop_iteration`), which wins over both.
    /// Unknown numbers are read as the strictest action, as in proxy-wasm-cpp-host.
    pub fn from_guest(code: u32, abi: Abi, allow_stop_iteration: Option<bool>) -> Self {
        match code {
            0 => Self::Continue,
            1 if allow_stop_iteration.unwrap_or(abi == Abi::V0_2_100) => Self::StopIteration,
            2 => Self::ContinueAndEndStream,
            3 => Self::StopAllIterationAndBuffer,
            _ => Self::StopAllIterationAndWatermark,
        }
    }
}

/// What a body callback asks for; the numbers are Envoy's `FilterDataStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BodyAction {
    /// Pass on what has gathered.
    Continue,
    /// Gather; the next callback sees the whole. Exceeding the buffer limit is an error (413 or 500).
    StopIterationAndBuffer,
    /// Gather; at the buffer limit the sender is slowed down.
    StopIterationAndWatermark,
    /// Withhold this piece and do not gather it: the plugin has taken a copy and will inject what it wants.
    StopIterationNoBuffer,
}

impl BodyAction {
    /// Reads the return value of a body callback; unknown numbers are read as proxy-wasm-cpp-host does, without buffering.
    pub fn from_guest(code: u32) -> Self {
        match code {
            0 => Self::Continue,
            1 => Self::StopIterationAndBuffer,
            2 => Self::StopIterationAndWatermark,
            _ => Self::StopIterationNoBuffer,
        }
    }
}

/// What a trailer callback asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TrailersAction {
    /// Go on.
    Continue,
    /// Hold the trailers, and with them the end of the stream.
    StopIteration,
}

impl TrailersAction {
    /// Reads the return value of a trailer callback.
    pub fn from_guest(code: u32) -> Self {
        if code == 0 { Self::Continue } else { Self::StopIteration }
    }
}

/// What a callback of a TCP connection asks for: new connection, data from either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StreamAction {
    /// Go on.
    Continue,
    /// Hold, and gather further data until the plugin resumes.
    StopIteration,
}

impl StreamAction {
    /// Reads the return value of `proxy_on_new_connection` and the data callbacks.
    pub fn from_guest(code: u32) -> Self {
        if code == 0 { Self::Continue } else { Self::StopIteration }
    }
}

#[cfg(test)]
mod tests;
