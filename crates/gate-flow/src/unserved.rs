//! The record of a connection that was not served, and from which no request is known.

use std::borrow::Cow;
use std::time::SystemTime;

use gate_serve::unserved::{Unserved, Why};
use log_record::record::{Protocol, Record};

use crate::flow::Flow;

impl Flow {
    /// Writes down a connection whose handshake failed, or that broke the framing of its protocol.
    pub(crate) fn connection_failed(&self, unserved: &Unserved<'_>) {
        self.record(&record(unserved, SystemTime::now()));
    }
}

/// What is known, borrowed: this may be asked for as often as somebody connects. It bears the time at which the connection came.
fn record<'a>(unserved: &Unserved<'a>, ended: SystemTime) -> Record<'a> {
    Record {
        time: ended.checked_sub(unserved.lasted).unwrap_or(ended),
        listener: Cow::Borrowed(&unserved.listener.name),
        protocol: protocol(unserved.why),
        // Envoy's flags: a protocol that the client broke, or a connection that it ended.
        flags: Cow::Borrowed(flag(unserved.why)),
        details: Cow::Borrowed(unserved.why.code()),
        duration: unserved.lasted,
        client: Some(unserved.peer.ip()),
        ..Record::default()
    }
}

fn protocol(why: Why) -> Protocol {
    match why {
        Why::Handshake(_) => Protocol::Tls,
        Why::Http2(_) => Protocol::Http2,
        Why::HeadUnfinished => Protocol::Http11,
    }
}

fn flag(why: Why) -> &'static str {
    match why {
        Why::Handshake(_) => "",
        Why::Http2(_) => "DPE",
        Why::HeadUnfinished => "DC",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
mod tests;
