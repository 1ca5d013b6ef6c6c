//! Log guests: records come out enriched, those of a guest that fails with a marker and never raw, and another configuration is in force after a reload.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};
use testkit::client::Request;
use testkit::gateway::Gateway;
use testkit::place;
use testkit::port::free_port;
use testkit::process::{DEADLINE, Line};

use super::files::{each_once, many};
use super::{accesses, answering, counted, file_sink, of_class, records, until};
use crate::reload::{change, outcome};
use crate::setting::{ask, complete, gateway, get};

/// What is in no record that a guest has not seen.
pub(super) const SECRET: &str = "SeCrEt";
/// What kills guests of ours. One sign alone may be a byte of a record's length.
pub(super) const POISON: &str = "~~~~";

/// Writes a database in the format MMDB of this machine's addresses.
const DATABASE: &str = "
import json, sys
from mmdb_writer import MMDBWriter
from netaddr import IPSet
writer = MMDBWriter(ip_version=6, ipv4_compatible=True, database_type='sample')
writer.insert_network(IPSet(['127.0.0.0/8']), json.loads(sys.argv[2]))
writer.to_db_file(sys.argv[1])
";

fn database(file: &Path, knows: Value) -> Result<()> {
    let aside = file.with_extension("part");
    let mut command = Command::new(place::peer("guests_python")?);
    let written = command
        .args(["-c", DATABASE])
        .arg(&aside)
        .arg(knows.to_string())
        .output()?;
    ensure!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    Ok(fs::rename(aside, file)?)
}

fn country(file: &Path, code: &str) -> Result<()> {
    database(file, json!({"country": {"iso_code": code}}))
}

/// A gateway that answers by itself, and leads records through a guest into a file.
fn led_through(guest: Value) -> Value {
    answering(json!({
        "fields": [{"name": "own", "request_header": "x-own"}],
        "sandbox": {"plugins": [guest]},
        "sinks": [file_sink("file", Path::new("all.log"))],
    }))
}

pub(super) fn shipped(config: Value, files: Value) -> Result<Value> {
    Ok(json!({"name": "enrich", "module": place::guest("log-enrich")?, "config": config, "files": files}))
}

pub(super) fn team(name: &str) -> Value {
    json!({"tables": [{"field": "cofferdam.route", "values": {"all": {"team.name": name}}}]})
}

pub(super) async fn outcomes(gateway: &Gateway, guest: &str, outcome: &str) -> Result<u64> {
    let labels = [format!("guest=\"{guest}\""), format!("outcome=\"{outcome}\"")];
    let labels = [&*labels[0], &*labels[1]];
    counted(gateway, "cofferdam_log_guest_records_total", &labels).await
}

#[tokio::test]
async fn records_come_out_of_the_shipped_guest_enriched() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (file, geo) = (folder.path().join("countries.mmdb"), folder.path().join("geo"));
    fs::create_dir(&geo)?;
    country(&file, "DE")?;
    let network = json!({"autonomous_system_number": 64500, "autonomous_system_organization": "Example"});
    database(&geo.join("networks.mmdb"), network)?;
    let mut config = team("blue");
    config["databases"] = json!(["/places.mmdb", "/geo/networks.mmdb"]);
    config["user_agent"] = json!(true);
    config["drop"] = json!(["url.query"]);
    let gateway = gateway(led_through(shipped(config, json!({"places.mmdb": file, "geo": geo}))?)).await?;
    let request = Request::get(&format!("/a?{SECRET}")).field("user-agent", "curl/8.1");
    ask(&gateway, &request).await?;
    let file = gateway.folder().join("all.log");
    let record = accesses(&file, 1).await?.swap_remove(0);
    for (name, value) in [
        ("client.geo.country.iso_code", json!("DE")),
        ("client.as.number", json!(64500)),
        ("client.as.organization.name", json!("Example")),
        ("user_agent.name", json!("curl")),
        ("user_agent.version", json!("8.1")),
        ("user_agent.original", json!("curl/8.1")),
        ("team.name", json!("blue")),
        ("url.path", json!("/a")),
        ("http.response.status_code", json!(200)),
        ("client.address", json!("127.0.0.1")),
    ] {
        ensure!(record[name] == value, "{name}: {record}");
    }
    ensure!(
        record["url.query"].is_null() && record["cofferdam.sandbox"].is_null(),
        "{record}"
    );
    ensure!(!fs::read_to_string(&file)?.contains(SECRET), "a guest took it out");
    ensure!(outcomes(&gateway, "enrich", "changed").await? > 0);
    ensure!(outcomes(&gateway, "enrich", "marked").await? == 0);
    // What the gateway says of itself is nobody's to change.
    let of_gateway = of_class(&records(&file)?, "control");
    ensure!(!of_gateway.is_empty() && of_gateway.iter().all(|record| record["team.name"].is_null()));
    Ok(())
}

