//! What a debug window shows of an exchange: its heads, and on some routes the beginnings of its bodies, masked.

use std::time::SystemTime;

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName};
use log_book::{Sheet, Subject};
use log_mask::field::Untrusted;
use log_record::field::{self, Field};
use log_record::grade::{Class, Level};
use log_trace::{Kind, Notice};

use crate::chain::Chain;
use crate::clock::now_ns;
use crate::flow::Flow;
use crate::journal::Journal;
use crate::traced::{Captured, Ended};
use crate::written;

/// How messages of gRPC are compressed.
const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// Shows an exchange to the window that is open, or keeps what would be shown for the next one.
pub(crate) fn exchange(flow: &Flow, (journal, chain): (&Journal, &Chain), ended: &Ended) {
    if !ended.wants_debug || !flow.pen().wants(Level::Debug, Class::Debug) {
        return;
    }
    let pack = |out: &mut Vec<u8>| {
        let mut pen = flow.pen();
        out.extend_from_slice(pen.pack(|sheet| sheet_of(sheet, (journal, chain), ended)));
    };
    flow.debug(pack, emit(flow));
}

/// Shows what was kept for a window that another worker has opened.
pub(crate) fn look(flow: &Flow) {
    flow.look_for_window(emit(flow));
}

/// A record of the seconds before bears the time at which it was packed.
fn emit(flow: &Flow) -> impl FnMut(&Notice, u64, &[u8], &[u8]) {
    let (now, reached_ns) = (SystemTime::now(), now_ns());
    move |notice, time_ns, front, back| {
        let ago = std::time::Duration::from_nanos(reached_ns.saturating_sub(time_ns));
        let subject = Subject {
            level: Level::Debug,
            class: Class::Debug,
            time: now.checked_sub(ago).unwrap_or(now),
        };
        let mut pen = flow.pen();
        let mut label = Vec::new();
        label.extend_from_slice(pen.pack(|sheet| {
            sheet.own().text(&field::DEBUG_ID, &notice.id.digits());
            sheet.own().text(&field::DEBUG_KIND, word(notice.kind).as_bytes());
        }));
        pen.write_packed(subject, &[&label, front, back]);
    }
}

const fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::TooMany => "too_many_requests",
        Kind::ServerError => "server_errors",
        Kind::Fault => "faults",
        Kind::Slow => "slow",
    }
}

fn sheet_of(sheet: &mut Sheet<'_>, (journal, chain): (&Journal, &Chain), ended: &Ended) {
    written::ids(sheet, ended);
    written::asked(sheet, journal);
    let request = chain.exchange.request.borrow();
    headers(sheet, &field::REQUEST_HEADERS, &request.headers);
    let response = chain.exchange.response.borrow();
    if let Some(response) = response.as_ref() {
        headers(sheet, &field::RESPONSE_HEADERS, &response.headers);
    }
    let [sent, answered] = &ended.bodies;
    body(sheet, &OF_REQUEST, sent, &request.headers);
    if let Some(response) = response.as_ref() {
        body(sheet, &OF_RESPONSE, answered, &response.headers);
    }
}

/// The fields of a body.
struct OfBody {
    content: &'static Field,
    cut: &'static Field,
    withheld: &'static Field,
}

const OF_REQUEST: OfBody = OfBody {
    content: &field::REQUEST_BODY,
    cut: &field::REQUEST_BODY_CUT,
    withheld: &field::REQUEST_BODY_WITHHELD,
};

const OF_RESPONSE: OfBody = OfBody {
    content: &field::RESPONSE_BODY,
    cut: &field::RESPONSE_BODY_CUT,
    withheld: &field::RESPONSE_BODY_WITHHELD,
};

fn headers(sheet: &mut Sheet<'_>, field: &Field, headers: &HeaderMap) {
    let members = headers
        .iter()
        .map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()));
    sheet.sent_headers(field, members);
}

fn body(sheet: &mut Sheet<'_>, fields: &OfBody, body: &Captured, headers: &HeaderMap) {
    if body.bytes == 0 {
        return;
    }
    // Only while a window is open, and no more than it may show.
    let bytes = body.pieces.concat();
    match read(&bytes, headers) {
        Ok(value) => sheet.sent_base64(fields.content, (value, body.is_cut)),
        Err(why) => sheet.own().text(fields.withheld, why.as_bytes()),
    }
    if body.is_cut {
        sheet.own().flag(fields.cut);
    }
}

/// A body as the mask reads it, or why it cannot be read.
fn read<'a>(bytes: &'a [u8], headers: &HeaderMap) -> Result<Untrusted<'a>, &'static str> {
    let is_coded = |name: &HeaderName| headers.get_all(name).iter().any(|value| value != "identity");
    if is_coded(&CONTENT_ENCODING) || is_coded(&GRPC_ENCODING) {
        return Err("compressed");
    }
    let kind = headers.get(CONTENT_TYPE).map_or(&b""[..], |kind| kind.as_bytes());
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let kind = kind.to_ascii_lowercase();
    // Its names stand in headers of its own.
    if kind.starts_with(b"multipart/") {
        return Err("multipart");
    }
    // A sign may be cut in two at the end.
    if std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_some()) {
        return Err("no text");
    }
    Ok(match &*kind {
        b"application/x-www-form-urlencoded" => Untrusted::Query(bytes),
        kind if kind.ends_with(b"json") => Untrusted::Json(bytes),
        _ => Untrusted::Text(bytes),
    })
}

#[cfg(test)]
mod tests;
