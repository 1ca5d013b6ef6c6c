//! What came of one phase.

use plug_abi::LogLevel;
use plug_host::{Fault, RequestHead, ResponseHead};

use super::http1::Head;
use crate::cast::Cast;

/// What came of one phase.
#[derive(Debug, Default)]
pub(crate) struct Phase {
    pub(crate) name: String,
    /// Headers by their names, values of one name with `, ` between.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    pub(crate) answer: Option<Answer>,
    /// The plugin goes no further, and has not answered.
    pub(crate) is_held: bool,
    pub(crate) lines: Vec<String>,
    pub(crate) faults: Vec<Fault>,
}

/// A plugin's own response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) grpc_status: Option<u32>,
    pub(crate) details: String,
}

/// Takes what was logged since it was last taken.
pub(crate) struct Lines {
    pub(crate) least: LogLevel,
    taken: usize,
}

impl Lines {
    pub(crate) fn new(least: LogLevel) -> Self {
        Self { least, taken: 0 }
    }

    pub(crate) fn take(&mut self, cast: &Cast<'_>) -> Vec<String> {
        self.take_while(cast, |_| true)
    }

    /// Only those that were written in these callbacks.
    pub(crate) fn take_while(&mut self, cast: &Cast<'_>, is_meant: impl Fn(Option<&str>) -> bool) -> Vec<String> {
        let lines = cast.world.lines.borrow();
        let written_in = cast.world.written_in.borrow();
        let new = lines.iter().zip(written_in.iter()).skip(self.taken);
        let meant: Vec<_> = new.take_while(|(_, callback)| is_meant(**callback)).collect();
        self.taken = self.taken.saturating_add(meant.len());
        let heard = meant.into_iter().filter(|((level, _), _)| *level >= self.least);
        heard.map(|((_, text), _)| text.clone()).collect()
    }
}

fn put(all: &mut Vec<(String, Vec<u8>)>, name: &str, value: &[u8]) {
    match all.iter_mut().find(|(known, _)| known == name) {
        Some((_, values)) => {
            values.extend_from_slice(b", ");
            values.extend_from_slice(value);
        }
        None => all.push((name.to_owned(), value.to_vec())),
    }
}

/// The headers of a request. What a gateway always has, and this test did not say, is left out unless the plugin changed it.
pub(crate) fn of_request(head: &RequestHead, sent: &Head) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    let first = sent.request();
    let mut pseudo = |name: &str, value: &[u8], before: &[u8]| {
        if value != before || sent.given.iter().any(|given| given == name) {
            put(&mut all, name, value);
        }
    };
    pseudo(
        ":method",
        head.method.as_str().as_bytes(),
        first.method.as_str().as_bytes(),
    );
    pseudo(":path", head.path.as_str().as_bytes(), first.path.as_str().as_bytes());
    pseudo(":scheme", head.scheme.as_bytes(), first.scheme.as_bytes());
    if let Some(authority) = &head.authority {
        put(&mut all, ":authority", authority.as_bytes());
    }
    for (name, value) in &head.headers {
        put(&mut all, name.as_str(), value.as_bytes());
    }
    all
}

/// The headers of a response, as [`of_request`] has those of a request.
pub(crate) fn of_response(head: &ResponseHead, sent: Option<&Head>) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    let is_said = sent.is_none_or(|sent| sent.status != head.status || !sent.given.is_empty());
    if is_said {
        put(&mut all, ":status", head.status.as_str().as_bytes());
    }
    for (name, value) in &head.headers {
        put(&mut all, name.as_str(), value.as_bytes());
    }
    all
}