/// Asks until a record has this value, and gives how many exchanges there were.
async fn until_it_says(gateway: &Gateway, (name, value): (&str, &str), mut asked: usize) -> Result<usize> {
    let file = gateway.folder().join("all.log");
    loop {
        get(gateway, &format!("/{asked}")).await?;
        asked += 1;
        let all = accesses(&file, asked).await?;
        let last = all.last().context("no record")?;
        ensure!(last["cofferdam.sandbox"].is_null(), "{last}");
        if last[name] == value {
            return Ok(asked);
        }
        ensure!(asked < 1000, "it never says {value}: {last}");
    }
}

#[tokio::test]
async fn another_configuration_of_a_guest_is_in_force_after_a_reload() -> Result<()> {
    let with = |config: Value| -> Result<String> { Ok(complete(led_through(shipped(config, json!({}))?)).to_string()) };
    let gateway = gateway(led_through(shipped(team("blue"), json!({}))?)).await?;
    let asked = until_it_says(&gateway, ("team.name", "blue"), 0).await?;
    ensure!(asked == 1, "not from the first exchange on: {asked}");
    ensure!(change(&gateway, &with(team("green"))?).await?.contains("applied"));
    let asked = until_it_says(&gateway, ("team.name", "green"), asked).await?;
    // One that the guest itself refuses changes nothing, and its words say why.
    let said = gateway.process.line_count();
    let refused = change(&gateway, &with(json!({"colour": "red"}))?).await?;
    ensure!(refused.contains("refused"), "{refused}");
    let why = |line: &Line| line.text.contains("log guest `enrich`") && line.text.contains("unknown field `colour`");
    gateway.process.wait_for_line(said, DEADLINE, why).await?;
    many(&gateway, asked..asked + 20).await?;
    let all = accesses(&gateway.folder().join("all.log"), asked + 20).await?;
    ensure!(
        all[asked..].iter().all(|record| record["team.name"] == "green"),
        "{all:#?}"
    );
    each_once(&all, 0..asked + 20)
}

#[tokio::test]
async fn a_changed_file_of_a_guest_is_read_anew() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("places.mmdb");
    country(&file, "DE")?;
    let guest = shipped(json!({"databases": ["/places.mmdb"]}), json!({"places.mmdb": file}))?;
    let gateway = gateway(led_through(guest)).await?;
    let asked = until_it_says(&gateway, ("client.geo.country.iso_code", "DE"), 0).await?;
    let said = gateway.process.line_count();
    country(&file, "FR")?;
    ensure!(outcome(&gateway, said).await?.contains("applied"));
    until_it_says(&gateway, ("client.geo.country.iso_code", "FR"), asked).await?;
    Ok(())
}

