//! A guard whose policy is `close` and that dies, is missing, set aside, swapped or overrun: nobody comes to the upstream past it.
//!
//! The guard marks what it lets through, and the upstream counts what comes without the mark.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::backend::{Backend, Reply, Speaks};
use testkit::client::{Connection, Request, Version, send};
use testkit::gateway::Gateway;
use testkit::place;
use testkit::process::DEADLINE;
use tokio::task::JoinHandle;

use crate::setting::{change, counts, dying, lives, page, plugins_until};
use crate::ways::WAYS;

/// Callbacks before the upstream is asked, for a guard that decides by the headers and for one that waits for the whole request.
const BEFORE: &[(&str, &[&str])] = &[
    (
        "guard",
        &[
            "context_create",
            "request_headers",
            "http_call_response",
            "grpc_receive_initial_metadata",
            "grpc_receive",
            "grpc_close",
            "redis_call_response",
        ],
    ),
    (
        "guard_body",
        &["context_create", "request_headers", "request_body", "request_trailers"],
    ),
];

/// A guard of this kind, with its own words behind it.
fn guard(kind: &str, words: &str) -> Result<Value> {
    let mut guard = dying("guard", &format!("{kind} {words}"), "close")?;
    // Else it would see no body while it holds the headers.
    guard["allow_on_headers_stop_iteration"] = (kind == "guard_body").into();
    Ok(guard)
}

/// The upstreams of the guard, and the one that counts.
struct Outside {
    up: Backend,
    grpc: Backend,
    bytes: Backend,
}

impl Outside {
    fn start() -> Result<Self> {
        let grpc = Backend::start("grpc", Speaks::Http2)?;
        grpc.reply("/die.Die/Die", Reply::grpc(0, &[b"hi"]));
        Ok(Self {
            up: Backend::start("up", Speaks::Http1)?,
            grpc,
            bytes: Backend::start("bytes", Speaks::Bytes)?,
        })
    }

    fn configuration(&self, plugins: &[Value]) -> Value {
        let names: Vec<&Value> = plugins.iter().map(|plugin| &plugin["name"]).collect();
        json!({
            "workers": 1,
            "admin": {"listen": "127.0.0.1:0"},
            "access_log": "off",
            "listeners": [{"name": "web", "listen": "127.0.0.1:0"}],
            "upstreams": [
                {"name": "up", "endpoints": [self.up.address.to_string()]},
                {"name": "grpc", "endpoints": [self.grpc.address.to_string()], "protocol": "http2"},
                {"name": "redis", "endpoints": [self.bytes.address.to_string()]},
                {"name": "callout", "endpoints": ["127.0.0.1:1"]},
            ],
            "plugins": plugins,
            "routes": [{"name": "all", "upstream": "up", "plugins": names}],
        })
    }

    async fn guarded_by(&self, guard: &Value) -> Result<Gateway> {
        Gateway::start(&self.configuration(std::slice::from_ref(guard)).to_string()).await
    }

    /// Requests that came, and those of them that nobody had let through.
    fn seen(&self) -> (usize, usize) {
        let records = self.up.records();
        let past = records.iter().filter(|record| record.field("x-let-through").is_none());
        (records.len(), past.count())
    }

    /// Nobody came past the guard, and somebody came, so that the count can be believed.
    fn expect_no_bypass(&self) -> Result<()> {
        let (came, past) = self.seen();
        ensure!(came > 0, "nobody was let through");
        ensure!(past == 0, "{past} of {came} requests came past the guard");
        Ok(())
    }
}

/// A request with all that a request can have.
fn request(plan: &str, key: &str) -> Request {
    Request::new("POST", "/")
        .field("te", "trailers")
        .field("trailer", "x-up")
        .field("x-die", plan)
        .field("authorization", key)
        .piece("body")
        .trailer("x-up", "1")
}

/// Asks until one is let through: the guard is back.
async fn until_let_through(gateway: &Gateway) -> Result<()> {
    let began = Instant::now();
    loop {
        let answer = send(gateway.listener("web")?, Version::Http1, &request("", "yes")).await?;
        if answer.status == 200 {
            return Ok(());
        }
        let plugins = page(gateway, "/plugins").await?;
        ensure!(began.elapsed() < DEADLINE, "not back: {answer:?} {plugins:#}");
    }
}

