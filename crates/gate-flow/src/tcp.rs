//! The life of one TCP connection: bytes in both directions through a chain of plugins to one upstream.

use std::rc::Rc;
use std::time::Duration;

use bytes::BytesMut;
use gate_serve::connection::Connection;
use gate_serve::stream::Stream;
use gate_upstream::UpstreamFault;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Version};
use plug_host::{Direction, Exchange, RequestHead};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};

use crate::chain::Chain;
use crate::flow::Flow;
use crate::journal::Journal;
use crate::tcp_lane::TcpLane;
use crate::traced::Ended;

/// Bytes read at a time.
const READ_BYTES: usize = 16 * 1024;
/// LIMIT: silence in both directions after which a connection ends; Envoy's TCP proxy waits as long.
const IDLE: Duration = Duration::from_secs(3600);

/// A plugin closed the connection or failed, or one of its ends went away.
struct Broken;

/// Serves one connection.
pub(crate) async fn serve_one(flow: Rc<Flow>, connection: Rc<Connection>, stream: Stream) {
    let serving = flow.serving();
    let mut head = nothing();
    let journal = Journal::new(
        Rc::clone(&serving),
        Rc::clone(&connection),
        &head,
        Version::HTTP_11,
        None,
    );
    let (links, upstream) = match serving.tcp_chain(&connection.listener) {
        Some((links, upstream)) => (links, Some(upstream)),
        None => (serving.nothing(), None),
    };
    *journal.upstream.borrow_mut() = upstream.and_then(|upstream| serving.upstreams.find(upstream));
    let body_bytes_max = links.body_bytes_max;
    journal.begin_trace(flow.tracing(), &mut head.headers, false);
    let exchange = Exchange::new(head, journal.clone(), body_bytes_max);
    let chain = Chain::new(links, exchange).in_trace_of(&journal);
    let passage = Passage {
        journal,
        lane: TcpLane::new(chain),
    };
    if upstream.is_some() {
        passage.run(stream).await;
    }
    passage.lane.end().await;
    passage.record(&flow);
}

/// A TCP connection has no request; properties of one read as absent or empty.
pub(crate) fn nothing() -> RequestHead {
    RequestHead {
        method: Method::CONNECT,
        scheme: HeaderValue::from_static("tcp"),
        authority: None,
        path: PathAndQuery::from_static("/"),
        headers: HeaderMap::new(),
    }
}

struct Passage {
    journal: Rc<Journal>,
    lane: TcpLane,
}

impl Passage {
    async fn run(&self, client: Stream) {
        if !self.lane.greet().await {
            return;
        }
        let server = match self.connect().await {
            Ok(server) => server,
            Err(fault) => return self.journal.failed(&fault),
        };
        let (client_read, client_write) = tokio::io::split(client);
        let (server_read, server_write) = tokio::io::split(server);
        let up = self.pass(Direction::Request, client_read, server_write);
        let down = self.pass(Direction::Response, server_read, client_write);
        // Each direction may end by itself; a broken one ends both.
        let both = async { tokio::try_join!(up, down) };
        let _ = both.await;
    }

    async fn connect(&self) -> Result<gate_upstream::UpstreamStream, UpstreamFault> {
        let upstream = self.journal.upstream.borrow().clone();
        let Some(upstream) = upstream else {
            return Err(UpstreamFault::NoSuchUpstream { name: "".into() });
        };
        let endpoint = upstream.pick(None)?;
        self.journal.asks(endpoint.address());
        let server = upstream.connect(&endpoint).await?;
        if let Some(ready) = server.ready() {
            self.journal.reaches(ready);
        }
        Ok(server)
    }

    async fn pass<R: AsyncRead, W: AsyncWrite>(
        &self,
        direction: Direction,
        mut from: ReadHalf<R>,
        mut to: WriteHalf<W>,
    ) -> Result<(), Broken> {
        let mut buffer = BytesMut::new();
        loop {
            buffer.reserve(READ_BYTES);
            let read = tokio::time::timeout(IDLE, from.read_buf(&mut buffer)).await;
            let end = match read {
                Ok(Ok(0)) => true,
                Ok(Ok(_)) => false,
                Ok(Err(_)) => {
                    self.lane.broke(direction);
                    return Err(Broken);
                }
                Err(_) => return Err(Broken),
            };
            let Some(bytes) = self.lane.filter(direction, buffer.split().freeze(), end).await else {
                return Err(Broken);
            };
            self.count(direction, bytes.len());
            if to.write_all(&bytes).await.is_err() || to.flush().await.is_err() {
                return Err(Broken);
            }
            if end {
                // The other end may be gone already.
                let _ = to.shutdown().await;
                return Ok(());
            }
        }
    }

    fn count(&self, direction: Direction, length: usize) {
        let volume = match direction {
            Direction::Request => &self.journal.volume.request,
            Direction::Response => &self.journal.volume.response,
        };
        volume.set(volume.get().saturating_add(length as u64));
    }

    fn record(&self, flow: &Flow) {
        let (journal, chain) = (&self.journal, &self.lane.chain);
        let ended = journal.end_trace(chain, journal.clock.elapsed());
        let pen = &mut flow.pen();
        if ended.as_ref().is_none_or(Ended::is_kept) {
            crate::written::passage(pen, journal, chain, ended.as_ref());
        }
        if let Some(ended) = ended {
            crate::spanned::spans(pen, journal, &ended);
            flow.tracing().take_back(ended);
        }
    }
}
