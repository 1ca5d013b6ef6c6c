//! `cofferdam rollout`: how a new generation of a plugin of a running gateway comes into force, and an operator's word on it.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use console::house::RolloutOrder;
use hyper::Method;
use hyper::body::Bytes;
use serde_json::{Map, Value, json};

use super::plugin::admin::{self, Question};
use crate::Format;
use crate::voice::{fail, print, say};

/// LIMIT: bytes of an answer.
const ANSWER_BYTES_MAX: usize = 4 << 20;
/// LIMIT: how long a gateway may take for its answer.
const ANSWER_MAX: Duration = Duration::from_secs(90);

/// What is to be done.
#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Try a generation again whose rollout went back, or one that the configuration does not have
    Start {
        #[command(flatten)]
        place: Where,
        /// A module instead of the configured one: a file of the gateway's machine, or the name of an image
        #[arg(long, value_name = "FILE|IMAGE", conflicts_with = "everywhere")]
        source: Option<String>,
        /// A file with what the plugin gets as configuration instead, as it is
        #[arg(long, value_name = "FILE", conflicts_with = "everywhere")]
        config: Option<PathBuf>,
        /// Steps instead of the configured ones, such as `5%:10m,50%:manual`
        #[arg(long, conflicts_with = "everywhere")]
        steps: Option<String>,
    },
    /// Show where it is, and both generations compared
    Status {
        #[command(flatten)]
        whose: Whose,
        /// How it is written
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Let the time of the step stand; faults still end it
    Pause(Whose),
    /// Let it go on; a step that waits for a person, or is inconclusive, is over
    Resume(Whose),
    /// Let the new generation take over now
    Promote(Where),
    /// Go back to the generation before now
    Abort(Where),
}

/// Whose rollout.
#[derive(Args)]
pub(crate) struct Whose {
    /// Name of the plugin
    name: String,
    /// Address of the gateway's admin listener: `admin.listen` of its configuration
    #[arg(long, default_value = admin::USUAL)]
    admin: SocketAddr,
}

/// Whose rollout, and on which gateways.
#[derive(Args)]
pub(crate) struct Where {
    #[command(flatten)]
    whose: Whose,
    /// On every gateway of the store, not only on this one; for plugins with `rollout.waves`
    #[arg(long)]
    everywhere: bool,
}

/// Asks the gateway; 0 when it did what was wanted.
pub(crate) fn rollout(verb: &Verb) -> ExitCode {
    let outcome = match verb {
        Verb::Start { place, .. } if place.everywhere => order(&place.whose, RolloutOrder::StartEverywhere),
        Verb::Start {
            place,
            source,
            config,
            steps,
        } => body(source.as_deref(), config.as_deref(), steps.as_deref())
            .and_then(|body| tell(&place.whose, RolloutOrder::Start, body)),
        Verb::Status { whose, format } => status(whose, *format),
        Verb::Pause(whose) => order(whose, RolloutOrder::Pause),
        Verb::Resume(whose) => order(whose, RolloutOrder::Resume),
        Verb::Promote(place) => order_at(place, RolloutOrder::Promote, RolloutOrder::PromoteEverywhere),
        Verb::Abort(place) => order_at(place, RolloutOrder::Abort, RolloutOrder::AbortEverywhere),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            fail(&format!("error: {why}"));
            ExitCode::FAILURE
        }
    }
}

fn order_at(place: &Where, here: RolloutOrder, everywhere: RolloutOrder) -> Result<(), String> {
    let wanted = if place.everywhere { everywhere } else { here };
    order(&place.whose, wanted)
}

fn order(whose: &Whose, order: RolloutOrder) -> Result<(), String> {
    tell(whose, order, Bytes::new())
}

/// What is to be begun, in the words of a configuration; nothing when nothing is said of it.
fn body(source: Option<&str>, config: Option<&Path>, steps: Option<&str>) -> Result<Bytes, String> {
    let mut order = Map::new();
    if let Some(source) = source {
        let is_file = source.ends_with(".wasm") || source.starts_with(['/', '.']) || Path::new(source).exists();
        let source = if is_file {
            let file = std::path::absolute(source).map_err(|why| format!("`{source}` is no file: {why}"))?;
            json!({ "file": file })
        } else {
            json!({ "oci": source.strip_prefix("oci://").unwrap_or(source) })
        };
        order.insert(String::from("source"), source);
    }
    if let Some(file) = config {
        let text = std::fs::read_to_string(file);
        let text = text.map_err(|why| format!("`{}` cannot be read: {why}", file.display()))?;
        order.insert(String::from("config"), json!(text));
    }
    if let Some(steps) = steps {
        let step = |text: &str| {
            let (share, pause) = text.split_once(':')?;
            Some(json!({ "share": share, "pause": pause }))
        };
        let steps: Option<Vec<Value>> = steps.split(',').map(step).collect();
        let steps = steps.ok_or("the steps are not understood; hint: write them as `5%:10m,50%:manual`")?;
        order.insert(String::from("steps"), json!(steps));
    }
    Ok(match order.is_empty() {
        true => Bytes::new(),
        false => Value::Object(order).to_string().into(),
    })
}

fn tell(whose: &Whose, order: RolloutOrder, body: Bytes) -> Result<(), String> {
    let target = format!("/plugins/{}/rollout/{}", whose.name, order.word());
    let answer = ask(whose.admin, (Method::POST, body), &target)?;
    say(String::from_utf8_lossy(&answer).trim());
    Ok(())
}

