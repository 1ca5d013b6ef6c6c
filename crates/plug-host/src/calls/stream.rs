//! Going on with and closing the streams of an exchange.

use std::rc::Rc;

use plug_abi::{Status, StreamKind};

use crate::calls::Done;
use crate::exchange::{Direction, StreamContext, Visible};
use crate::guest::Host;

/// The request's maps and bodies are out of reach once the plugin let go of them, as in Envoy.
const REQUEST: Visible = Visible::REQUEST_HEAD
    .with(Visible::REQUEST_BODY)
    .with(Visible::REQUEST_TRAILERS);

fn resume(stream: &Rc<StreamContext>, direction: Direction) {
    stream.side(direction).resume.set(true);
    stream.exchange.bell(direction).ring();
}

/// Outside an exchange there is nothing to go on with, which Envoy does not mind.
pub(crate) fn proxy_continue_stream(host: &mut Host<'_>, kind: u32) -> Done {
    let kind = StreamKind::from_raw(kind).ok_or(Status::BadArgument)?;
    let stream = host.guest.stream();
    match (kind, stream) {
        // Envoy cannot go on with an upstream stream.
        (StreamKind::Upstream, _) => return Err(Status::Unimplemented),
        (_, None) => {}
        (StreamKind::HttpRequest, Some(stream)) => {
            stream.visible.set(stream.visible.get().without(REQUEST));
            resume(stream, Direction::Request);
        }
        (StreamKind::HttpResponse, Some(stream)) => {
            stream.visible.set(stream.visible.get().without(REQUEST));
            resume(stream, Direction::Response);
        }
        (StreamKind::Downstream, Some(stream)) => resume(stream, Direction::Request),
    }
    Ok(())
}

/// Outside an exchange there is nothing to close, which Envoy does not mind.
pub(crate) fn proxy_close_stream(host: &mut Host<'_>, kind: u32) -> Done {
    let kind = StreamKind::from_raw(kind).ok_or(Status::BadArgument)?;
    let Some(stream) = host.guest.stream() else {
        return Ok(());
    };
    match kind {
        StreamKind::HttpRequest | StreamKind::HttpResponse => stream.exchange.reset.set(true),
        StreamKind::Downstream => stream.request.close.set(true),
        StreamKind::Upstream => stream.response.close.set(true),
    }
    stream.exchange.ring();
    Ok(())
}
