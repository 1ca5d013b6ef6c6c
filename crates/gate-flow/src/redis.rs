//! Redis connections of plugins: one for each client definition and worker, pipelined, opened again after a failure.

use std::collections::VecDeque;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use gate_upstream::{Upstream, UpstreamStream};
use plug_host::RedisClient;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_local;

use crate::resp::reply_bytes;

/// LIMIT: calls of one client waiting to be written.
const CALLS_MAX: usize = 1_024;
/// LIMIT: bytes of one reply.
const REPLY_BYTES_MAX: usize = 16 * 1024 * 1024;

struct Call {
    query: Bytes,
    reply: oneshot::Sender<Bytes>,
}

/// A client's connection.
pub(crate) struct Link {
    calls: mpsc::Sender<Call>,
    client: RedisClient,
    upstream: Rc<Upstream>,
}

impl Link {
    pub(crate) fn new(upstream: Rc<Upstream>, client: RedisClient) -> Rc<Self> {
        let (calls, waiting) = mpsc::channel(CALLS_MAX);
        spawn_local(serve(Rc::clone(&upstream), client.clone(), waiting));
        Rc::new(Self {
            calls,
            client,
            upstream,
        })
    }

    /// Whether its connections go to that upstream as it is now.
    pub(crate) fn leads_to(&self, upstream: &Rc<Upstream>) -> bool {
        Rc::ptr_eq(&self.upstream, upstream)
    }

    /// Sends a query; none when too many wait. The future gives none when the connection fails or the reply is late.
    pub(crate) fn ask(&self, query: Bytes) -> Option<impl Future<Output = Option<Bytes>> + 'static> {
        let (reply, answer) = oneshot::channel();
        self.calls.try_send(Call { query, reply }).ok()?;
        let wait = self.client.timeout;
        Some(async move { tokio::time::timeout(wait, answer).await.ok()?.ok() })
    }
}

/// Connects when there is something to send; calls that were under way when a connection broke have failed.
async fn serve(upstream: Rc<Upstream>, client: RedisClient, mut waiting: mpsc::Receiver<Call>) {
    while let Some(first) = waiting.recv().await {
        if let Ok(Some(stream)) = tokio::time::timeout(client.timeout, open(&upstream, &client)).await {
            converse(stream, first, &mut waiting, client.timeout).await;
        }
    }
}

async fn open(upstream: &Rc<Upstream>, client: &RedisClient) -> Option<UpstreamStream> {
    let endpoint = upstream.pick(None).ok()?;
    let mut stream = upstream.connect(&endpoint).await.ok()?;
    let mut greeting = Vec::new();
    if !client.password.is_empty() && client.username.is_empty() {
        greeting.push(command(&["AUTH", &client.password]));
    } else if !client.password.is_empty() {
        greeting.push(command(&["AUTH", &client.username, &client.password]));
    }
    if client.database != 0 {
        greeting.push(command(&["SELECT", &client.database.to_string()]));
    }
    for command in greeting {
        stream.write_all(&command).await.ok()?;
        let mut buffer = BytesMut::new();
        let answer = read_reply(&mut stream, &mut buffer).await?;
        if answer.starts_with(b"-") {
            return None;
        }
    }
    Some(stream)
}

fn command(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
    bytes
}

async fn read_reply(stream: &mut (impl AsyncReadExt + Unpin), buffer: &mut BytesMut) -> Option<Bytes> {
    loop {
        if let Some(length) = reply_bytes(buffer).ok()? {
            return Some(buffer.split_to(length).freeze());
        }
        if buffer.len() > REPLY_BYTES_MAX || stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

async fn converse(stream: UpstreamStream, first: Call, waiting: &mut mpsc::Receiver<Call>, wait: Duration) {
    let (mut reading, mut writing) = tokio::io::split(stream);
    let mut asked = VecDeque::new();
    if !write(&mut writing, first, &mut asked).await {
        return;
    }
    let mut buffer = BytesMut::new();
    let mut is_open = true;
    // A link that nobody asks any more still answers what is under way.
    while is_open || !asked.is_empty() {
        tokio::select! {
            call = waiting.recv(), if is_open => match call {
                Some(call) => if !write(&mut writing, call, &mut asked).await { return },
                None => is_open = false,
            },
            () = tokio::time::sleep(wait), if !is_open => return,
            reply = read_more(&mut reading, &mut buffer) => match reply {
                Some(replies) => replies.into_iter().for_each(|reply| answer(&mut asked, reply)),
                None => return,
            },
        }
    }
}

async fn write(
    writing: &mut WriteHalf<UpstreamStream>,
    call: Call,
    asked: &mut VecDeque<oneshot::Sender<Bytes>>,
) -> bool {
    let written = writing.write_all(&call.query).await.is_ok() && writing.flush().await.is_ok();
    asked.push_back(call.reply);
    written
}

fn answer(asked: &mut VecDeque<oneshot::Sender<Bytes>>, reply: Bytes) {
    if let Some(waiting) = asked.pop_front() {
        // A call that was given up no longer listens; its reply is passed over.
        let _ = waiting.send(reply);
    }
}

/// Reads once; all replies that are whole by then. Cancelling loses nothing: what was read is in the buffer.
async fn read_more(reading: &mut ReadHalf<UpstreamStream>, buffer: &mut BytesMut) -> Option<Vec<Bytes>> {
    if buffer.len() > REPLY_BYTES_MAX || reading.read_buf(buffer).await.ok()? == 0 {
        return None;
    }
    let mut replies = Vec::new();
    while let Some(length) = reply_bytes(buffer).ok()? {
        replies.push(buffer.split_to(length).freeze());
    }
    Some(replies)
}
