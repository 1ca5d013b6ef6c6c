//! The admin socket, its thread, and how requests reach the pages.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};

use crate::house::{House, RolloutOrder};
use crate::page::{ORDER_BYTES_MAX, Page, find, text};
use crate::profile;

/// LIMIT: admin connections at a time; beyond it new ones are closed at once. Each makes one page at a time.
const CONNECTIONS_MAX: usize = 64;
/// LIMIT: pages that are made at a time.
const MAKERS_MAX: usize = 4;
/// LIMIT: for a request's head to arrive.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// LIMIT: for a page to be made, as when a worker does not answer.
const PAGE_MAX: Duration = Duration::from_secs(10);
/// Pause after a failed accept, as when file descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why the console does not start.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleFault {
    /// Somebody listens there.
    #[error("admin address {address} is taken\nhint: another process listens there; `ss -ltnp` shows which")]
    Taken {
        /// The address.
        address: SocketAddr,
    },
    /// Ports below 1024 need a privilege.
    #[error("admin address {address} is not permitted\nhint: ports below 1024 need root or CAP_NET_BIND_SERVICE")]
    Denied {
        /// The address.
        address: SocketAddr,
    },
    /// Something else.
    #[error("admin address {address} does not open: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// No thread or no event queue.
    #[error("the admin thread does not start: {0}")]
    Thread(io::Error),
}

/// An admin socket that is bound and answers nobody yet.
#[derive(Debug)]
pub struct BoundConsole {
    listener: TcpListener,
    address: SocketAddr,
}

impl BoundConsole {
    /// Binds; before anything else of the process starts.
    pub fn bind(address: SocketAddr) -> Result<Self, ConsoleFault> {
        let fault = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => ConsoleFault::Taken { address },
            io::ErrorKind::PermissionDenied => ConsoleFault::Denied { address },
            _ => ConsoleFault::Bind { address, source },
        };
        let listener = TcpListener::bind(address).map_err(fault)?;
        listener.set_nonblocking(true).map_err(fault)?;
        let address = listener.local_addr().map_err(fault)?;
        Ok(Self { listener, address })
    }

    /// Where it stands, with the port that the system chose for port 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Begins to answer, on a thread of its own.
    pub fn open(self, house: Arc<dyn House>) -> Result<Console, ConsoleFault> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(MAKERS_MAX)
            .thread_name("console-page")
            .build()
            .map_err(ConsoleFault::Thread)?;
        let listener = {
            let _context = runtime.enter();
            tokio::net::TcpListener::from_std(self.listener).map_err(ConsoleFault::Thread)?
        };
        let (stop, stopped) = oneshot::channel();
        let serve = move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    () = accept(listener, house) => {}
                }
            });
            // A page that waits for a worker which never answers must not hold up the end of the process.
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new()
            .name("console".into())
            .spawn(serve)
            .map_err(ConsoleFault::Thread)?;
        Ok(Console {
            address: self.address,
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

/// The console at work. Ends when dropped.
#[derive(Debug)]
pub struct Console {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Console {
    /// Where it stands.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there was written to stderr by the panic hook; nothing else is left of it.
            let _ = thread.join();
        }
    }
}

async fn accept(listener: tokio::net::TcpListener, house: Arc<dyn House>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok((stream, from)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            continue;
        };
        let house = Arc::clone(&house);
        tokio::spawn(async move {
            serve((stream, from.ip()), house).await;
            drop(place);
        });
    }
}

async fn serve((stream, from): (TcpStream, IpAddr), house: Arc<dyn House>) {
    let service = service_fn(move |request| {
        let house = Arc::clone(&house);
        async move { Ok::<_, Infallible>(respond((request, from), house).await.map(Full::new)) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    // A client that breaks off or speaks no HTTP has been answered by hyper as far as it can be.
    let _ = connection.await;
}

async fn respond((request, from): (Request<Incoming>, IpAddr), house: Arc<dyn House>) -> Response<Bytes> {
    let page = match find(&request) {
        Ok(page) => page,
        Err(answer) => return *answer,
    };
    if let Page::Profile(plugin) = &page {
        let query = request.uri().query().unwrap_or_default();
        return profile::page((plugin, from), query, &house).await;
    }
    let page = match page {
        Page::LeadRollout(plugin, RolloutOrder::Start) => match order(plugin, request).await {
            Ok(page) => page,
            Err(answer) => return *answer,
        },
        page => page,
    };
    if !page.may_wait() {
        return page.make(&house, from);
    }
    let making = tokio::task::spawn_blocking(move || page.make(&house, from));
    match tokio::time::timeout(PAGE_MAX, making).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => text(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the page could not be made; stderr says why\n",
        ),
        Err(_) => text(StatusCode::SERVICE_UNAVAILABLE, "the page took too long to make\n"),
    }
}

/// The start of a rollout, of what the request says if it says something.
async fn order(plugin: String, request: Request<Incoming>) -> Result<Page, Box<Response<Bytes>>> {
    let bytes_max = usize::try_from(ORDER_BYTES_MAX).unwrap_or(usize::MAX);
    let reading = Limited::new(request.into_body(), bytes_max).collect();
    match tokio::time::timeout(HEADER_TIMEOUT, reading).await {
        Ok(Ok(body)) => {
            let body = body.to_bytes();
            Ok(match body.is_empty() {
                true => Page::LeadRollout(plugin, RolloutOrder::Start),
                false => Page::BeginRollout(plugin, body),
            })
        }
        Ok(Err(_)) => Err(Box::new(text(
            StatusCode::BAD_REQUEST,
            "the request did not come to its end, or is too large\n",
        ))),
        Err(_) => Err(Box::new(text(
            StatusCode::REQUEST_TIMEOUT,
            "the request did not come to its end\n",
        ))),
    }
}

#[cfg(test)]
mod tests;
