//! One way in one callback: provoked, and everybody looked at afterwards.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testkit::client::{Request, Version, send};
use testkit::process::{DEADLINE, Line};

use crate::callbacks::{Callback, Fate};
use crate::house::House;
use crate::provoke::{pass, provoke};
use crate::setting::{counts, get, lives, plugins_until};
use crate::ways::{End, Way};

/// Plugins that are in every chain with the one that dies.
const NEIGHBOURS: [&str; 2] = ["hello", "probe"];

/// Does it, and says the text of the fault, if it was deadly.
pub(crate) async fn play(house: &House, callback: &Callback, way: &Way, version: Version) -> Result<Option<String>> {
    let played = play_one(house, callback, way, version).await;
    played.with_context(|| format!("{} in `{}`, {version:?}, {:?}", way.word, callback.name, house.policy))
}

async fn play_one(house: &House, callback: &Callback, way: &Way, version: Version) -> Result<Option<String>> {
    ensure!(
        pass(house, callback, version).await? == Fate::Unharmed,
        "not even before"
    );
    let fresh = plugins_until(&house.gateway, |_| true).await?;
    let said = house.gateway.process.line_count();
    let fate = provoke(house, callback, &format!("{} {}", callback.word, way.word), version).await?;
    let is_close = house.policy.on_fault == "close";
    let due = if way.kills() && is_close {
        callback.fate
    } else {
        Fate::Unharmed
    };
    ensure!(
        fate == due || due == Fate::Chance,
        "the exchange: {fate:?} instead of {due:?}"
    );
    let text = match way.end {
        End::Dies(code, reason) => {
            let text = fault(house, callback, said, code).await?;
            ensure!(text.contains(reason), "no `{reason}` in: {text}");
            ensure!(
                text.contains(&format!("`{}`", callback.export)),
                "not in {}: {text}",
                callback.export
            );
            is_back(house, callback, &fresh).await?;
            Some(text)
        }
        End::Survives(says) => {
            let wanted = |line: &Line| line.text.contains(says) && line.text.contains(callback.name);
            house.gateway.process.wait_for_line(said, DEADLINE, wanted).await?;
            None
        }
    };
    others_live(house, said).await?;
    ensure!(pass(house, callback, version).await? == Fate::Unharmed, "not back");
    let after = plugins_until(&house.gateway, |_| true).await?;
    unharmed(callback, way, &fresh, &after)?;
    Ok(text)
}

/// The first line of the operator's text of the plugin's fault.
async fn fault(house: &House, callback: &Callback, said: usize, code: &str) -> Result<String> {
    let name = format!("plugin `{}`", callback.name);
    let begins = format!("plugin fault code={code} ");
    let wanted = |line: &Line| line.text.starts_with(&begins) && line.text.contains(&name);
    Ok(house.gateway.process.wait_for_line(said, DEADLINE, wanted).await?.text)
}

/// The whole text that begins with this line. It ends where a neighbour speaks, which it does in the exchange behind it.
pub(crate) async fn whole(house: &House, said: usize, first: &str) -> Result<String> {
    let text = house.gateway.process.wait_for(said, DEADLINE, |lines| {
        let at = lines.iter().position(|line| line.text == first)?;
        let end = lines
            .iter()
            .skip(at)
            .position(|line| line.text.starts_with("plugin log "))?;
        let text = lines.iter().skip(at).take(end);
        Some(text.map(|line| line.text.clone() + "\n").collect())
    });
    text.await
}

/// The plugin has died once and runs again.
async fn is_back(house: &House, callback: &Callback, before: &Value) -> Result<()> {
    let number = |page: &Value, key: &str| counts(page, callback.name)[key].as_u64();
    let one_more = |page: &Value, key: &str| number(page, key) == number(before, key).map(|number| number + 1);
    let back = plugins_until(&house.gateway, |page| {
        counts(page, callback.name)["state"] == "running" && one_more(page, "faults")
    });
    let back = back.await?;
    ensure!(
        one_more(&back, "starts"),
        "started more than once: {}",
        counts(&back, callback.name)
    );
    Ok(())
}

/// The process and its only worker.
async fn others_live(house: &House, said: usize) -> Result<()> {
    lives(&house.gateway, said).await?;
    let free = get(&house.gateway, "/free").await?;
    ensure!(
        (free.status, free.text().as_str()) == (200, "hello from up"),
        "the other route: {free:?}"
    );
    Ok(())
}

/// The neighbours are the instances that they were, and the memory of the dead is back.
fn unharmed(callback: &Callback, way: &Way, fresh: &Value, after: &Value) -> Result<()> {
    for name in NEIGHBOURS {
        for key in ["starts", "faults", "state"] {
            let (before, after) = (&counts(fresh, name)[key], &counts(after, name)[key]);
            ensure!(before == after, "{key} of {name} went from {before} to {after}");
        }
    }
    let (before, after) = (counts(fresh, callback.name), counts(after, callback.name));
    let memory = |counts: &Value| counts["memory_bytes"].as_u64().unwrap_or_default();
    if way.kills() {
        ensure!(
            memory(after) <= memory(before) && memory(after) > 0,
            "memory: {before} {after}"
        );
    } else {
        ensure!(
            before["faults"] == after["faults"] && before["starts"] == after["starts"],
            "{before} {after}"
        );
    }
    Ok(())
}

/// What the page of metrics says of panics.
pub(crate) async fn panics(house: &House) -> Result<String> {
    let metrics = send(house.gateway.admin, Version::Http1, &Request::get("/metrics"))
        .await?
        .text();
    let rows = metrics
        .lines()
        .filter(|line| line.starts_with("cofferdam_worker_panics_total"));
    Ok(rows.collect::<Vec<_>>().join("\n"))
}
