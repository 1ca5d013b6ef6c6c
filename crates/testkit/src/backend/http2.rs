//! A backend over HTTP/2.

use std::sync::Arc;

use anyhow::{Context, Result};
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::record::Caller;
use super::shared::{Place, Shared};
use super::{RecordEnd, Reply, Step};
use crate::fields::{Fields, from_map, to_map};

pub(super) async fn serve(stream: TcpStream, caller: Caller, shared: Arc<Shared>) -> Result<()> {
    let mut connection = h2::server::handshake(stream).await.context("no HTTP/2 handshake")?;
    let close = Arc::new(Notify::new());
    loop {
        let accepted = tokio::select! {
            accepted = connection.accept() => accepted,
            () = close.notified() => return Ok(()),
        };
        let Some(accepted) = accepted else { return Ok(()) };
        let (request, respond) = accepted?;
        let (head, body) = request.into_parts();
        let path = head.uri.path_and_query().map_or("", |path| path.as_str()).to_owned();
        let place = shared.begin(caller.record("HTTP/2", head.method.as_str(), &path, fields_of(&head)));
        let reply = shared.choose(&path);
        tokio::spawn(exchange(
            Arc::clone(&shared),
            place,
            body,
            respond,
            reply,
            Arc::clone(&close),
        ));
    }
}

fn fields_of(head: &http::request::Parts) -> Fields {
    let mut fields = Fields::new();
    fields.extend(
        head.uri
            .authority()
            .map(|authority| (":authority".to_owned(), authority.to_string())),
    );
    fields.extend(
        head.uri
            .scheme_str()
            .map(|scheme| (":scheme".to_owned(), scheme.to_owned())),
    );
    fields.extend(from_map(&head.headers));
    fields
}

async fn exchange(
    shared: Arc<Shared>,
    place: Place,
    body: RecvStream,
    mut respond: SendResponse<Bytes>,
    reply: Reply,
    close: Arc<Notify>,
) {
    // A stream that breaks off is in the record.
    if reply.early {
        let _ = tokio::join!(
            read_body(&shared, place, body),
            answer(&shared, place, &mut respond, &reply, &close)
        );
    } else if read_body(&shared, place, body).await.is_ok() {
        let _ = answer(&shared, place, &mut respond, &reply, &close).await;
    }
}

async fn read_body(shared: &Shared, place: Place, mut body: RecvStream) -> Result<(), h2::Error> {
    let read = async {
        while let Some(data) = body.data().await {
            let data = data?;
            body.flow_control().release_capacity(data.len())?;
            shared.change(place, |record| record.pieces.push(data));
        }
        body.trailers().await
    };
    let ended = read.await;
    shared.change(place, |record| {
        record.end = if ended.is_ok() {
            RecordEnd::Complete
        } else {
            RecordEnd::Broken
        };
        if let Ok(Some(trailers)) = &ended {
            record.trailers = from_map(trailers);
        }
    });
    ended.map(|_| ())
}

async fn answer(
    shared: &Shared,
    place: Place,
    respond: &mut SendResponse<Bytes>,
    reply: &Reply,
    close: &Notify,
) -> Result<()> {
    let mut body: Option<SendStream<Bytes>> = None;
    for step in &reply.steps {
        match step {
            Step::Head(status, fields) => {
                let mut head = http::Response::builder()
                    .status(*status)
                    .body(())
                    .context("no response head")?;
                *head.headers_mut() = to_map(fields)?;
                let stream = respond.send_response(head, !reply.has_body())?;
                body = reply.has_body().then_some(stream);
            }
            Step::Data(data) => send(body.as_mut().context("no head yet")?, data.clone()).await?,
            Step::Trailers(trailers) => {
                body.take().context("no head yet")?.send_trailers(to_map(trailers)?)?;
            }
            Step::Wait(gate) => shared.pass(gate).await,
            Step::Hang => {
                let _ = std::future::poll_fn(|context| respond.poll_reset(context)).await;
                shared.change(place, |record| record.end = RecordEnd::Broken);
                return Ok(());
            }
            Step::Close => {
                close.notify_one();
                return Ok(());
            }
            Step::Reset => {
                match &mut body {
                    Some(stream) => stream.send_reset(Reason::INTERNAL_ERROR),
                    None => respond.send_reset(Reason::INTERNAL_ERROR),
                }
                return Ok(());
            }
            Step::Raw(_) => {}
        }
    }
    if let Some(mut stream) = body {
        stream.send_data(Bytes::new(), true)?;
    }
    Ok(())
}

async fn send(stream: &mut SendStream<Bytes>, mut data: Bytes) -> Result<()> {
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        let granted = std::future::poll_fn(|context| stream.poll_capacity(context)).await;
        let granted = granted
            .context("the stream is closed")?
            .context("the stream is reset")?;
        stream.send_data(data.split_to(granted.min(data.len())), false)?;
    }
    Ok(())
}
