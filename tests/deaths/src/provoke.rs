//! Exchanges and connections that bring a callback about, and what their clients saw.

use anyhow::{Context, Result, bail, ensure};
use testkit::client::{End, Request, Response, Version, send};
use testkit::process::DEADLINE;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::callbacks::{Callback, Fate, Reach};
use crate::house::House;

/// Lets the guest do what `plan` says in this callback, and says what became of the exchange that it came to.
pub(crate) async fn provoke(house: &House, callback: &Callback, plan: &str, version: Version) -> Result<Fate> {
    match callback.reach {
        Reach::Exchange => exchange(house, callback, Some(plan), version).await,
        Reach::Bytes => connection(house, callback, plan).await,
        Reach::Next => {
            ensure!(exchange(house, callback, Some(plan), version).await? == Fate::Unharmed);
            exchange(house, callback, None, version).await
        }
        Reach::NextBytes => {
            ensure!(connection(house, callback, plan).await? == Fate::Unharmed);
            connection(house, callback, "another").await
        }
    }
}

/// Through the plugin and its neighbours, harming nobody.
pub(crate) async fn pass(house: &House, callback: &Callback, version: Version) -> Result<Fate> {
    if callback.is_tcp() {
        connection(house, callback, "harmless").await
    } else {
        exchange(house, callback, None, version).await
    }
}

/// An exchange that has everything an exchange can have.
async fn exchange(house: &House, callback: &Callback, plan: Option<&str>, version: Version) -> Result<Fate> {
    let mut request = Request::new("POST", &format!("/{}", callback.name))
        .field("te", "trailers")
        .field("trailer", "x-up")
        .piece("body")
        .trailer("x-up", "1");
    if let Some(plan) = plan {
        request = request.field("x-die", plan);
    }
    match send(house.gateway.listener("web")?, version, &request).await {
        Ok(response) => fate(&response),
        // Its head was not sent yet when it broke off.
        Err(_) => Ok(Fate::Cut),
    }
}

fn fate(response: &Response) -> Result<Fate> {
    match (response.status, &response.end) {
        (503, End::Complete) => {
            ensure!(
                !response.text().contains("die"),
                "the client reads names: {}",
                response.text()
            );
            Ok(Fate::Refused)
        }
        (200, End::Broken(_)) => Ok(Fate::Cut),
        (200, End::Complete) => {
            let neighbours = [response.field("x-served-by"), response.field("x-probe")];
            ensure!(
                neighbours == [Some("cofferdam-hello"), Some("seen")],
                "no neighbours: {:?}",
                response.fields
            );
            ensure!(response.text() == "hello from up", "{}", response.text());
            ensure!(
                testkit::fields::value(&response.trailers, "x-down") == Some("1"),
                "{:?}",
                response.trailers
            );
            Ok(Fate::Unharmed)
        }
        _ => bail!("neither refused, cut nor whole: {} {:?}", response.status, response.end),
    }
}

/// A connection whose bytes come back.
async fn connection(house: &House, callback: &Callback, text: &str) -> Result<Fate> {
    let mut stream = TcpStream::connect(house.gateway.listener(callback.name)?).await?;
    let mut back = vec![0; text.len()];
    let echo = async {
        stream.write_all(text.as_bytes()).await?;
        stream.read_exact(&mut back).await?;
        stream.shutdown().await?;
        stream.read_to_end(&mut Vec::new()).await
    };
    let echoed = tokio::time::timeout(DEADLINE, echo)
        .await
        .context("the connection hangs")?;
    Ok(if echoed.is_ok() { Fate::Unharmed } else { Fate::Cut })
}
