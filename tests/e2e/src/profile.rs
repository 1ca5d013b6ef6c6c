//! `cofferdam plugin profile`: what a plugin computes while traffic goes on.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::client::{Request, Version, send};
use testkit::gateway::Gateway;
use testkit::place;
use testkit::process::{DEADLINE, Line, Process};

use crate::setting::{Ended, ask, finish, gateway, page, plugin};

/// A gateway with a guest that computes for 20 ms when it is told to.
async fn computing(guest: &str, debug_files: Option<&Path>) -> Result<Gateway> {
    let reports = debug_files.map_or(
        json!({"dir": "crashes"}),
        |folder| json!({"dir": "crashes", "debug_files": folder}),
    );
    let mut die = plugin("die", guest, json!({}))?;
    // A machine with other work to do has its own idea of 20 ms.
    die["limits"] = json!({"cpu_slice": "10s"});
    gateway(json!({
        "workers": 1,
        "crash_reports": reports,
        "plugins": [die],
        "routes": [{"name": "r", "echo": true, "plugins": ["die"]}],
    }))
    .await
}

async fn profile(gateway: &Gateway, words: &[&str]) -> Result<Ended> {
    let mut command = Command::new(place::cofferdam().await?);
    command.args(["plugin", "profile"]).args(words);
    command.args(["--admin", &gateway.admin.to_string()]);
    command.current_dir(gateway.folder());
    finish(&mut command, gateway.folder()).await
}

/// A profile of one second in which the guest computes on and on.
async fn profiled(gateway: &Gateway, words: &[&str]) -> Result<Ended> {
    let slow = Request::get("/").field("x-die", "request_headers slow");
    let traffic = async {
        loop {
            let answer = ask(gateway, &slow).await?;
            anyhow::ensure!(answer.status == 200, "{}", answer.status);
        }
    };
    tokio::select! {
        ended = profile(gateway, words) => ended,
        failed = traffic => failed,
    }
}

fn guests() -> Result<std::path::PathBuf> {
    let guest = place::guest("die")?;
    Ok(guest.parent().context("a guest without a folder")?.to_owned())
}

#[tokio::test]
async fn a_profile_names_functions_lines_and_host_calls_also_of_a_stripped_plugin() -> Result<()> {
    for (guest, debug_files) in [("die", None), ("die-stripped", Some(guests()?))] {
        let gateway = computing(guest, debug_files.as_deref()).await?;
        let ended = profiled(&gateway, &["die", "--for", "1s"]).await?;
        assert_eq!(ended.code, Some(0), "{guest}: {}", ended.err);
        for part in [
            "die of generation 1 computed ",
            " on one worker (",
            "self   total  function\n",
            "die::callbacks::at  ",
            "plugins/die/src/callbacks.rs:",
            "host call proxy_get_current_time_nanoseconds",
        ] {
            assert!(ended.out.contains(part), "{guest}: no {part} in\n{}", ended.out);
        }
        assert!(ended.err.contains("written: die.profile.json"), "{}", ended.err);
        let file: Value = serde_json::from_slice(&fs::read(gateway.folder().join("die.profile.json"))?)?;
        let thread = &file["threads"][0];
        assert_eq!(thread["name"], "worker 0");
        let samples = thread["samples"]["length"].as_u64().context("no samples")?;
        assert!(samples >= 20, "{samples}");
        let strings = thread["stringArray"].as_array().context("no strings")?;
        let has = |end: &str| {
            strings
                .iter()
                .any(|text| text.as_str().is_some_and(|text| text.ends_with(end)))
        };
        assert!(has("plugins/die/src/callbacks.rs"), "{guest}: {strings:?}");
        assert!(has("callback proxy_on_request_headers"), "{guest}: {strings:?}");
    }
    Ok(())
}

#[tokio::test]
async fn without_debug_information_a_profile_has_numbers_and_says_what_helps() -> Result<()> {
    let gateway = computing("die-stripped", None).await?;
    let ended = profiled(&gateway, &["die", "--for", "1s", "--out", "a.json", "--format", "json"]).await?;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let summary: Value = serde_json::from_str(&ended.out)?;
    assert_eq!(
        (&summary["plugin"], &summary["has_lines"]),
        (&json!("die"), &json!(false))
    );
    let functions = summary["functions"].as_array().context("no functions")?;
    let is_numbered = |share: &Value| {
        share["function"]
            .as_str()
            .is_some_and(|name| name.starts_with("function "))
    };
    assert!(functions.iter().any(is_numbered), "{functions:?}");
    assert!(gateway.folder().join("a.json").is_file());
    Ok(())
}

