//! A backend without HTTP: what comes is recorded and sent back.

use anyhow::Result;
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::RecordEnd;
use super::record::Caller;
use super::shared::Shared;
use crate::fields::Fields;

pub(super) async fn serve(mut stream: TcpStream, caller: Caller, shared: &Shared) -> Result<()> {
    let place = shared.begin(caller.record("bytes", "", "", Fields::new()));
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = stream.read(&mut buffer).await;
        let end = match read {
            Ok(0) => RecordEnd::Complete,
            Err(_) => RecordEnd::Broken,
            Ok(size) => {
                let data: Vec<u8> = buffer.iter().take(size).copied().collect();
                shared.change(place, |record| record.pieces.push(Bytes::from(data.clone())));
                stream.write_all(&data).await?;
                continue;
            }
        };
        shared.change(place, |record| record.end = end);
        return Ok(());
    }
}