fn status(whose: &Whose, format: Format) -> Result<(), String> {
    let answer = ask(
        whose.admin,
        (Method::GET, Bytes::new()),
        &format!("/plugins/{}/rollout", whose.name),
    )?;
    let text = match format {
        Format::Json => String::from_utf8_lossy(&answer).into_owned(),
        Format::Text => {
            let value = serde_json::from_slice(&answer);
            table(&value.map_err(|why| format!("what the gateway answered is no rollout: {why}"))?)
        }
    };
    print(&text);
    Ok(())
}

fn ask(admin: SocketAddr, (method, body): (Method, Bytes), target: &str) -> Result<Bytes, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|why| format!("no event queue: {why}"))?;
    let question = Question {
        method,
        target,
        body,
        bytes_max: ANSWER_BYTES_MAX,
    };
    let answer = runtime.block_on(async { tokio::time::timeout(ANSWER_MAX, admin::ask(admin, question)).await });
    answer.map_err(|_| format!("the gateway at {admin} did not answer within {ANSWER_MAX:?}"))?
}

/// The rollout for people.
fn table(rollout: &Value) -> String {
    let word = |key: &str| rollout.get(key).and_then(Value::as_str).unwrap_or_default();
    let exchanges = |arm: &str| rollout.pointer(&format!("/exchanges/{arm}")).and_then(Value::as_u64);
    let mut text = String::new();
    // Writing to a text does not fail.
    let _ = writeln!(text, "plugin     {}", word("plugin"));
    let _ = writeln!(text, "rollout    {}", word("id"));
    let _ = writeln!(text, "state      {}", word("state"));
    if let Some(why) = rollout.get("why").and_then(Value::as_str) {
        let _ = writeln!(text, "why        {why}");
    }
    let _ = writeln!(text, "share      {}", word("share"));
    let (candidate, control) = (exchanges("candidate"), exchanges("control"));
    let _ = writeln!(
        text,
        "exchanges  {} of the candidate, {} of the control in this step",
        candidate.unwrap_or_default(),
        control.unwrap_or_default()
    );
    let steps = rollout.get("steps").and_then(Value::as_array).into_iter().flatten();
    for (number, step) in steps.enumerate() {
        let of = |key: &str| step.get(key).and_then(Value::as_str).unwrap_or_default();
        let _ = writeln!(
            text,
            "step {:<5} {:>7}  {}",
            number.saturating_add(1),
            of("share"),
            of("state")
        );
    }
    waves(rollout, &mut text);
    let measures = rollout.get("measures").and_then(Value::as_array).into_iter().flatten();
    for measure in measures {
        let of = |key: &str| measure.get(key).and_then(Value::as_str).unwrap_or_default();
        let _ = writeln!(text, "{:<12}  {:<12}  {}", of("verdict"), of("measure"), of("reason"));
    }
    text.extend(rollout.get("shadow").filter(|shadow| shadow.is_object()).map(aside));
    text
}

/// What the generation that is tried made of exchanges aside.
fn aside(shadow: &Value) -> String {
    let list = |key: &str| shadow.get(key).and_then(Value::as_array).into_iter().flatten();
    let count = |key: &str| shadow.get(key).and_then(Value::as_u64).unwrap_or_default();
    let skipped = shadow.get("not_compared").and_then(Value::as_object);
    let reasons: Vec<String> = skipped
        .into_iter()
        .flatten()
        .map(|(why, count)| format!("{why} {count}"))
        .collect();
    let mut text = format!(
        "shadow     {} exchanges of the control compared, {} differ; not compared: {}\n",
        count("compared"),
        count("differed"),
        if reasons.is_empty() {
            String::from("none")
        } else {
            reasons.join(", ")
        }
    );
    for difference in list("differences") {
        let of = |key: &str| difference.get(key).and_then(Value::as_str).unwrap_or_default();
        let exchanges = difference.get("exchanges").and_then(Value::as_u64).unwrap_or_default();
        let what = format!("{} {}", of("kind").replace('_', " "), of("name"));
        let _ = writeln!(text, "{exchanges:>12}  {}", what.trim_end());
    }
    for example in list("examples") {
        let of = |key: &str| example.get(key).and_then(Value::as_str).unwrap_or_default();
        let differences = example.get("differences").and_then(Value::as_array);
        let differences: Vec<&str> = differences.into_iter().flatten().filter_map(Value::as_str).collect();
        let _ = writeln!(
            text,
            "example      request_id={} route={}: {}",
            of("request_id"),
            of("route"),
            differences.join("; ")
        );
    }
    text
}

/// How far the other gateways are.
fn waves(rollout: &Value, text: &mut String) {
    let Some(waves) = rollout.get("waves").filter(|waves| !waves.is_null()) else {
        return;
    };
    let number = |key: &str| waves.get(key).and_then(Value::as_u64);
    if let Some(wave) = number("wave") {
        let (of_wave, of_all) = (number("of_wave"), number("of_all"));
        let _ = writeln!(
            text,
            "wave       {wave}, with {} of {} gateways",
            of_wave.unwrap_or_default(),
            of_all.unwrap_or_default()
        );
    }
    for (word, key) in [("stopped", "stopped"), ("alone", "lost")] {
        if let Some(why) = waves.get(key).and_then(Value::as_str) {
            let _ = writeln!(text, "{word:<9}  {why}");
        }
    }
    let gateways = waves.get("gateways").and_then(Value::as_array).into_iter().flatten();
    for gateway in gateways {
        let of = |key: &str| gateway.get(key).and_then(Value::as_str).unwrap_or_default();
        let is = |key: &str| gateway.get(key).and_then(Value::as_bool).unwrap_or_default();
        let in_wave = if is("in_wave") { ", in this wave or before" } else { "" };
        let silent = if is("silent") { ", silent" } else { "" };
        let _ = writeln!(text, "gateway    {}: {}{in_wave}{silent}", of("gateway"), of("state"));
    }
}
