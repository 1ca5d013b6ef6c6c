//! Generations of plugins: one that cannot run stays what it was, others are changed meanwhile, and a start finds what served last.

mod across;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use rustix::process::Signal;
use serde_json::{Value, json};
use testkit::backend::{Backend, Reply, Speaks};
use testkit::client::{Connection, Request, Version, send};
use testkit::gateway::Gateway;
use testkit::place;

use crate::reload::change;
use crate::setting::{backend, complete, gateway, get, page, plugin, upstream};

/// A plugin that adds its name and `word` to the response.
fn tells(name: &str, word: &str) -> Result<Value> {
    plugin(
        name,
        "probe-021",
        json!({"response_headers": [{"op": "add_header_map_value", "map": "response_headers", "key": format!("x-{name}"), "value": word}]}),
    )
}

/// A plugin that does not start.
fn refuses(name: &str) -> Result<Value> {
    plugin(name, "probe-021", json!({"configure": [{"return": 0}]}))
}

fn route(plugins: &[&str]) -> Value {
    json!([{"name": "r", "echo": true, "plugins": plugins}])
}

fn with(plugins: &[Value], routes: &Value) -> Value {
    complete(json!({"plugins": plugins, "routes": routes}))
}

/// How a plugin stands, and why it is not as it is wanted.
pub(crate) async fn stands(gateway: &Gateway, name: &str) -> Result<(String, String)> {
    let plugins = page(gateway, "/plugins").await?;
    let found = plugins
        .as_array()
        .and_then(|all| all.iter().find(|plugin| plugin["name"] == name).cloned());
    let plugin = found.unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok((text(&plugin["runs"]), text(&plugin["why_not"])))
}

#[tokio::test]
async fn a_plugin_that_does_not_start_stays_what_it_was_and_another_is_changed() -> Result<()> {
    let gateway = gateway(with(&[tells("a", "old")?, tells("b", "old")?], &route(&["a", "b"]))).await?;
    let said = change(
        &gateway,
        &with(&[refuses("a")?, tells("b", "new")?], &route(&["a", "b"])).to_string(),
    )
    .await?;
    assert!(said.contains("applied"), "{said}");
    let answer = get(&gateway, "/").await?;
    assert_eq!((answer.field("x-a"), answer.field("x-b")), (Some("old"), Some("new")));
    let (runs, why) = stands(&gateway, "a").await?;
    assert_eq!(runs, "former");
    assert!(why.contains("answered false to `proxy_on_configure`"), "{why}");
    assert_eq!(stands(&gateway, "b").await?, ("wanted".to_owned(), String::new()));
    let metrics = send(gateway.admin, Version::Http1, &Request::get("/metrics"))
        .await?
        .text();
    assert!(metrics.contains("cofferdam_plugin_refused{plugin=\"a\"} 1\ncofferdam_plugin_refused{plugin=\"b\"} 0"));
    // It is tried again with the next change, and everything is as it is wanted.
    let said = change(
        &gateway,
        &with(&[tells("a", "new")?, tells("b", "new")?], &route(&["a", "b"])).to_string(),
    )
    .await?;
    assert!(said.contains("applied"), "{said}");
    assert_eq!(get(&gateway, "/").await?.field("x-a"), Some("new"));
    assert_eq!(stands(&gateway, "a").await?.0, "wanted");
    Ok(())
}

#[tokio::test]
async fn what_does_not_run_is_said_with_what_happens_instead() -> Result<()> {
    let gateway = gateway(with(&[tells("a", "old")?], &route(&["a"]))).await?;
    let said = gateway.process.line_count();
    let routes = json!([
        {"name": "r", "echo": true, "plugins": ["new"]},
        {"name": "s", "match": {"path": {"prefix": "/s"}}, "echo": true, "plugins": ["new"]},
    ]);
    change(&gateway, &with(&[refuses("a")?, refuses("new")?], &routes).to_string()).await?;
    let trouble = "warning: `s` answers 503, for `new` does not run";
    gateway
        .process
        .wait_for_line(said, testkit::process::DEADLINE, |line| line.text.contains(trouble))
        .await?;
    let lines: Vec<String> = gateway
        .process
        .lines_from(said)
        .into_iter()
        .map(|line| line.text)
        .collect();
    let text = lines.join("\n");
    assert!(text.contains("  it goes on as it was, as generation 1"), "{text}");
    assert!(text.contains("  it does not run"), "{text}");
    assert!(
        text.contains("warning: `r` stays as it was, for `new` does not run"),
        "{text}"
    );
    Ok(())
}

