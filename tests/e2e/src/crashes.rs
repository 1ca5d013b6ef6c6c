//! Crash reports: what the operator reads in the log, on the admin listener and by `cofferdam crash`.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::client::{Request, Version, send};
use testkit::gateway::Gateway;
use testkit::place;
use testkit::process::DEADLINE;

use crate::setting::{Ended, ask, finish, gateway, get, page, plugin};

const TOLD: &str = "request_headers panic";

fn deadly(plan: &str) -> Request {
    Request::get("/").field("x-die", plan)
}

/// A gateway with a guest that dies; its reports are in `crashes` beside its configuration.
async fn dying(guest: &str, debug_files: Option<&Path>) -> Result<Gateway> {
    let mut reports = json!({"dir": "crashes"});
    if let Some(folder) = debug_files {
        reports["debug_files"] = json!(folder);
    }
    gateway(json!({
        "workers": 1,
        "crash_reports": reports,
        "plugins": [plugin("die", guest, json!({}))?],
        "routes": [{"name": "r", "echo": true, "plugins": ["die"]}],
    }))
    .await
}

/// Dies once and waits until the operator was told; the text and the report's id.
async fn told(gateway: &Gateway, request: &Request) -> Result<(String, String)> {
    let start = gateway.process.line_count();
    assert_eq!(ask(gateway, request).await?.status, 503);
    let more = "more: cofferdam crash show ";
    let line = gateway
        .process
        .wait_for_line(start, DEADLINE, |line| line.text.contains(more))
        .await?;
    let id = line.text.split(more).nth(1).context("no id")?.to_owned();
    let lines = gateway.process.lines_from(start);
    let text: Vec<String> = lines.into_iter().map(|line| line.text).collect();
    Ok((text.join("\n"), id))
}

async fn crash(gateway: &Gateway, words: &[&str]) -> Result<Ended> {
    let mut command = Command::new(place::cofferdam().await?);
    command.arg("crash").args(words);
    command.arg("--dir").arg(gateway.folder().join("crashes"));
    finish(&mut command, gateway.folder()).await
}

fn guests() -> Result<std::path::PathBuf> {
    let guest = place::guest("die")?;
    Ok(guest.parent().context("a guest without a folder")?.to_owned())
}

#[tokio::test]
async fn a_stripped_plugin_is_explained_with_its_lines_of_source() -> Result<()> {
    // A file beside the module, and a folder of unstripped modules.
    for (guest, debug_files) in [("die", None), ("die-stripped", Some(guests()?))] {
        let gateway = dying(guest, debug_files.as_deref()).await?;
        let (log, id) = told(&gateway, &deadly(TOLD)).await?;
        assert!(log.contains("panicked at die/src/ways.rs:"), "{guest}: {log}");
        assert!(log.contains("plugins/die/src/ways.rs:"), "{guest}: {log}");
        assert!(
            log.contains("(plugins/die/src/callbacks.rs:") || log.contains("/plugins/die/src/callbacks.rs:"),
            "{guest}: {log}"
        );
        let shown = crash(&gateway, &["show", &id]).await?;
        assert_eq!(shown.code, Some(0), "{}", shown.err);
        for part in [
            "die::callbacks::at (",
            "plugins/die/src/callbacks.rs:",
            "proxy_on_request_headers(context_id=2, root_context_id=1,",
            "proxy_get_header_map_value(\"x-die\", map=0, key_len=5) -> Ok",
        ] {
            assert!(shown.out.contains(part), "{guest}: no {part} in {}", shown.out);
        }
    }
    Ok(())
}

#[tokio::test]
async fn without_debug_information_the_report_says_what_to_keep() -> Result<()> {
    let gateway = dying("die-stripped", None).await?;
    let (log, _) = told(&gateway, &deadly(TOLD)).await?;
    assert!(log.contains("at function "), "the frames have numbers: {log}");
    assert!(
        log.contains("the module has no names and lines of source: keep "),
        "{log}"
    );
    assert!(log.contains("`crash_reports.debug_files`"), "{log}");
    Ok(())
}

