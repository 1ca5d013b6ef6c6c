//! A changed configuration: checked, warmed and swapped; a wrong one changes nothing.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Result, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};
use testkit::backend::Reply;
use testkit::client::{Connection, Request, Version, send};
use testkit::gateway::Gateway;
use testkit::place;
use testkit::process::DEADLINE;

use crate::setting::{VERSIONS, backend, complete, gateway, get, page, upstream};

fn answering(body: &str) -> Value {
    json!({"routes": [{"name": "r", "respond": {"body": body}}]})
}

/// Writes the file whole, at one stroke, and tells the gateway; gives the line that says what became of it.
pub(crate) async fn change(gateway: &Gateway, configuration: &str) -> Result<String> {
    let aside = gateway.folder().join("next.yaml");
    fs::write(&aside, configuration)?;
    let said = gateway.process.line_count();
    fs::rename(&aside, gateway.file())?;
    gateway.process.signal(Signal::HUP)?;
    outcome(gateway, said).await
}

pub(crate) async fn outcome(gateway: &Gateway, said: usize) -> Result<String> {
    let line = gateway
        .process
        .wait_for_line(said, DEADLINE, |line| {
            line.text.contains("configuration applied") || line.text.contains("configuration refused")
        })
        .await?;
    Ok(line.text)
}

#[tokio::test]
async fn a_changed_file_is_taken_without_a_signal() -> Result<()> {
    let gateway = gateway(answering("one")).await?;
    assert_eq!(get(&gateway, "/").await?.text(), "one");
    let said = gateway.process.line_count();
    fs::write(gateway.file(), complete(answering("two")).to_string())?;
    assert!(outcome(&gateway, said).await?.contains("applied"));
    assert_eq!(get(&gateway, "/").await?.text(), "two");
    assert_eq!(page(&gateway, "/config").await?["generation"], 2);
    Ok(())
}

#[tokio::test]
async fn an_exchange_in_flight_ends_under_the_plan_it_began_with() -> Result<()> {
    let backend = backend()?;
    backend.reply("/slow", Reply::new(200).wait_first("go").body("slow"));
    let plan = |value: &str| {
        json!({
            "upstreams": [upstream("up", &backend)],
            "routes": [{"name": "r", "upstream": "up", "response_headers": {"set": {"x-plan": value}}}],
        })
    };
    let gateway = gateway(plan("old")).await?;
    let address = gateway.listener("web")?;
    let slow: Vec<_> = VERSIONS
        .map(|version| tokio::spawn(async move { send(address, version, &Request::get("/slow")).await }))
        .into();
    backend
        .until(DEADLINE, |records| (records.len() == 2).then_some(()))
        .await?;
    assert!(
        change(&gateway, &complete(plan("new")).to_string())
            .await?
            .contains("applied")
    );
    assert_eq!(get(&gateway, "/").await?.field("x-plan"), Some("new"));
    backend.release("go");
    backend.release("go");
    for exchange in slow {
        let answer = exchange.await??;
        assert_eq!((answer.text().as_str(), answer.field("x-plan")), ("slow", Some("old")));
    }
    Ok(())
}

#[tokio::test]
async fn a_connection_that_stands_sees_the_new_plan() -> Result<()> {
    let gateway = gateway(answering("one")).await?;
    let mut connections = Vec::new();
    for version in VERSIONS {
        let mut connection = Connection::open(gateway.listener("web")?, version).await?;
        assert_eq!(connection.send(&Request::get("/")).await?.text(), "one");
        connections.push(connection);
    }
    change(&gateway, &complete(answering("two")).to_string()).await?;
    for connection in &mut connections {
        assert_eq!(connection.send(&Request::get("/")).await?.text(), "two");
    }
    Ok(())
}

#[tokio::test]
async fn a_wrong_file_changes_nothing_and_says_why() -> Result<()> {
    let gateway = gateway(answering("one")).await?;
    let mut unbindable = complete(answering("two"));
    unbindable["listeners"] =
        json!([{"name": "web", "listen": "127.0.0.1:0"}, {"name": "far", "listen": "192.0.2.1:80"}]);
    let table = [
        ("listners: []\n".to_owned(), "listners"),
        (unbindable.to_string(), "192.0.2.1:80"),
    ];
    for (configuration, why) in table {
        let said = gateway.process.line_count();
        assert!(change(&gateway, &configuration).await?.contains("refused"), "{why}");
        gateway
            .process
            .wait_for_line(said, DEADLINE, |line| line.text.contains(why))
            .await?;
        assert_eq!(get(&gateway, "/").await?.text(), "one", "{why}");
        assert_eq!(page(&gateway, "/config").await?["generation"], 1, "{why}");
    }
    assert!(
        change(&gateway, &complete(answering("three")).to_string())
            .await?
            .contains("applied")
    );
    assert_eq!(get(&gateway, "/").await?.text(), "three");
    Ok(())
}