#[tokio::test]
async fn a_guard_that_dies_before_the_upstream_is_asked_lets_nobody_by() -> Result<()> {
    let outside = Outside::start()?;
    for (kind, callbacks) in BEFORE {
        for trusted_after in [0, 1] {
            let mut guard = guard(kind, "")?;
            guard["limits"]["trusted_after"] = trusted_after.into();
            let gateway = outside.guarded_by(&guard).await?;
            for callback in *callbacks {
                for (number, way) in WAYS.iter().filter(|way| way.kills()).enumerate() {
                    let version = [Version::Http1, Version::Http2][number % 2];
                    let plan = format!("{callback} {}", way.word);
                    let back = until_let_through(&gateway).await;
                    back.with_context(|| format!("before {kind} {plan}"))?;
                    let before = outside.seen().0;
                    // Somebody who may pass, and who may not: both find the guard dying. The first of the two arms it for a callback
                    // that comes before a request can say anything.
                    let mut statuses = Vec::new();
                    for key in ["no", "yes"] {
                        let answer = send(gateway.listener("web")?, version, &request(&plan, key)).await;
                        statuses.push(
                            answer
                                .with_context(|| format!("{kind} {plan} {key} {version:?}"))?
                                .status,
                        );
                    }
                    let came = outside.seen().0 - before;
                    ensure!(
                        came == 0 && !statuses.contains(&200),
                        "{kind} {plan} {version:?}: {statuses:?}, {came} came"
                    );
                }
            }
            lives(&gateway, 0).await?;
        }
    }
    outside.expect_no_bypass()
}

#[tokio::test]
async fn a_guard_whose_module_is_broken_or_gone_goes_on_guarding() -> Result<()> {
    let outside = Outside::start()?;
    let folder = tempfile::tempdir()?;
    let module = folder.path().join("guard.wasm");
    let whole = std::fs::read(place::guest("die")?)?;
    std::fs::write(&module, &whole)?;
    let mut guard = guard("guard", "")?;
    guard["source"] = json!({"file": module});
    let gateway = outside.guarded_by(&guard).await?;
    let broken: [Option<&[u8]>; 4] = [Some(&whole[..whole.len() / 2]), Some(b"no module"), Some(b""), None];
    for bytes in broken {
        match bytes {
            Some(bytes) => {
                let aside = folder.path().join("next.wasm");
                std::fs::write(&aside, bytes)?;
                std::fs::rename(&aside, &module)?;
            }
            None => std::fs::remove_file(&module)?,
        }
        let outcome = change(&gateway, &outside.configuration(std::slice::from_ref(&guard))).await?;
        ensure!(outcome.contains("refused_plugins=1"), "{outcome}");
        let address = gateway.listener("web")?;
        for (plan, key, status) in [
            ("", "no", 403),
            ("request_headers panic", "no", 503),
            ("", "yes", 200),
            ("", "no", 403),
        ] {
            until_running(&gateway).await?;
            let answer = send(address, Version::Http1, &request(plan, key)).await?;
            ensure!(answer.status == status, "{plan} {key}: {}", answer.status);
        }
    }
    outside.expect_no_bypass()
}

async fn until_running(gateway: &Gateway) -> Result<()> {
    let running = |page: &Value| counts(page, "guard")["state"] == "running";
    plugins_until(gateway, running).await.map(drop)
}

#[tokio::test]
async fn a_guard_in_quarantine_lets_nobody_by() -> Result<()> {
    let outside = Outside::start()?;
    let mut guard = guard("guard", "")?;
    guard["restart"] = json!({"quarantine_after": 2, "quarantine": "1h", "backoff": "1ms", "recovered_after": "1h"});
    let gateway = outside.guarded_by(&guard).await?;
    until_let_through(&gateway).await?;
    let address = gateway.listener("web")?;
    for _ in 0..2 {
        until_running(&gateway).await?;
        send(address, Version::Http1, &request("request_headers exit", "no")).await?;
    }
    let is_set_aside = |page: &Value| counts(page, "guard")["state"] == "quarantined";
    plugins_until(&gateway, is_set_aside).await?;
    let before = outside.seen().0;
    for version in [Version::Http1, Version::Http2] {
        for key in ["no", "yes"] {
            let answer = send(address, version, &request("", key)).await?;
            ensure!(answer.status == 503, "{key}: {}", answer.status);
        }
    }
    // Nor does a reload that leaves the guard as it is let it out.
    let mut same = outside.configuration(&[guard]);
    same["routes"][0]["response_headers"] = json!({"set": {"x-plan": "2"}});
    ensure!(change(&gateway, &same).await?.contains("applied"));
    ensure!(send(address, Version::Http1, &request("", "no")).await?.status == 503);
    ensure!(outside.seen().0 == before, "somebody came by");
    outside.expect_no_bypass()
}

/// Clients that ask without an end: some may not pass, some kill the guard, some may pass.
fn clients(
    gateway: &Gateway,
    count: usize,
    over: &Arc<AtomicBool>,
    asked: &Arc<AtomicUsize>,
) -> Result<Vec<JoinHandle<Result<()>>>> {
    let address = gateway.listener("web")?;
    let client = |number: usize| {
        let (over, asked) = (Arc::clone(over), Arc::clone(asked));
        async move {
            let version = [Version::Http1, Version::Http2][number % 2];
            let ways: Vec<_> = WAYS.iter().filter(|way| way.kills() && !way.is_slow).collect();
            let mut turn = number;
            while !over.load(Ordering::SeqCst) {
                let mut connection = Connection::open(address, version).await?;
                for _ in 0..8 {
                    turn += 1;
                    let plan = format!("request_headers {}", ways[turn % ways.len()].word);
                    let (plan, key) =
                        [("", "no"), (plan.as_str(), "no"), ("", "yes"), (plan.as_str(), "yes")][turn % 4];
                    // A connection that was closed is opened anew; what the upstream saw is what counts.
                    let Ok(answer) = connection.send(&request(plan, key)).await else {
                        break;
                    };
                    ensure!(answer.status != 200 || key == "yes", "let through: {answer:?}");
                    asked.fetch_add(1, Ordering::SeqCst);
                }
            }
            Ok(())
        }
    };
    Ok((0..count).map(|number| tokio::spawn(client(number))).collect())
}