#[tokio::test]
async fn a_plugin_that_nobody_asks_has_a_profile_that_says_so() -> Result<()> {
    let gateway = computing("die", None).await?;
    let ended = profile(&gateway, &["die", "--for", "1s"]).await?;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.out.contains("it was not seen computing"), "{}", ended.out);
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_profiled_is_said_and_nothing_is_written() -> Result<()> {
    let gateway = computing("die", None).await?;
    let unknown = profile(&gateway, &["dye", "--for", "1s"]).await?;
    assert_eq!((unknown.code, unknown.out.as_str()), (Some(1), ""));
    assert!(
        unknown
            .err
            .contains("error: no plugin is named dye; /plugins lists them"),
        "{}",
        unknown.err
    );
    let wrong = profile(&gateway, &["die", "--for", "10h"]).await?;
    assert_eq!(wrong.code, Some(2), "{}", wrong.err);
    assert!(wrong.err.contains("1s to 300s, or 1m to 5m"), "{}", wrong.err);
    let mut nobody = Command::new(place::cofferdam().await?);
    nobody.args(["plugin", "profile", "die", "--admin", "127.0.0.1:1"]);
    nobody.current_dir(gateway.folder());
    let nobody = finish(&mut nobody, gateway.folder()).await?;
    assert_eq!(nobody.code, Some(1));
    assert!(
        nobody.err.contains("no gateway answers at 127.0.0.1:1"),
        "{}",
        nobody.err
    );
    assert!(nobody.err.contains("hint: `--admin ADDRESS`"), "{}", nobody.err);
    assert!(!gateway.folder().join("die.profile.json").exists());
    Ok(())
}

#[tokio::test]
async fn one_looks_at_a_time_and_one_who_goes_away_makes_room() -> Result<()> {
    let gateway = computing("die", None).await?;
    let mut command = Command::new(place::cofferdam().await?);
    command.args(["plugin", "profile", "die", "--for", "5m"]);
    command.args(["--admin", &gateway.admin.to_string()]);
    let first = Process::start("profile", &mut command)?;
    let begins = |line: &Line| line.text.contains("plugin profiled plugin=die");
    gateway.process.wait_for_line(0, DEADLINE, begins).await?;
    let second = profile(&gateway, &["die", "--for", "1s"]).await?;
    assert_eq!(second.code, Some(1), "{}", second.out);
    assert!(
        second.err.contains("plugin die is being profiled already"),
        "{}",
        second.err
    );
    drop(first);
    let request = Request::new("POST", "/plugins/die/profile?seconds=1");
    let again = async {
        while send(gateway.admin, Version::Http1, &request).await?.status == 409 {}
        anyhow::Ok(())
    };
    tokio::time::timeout(DEADLINE, again).await?
}

/// A profile of memory of two seconds, in which the guest loses 1 MiB with each exchange.
async fn leaked(gateway: &Gateway, words: &[&str]) -> Result<Ended> {
    let leak = Request::get("/").field("x-die", "request_headers leak");
    let traffic = async {
        // It has begun when the exchange goes to the instance that tells.
        let begins = |line: &Line| line.text.contains("plugin profiled plugin=die what=memory");
        gateway.process.wait_for_line(0, DEADLINE, begins).await?;
        // Once the instance that tells serves, the plugin's own has no further exchanges.
        let mut own = 0;
        loop {
            ask(gateway, &Request::get("/")).await?;
            let page = page(gateway, "/plugins").await?;
            let exchanges = page[0]["workers"][0]["exchanges"].as_u64().context("no count")?;
            if exchanges == std::mem::replace(&mut own, exchanges) {
                break;
            }
        }
        for _ in 0..3 {
            let answer = ask(gateway, &leak).await?;
            anyhow::ensure!(answer.status == 200, "{}", answer.status);
        }
        std::future::pending::<Result<Ended>>().await
    };
    tokio::select! {
        ended = profile(gateway, words) => ended,
        failed = traffic => failed,
    }
}

#[tokio::test]
async fn a_leak_is_shown_by_the_line_that_asked_for_the_memory_also_of_a_stripped_plugin() -> Result<()> {
    for (guest, debug_files) in [("die", None), ("die-stripped", Some(guests()?))] {
        let gateway = computing(guest, debug_files.as_deref()).await?;
        let ended = leaked(&gateway, &["die", "--memory", "--for", "3s"]).await?;
        assert_eq!(ended.code, Some(0), "{guest}: {}", ended.err);
        for part in [
            "die of generation 1 keeps 3.",
            "exchanges in 3.",
            "\n3.00 MiB in 3 allocations",
            "plugins/die/src/ways.rs:",
            "    in proxy_on_request_headers\n",
        ] {
            assert!(ended.out.contains(part), "{guest}: no {part} in\n{}", ended.out);
        }
        let file: Value = serde_json::from_slice(&fs::read(gateway.folder().join("die.profile.json"))?)?;
        assert_eq!(file["threads"][0]["samples"]["weightType"], "bytes");
        // Afterwards exchanges go to the plugin's own instance, which goes on as it was.
        assert_eq!(ask(&gateway, &Request::get("/")).await?.status, 200);
    }
    Ok(())
}

#[tokio::test]
async fn what_has_no_allocator_to_follow_is_refused_with_a_reason() -> Result<()> {
    let gateway = computing("die-stripped", None).await?;
    let ended = profile(&gateway, &["die", "--memory", "--for", "1s"]).await?;
    assert_eq!(ended.code, Some(1), "{}", ended.out);
    let why = "plugin die cannot be looked at: no function of its module is known to be its allocator";
    assert!(ended.err.contains(why), "{}", ended.err);
    Ok(())
}
