//! A server of HTTP/1.1 and HTTP/2 that refuses, delays, half-answers and closes as it is told, and remembers what it was asked.

use std::convert::Infallible;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flate2::read::GzDecoder;
use futures_util::StreamExt;
use futures_util::stream::{iter, pending, repeat_with};
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use crate::net::dial::Stream;
use crate::net::{Target, Tls};

/// What the server does with a request.
#[derive(Clone)]
pub(crate) enum Reply {
    Status(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// A body that never ends.
    Endless(u16),
    /// A body that stops after a few bytes.
    Slow(u16),
    /// No answer.
    Silent,
    /// The connection is closed in place of an answer.
    Close,
    /// A message and trailers of gRPC.
    Grpc(Vec<u8>, Vec<(&'static str, String)>),
}

/// What it was asked, unpacked.
#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

type Script = dyn Fn(usize, &Asked) -> Reply + Send + Sync;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) asked: Arc<Mutex<Vec<Asked>>>,
    _end: oneshot::Sender<()>,
}

impl Server {
    /// Starts it; the script gets the number of the request, from 0.
    pub(crate) fn start(script: impl Fn(usize, &Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::begin(None, script)
    }

    /// The same behind TLS.
    pub(crate) fn start_tls(
        config: ServerConfig,
        script: impl Fn(usize, &Asked) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::begin(Some(TlsAcceptor::from(Arc::new(config))), script)
    }

    fn begin(tls: Option<TlsAcceptor>, script: impl Fn(usize, &Asked) -> Reply + Send + Sync + 'static) -> Self {
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        let (end, ended) = oneshot::channel();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let memory = Arc::clone(&asked);
        let script: Arc<Script> = Arc::new(script);
        std::thread::spawn(move || {
            crate::net::post::runtime().unwrap().block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                tokio::select! {
                    () = serve(listener, tls, memory, script) => {}
                    _ = ended => {}
                }
            });
        });
        let address = told.recv().unwrap();
        Self {
            address,
            asked,
            _end: end,
        }
    }

    pub(crate) fn target(&self, path: &str) -> Target {
        Target {
            uri: format!("http://{}{path}", self.address).parse().unwrap(),
            tls: Tls::default(),
            login: None,
            headers: Vec::new(),
            gzip: true,
            answer_wait_max: Duration::from_secs(5),
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.asked.lock().len()
    }
}

async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, memory: Arc<Mutex<Vec<Asked>>>, script: Arc<Script>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (memory, script, tls) = (Arc::clone(&memory), Arc::clone(&script), tls.clone());
        tokio::spawn(async move {
            let stream: Box<dyn Stream> = match tls {
                None => Box::new(stream),
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => Box::new(stream),
                    Err(_) => return,
                },
            };
            let service = service_fn(move |request| answer(request, Arc::clone(&memory), Arc::clone(&script)));
            let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    memory: Arc<Mutex<Vec<Asked>>>,
    script: Arc<Script>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, std::io::Error> {
    let (head, body) = request.into_parts();
    let mut body = body.collect().await.map_err(std::io::Error::other)?.to_bytes().to_vec();
    if head
        .headers
        .get("content-encoding")
        .is_some_and(|encoding| encoding == "gzip")
    {
        let mut unpacked = Vec::new();
        GzDecoder::new(body.as_slice()).read_to_end(&mut unpacked)?;
        body = unpacked;
    }
    let asked = Asked {
        path: head.uri.path().to_owned(),
        headers: head.headers,
        body,
    };
    let number = memory.lock().len();
    let reply = script(number, &asked);
    memory.lock().push(asked);
    let data = |bytes: Vec<u8>| Ok::<_, Infallible>(Frame::data(Bytes::from(bytes)));
    let (status, headers, body) = match reply {
        Reply::Status(status, headers, body) => (status, headers, BoxBody::new(StreamBody::new(iter([data(body)])))),
        Reply::Endless(status) => {
            let frames = repeat_with(|| Ok(Frame::data(Bytes::from(vec![b'x'; 16_384]))));
            (status, Vec::new(), BoxBody::new(StreamBody::new(frames)))
        }
        Reply::Slow(status) => {
            let frames = iter([data(b"half".to_vec())]).chain(pending());
            (status, Vec::new(), BoxBody::new(StreamBody::new(frames)))
        }
        Reply::Silent => std::future::pending().await,
        Reply::Close => return Err(std::io::Error::other("as told")),
        Reply::Grpc(message, trailers) => {
            let mut frame = vec![0];
            frame.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
            frame.extend(message);
            let trailers = trailers
                .into_iter()
                .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            let frames = [data(frame), Ok(Frame::trailers(trailers.collect()))];
            let headers = vec![("content-type", String::from("application/grpc"))];
            (200, headers, BoxBody::new(StreamBody::new(iter(frames))))
        }
    };
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    Ok(response.body(body).unwrap())
}
