//! The access record of one exchange, and its line of JSON.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::field::{self, Field};
use crate::{json, timestamp};

/// What is said about one exchange when it has ended.
///
/// What came from outside is bytes, for it may be no UTF-8; the writer escapes it. Everything may be borrowed from the exchange,
/// so that a record costs no allocation; `Record<'static>` owns what it says.
#[derive(Debug, Clone, PartialEq)]
pub struct Record<'a> {
    /// When the request's headers had arrived.
    pub time: SystemTime,
    /// `x-request-id`; empty when there is none.
    pub request_id: Cow<'a, [u8]>,
    /// Trace, 32 lower-case hexadecimal digits; empty when there is none.
    pub trace_id: Cow<'a, str>,
    /// Span, 16 lower-case hexadecimal digits; empty when there is none.
    pub span_id: Cow<'a, str>,
    /// Name of the listener.
    pub listener: Cow<'a, str>,
    /// Name of the route; empty when none matched.
    pub route: Cow<'a, str>,
    /// Method; empty for a TCP connection.
    pub method: Cow<'a, [u8]>,
    /// `http` or `https`; empty for a TCP connection.
    pub scheme: Cow<'a, str>,
    /// `:authority` or `Host`.
    pub authority: Cow<'a, [u8]>,
    /// Path and query, as received.
    pub path: Cow<'a, [u8]>,
    /// What was spoken.
    pub protocol: Protocol,
    /// Status sent; none when the exchange ended before there was one.
    pub status: Option<u16>,
    /// Envoy's response flags, comma separated.
    pub flags: Cow<'a, str>,
    /// Why the response is what it is.
    pub details: Cow<'a, str>,
    /// Body bytes received.
    pub request_bytes: u64,
    /// Body bytes sent.
    pub response_bytes: u64,
    /// The whole exchange.
    pub duration: Duration,
    /// Name of the upstream; empty when none was asked.
    pub upstream: Cow<'a, str>,
    /// Its endpoint.
    pub endpoint: Option<SocketAddr>,
    /// Until the upstream's response headers.
    pub upstream_duration: Option<Duration>,
    /// The client.
    pub client: Option<IpAddr>,
    /// `User-Agent`; empty when there is none.
    pub user_agent: Cow<'a, [u8]>,
    /// Verdicts worth a word, in chain order.
    pub plugins: Cow<'a, [PluginVerdict<'a>]>,
    /// Fields that plugins added, in the order of their first appearance.
    pub custom: Cow<'a, [CustomField<'a>]>,
}

/// What was spoken with the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    #[default]
    Http11,
    /// HTTP/2.
    Http2,
    /// Bytes.
    Tcp,
    /// Nothing: the handshake of TLS failed.
    Tls,
}

impl Protocol {
    /// The word in the record.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Http10 => "1.0",
            Self::Http11 => "1.1",
            Self::Http2 => "2",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }
}

/// What one plugin did that is worth a word.
#[derive(Debug, Clone, PartialEq)]
pub struct PluginVerdict<'a> {
    /// Name of the plugin.
    pub plugin: Cow<'a, str>,
    /// `paused`, `local_response`, `skipped`, or a fault's code such as `plugin.slice_exceeded`.
    pub verdict: Cow<'a, str>,
}

/// A field that a plugin added.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomField<'a> {
    /// Its key.
    pub name: Cow<'a, str>,
    /// Its value.
    pub value: Cow<'a, [u8]>,
}

impl Default for Record<'_> {
    fn default() -> Self {
        Self {
            time: UNIX_EPOCH,
            request_id: Cow::default(),
            trace_id: Cow::default(),
            span_id: Cow::default(),
            listener: Cow::default(),
            route: Cow::default(),
            method: Cow::default(),
            scheme: Cow::default(),
            authority: Cow::default(),
            path: Cow::default(),
            protocol: Protocol::default(),
            status: None,
            flags: Cow::default(),
            details: Cow::default(),
            request_bytes: 0,
            response_bytes: 0,
            duration: Duration::ZERO,
            upstream: Cow::default(),
            endpoint: None,
            upstream_duration: None,
            client: None,
            user_agent: Cow::default(),
            plugins: Cow::Borrowed(&[]),
            custom: Cow::Borrowed(&[]),
        }
    }
}

