//! Plays one case against one gateway and gathers what was seen.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Result, anyhow};
use bytes::Bytes;
use testkit::backend::{Backend, Record, RecordEnd};
use testkit::client::{Connection, End, Exchange, Response};
use testkit::fields::Fields;
use testkit::process::DEADLINE;
use testkit::tls;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::case::{Act, Case, Say, Transport};
use crate::normal::Addresses;
use crate::seen::{Answer, Seen};
use crate::sides::{LogLine, SCOUT_PATH, SERVER_NAME, Side};

/// One case at one gateway.
struct Stage<'case> {
    side: &'case Side,
    case: &'case Case,
    listener: SocketAddr,
    first_line: usize,
    clients: Vec<u16>,
    seen: Seen,
}

/// Plays a case; what does not come in time is part of what was seen, so that the two gateways may agree on it.
pub(crate) async fn play(side: &Side, case: &Case) -> Result<(Seen, Addresses)> {
    side.backends.values().for_each(Backend::clear);
    for (upstream, path, reply) in &case.replies {
        side.backend(upstream)?.reply(path, reply.clone());
    }
    let first_line = side.line_count();
    let began = Instant::now();
    let mut stage = Stage {
        side,
        case,
        listener: side.listener(case.name)?,
        first_line,
        clients: Vec::new(),
        seen: Seen {
            start: start_lines(side, first_line, case),
            ..Seen::default()
        },
    };
    stage.play().await?;
    stage.seen.took = began.elapsed();
    Ok(stage.finish())
}

fn start_lines(side: &Side, first_line: usize, case: &Case) -> BTreeMap<String, Vec<LogLine>> {
    let mut start: BTreeMap<String, Vec<LogLine>> = BTreeMap::new();
    for line in side.log_before(first_line, case.name) {
        start.entry(line.plugin.clone()).or_default().push(line);
    }
    start
}

