//! gRPC callouts over HTTP/2, unary and streaming.

use std::pin::Pin;
use std::rc::Rc;

use gate_upstream::{BodyFault, OutBody, Upstream};
use http::header::{CONTENT_TYPE, HeaderValue, TE};
use http::{HeaderMap, HeaderName, Method, Request, StatusCode, Uri};
use http_body::{Body, Frame};
use hyper::body::Incoming;
use plug_abi::grpc_frame;
use plug_host::{GrpcCall, GrpcEvent, GrpcOut, ResponseHead};
use tokio::sync::mpsc;

use crate::callouts::GRPC_IDLE;
use crate::pump::Pump;

/// LIMIT: bytes of one message received.
const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

const CANCELLED: u32 = 1;
const UNKNOWN: u32 = 2;
const DEADLINE_EXCEEDED: u32 = 4;
const RESOURCE_EXHAUSTED: u32 = 8;
const UNAVAILABLE: u32 = 14;

/// A status other than OK and its message.
type Failure = (u32, String);

/// Drives one callout to its end; the status with which it ended.
pub(crate) async fn call(
    upstream: Rc<Upstream>,
    call: GrpcCall,
    outgoing: mpsc::UnboundedReceiver<GrpcOut>,
    events: mpsc::Sender<GrpcEvent>,
) -> u32 {
    let wait = call.timeout.unwrap_or(GRPC_IDLE);
    let step = call.step.clone();
    let ended = tokio::time::timeout(wait, converse(upstream, call, outgoing, &events)).await;
    if let Some(step) = step {
        // The status of HTTP: that of gRPC is not one of its numbers.
        step.ends(matches!(ended, Ok(Ok(_))).then_some(StatusCode::OK.as_u16()));
    }
    let (status, message) = match ended {
        Ok(Ok(status)) => return status,
        Ok(Err(failure)) => failure,
        Err(_) => (DEADLINE_EXCEEDED, "timeout".to_owned()),
    };
    // A plugin that cancelled no longer listens.
    let _ = events.send(GrpcEvent::Close(status, message)).await;
    status
}

async fn converse(
    upstream: Rc<Upstream>,
    call: GrpcCall,
    outgoing: mpsc::UnboundedReceiver<GrpcOut>,
    events: &mpsc::Sender<GrpcEvent>,
) -> Result<u32, Failure> {
    let unavailable = |fault: gate_upstream::UpstreamFault| (UNAVAILABLE, fault.client_text().to_owned());
    let endpoint = upstream.pick(None).map_err(unavailable)?;
    let request = request(&upstream, call, outgoing).ok_or_else(|| (UNKNOWN, "no valid request".to_owned()))?;
    let sent = upstream.send(&endpoint, request).await.map_err(unavailable)?;
    let (parts, body) = sent.response.into_parts();
    let _lease = sent.lease;
    if !parts.status.is_success() {
        return Err((UNAVAILABLE, format!("HTTP status {}", parts.status.as_u16())));
    }
    let ended_at_once = body.is_end_stream();
    let initial = ResponseHead {
        status: parts.status,
        headers: parts.headers.clone(),
    };
    give(events, GrpcEvent::InitialMetadata(initial)).await?;
    let trailers = if ended_at_once {
        parts.headers
    } else {
        receive(body, events).await?
    };
    let (status, message) = ending(&trailers);
    give(events, GrpcEvent::TrailingMetadata(trailers)).await?;
    give(events, GrpcEvent::Close(status, message)).await?;
    Ok(status)
}

async fn give(events: &mpsc::Sender<GrpcEvent>, event: GrpcEvent) -> Result<(), Failure> {
    events.send(event).await.map_err(|_| (CANCELLED, String::new()))
}

fn request(
    upstream: &Upstream,
    call: GrpcCall,
    mut outgoing: mpsc::UnboundedReceiver<GrpcOut>,
) -> Option<Request<OutBody>> {
    let uri = Uri::builder()
        .scheme(if upstream.spec().tls.is_some() { "https" } else { "http" })
        .authority(upstream.name().replace('|', "-"))
        .path_and_query(format!("/{}/{}", call.service, call.method))
        .build()
        .ok()?;
    let body = Pump::<BodyFault>::new(|outlet| async move {
        while let Some(GrpcOut::Message(message)) = outgoing.recv().await {
            let Ok(framed) = grpc_frame::encode(&message) else {
                return;
            };
            outlet.give(Ok(Frame::data(framed))).await;
        }
    });
    let mut request = Request::new(OutBody::stream(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    *request.headers_mut() = call.metadata;
    if let Some(step) = &call.step {
        step.tell(request.headers_mut());
    }
    request
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    request.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
    if let Some(timeout) = call.timeout {
        let value = HeaderValue::try_from(format!("{}m", timeout.as_millis())).ok()?;
        request.headers_mut().insert(GRPC_TIMEOUT, value);
    }
    Some(request)
}

/// Gives every message to the plugin and returns the trailers.
async fn receive(mut body: Incoming, events: &mpsc::Sender<GrpcEvent>) -> Result<HeaderMap, Failure> {
    let mut decoder = grpc_frame::Decoder::new(MESSAGE_BYTES_MAX);
    let too_long = |_| (RESOURCE_EXHAUSTED, "message too long or malformed".to_owned());
    while let Some(frame) = std::future::poll_fn(|task| Pin::new(&mut body).poll_frame(task)).await {
        let frame = frame.map_err(|_| (UNAVAILABLE, "connection broke".to_owned()))?;
        match frame.into_data() {
            Ok(bytes) => {
                decoder.push(&bytes);
                while let Some(message) = decoder.message().map_err(too_long)? {
                    give(events, GrpcEvent::Message(message)).await?;
                }
            }
            Err(frame) => {
                if let Ok(trailers) = frame.into_trailers() {
                    return Ok(trailers);
                }
            }
        }
    }
    Ok(HeaderMap::new())
}

fn ending(trailers: &HeaderMap) -> (u32, String) {
    let text = |name: &str| trailers.get(name).and_then(|value| value.to_str().ok());
    let status = text("grpc-status")
        .and_then(|status| status.parse().ok())
        .unwrap_or(UNKNOWN);
    (status, text("grpc-message").unwrap_or("").to_owned())
}
