//! Starts of a gateway that serves: at a reload, and after a death. What dies in them changes nothing for anybody else.

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};
use testkit::client::{Request, Version, send};
use testkit::gateway::Gateway;
use testkit::place;
use testkit::process::{DEADLINE, Line};

use crate::callbacks::OF_THE_START;
use crate::setting::{change, counts, dying, get, lives, page, plugins_until};
use crate::start;
use crate::ways::{WAYS, Way};

/// A gateway with the plugin on `/` and a route without it.
fn configuration(plugins: &[Value]) -> Value {
    json!({
        "workers": 1,
        "admin": {"listen": "127.0.0.1:0"},
        "access_log": "off",
        "listeners": [{"name": "web", "listen": "127.0.0.1:0"}],
        "plugins": plugins,
        "routes": [
            {"name": "free", "match": {"path": {"exact": "/free"}}, "respond": {"body": "free"}},
            {"name": "forget", "match": {"path": {"exact": "/forget"}}, "respond": {"body": "forgotten"}, "plugins": ["forget"]},
            {"name": "all", "respond": {"body": "served"}, "plugins": ["p"]},
        ],
    })
}

/// A plugin that takes out of the shared data what a dying one left there.
fn forget() -> Result<Value> {
    let script = json!({"request_headers": [{"op": "set_shared_data", "key": "die: next start", "value": ""}]});
    Ok(json!({"name": "forget", "source": {"file": place::guest("probe-021")?}, "config": script}))
}

async fn gateway(plugin: Value) -> Result<Gateway> {
    Gateway::start(&configuration(&[plugin, forget()?]).to_string()).await
}

fn deadly() -> impl Iterator<Item = &'static Way> {
    WAYS.iter().filter(|way| way.kills())
}

#[tokio::test]
async fn a_start_that_dies_at_a_reload_keeps_nobody_else_from_being_changed() -> Result<()> {
    let gateway = gateway(dying("p", "first", "close")?).await?;
    ensure!(get(&gateway, "/").await?.text() == "served");
    for callback in OF_THE_START {
        let deadly = start::deadly(callback);
        let mut plugins: Vec<Value> = deadly
            .iter()
            .map(|way| start::plugin(callback, way))
            .collect::<Result<_>>()?;
        plugins.push(dying(
            "p",
            &format!("a changed one, beside deaths in {callback}"),
            "close",
        )?);
        plugins.push(forget()?);
        let said = gateway.process.line_count();
        let outcome = change(&gateway, &configuration(&plugins)).await?;
        ensure!(
            outcome.contains("applied") && outcome.contains("refused_plugins="),
            "{callback}: {outcome}"
        );
        let all_said = |lines: &[Line]| {
            let text: String = lines.iter().map(|line| line.text.clone() + "\n").collect();
            let is_said = |way: &&Way| start::says(&text, callback, way);
            deadly.iter().all(is_said).then_some(())
        };
        gateway
            .process
            .wait_for(said, DEADLINE, all_said)
            .await
            .with_context(|| (*callback).to_owned())?;
        lives(&gateway, said).await?;
        ensure!(get(&gateway, "/").await?.text() == "served", "{callback}");
        let plugins = page(&gateway, "/plugins").await?;
        let p = counts(&plugins, "p");
        ensure!(
            (&p["starts"], &p["faults"]) == (&json!(1), &json!(0)),
            "{callback}: {p}"
        );
    }
    let mended = configuration(&[dying("p", "mended", "close")?, forget()?]);
    ensure!(change(&gateway, &mended).await?.contains("applied"));
    Ok(())
}

#[tokio::test]
async fn a_restart_that_dies_again_and_again_ends_in_quarantine() -> Result<()> {
    for way in start::deadly("configure") {
        let mut plugin = dying("p", "", "close")?;
        plugin["restart"] = json!({
            "backoff": "1ms", "backoff_max": "2ms", "recovered_after": "1h", "quarantine_after": 4, "quarantine": "1h",
        });
        let gateway = gateway(plugin).await?;
        let mortal = Request::get("/").field("x-die", &format!("next_start {}", way.word));
        let answer = send(gateway.listener("web")?, Version::Http1, &mortal).await?;
        ensure!(answer.status == 503, "{}: {answer:?}", way.word);
        let aside = plugins_until(&gateway, |page| counts(page, "p")["state"] == "quarantined")
            .await
            .context(way.word)?;
        let p = counts(&aside, "p");
        // One death while it served, three of starts, and no further start is tried.
        ensure!(
            (&p["faults"], &p["starts"]) == (&json!(4), &json!(1)),
            "{}: {p}",
            way.word
        );
        let said = |line: &Line| line.text.starts_with("plugin quarantined plugin=p faults_in_a_row=4");
        gateway.process.wait_for_line(0, DEADLINE, said).await?;
        for (target, status) in [("/", 503), ("/free", 200), ("/forget", 200)] {
            ensure!(get(&gateway, target).await?.status == status, "{}: {target}", way.word);
        }
        let lift = Request::new("POST", "/plugins/p/lift");
        ensure!(send(gateway.admin, Version::Http1, &lift).await?.status == 200);
        plugins_until(&gateway, |page| counts(page, "p")["state"] == "running")
            .await
            .context(way.word)?;
        ensure!(get(&gateway, "/").await?.text() == "served", "{}", way.word);
        lives(&gateway, 0).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_death_at_the_end_of_a_replaced_plugin_is_said_and_harms_nobody() -> Result<()> {
    for (callback, export) in [("root_done", "`proxy_on_done`"), ("root_delete", "`proxy_on_delete`")] {
        let gateway = gateway(dying("p", "first", "close")?).await?;
        for way in deadly() {
            let plan = format!("{callback} {}", way.word);
            for (config, wanted) in [(plan.as_str(), None), ("harmless", Some(way))] {
                let said = gateway.process.line_count();
                let next = configuration(&[dying("p", &format!("{config} {}", way.word), "close")?, forget()?]);
                ensure!(change(&gateway, &next).await?.contains("applied"), "{plan}");
                if wanted.is_some() {
                    let fault = |line: &Line| line.text.starts_with("plugin fault") && line.text.contains(export);
                    gateway
                        .process
                        .wait_for_line(said, DEADLINE, fault)
                        .await
                        .with_context(|| plan.clone())?;
                }
                ensure!(get(&gateway, "/").await?.text() == "served", "{plan}");
                lives(&gateway, said).await?;
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_death_at_the_end_of_the_process_does_not_hinder_it() -> Result<()> {
    for callback in ["root_done", "root_delete"] {
        let mut gateway = gateway(dying("p", &format!("{callback} loop"), "close")?).await?;
        gateway.process.signal(Signal::TERM)?;
        let fault = |line: &Line| line.text.starts_with("plugin fault code=plugin.slice_exceeded");
        gateway
            .process
            .wait_for_line(0, DEADLINE, fault)
            .await
            .context(callback)?;
        let status = gateway.process.wait_for_exit(DEADLINE).await?;
        ensure!(status.code() == Some(0), "{callback}: {status}");
    }
    Ok(())
}