impl Stage<'_> {
    async fn play(&mut self) -> Result<()> {
        for act in &self.case.play {
            match act {
                Act::Send(request) => {
                    let mut connection = self.connect().await?;
                    let answer = connection.send(request).await;
                    self.answer(answer);
                }
                Act::Talk(request, says) => {
                    let mut connection = self.connect().await?;
                    let answer = self
                        .talk(connection.begin(request).await?, &request.trailers, says)
                        .await;
                    drop(connection);
                    self.seen.answers.extend(answer);
                }
                Act::Bytes(says) => {
                    let answer = self.bytes(says).await?;
                    self.seen.answers.extend(answer);
                }
                Act::Log(text) => self.wait_for_log(text).await,
                Act::Release(upstream, gate) => self.side.backend(upstream)?.release(gate),
            }
        }
        if self.case.settles {
            let settled = self.side.wait_for_log(self.first_line, self.case.name, settled).await;
            self.note("every stream deleted, every callout answered", settled);
        }
        self.seen.dead = self.side.settle().await.is_err();
        Ok(())
    }

    async fn connect(&mut self) -> Result<Connection> {
        let certificates = &self.side.certificates;
        let identity = (self.case.transport == Transport::MutualTls).then_some(&certificates.client);
        let connection = match self.case.transport {
            Transport::Plain | Transport::Bytes => Connection::open(self.listener, self.case.version).await?,
            Transport::Tls | Transport::MutualTls => {
                let authority = &certificates.authority;
                tls::connect(self.listener, SERVER_NAME, authority, identity, self.case.version).await?
            }
        };
        self.clients.extend(connection.local.map(|local| local.port()));
        Ok(connection)
    }

    /// A connection without HTTP.
    async fn bytes(&mut self, says: &[Say]) -> Result<Option<Answer>> {
        let mut stream = TcpStream::connect(self.listener).await?;
        self.clients.push(stream.local_addr()?.port());
        let mut response = Response::new(0, Vec::new());
        let mut buffer = vec![0; 64 << 10];
        for say in says {
            let done = match say {
                Say::Data(data) => stream.write_all(data.as_bytes()).await.map_err(Into::into),
                Say::Finish => stream.shutdown().await.map_err(Into::into),
                Say::Piece => read(&mut stream, &mut buffer)
                    .await
                    .map(|piece| response.pieces.push(piece)),
                Say::Leave => return Ok(None),
                other => {
                    self.wait(other).await;
                    Ok(())
                }
            };
            self.note("the client's step", done);
        }
        loop {
            match read(&mut stream, &mut buffer).await {
                Ok(piece) if piece.is_empty() => break,
                Ok(piece) => response.pieces.push(piece),
                Err(error) => {
                    response.end = End::Broken(format!("{error:#}"));
                    break;
                }
            }
        }
        Ok(Some(Answer::Response(response)))
    }

    async fn talk(&mut self, mut exchange: Exchange<'_>, trailers: &Fields, says: &[Say]) -> Option<Answer> {
        for say in says {
            let done = match say {
                Say::Data(data) => exchange.data((*data).into()).await,
                Say::Finish => exchange.finish(trailers).await,
                Say::Head => return Some(self.talk_on(exchange, trailers, says).await),
                Say::Leave => return None,
                other => {
                    self.wait(other).await;
                    Ok(())
                }
            };
            self.note("the client's step", done);
        }
        Some(judge(exchange.response().await))
    }

    /// The part of a talk that begins with the response's head.
    async fn talk_on(&mut self, mut exchange: Exchange<'_>, trailers: &Fields, says: &[Say]) -> Answer {
        let (status, fields) = match exchange.head().await {
            Ok(head) => head,
            Err(error) => return judge(Err(error)),
        };
        let mut response = Response::new(status, fields);
        let after = says
            .iter()
            .position(|say| matches!(say, Say::Head))
            .map_or(0, |at| at + 1);
        for say in says.iter().skip(after) {
            let done = match say {
                Say::Data(data) => exchange.data((*data).into()).await,
                Say::Finish => exchange.finish(trailers).await,
                Say::Piece => exchange
                    .data_received()
                    .await
                    .map(|piece| response.pieces.extend(piece)),
                Say::Leave => return Answer::Response(response),
                other => {
                    self.wait(other).await;
                    Ok(())
                }
            };
            self.note("the client's step", done);
        }
        exchange.read_rest(&mut response).await;
        Answer::Response(response)
    }

    async fn wait(&mut self, say: &Say) {
        match say {
            Say::Log(text) => self.wait_for_log(text).await,
            Say::Arrived(upstream, body) => {
                let Ok(backend) = self.side.backend(upstream) else {
                    return;
                };
                let arrived = backend
                    .until(DEADLINE, |records| {
                        records.last().filter(|record| record.text() == *body).map(|_| ())
                    })
                    .await;
                self.note(&format!("`{body}` at {upstream}"), arrived);
            }
            Say::Ended(upstream) => {
                let Ok(backend) = self.side.backend(upstream) else {
                    return;
                };
                let ended = |records: &[Record]| records.last().is_some_and(|record| record.end != RecordEnd::Open);
                let ended = backend.until(DEADLINE, |records| ended(records).then_some(())).await;
                self.note(&format!("the end of a request at {upstream}"), ended);
            }
            Say::Release(upstream, gate) => {
                if let Ok(backend) = self.side.backend(upstream) {
                    backend.release(gate);
                }
            }
            _ => {}
        }
    }

    async fn wait_for_log(&mut self, text: &str) {
        let said = |lines: &[LogLine]| lines.iter().any(|line| line.text.contains(text)).then_some(());
        let found = self.side.wait_for_log(self.first_line, self.case.name, said).await;
        self.note(&format!("log line `{text}`"), found);
    }

    fn answer(&mut self, answer: Result<Response>) {
        self.seen.answers.push(judge(answer));
    }

    fn note<T>(&mut self, wanted: &str, found: Result<T>) {
        if found.is_err() {
            self.seen.missing.push(wanted.to_owned());
        }
    }

    fn finish(mut self) -> (Seen, Addresses) {
        self.seen.log = self.side.log_from(self.first_line, self.case.name);
        let mut addresses = Addresses {
            client_seen_as: self.side.client_seen_as.clone(),
            ..Addresses::default()
        };
        for (name, backend) in &self.side.backends {
            let mut records = backend.records();
            records.retain(|record| record.target != SCOUT_PATH);
            addresses.add(backend.address.port(), name);
            records
                .iter()
                .for_each(|record| addresses.add(record.peer.port(), "gateway"));
            if !records.is_empty() {
                self.seen.upstreams.insert((*name).to_owned(), records);
            }
        }
        if let Ok(dead) = self.side.dead.local_addr() {
            addresses.add(dead.port(), "dead");
        }
        addresses.add(self.listener.port(), "listener");
        self.clients.iter().for_each(|port| addresses.add(*port, "client"));
        (self.seen, addresses)
    }
}

async fn read(stream: &mut TcpStream, buffer: &mut [u8]) -> Result<Bytes> {
    let size = tokio::time::timeout(DEADLINE, stream.read(buffer)).await??;
    Ok(Bytes::copy_from_slice(buffer.get(..size).unwrap_or_default()))
}

fn judge(answer: Result<Response>) -> Answer {
    match answer {
        Ok(response) => Answer::Response(response),
        Err(error) => Answer::None(why(&error)),
    }
}

/// Why there is no response: the words for it that both gateways' ways to break off have in common.
fn why(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    let silent = text.contains("by the deadline");
    String::from(if silent { "nothing came" } else { "broken off" })
}

/// Whether every stream of every plugin that was created is deleted, and every HTTP callout answered.
fn settled(lines: &[LogLine]) -> Option<()> {
    let mut open: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    for line in lines {
        let text = line.text.as_str();
        let (what, change) = match text.split('(').next() {
            Some("context_create") => ("streams", 1),
            Some("delete") => ("streams", -1),
            Some("http_call_response") => ("callouts", -1),
            _ if text.ends_with(": http_call -> 0") => ("callouts", 1),
            _ => continue,
        };
        *open.entry((&line.plugin, what)).or_default() += change;
    }
    open.values().all(|count| *count == 0).then_some(())
}

/// An error for a case that cannot be played at all.
pub(crate) fn unplayable(case: &Case, error: &anyhow::Error) -> anyhow::Error {
    anyhow!("case `{}` cannot be played: {error:#}", case.name)
}