#[tokio::test]
async fn listeners_come_and_go() -> Result<()> {
    let gateway = gateway(answering("one")).await?;
    let web = gateway.listener("web")?;
    let mut more = complete(answering("one"));
    more["listeners"] = json!([{"name": "web", "listen": "127.0.0.1:0"}, {"name": "more", "listen": "127.0.0.1:0"}]);
    let said = gateway.process.line_count();
    assert!(change(&gateway, &more.to_string()).await?.contains("applied"));
    let line = gateway
        .process
        .wait_for_line(said, DEADLINE, |line| line.text.contains("listening name=more"))
        .await?;
    let address = line
        .text
        .split("address=")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .parse()?;
    for place in [web, address] {
        assert_eq!(send(place, Version::Http1, &Request::get("/")).await?.text(), "one");
    }
    assert!(
        change(&gateway, &complete(answering("two")).to_string())
            .await?
            .contains("applied")
    );
    assert_eq!(send(web, Version::Http1, &Request::get("/")).await?.text(), "two");
    // Each worker closes its own socket, and another test may have been given the port meanwhile.
    let began = Instant::now();
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        assert!(began.elapsed() < DEADLINE, "the socket is not closed");
        tokio::task::yield_now().await;
    }
    Ok(())
}

#[tokio::test]
async fn a_replaced_module_is_the_next_generation() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let module = folder.path().join("p.wasm");
    fs::copy(place::guest("hello")?, &module)?;
    let gateway = gateway(json!({
        "plugins": [{"name": "p", "source": {"file": module}, "on_fault": "close"}],
        "routes": [{"name": "r", "echo": true, "plugins": ["p"]}],
    }))
    .await?;
    assert_eq!(get(&gateway, "/").await?.field("x-served-by"), Some("cofferdam-hello"));
    assert_eq!(page(&gateway, "/plugins").await?[0]["generation"], 1);
    let said = gateway.process.line_count();
    let aside = folder.path().join("next.wasm");
    fs::copy(place::guest("die")?, &aside)?;
    fs::rename(&aside, &module)?;
    assert!(outcome(&gateway, said).await?.contains("applied"));
    let plugin = &page(&gateway, "/plugins").await?[0];
    assert_eq!((&plugin["generation"], &plugin["name"]), (&json!(2), &json!("p")));
    assert_eq!(get(&gateway, "/").await?.field("x-served-by"), None);
    // Half a module does not run, and the second generation stays.
    let said = gateway.process.line_count();
    let whole = fs::read(place::guest("hello")?)?;
    fs::write(&aside, &whole[..whole.len() / 2])?;
    fs::rename(&aside, &module)?;
    assert!(outcome(&gateway, said).await?.contains("applied"));
    let plugin = &page(&gateway, "/plugins").await?[0];
    assert_eq!((&plugin["generation"], &plugin["runs"]), (&json!(2), &json!("former")));
    assert_eq!(get(&gateway, "/").await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn no_request_fails_while_the_configuration_changes() -> Result<()> {
    let backend = backend()?;
    let plan = |number: usize| {
        json!({
            "upstreams": [upstream("up", &backend)],
            "plugins": [{"name": "hello", "source": {"file": place::guest("hello").unwrap()}, "config": {"greeting": format!("salve {number}")}}],
            "routes": [{"name": "r", "upstream": "up", "plugins": ["hello"], "response_headers": {"set": {"x-plan": number.to_string()}}}],
        })
    };
    let gateway = gateway(plan(0)).await?;
    let address = gateway.listener("web")?;
    let (over, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..4)
        .map(|client| {
            let (over, count) = (Arc::clone(&over), Arc::clone(&count));
            tokio::spawn(async move {
                let version = VERSIONS[client % 2];
                let mut kept = Connection::open(address, version).await?;
                while !over.load(Ordering::SeqCst) {
                    let answers = [
                        kept.send(&Request::post("/", "body")).await?,
                        send(address, version, &Request::get("/")).await?,
                    ];
                    for answer in answers {
                        ensure!(answer.status == 200 && answer.text() == "hello from up", "{answer:?}");
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                }
                Ok(())
            })
        })
        .collect();
    for number in 1..=20 {
        let outcome = change(&gateway, &complete(plan(number)).to_string()).await?;
        ensure!(outcome.contains("applied"), "{outcome}");
    }
    over.store(true, Ordering::SeqCst);
    for client in clients {
        client.await??;
    }
    assert!(count.load(Ordering::SeqCst) >= 20, "too few exchanges to say anything");
    assert_eq!(get(&gateway, "/").await?.field("x-plan"), Some("20"));
    Ok(())
}
