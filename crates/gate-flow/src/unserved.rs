//! The record of a connection that was not served, and from which no request is known.

use std::time::SystemTime;

use gate_serve::unserved::{Unserved, Why};
use log_book::{Pen, Sheet, Subject};
use log_mask::field::Untrusted;
use log_record::field;
use log_record::grade::{Class, Level};

/// Writes down a connection whose handshake failed, or that broke the framing of its protocol. It bears the time at which the connection came.
pub(crate) fn connection(pen: &mut Pen, unserved: &Unserved<'_>, ended: SystemTime) {
    let subject = Subject {
        level: Level::Info,
        class: Class::Connection,
        time: ended.checked_sub(unserved.lasted).unwrap_or(ended),
    };
    pen.write(subject, |sheet| known(sheet, unserved));
}

fn known(sheet: &mut Sheet<'_>, unserved: &Unserved<'_>) {
    let own = sheet.own();
    own.text(&field::LISTENER, unserved.listener.name.as_bytes());
    own.text(&field::PROTOCOL, protocol(unserved.why).as_bytes());
    // Envoy's flags: a protocol that the client broke, or a connection that it ended.
    own.text(&field::FLAGS, flag(unserved.why).as_bytes());
    own.text(&field::DETAILS, unserved.why.code().as_bytes());
    own.milliseconds(&field::DURATION, unserved.lasted);
    if let Some(name) = unserved.server_name {
        sheet.sent(&field::TLS_SERVER_NAME, Untrusted::Text(name.as_bytes()));
    }
    sheet.sent_address(&field::CLIENT, unserved.peer.ip());
}

const fn protocol(why: Why) -> &'static str {
    match why {
        Why::Handshake(_) => "tls",
        Why::Http2(_) | Why::Http2Told(_) => "2",
        Why::HeadUnfinished => "1.1",
    }
}

const fn flag(why: Why) -> &'static str {
    match why {
        Why::Handshake(_) => "",
        Why::Http2(_) => "DPE",
        Why::Http2Told(_) | Why::HeadUnfinished => "DC",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
mod tests;
