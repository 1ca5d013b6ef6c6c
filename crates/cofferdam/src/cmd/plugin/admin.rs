//! The admin listener of a running gateway, as verbs ask it.

use std::net::SocketAddr;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;

/// Where a gateway is asked when nobody says where: what `plugin new` writes into `admin.listen`.
pub(crate) const USUAL: &str = "127.0.0.1:9901";

/// What a gateway is asked for.
pub(crate) struct Question<'a> {
    pub(crate) method: Method,
    pub(crate) target: &'a str,
    /// What it is told, if anything.
    pub(crate) body: Bytes,
    /// LIMIT: bytes of the answer.
    pub(crate) bytes_max: usize,
}

/// Asks once; gives the body of an answer that is good, and otherwise what the gateway says is wrong.
pub(crate) async fn ask(admin: SocketAddr, question: Question<'_>) -> Result<Bytes, String> {
    let broke = |why: hyper::Error| format!("the gateway at {admin} broke off: {why}");
    let stream = tokio::net::TcpStream::connect(admin).await.map_err(|why| {
        format!("no gateway answers at {admin}: {why}; hint: `--admin ADDRESS` is its `admin.listen`")
    })?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broke)?;
    let request = Request::builder()
        .method(question.method)
        .uri(question.target)
        .header(hyper::header::HOST, admin.to_string())
        .body(Full::new(question.body))
        .map_err(|why| format!("`{}` cannot be asked for: {why}", question.target))?;
    let exchange = async {
        let answer = sender.send_request(request).await.map_err(broke)?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), question.bytes_max).collect().await;
        let body = body
            .map_err(|why| format!("the gateway at {admin} broke off: {why}"))?
            .to_bytes();
        match status {
            StatusCode::OK => Ok(body),
            _ => Err(String::from_utf8_lossy(&body).trim().to_owned()),
        }
    };
    tokio::select! {
        answer = exchange => answer,
        // It ends after the exchange, unless something broke.
        ended = connection => Err(ended.err().map_or_else(|| format!("the gateway at {admin} went away"), broke)),
    }
}