#[tokio::test]
async fn a_new_plugin_that_does_not_run_takes_no_route_away_and_opens_none() -> Result<()> {
    let gateway = gateway(with(&[tells("guard", "old")?], &route(&["guard"]))).await?;
    let routes = |plugins: &str| {
        json!([
            {"name": "r", "echo": true, "plugins": [plugins]},
            {"name": "s", "match": {"path": {"prefix": "/s"}}, "echo": true, "plugins": [plugins]},
        ])
    };
    change(&gateway, &with(&[refuses("new")?], &routes("new")).to_string()).await?;
    // The route goes on behind the guard that it had, although that is configured no more.
    let answer = get(&gateway, "/").await?;
    assert_eq!((answer.status, answer.field("x-guard")), (200, Some("old")));
    assert_eq!(stands(&gateway, "guard").await?.0, "retained");
    assert_eq!(stands(&gateway, "new").await?.0, "missing");
    // A route that is new is closed.
    let said = gateway.process.line_count();
    assert_eq!(get(&gateway, "/s").await?.status, 503);
    let waiting = page(&gateway, "/config").await?["waiting"].clone();
    let expected = json!([
        {"place": "r", "plugin": "new", "meanwhile": "as_before"},
        {"place": "s", "plugin": "new", "meanwhile": "closed"},
    ]);
    assert_eq!(waiting, expected);
    gateway
        .process
        .wait_for_line(said, testkit::process::DEADLINE, |line| {
            line.text.contains("plugin.missing")
        })
        .await?;
    // Once it runs, all is as it is wanted.
    change(&gateway, &with(&[tells("new", "new")?], &routes("new")).to_string()).await?;
    for target in ["/", "/s"] {
        let answer = get(&gateway, target).await?;
        assert_eq!((answer.field("x-guard"), answer.field("x-new")), (None, Some("new")));
    }
    assert_eq!(page(&gateway, "/plugins").await?.as_array().map(Vec::len), Some(1));
    Ok(())
}

#[tokio::test]
async fn what_a_route_leads_to_next_is_not_reached_before_its_guard_runs() -> Result<()> {
    let (public, secret) = (backend()?, Backend::start("secret", Speaks::Http1)?);
    secret.reply("/", Reply::new(200).body("secret"));
    let to = |upstream_name: &str, plugins: Value, names: &[&str]| {
        complete(json!({
            "upstreams": [upstream("up", &public), upstream("secret", &secret)],
            "plugins": plugins,
            "routes": [{"name": "r", "upstream": upstream_name, "plugins": names}],
        }))
    };
    let gateway = gateway(to("up", json!([]), &[])).await?;
    change(
        &gateway,
        &to("secret", json!([refuses("guard")?]), &["guard"]).to_string(),
    )
    .await?;
    assert_eq!(get(&gateway, "/").await?.status, 200);
    assert!(secret.records().is_empty() && !public.records().is_empty());
    change(
        &gateway,
        &to("secret", json!([tells("guard", "on")?]), &["guard"]).to_string(),
    )
    .await?;
    assert_eq!(get(&gateway, "/").await?.text(), "secret");
    Ok(())
}

/// A module in a folder that a test may spoil.
struct Spoilt {
    folder: tempfile::TempDir,
}

impl Spoilt {
    fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        fs::copy(place::guest("hello")?, folder.path().join("p.wasm"))?;
        Ok(Self { folder })
    }

    fn module(&self) -> PathBuf {
        self.folder.path().join("p.wasm")
    }

    fn spoil(&self) -> Result<()> {
        let whole = fs::read(self.module())?;
        Ok(fs::write(self.module(), &whole[..whole.len() / 2])?)
    }

    fn configuration(&self) -> Value {
        json!({
            "plugins": [{"name": "p", "source": {"file": self.module()}}],
            "routes": [{"name": "r", "echo": true, "plugins": ["p"]}],
        })
    }
}