/// A guest in WebAssembly's text whose answer to each record is `patch`, and that does `on_poison` to a batch with [`POISON`] in it.
pub(super) fn own_guest(folder: &Path, patch: &str, on_poison: &str) -> Result<PathBuf> {
    let escaped: String = patch.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    let text = format!(
        r#"(module
  (memory (export "memory") 16)
  (data (i32.const 512) "{escaped}")
  (func (export "cofferdam_log_abi_0_1_0"))
  (func (export "cofferdam_log_alloc") (param i32) (result i32) (i32.const 131072))
  (func (export "cofferdam_log_batch") (param $at i32) (param $length i32) (result i64)
    (local $look i32) (local $left i32) (local $out i32)
    (local.set $look (local.get $at))
    (block $over (loop $more
      (br_if $over (i32.ge_u (local.get $look) (i32.add (local.get $at) (local.get $length))))
      (if (i32.eq (i32.load (local.get $look)) (i32.const 0x7e7e7e7e)) (then {on_poison}))
      (local.set $look (i32.add (local.get $look) (i32.const 1)))
      (br $more)))
    (local.set $left (i32.load (local.get $at)))
    (i32.store (i32.const 4096) (local.get $left))
    (local.set $out (i32.const 4100))
    (block $over (loop $more
      (br_if $over (i32.eqz (local.get $left)))
      (i32.store (local.get $out) (i32.const {length}))
      (memory.copy (i32.add (local.get $out) (i32.const 4)) (i32.const 512) (i32.const {length}))
      (local.set $out (i32.add (local.get $out) (i32.const {stride})))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br $more)))
    (i64.or (i64.shl (i64.const 4096) (i64.const 32))
      (i64.extend_i32_u (i32.sub (local.get $out) (i32.const 4096))))))"#,
        length = patch.len(),
        stride = patch.len() + 4,
    );
    let file = folder.join("own.wasm");
    fs::write(&file, wat::parse_str(text)?)?;
    Ok(file)
}

/// Waits for the record of the guest's death.
async fn is_written_down(file: &Path, why: &str) -> Result<()> {
    let code = format!("log_guest.{why}");
    let died = until("a record of its death", || {
        let all = of_class(&records(file)?, "gateway");
        Ok(all.into_iter().find(|record| record["error.type"] == code.as_str()))
    })
    .await?;
    ensure!(died["cofferdam.plugin"] == "own" && died["level"] == "error", "{died}");
    Ok(())
}