async fn ended(over: &AtomicBool, clients: Vec<JoinHandle<Result<()>>>) -> Result<()> {
    over.store(true, Ordering::SeqCst);
    for client in clients {
        client.await??;
    }
    Ok(())
}

/// Does `work` while eight clients ask for what a dying guard keeps.
async fn under_load(outside: &Outside, gateway: &Gateway, work: impl Future<Output = Result<()>>) -> Result<()> {
    let (over, asked) = (Arc::default(), Arc::default());
    let clients = clients(gateway, 8, &over, &asked)?;
    work.await?;
    ended(&over, clients).await?;
    until_let_through(gateway).await?;
    ensure!(
        asked.load(Ordering::SeqCst) > 50,
        "too few requests to say anything: {asked:?}"
    );
    lives(gateway, 0).await?;
    outside.expect_no_bypass()
}

#[tokio::test]
async fn a_guard_that_is_swapped_under_load_while_it_dies_lets_nobody_by() -> Result<()> {
    let outside = Outside::start()?;
    let gateway = outside.guarded_by(&guard("guard", "")?).await?;
    let swaps = async {
        for number in 0..20 {
            let kind = ["guard", "guard_body"][number % 2];
            let next = guard(kind, &number.to_string())?;
            let outcome = change(&gateway, &outside.configuration(&[next])).await?;
            ensure!(outcome.contains("applied"), "{outcome}");
        }
        Ok(())
    };
    under_load(&outside, &gateway, swaps).await
}

/// Looks for a second, and again, until something was seen: a guard that dies all the time is seldom there on a busy machine.
async fn until_seen(gateway: &Gateway, what: &str) -> Result<()> {
    let began = Instant::now();
    let look = Request::new("POST", &format!("/plugins/guard/profile?seconds=1&what={what}"));
    loop {
        let answer = send(gateway.admin, Version::Http1, &look).await?;
        ensure!(answer.status == 200, "{what}: {}", answer.text());
        let profile: Value = serde_json::from_slice(&answer.body())?;
        let seen = ["exchanges", "samples"].map(|key| profile["cofferdam"][key].as_u64());
        if seen.into_iter().flatten().any(|count| count > 0) {
            return Ok(());
        }
        ensure!(began.elapsed() < DEADLINE, "{what}: {}", profile["cofferdam"]);
    }
}

#[tokio::test]
async fn a_guard_that_is_looked_at_while_it_dies_lets_nobody_by() -> Result<()> {
    let outside = Outside::start()?;
    let gateway = outside.guarded_by(&guard("guard", "")?).await?;
    let looks = async {
        for what in ["memory", "time", "memory"] {
            until_seen(&gateway, what).await?;
        }
        Ok(())
    };
    under_load(&outside, &gateway, looks).await
}

#[tokio::test]
async fn a_guard_overrun_while_it_dies_again_and_again_lets_nobody_by() -> Result<()> {
    let outside = Outside::start()?;
    let mut guard = guard("guard_body", "")?;
    guard["limits"]["trusted_after"] = 1.into();
    let gateway = outside.guarded_by(&guard).await?;
    let (over, asked) = (Arc::default(), Arc::default());
    let clients = clients(&gateway, 64, &over, &asked)?;
    let died_often = |page: &Value| counts(page, "guard")["faults"].as_u64() > Some(300);
    plugins_until(&gateway, died_often).await?;
    ended(&over, clients).await?;
    until_let_through(&gateway).await?;
    lives(&gateway, 0).await?;
    outside.expect_no_bypass()
}

#[tokio::test]
async fn an_open_plugin_before_the_guard_that_dies_does_not_take_the_guard_with_it() -> Result<()> {
    let outside = Outside::start()?;
    let mut weak = dying("weak", "request_headers panic", "open")?;
    weak["restart"] = json!({"quarantine_after": 3, "backoff": "1ms", "quarantine": "1h"});
    let guard = guard("guard", "")?;
    for chain in [[&weak, &guard], [&guard, &weak]] {
        let configuration = outside.configuration(&chain.map(Value::clone));
        let gateway = Gateway::start(&configuration.to_string()).await?;
        for _ in 0..6 {
            for (key, status) in [("no", 403), ("yes", 200)] {
                let answer = send(gateway.listener("web")?, Version::Http1, &request("", key)).await?;
                ensure!(answer.status == status, "{key}: {}", answer.status);
            }
        }
    }
    outside.expect_no_bypass()
}