#[tokio::test]
async fn a_start_finds_a_module_that_was_spoilt_as_it_served_last() -> Result<()> {
    for signal in [Signal::TERM, Signal::KILL] {
        let spoilt = Spoilt::new()?;
        let gateway = gateway(spoilt.configuration()).await?;
        kept(gateway.folder()).await?;
        spoilt.spoil()?;
        let gateway = gateway.start_again(signal).await?;
        assert_eq!(get(&gateway, "/").await?.field("x-served-by"), Some("cofferdam-hello"));
        let (runs, why) = stands(&gateway, "p").await?;
        assert_eq!(runs, "former");
        assert!(why.contains("p.wasm") || why.contains("module"), "{why}");
        // And again: what served is still kept.
        let gateway = gateway.start_again(signal).await?;
        assert_eq!(get(&gateway, "/").await?.field("x-served-by"), Some("cofferdam-hello"));
    }
    Ok(())
}

/// Waits until what serves is kept in the folder of a gateway's state.
pub(crate) async fn kept(folder: &Path) -> Result<()> {
    let served = folder.join("cofferdam/served");
    let until = tokio::time::Instant::now() + testkit::process::DEADLINE;
    loop {
        let entries = fs::read_dir(&served).into_iter().flatten().flatten();
        if entries
            .map(|entry| entry.path().join("served.json"))
            .any(|file| file.exists())
        {
            return Ok(());
        }
        anyhow::ensure!(tokio::time::Instant::now() < until, "nothing is kept");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_start_holds_what_was_held() -> Result<()> {
    let first = with(&[tells("guard", "old")?], &route(&["guard"]));
    let gateway = gateway(first).await?;
    change(&gateway, &with(&[refuses("new")?], &route(&["new"])).to_string()).await?;
    let gateway = gateway.start_again(Signal::TERM).await?;
    assert_eq!(get(&gateway, "/").await?.field("x-guard"), Some("old"));
    assert_eq!(stands(&gateway, "guard").await?.0, "retained");
    Ok(())
}

#[tokio::test]
async fn a_first_start_without_a_plugin_is_refused_unless_it_is_allowed() -> Result<()> {
    let configuration = with(
        &[refuses("new")?, tells("b", "b")?],
        &json!([
            {"name": "r", "echo": true, "plugins": ["new"]},
            {"name": "s", "match": {"path": {"prefix": "/s"}}, "echo": true, "plugins": ["b"]},
        ]),
    );
    let refused = Gateway::start(&configuration.to_string())
        .await
        .err()
        .map(|why| format!("{why:#}"));
    assert!(refused.is_some_and(|why| why.contains("answered false to `proxy_on_configure`")));
    let mut allowed = configuration;
    allowed["start_without_plugins"] = json!(true);
    let gateway = gateway(allowed).await?;
    assert_eq!(get(&gateway, "/").await?.status, 503);
    assert_eq!(get(&gateway, "/s").await?.field("x-b"), Some("b"));
    Ok(())
}

/// Hands a word over to the next generation, and says what it took over.
fn inherits(word: &str) -> Result<Value> {
    let call = |name: &str, arguments: &str| json!({"op": "call_foreign_function", "name": name, "arguments": arguments, "as": "text"});
    plugin(
        "p",
        "probe-021",
        json!({"configure": [call("take_over", ""), call("hand_over", word)]}),
    )
}

#[tokio::test]
async fn a_generation_takes_over_what_the_one_before_handed_over() -> Result<()> {
    let configuration = |word: &str| Ok::<_, anyhow::Error>(with(&[inherits(word)?], &route(&["p"])));
    let gateway = gateway(configuration("one")?).await?;
    gateway
        .wait_for_plugin_line(0, "configure: call_foreign_function -> 1")
        .await?;
    let said = gateway.process.line_count();
    change(&gateway, &configuration("two")?.to_string()).await?;
    gateway.wait_for_plugin_line(said, "result=\"one\"").await?;
    Ok(())
}

#[tokio::test]
async fn a_stream_that_outlives_its_generation_ends_at_the_bound() -> Result<()> {
    for (on_fault, ends) in [("close", true), ("open", false)] {
        let backend = backend()?;
        backend.reply("/", Reply::new(200).piece("first").wait("second").piece("second"));
        let configuration = |word: &str| {
            let mut plugin = tells("p", word)?;
            plugin["retire_after"] = json!("1s");
            plugin["on_fault"] = json!(on_fault);
            // It sees the body, so that it is asked again after its time.
            plugin["config"]["response_body"] = json!([]);
            Ok::<_, anyhow::Error>(complete(json!({
                "upstreams": [upstream("up", &backend)],
                "plugins": [plugin],
                "routes": [{"name": "r", "upstream": "up", "plugins": ["p"]}],
            })))
        };
        let gateway = gateway(configuration("old")?).await?;
        let mut connection = Connection::open(gateway.listener("web")?, Version::Http1).await?;
        let mut exchange = connection.begin(&Request::get("/")).await?;
        exchange.head().await?;
        exchange.data_received().await?;
        let said = gateway.process.line_count();
        change(&gateway, &configuration("new")?.to_string()).await?;
        gateway
            .process
            .wait_for_line(said, testkit::process::DEADLINE, |line| {
                line.text.contains("plugin retired plugin=p generation=1 exchanges=1")
            })
            .await?;
        backend.release("second");
        let ended = loop {
            match exchange.data_received().await {
                Ok(Some(_)) => {}
                Ok(None) => break false,
                Err(_) => break true,
            }
        };
        assert_eq!(ended, ends, "{on_fault}");
    }
    Ok(())
}

#[tokio::test]
async fn a_changed_plugin_that_needs_what_another_shares_is_tried_with_that() -> Result<()> {
    let shares = |word: &str| {
        let mut plugin = tells("a", word)?;
        plugin["config"]["configure"] = json!([{"op": "set_shared_data", "key": "k", "value": "there"}]);
        Ok::<_, anyhow::Error>(plugin)
    };
    let needs = |word: &str| {
        let mut plugin = tells("b", word)?;
        plugin["config"]["configure"] = json!([
            {"op": "get_shared_data", "key": "k", "save": "found"},
            {"op": "return", "action": "false", "when": {"saved": "found", "is": ""}},
        ]);
        Ok::<_, anyhow::Error>(plugin)
    };
    let gateway = gateway(with(&[shares("old")?, needs("old")?], &route(&["a", "b"]))).await?;
    let next = with(&[shares("old")?, needs("new")?], &route(&["a", "b"]));
    assert!(change(&gateway, &next.to_string()).await?.contains("applied"));
    let answer = get(&gateway, "/").await?;
    assert_eq!((answer.field("x-a"), answer.field("x-b")), (Some("old"), Some("new")));
    assert_eq!(stands(&gateway, "b").await?, ("wanted".to_owned(), String::new()));
    // Without the other it is wrong, and not only at a start.
    let next = with(&[tells("a", "old")?, needs("newest")?], &route(&["a", "b"]));
    assert!(change(&gateway, &next.to_string()).await?.contains("applied"));
    assert_eq!(get(&gateway, "/").await?.field("x-b"), Some("new"));
    let (runs, why) = stands(&gateway, "b").await?;
    assert!(
        runs == "former" && why.contains("answered false to `proxy_on_configure`"),
        "{runs} {why}"
    );
    Ok(())
}

#[tokio::test]
async fn a_generation_that_does_not_pass_its_probe_does_not_serve() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let suite = folder.path().join("probe.yaml");
    let text = "cases:\n- name: it tells\n  request: {path: /}\n  expect: {response: {headers: {x-p: good}}}\n";
    fs::write(&suite, text)?;
    let configuration = |word: &str| {
        let mut plugin = tells("p", word)?;
        plugin["probe"] = json!(suite);
        Ok::<_, anyhow::Error>(with(&[plugin], &route(&["p"])))
    };
    let gateway = gateway(configuration("good")?).await?;
    change(&gateway, &configuration("bad")?.to_string()).await?;
    assert_eq!(get(&gateway, "/").await?.field("x-p"), Some("good"));
    let (runs, why) = stands(&gateway, "p").await?;
    assert_eq!(runs, "former");
    assert!(why.contains("does not pass") && why.contains("it tells"), "{why}");
    // A suite that expects what it does lets it through, as soon as it is written.
    let said = gateway.process.line_count();
    fs::write(&suite, text.replace("good", "bad"))?;
    assert!(crate::reload::outcome(&gateway, said).await?.contains("applied"));
    assert_eq!(get(&gateway, "/").await?.field("x-p"), Some("bad"));
    Ok(())
}