#[tokio::test]
async fn a_report_is_found_by_ids_on_the_admin_listener_and_by_the_command() -> Result<()> {
    let gateway = dying("die", None).await?;
    let request = deadly(TOLD).field("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    let (_, id) = told(&gateway, &request).await?;
    let list = page(&gateway, "/crashes").await?;
    assert_eq!(
        (&list[0]["id"], &list[0]["plugin"], &list[0]["count"]),
        (&json!(id), &json!("die"), &json!(1))
    );
    let report = page(&gateway, &format!("/crashes/{id}")).await?;
    let scene = &report["scene"];
    assert_eq!(
        (&scene["code"], &scene["worker"]),
        (&json!("plugin.trapped"), &json!(0))
    );
    assert_eq!(scene["exchange"]["trace_id"], "0af7651916cd43dd8448eb211c80319c");
    assert!(scene["exchange"]["request_id"].is_string(), "{scene}");
    let text = send(
        gateway.admin,
        Version::Http1,
        &Request::get(&format!("/crashes/{id}/text")),
    )
    .await?;
    let text = String::from_utf8(text.body().to_vec())?;
    assert_eq!(text, crash(&gateway, &["show", &id[..5]]).await?.out);
    let listed = crash(&gateway, &["list", "--format", "json"]).await?;
    assert_eq!(serde_json::from_str::<Value>(&listed.out)?, list);
    let none = send(gateway.admin, Version::Http1, &Request::get("/crashes/xyz")).await?;
    assert_eq!(none.status, 404);
    let none = crash(&gateway, &["show", "xyz"]).await?;
    assert_eq!(none.code, Some(1));
    assert!(
        none.err
            .contains("no crash report in `FOLDER/crashes` begins with `xyz`"),
        "{}",
        none.err
    );
    Ok(())
}

#[tokio::test]
async fn values_of_headers_are_not_in_a_report() -> Result<()> {
    let gateway = dying("die", None).await?;
    let (log, id) = told(&gateway, &deadly(TOLD)).await?;
    let report = page(&gateway, &format!("/crashes/{id}")).await?.to_string();
    assert!(report.contains("x-die"), "the name is there: {report}");
    assert!(!report.contains(TOLD) && !log.contains(TOLD), "{report}{log}");
    Ok(())
}

#[tokio::test]
async fn deaths_at_one_place_are_one_report_that_counts_them() -> Result<()> {
    let mut gateway = dying("die", None).await?;
    let (_, id) = told(&gateway, &deadly(TOLD)).await?;
    let start = gateway.process.line_count();
    assert_eq!(ask(&gateway, &deadly(TOLD)).await?.status, 503);
    let again = gateway
        .process
        .wait_for_line(start, DEADLINE, |line| line.text.contains("(seen 2 times)"))
        .await?;
    assert!(
        again.text.contains(&format!(
            "plugin fault code=plugin.trapped crash={id} plugin `die` trapped"
        )),
        "{}",
        again.text
    );
    // After a second death it does not come back at once.
    let back = async {
        while get(&gateway, "/").await?.status != 200 {}
        anyhow::Ok(())
    };
    tokio::time::timeout(DEADLINE, back).await??;
    let (_, other) = told(&gateway, &deadly("request_headers outside")).await?;
    assert_ne!(id, other);
    // What was only counted is written at the latest when the gateway stops.
    gateway.process.stop().await?;
    let list: Value = serde_json::from_str(&crash(&gateway, &["list", "--format", "json"]).await?.out)?;
    let counts: Vec<_> = list
        .as_array()
        .context("no list")?
        .iter()
        .map(|crash| (&crash["id"], &crash["count"]))
        .collect();
    assert_eq!(counts, [(&json!(other), &json!(1)), (&json!(id), &json!(2))]);
    Ok(())
}