/// One poisoned exchange among many: all are there, the poisoned one with a marker, and nothing of what it held.
async fn fails_alone(on_poison: &str, why: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let module = own_guest(folder.path(), r#"{"seen":true}"#, on_poison)?;
    let gateway = gateway(led_through(json!({"name": "own", "module": module}))).await?;
    let file = gateway.folder().join("all.log");
    many(&gateway, 0..20).await?;
    accesses(&file, 20).await?;
    let poison = Request::get(&format!("/{SECRET}{POISON}?{SECRET}"))
        .field("user-agent", SECRET)
        .field("x-own", SECRET);
    ask(&gateway, &poison).await?;
    let all = accesses(&file, 21).await?;
    let marked = all.last().context("no record")?;
    for name in ["url.path", "url.query", "user_agent.original"] {
        ensure!(marked[name] == "[unprocessed]", "{name}: {marked}");
    }
    ensure!(
        marked["cofferdam.fields"] == json!({"marker": "[unprocessed]"}),
        "{marked}"
    );
    ensure!(
        marked["cofferdam.sandbox"] == why
            && marked["http.response.status_code"] == 200
            && marked["cofferdam.route"] == "all",
        "{marked}"
    );
    ensure!(all[..20].iter().all(|record| record["seen"] == true), "{all:#?}");
    is_written_down(&file, why).await?;
    // It comes back, and what comes meanwhile has a marker.
    let mut asked = 21;
    loop {
        get(&gateway, &format!("/{SECRET}/{asked}")).await?;
        asked += 1;
        let all = accesses(&file, asked).await?;
        let last = all.last().context("no record")?;
        if last["seen"] == true {
            break;
        }
        ensure!(
            last["cofferdam.sandbox"] == "restarting" && last["url.path"] == "[unprocessed]",
            "{last}"
        );
    }
    let seen = fs::read_to_string(&file)?.matches(SECRET).count();
    ensure!(
        seen == 1,
        "only what a guest has seen is in it, and not {seen} times {SECRET}"
    );
    ensure!(outcomes(&gateway, "own", "changed").await? == 21);
    ensure!(outcomes(&gateway, "own", "marked").await? == u64::try_from(asked)? - 21);
    let reason = format!("reason=\"{why}\"");
    ensure!(
        counted(
            &gateway,
            "cofferdam_log_guest_deaths_total",
            &["guest=\"own\"", &reason]
        )
        .await?
            == 1
    );
    let said = "log guest died guest=own deaths=1 marked=1";
    ensure!(
        gateway
            .process
            .lines_from(0)
            .iter()
            .any(|line| line.text.contains(said))
    );
    Ok(())
}

#[tokio::test]
async fn the_record_on_which_a_guest_traps_has_a_marker_and_nothing_raw() -> Result<()> {
    fails_alone("unreachable", "trap").await
}

#[tokio::test]
async fn the_record_on_which_a_guest_loops_has_a_marker_and_nothing_raw() -> Result<()> {
    fails_alone("(loop $for_ever (br $for_ever))", "timeout").await
}

#[tokio::test]
async fn a_guest_that_always_dies_is_set_aside_and_no_record_is_lost_or_raw() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let module = own_guest(folder.path(), "{}", "unreachable")?;
    let gateway = gateway(led_through(json!({"name": "own", "module": module}))).await?;
    let file = gateway.folder().join("all.log");
    let mut asked = 0;
    while counted(&gateway, "cofferdam_log_guest_quarantines_total", &["guest=\"own\""]).await? == 0 {
        ensure!(asked < 100_000, "it is never set aside");
        get(&gateway, &format!("/{SECRET}{POISON}")).await?;
        asked += 1;
    }
    accesses(&file, asked).await?;
    get(&gateway, &format!("/{SECRET}")).await?;
    let all = accesses(&file, asked + 1).await?;
    ensure!(
        all.len() == asked + 1 && all[asked]["cofferdam.sandbox"] == "quarantined",
        "{all:#?}"
    );
    ensure!(
        all.iter().all(|record| record["url.path"] == "[unprocessed]"),
        "{all:#?}"
    );
    ensure!(!fs::read_to_string(&file)?.contains(SECRET));
    ensure!(outcomes(&gateway, "own", "marked").await? == u64::try_from(asked)? + 1);
    // As often as an operator allows by default, however long it had to wait between two of them.
    ensure!(counted(&gateway, "cofferdam_log_guest_deaths_total", &["guest=\"own\""]).await? == 10);
    Ok(())
}

#[tokio::test]
async fn what_a_killed_gateway_left_comes_through_the_guest_as_well() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let module = own_guest(folder.path(), r#"{"url.query":null}"#, "unreachable")?;
    let away = json!({"name": "away", "durable": true, "http": {"url": format!("http://127.0.0.1:{}/", free_port()?)}});
    let gateway = gateway(answering(json!({"sinks": [away]}))).await?;
    for number in 0..10 {
        get(&gateway, &format!("/{number}?{SECRET}")).await?;
    }
    let next = led_through(json!({"name": "own", "module": module}));
    fs::write(gateway.folder().join("next.yaml"), complete(next).to_string())?;
    gateway.process.signal(Signal::STOP)?;
    fs::rename(gateway.folder().join("next.yaml"), gateway.file())?;
    let gateway = gateway.start_again(Signal::KILL).await?;
    let file = gateway.folder().join("all.log");
    let all = accesses(&file, 10).await?;
    ensure!(
        all.iter().all(|record| record["cofferdam.recovered"] == true),
        "{all:#?}"
    );
    each_once(&all, 0..10)?;
    ensure!(!fs::read_to_string(&file)?.contains(SECRET), "{all:#?}");
    ensure!(outcomes(&gateway, "own", "changed").await? >= 10);
    Ok(())
}
