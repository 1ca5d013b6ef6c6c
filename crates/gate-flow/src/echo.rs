//! The built-in echo upstream: tells the client, as JSON, the request as it would have gone upstream.

use std::rc::Rc;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use plug_host::{Exchange, ResponseHead};
use serde_json::{Map, Value, json};

use crate::answer::Whole;
use crate::journal::Journal;
use crate::lane::{Lane, Out, Stop};
use crate::source::Source;

/// LIMIT: body bytes shown; the rest is counted.
const SHOWN_BYTES_MAX: usize = 64 * 1024;

/// Reads the request to its end and describes it.
pub(crate) async fn answer(
    lane: &mut Lane,
    source: &mut Source,
    end: bool,
    journal: &Rc<Journal>,
    exchange: &Exchange,
) -> Result<Whole, Stop> {
    let mut body = Vec::new();
    let mut bytes_total = 0_u64;
    let mut ended = end;
    while !ended {
        match lane.next(source).await? {
            Out::Headers { .. } => {}
            Out::Data { bytes, end } => {
                bytes_total = bytes_total.saturating_add(bytes.len() as u64);
                let room = SHOWN_BYTES_MAX.saturating_sub(body.len()).min(bytes.len());
                body.extend_from_slice(bytes.get(..room).unwrap_or_default());
                ended = end;
            }
            Out::Trailers => ended = true,
        }
    }
    journal.volume.request.set(bytes_total);
    let mut text = serde_json::to_vec_pretty(&description(exchange, &body, bytes_total)).unwrap_or_default();
    text.push(b'\n');
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
    Ok(Whole {
        head: ResponseHead {
            status: StatusCode::OK,
            headers,
        },
        body: Bytes::from(text),
    })
}

fn description(exchange: &Exchange, body: &[u8], bytes_total: u64) -> Value {
    let head = exchange.request.borrow();
    let text = |value: Option<&HeaderValue>| value.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    json!({
        "method": head.method.as_str(),
        "scheme": text(Some(&head.scheme)),
        "authority": text(head.authority.as_ref()),
        "path": head.path.as_str(),
        "headers": object(&head.headers),
        "body": String::from_utf8_lossy(body),
        "body_bytes": bytes_total,
        "trailers": exchange.request_trailers.borrow().as_ref().map(object),
    })
}

/// Names with their value, or with the list of their values.
fn object(headers: &HeaderMap) -> Value {
    let mut fields = Map::new();
    for name in headers.keys() {
        let mut values: Vec<Value> = headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into())
            .collect();
        let value = if values.len() == 1 {
            values.remove(0)
        } else {
            Value::Array(values)
        };
        fields.insert(name.as_str().to_owned(), value);
    }
    Value::Object(fields)
}
