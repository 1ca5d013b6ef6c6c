//! What a worker asks of whoever serves its exchanges.

use std::error::Error;
use std::future::Future;
use std::rc::Rc;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;

use crate::connection::Connection;
use crate::refusal::Refusal;
use crate::stream::Stream;
use crate::unserved::Unserved;

/// Serves the exchanges of one worker, on its thread; may hold what no other thread may touch.
pub trait Service: 'static {
    /// Body of a response.
    type Body: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + 'static;

    /// Answers one request whose head is in order. When the client goes away, the future is dropped where it stands.
    ///
    /// HTTP/1.1 sends `100 Continue` when the body is first polled and `Expect` asked for it.
    fn http(
        self: Rc<Self>,
        connection: Rc<Connection>,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<Self::Body>, Abort>>;

    /// Serves one connection of a TCP listener until it ends. A drain drops the future when its wait is over.
    fn tcp(self: Rc<Self>, connection: Rc<Connection>, stream: Stream) -> impl Future<Output = ()>;

    /// Hears of a request that was refused here and never reaches [`Self::http`]; there is none to show when its head was no HTTP.
    fn refused(&self, connection: &Connection, refusal: Refusal, request: Option<&Request<Incoming>>) {
        let _ = (connection, refusal, request);
    }

    /// Hears of a connection that ends unserved and with no request to show. It may be called as often as clients connect: it is to be cheap.
    fn unserved(&self, unserved: &Unserved<'_>) {
        let _ = unserved;
    }

    /// The worker's last connection has ended: flush, say goodbye. Bounded by the wait given to [`crate::worker::Workers::stop`].
    fn stop(self: Rc<Self>) -> impl Future<Output = ()> {
        async {}
    }
}

/// Ends a stream without a response: HTTP/1 closes the connection, HTTP/2 resets the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the exchange was ended without a response")]
pub struct Abort;
