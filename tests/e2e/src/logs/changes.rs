//! What is sent where, hidden and kept changes while requests flow, and nothing falls between.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::backend::Reply;
use testkit::client::{Connection, Request, Version};
use testkit::gateway::Gateway;
use testkit::process::DEADLINE;
use tokio::task::JoinHandle;

use super::files::each_once;
use super::{accesses, answering, file_sink, of_class, records, until};
use crate::reload::change;
use crate::setting::{ask, backend, complete, gateway, get, upstream};

/// Requests that follow one another on a connection, with their number as the path, until told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Result<usize>>,
}

impl Load {
    async fn start(gateway: &Gateway) -> Result<Self> {
        let mut connection = Connection::open(gateway.listener("web")?, Version::Http1).await?;
        let stop = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            let mut number = 0;
            while !is_over.load(Ordering::Relaxed) {
                connection.send(&Request::get(&format!("/{number}"))).await?;
                number += 1;
            }
            Ok(number)
        });
        Ok(Self { stop, task })
    }

    /// How many there were.
    async fn stop(self) -> Result<usize> {
        self.stop.store(true, Ordering::Relaxed);
        tokio::time::timeout(DEADLINE, self.task)
            .await
            .context("the load does not end")??
    }
}

async fn apply(gateway: &Gateway, configuration: Value) -> Result<()> {
    let said = change(gateway, &complete(configuration).to_string()).await?;
    ensure!(said.contains("applied"), "{said}");
    Ok(())
}

#[tokio::test]
async fn between_two_sinks_no_exchange_is_lost() -> Result<()> {
    let with = |sinks: Value| answering(json!({"sinks": sinks}));
    let (one, two) = (
        file_sink("one", Path::new("one.log")),
        file_sink("two", Path::new("two.log")),
    );
    let gateway = gateway(with(json!([one]))).await?;
    let (first, second) = (gateway.folder().join("one.log"), gateway.folder().join("two.log"));
    let load = Load::start(&gateway).await?;
    accesses(&first, 50).await?;
    apply(&gateway, with(json!([two]))).await?;
    accesses(&second, 50).await?;
    // A sink of the same name in another place, twice in a row.
    apply(&gateway, with(json!([file_sink("two", Path::new("one.log"))]))).await?;
    apply(&gateway, with(json!([two]))).await?;
    let before = records(&second)?.len();
    accesses(&second, before + 50).await?;
    let count = load.stop().await?;
    let all = || -> Result<Vec<Value>> { Ok([records(&first)?, records(&second)?].concat()) };
    let all = || -> Result<Vec<Value>> { Ok(of_class(&all()?, "access")) };
    until("all exchanges", || Ok((all()?.len() >= count).then_some(()))).await?;
    each_once(&all()?, 0..count)
}

#[tokio::test]
async fn another_mask_is_in_force_from_some_exchange_on() -> Result<()> {
    let with = |mask: Value| {
        let fields = json!([{"name": "caller", "request_header": "x-caller"}]);
        answering(json!({"mask": mask, "fields": fields, "sinks": [file_sink("file", Path::new("all.log"))]}))
    };
    let gateway = gateway(with(json!({"packs": ["mlps3"], "classes": {"phone_cn": "off"}}))).await?;
    let file = gateway.folder().join("all.log");
    let call = Request::get("/").field("x-caller", "13812341234");
    ask(&gateway, &call).await?;
    ensure!(accesses(&file, 1).await?[0]["cofferdam.fields"]["caller"] == "13812341234");
    let load = Load::start(&gateway).await?;
    apply(&gateway, with(json!({"packs": ["mlps3"]}))).await?;
    let callers = || -> Result<Vec<String>> {
        let all = records(&file)?;
        Ok(all
            .iter()
            .filter_map(|record| Some(record["cofferdam.fields"]["caller"].as_str()?.to_owned()))
            .collect())
    };
    let mut asked = 1;
    loop {
        ask(&gateway, &call).await?;
        asked += 1;
        let all = until("the caller", || Ok(Some(callers()?).filter(|all| all.len() >= asked))).await?;
        if all.last().is_some_and(|last| last == "138****1234") {
            break;
        }
        ensure!(asked < 1000, "never masked");
    }
    for _ in 0..20 {
        ask(&gateway, &call).await?;
    }
    let all = until("the callers", || {
        Ok(Some(callers()?).filter(|all| all.len() >= asked + 20))
    })
    .await?;
    ensure!(all[asked..].iter().all(|caller| caller == "138****1234"), "{all:?}");
    let count = load.stop().await?;
    let numbered = || -> Result<Vec<Value>> {
        Ok(records(&file)?
            .into_iter()
            .filter(|record| record["url.path"] != "/")
            .collect())
    };
    until("all exchanges", || {
        Ok((of_class(&numbered()?, "access").len() >= count).then_some(()))
    })
    .await?;
    each_once(&numbered()?, 0..count)
}

#[tokio::test]
async fn another_part_is_kept_from_some_exchange_on_and_what_fails_always() -> Result<()> {
    let backend = backend()?;
    backend.reply("/fails", Reply::new(500));
    let with = |keep: &str| {
        json!({
            "workers": 1,
            "upstreams": [upstream("up", &backend)],
            "routes": [{"name": "all", "upstream": "up"}],
            "logs": {"sampling": {"keep": keep}, "sinks": [file_sink("file", Path::new("all.log"))]},
        })
    };
    let gateway = gateway(with("all")).await?;
    let file = gateway.folder().join("all.log");
    get(&gateway, "/well?0").await?;
    accesses(&file, 1).await?;
    apply(&gateway, with("none")).await?;
    let (mut asked, mut quiet) = (0, 0);
    while quiet < 20 {
        ensure!(asked < 1000, "all is kept still");
        asked += 1;
        get(&gateway, &format!("/well?{asked}")).await?;
        get(&gateway, &format!("/fails?{asked}")).await?;
        let number = asked.to_string();
        let has = |all: &[Value], path: &str| {
            all.iter()
                .any(|record| record["url.path"] == path && record["url.query"] == number.as_str())
        };
        let all = until("the failure", || {
            Ok(Some(records(&file)?).filter(|all| has(all, "/fails")))
        })
        .await?;
        let is_kept = has(&all, "/well");
        ensure!(!(is_kept && quiet > 0), "kept again: {asked}");
        quiet += usize::from(!is_kept);
    }
    apply(&gateway, with("all")).await?;
    let before = of_class(&records(&file)?, "access").len();
    for number in 0..1000 {
        get(&gateway, &format!("/again?{number}")).await?;
        get(&gateway, &format!("/fails?again{number}")).await?;
        let last = format!("again{number}");
        let all = until("the failure", || {
            Ok(Some(records(&file)?).filter(|all| all.iter().any(|record| record["url.query"] == last.as_str())))
        })
        .await?;
        if all.iter().skip(before).any(|record| record["url.path"] == "/again") {
            return Ok(());
        }
    }
    anyhow::bail!("nothing is kept any more")
}