impl Record<'_> {
    /// Appends the record as one JSON object, without a line end. What is empty or absent is left out.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let mut line = Line::begin(self.time, out);
        line.bytes(&field::REQUEST_ID, &self.request_id);
        line.text(&field::TRACE_ID, &self.trace_id);
        line.text(&field::SPAN_ID, &self.span_id);
        line.text(&field::LISTENER, &self.listener);
        line.text(&field::ROUTE, &self.route);
        self.write_request(&mut line);
        line.integer(&field::STATUS, self.status.map(u64::from));
        line.text(&field::FLAGS, &self.flags);
        line.text(&field::DETAILS, &self.details);
        line.integer(&field::REQUEST_BYTES, Some(self.request_bytes));
        line.integer(&field::RESPONSE_BYTES, Some(self.response_bytes));
        line.milliseconds(&field::DURATION, Some(self.duration));
        line.text(&field::UPSTREAM, &self.upstream);
        line.plain(&field::ENDPOINT, self.endpoint, json::socket_address);
        line.milliseconds(&field::UPSTREAM_DURATION, self.upstream_duration);
        line.plain(&field::CLIENT, self.client, json::address);
        line.bytes(&field::USER_AGENT, &self.user_agent);
        line.plugins(&self.plugins);
        line.custom(&self.custom);
        line.end();
    }

    fn write_request(&self, line: &mut Line<'_>) {
        line.bytes(&field::METHOD, &self.method);
        line.text(&field::SCHEME, &self.scheme);
        line.bytes(&field::AUTHORITY, &self.authority);
        let query_at = self
            .path
            .iter()
            .position(|byte| *byte == b'?')
            .unwrap_or(self.path.len());
        let (path, query) = self.path.split_at_checked(query_at).unwrap_or((&self.path, &[]));
        line.bytes(&field::PATH, path);
        line.bytes(&field::QUERY, query.get(1..).unwrap_or_default());
        line.text(&field::PROTOCOL, self.protocol.word());
    }
}

/// Appends the line that stands in for `dropped` lost records.
pub(crate) fn write_gap(time: SystemTime, dropped: u64, out: &mut Vec<u8>) {
    let mut line = Line::begin(time, out);
    line.integer(&field::DROPPED, Some(dropped));
    line.end();
}

/// A JSON object being written.
struct Line<'out> {
    out: &'out mut Vec<u8>,
}

impl<'out> Line<'out> {
    fn begin(time: SystemTime, out: &'out mut Vec<u8>) -> Self {
        out.push(b'{');
        out.extend_from_slice(field::TIMESTAMP.key.as_bytes());
        out.push(b'"');
        timestamp::write(time, out);
        out.push(b'"');
        Self { out }
    }

    fn key(&mut self, field: &Field) {
        self.out.push(b',');
        self.out.extend_from_slice(field.key.as_bytes());
    }

    fn text(&mut self, field: &Field, text: &str) {
        if !text.is_empty() {
            self.key(field);
            json::text(text, self.out);
        }
    }

    fn bytes(&mut self, field: &Field, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.key(field);
            json::string(bytes, self.out);
        }
    }

    fn integer(&mut self, field: &Field, number: Option<u64>) {
        if let Some(number) = number {
            self.key(field);
            json::integer(number, self.out);
        }
    }

    fn milliseconds(&mut self, field: &Field, duration: Option<Duration>) {
        if let Some(duration) = duration {
            self.key(field);
            json::milliseconds(duration, self.out);
        }
    }

    /// For what never needs an escape.
    fn plain<T>(&mut self, field: &Field, value: Option<T>, write: impl FnOnce(T, &mut Vec<u8>)) {
        if let Some(value) = value {
            self.key(field);
            self.out.push(b'"');
            write(value, self.out);
            self.out.push(b'"');
        }
    }

    fn plugins(&mut self, verdicts: &[PluginVerdict<'_>]) {
        if verdicts.is_empty() {
            return;
        }
        self.key(&field::PLUGINS);
        let mut separator = b'[';
        for verdict in verdicts {
            self.out.push(separator);
            self.out.extend_from_slice(b"{\"plugin\":");
            json::text(&verdict.plugin, self.out);
            self.out.extend_from_slice(b",\"verdict\":");
            json::text(&verdict.verdict, self.out);
            self.out.push(b'}');
            separator = b',';
        }
        self.out.push(b']');
    }

    fn custom(&mut self, fields: &[CustomField<'_>]) {
        if fields.is_empty() {
            return;
        }
        self.key(&field::CUSTOM);
        let mut separator = b'{';
        for field in fields {
            self.out.push(separator);
            json::text(&field.name, self.out);
            self.out.push(b':');
            json::string(&field.value, self.out);
            separator = b',';
        }
        self.out.push(b'}');
    }

    fn end(self) {
        self.out.push(b'}');
    }
}

#[cfg(test)]
mod tests;
