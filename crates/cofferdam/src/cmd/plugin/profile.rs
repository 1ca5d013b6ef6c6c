//! `cofferdam plugin profile`: what a plugin of a running gateway computes, as a table and as a file for the Firefox Profiler.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use console::house::{Looked, PROFILE_SECONDS_MAX};
use hyper::Method;
use hyper::body::Bytes;
use plug_report::profile::{MemorySummary, Summary};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::admin::{self, Question};
use crate::Format;
use crate::looking::SUMMARY;
use crate::voice::{fail, print, say};

/// LIMIT: bytes of a profile that are taken from a gateway.
const PROFILE_BYTES_MAX: usize = 1 << 30;
/// LIMIT: how long a gateway may take for its answer beyond the time that was asked for.
const ANSWER_MAX: Duration = Duration::from_secs(90);

/// What is to be looked at.
#[derive(Args)]
pub(crate) struct Options {
    /// Name of the plugin
    name: String,
    /// How long: 1 to 300 seconds, such as `10s`
    #[arg(long = "for", value_name = "TIME", default_value = "10s", value_parser = seconds)]
    seconds: u64,
    /// Show what its allocator keeps instead, by where that was asked for
    #[arg(long)]
    memory: bool,
    /// Address of the gateway's admin listener: `admin.listen` of its configuration
    #[arg(long, default_value = admin::USUAL)]
    admin: SocketAddr,
    /// The file for the Firefox Profiler (profiler.firefox.com). Default: NAME.profile.json
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// How the summary is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

fn seconds(text: &str) -> Result<u64, String> {
    let (number, unit) = text.split_at(text.trim_end_matches(char::is_alphabetic).len());
    let factor = match unit {
        "s" | "" => Some(1),
        "m" => Some(60),
        _ => None,
    };
    let seconds = number.parse().ok().zip(factor);
    let seconds = seconds.and_then(|(number, factor): (u64, u64)| number.checked_mul(factor));
    seconds
        .filter(|seconds| (1..=PROFILE_SECONDS_MAX).contains(seconds))
        .ok_or_else(|| format!("1s to {PROFILE_SECONDS_MAX}s, or 1m to {}m", PROFILE_SECONDS_MAX / 60))
}

/// Asks the gateway; 0 with a profile, 1 without.
pub(crate) fn run(options: &Options) -> ExitCode {
    match profile(options) {
        Ok(text) => {
            print(&text);
            ExitCode::SUCCESS
        }
        Err(why) => {
            fail(&format!("error: {why}"));
            ExitCode::FAILURE
        }
    }
}

fn profile(options: &Options) -> Result<String, String> {
    let out = options.out.clone();
    let out = out.unwrap_or_else(|| PathBuf::from(format!("{}.profile.json", options.name)));
    say(&format!("looking at {} for {} s", options.name, options.seconds));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|why| format!("no event queue: {why}"))?;
    let time_max = Duration::from_secs(options.seconds).saturating_add(ANSWER_MAX);
    let answer = runtime.block_on(async { tokio::time::timeout(time_max, ask(options)).await });
    let bytes =
        answer.map_err(|_| format!("the gateway at {} did not answer within {time_max:?}", options.admin))??;
    let summary = match options.memory {
        true => shown(&read::<MemorySummary>(&bytes)?, options.format, MemorySummary::text),
        false => shown(&read::<Summary>(&bytes)?, options.format, Summary::text),
    };
    fs::write(&out, &bytes)
        .map_err(|why| format!("`{}` cannot be written: {why}; hint: `--out FILE`", out.display()))?;
    say(&format!(
        "written: {}; open it at https://profiler.firefox.com, which keeps it on your machine",
        out.display()
    ));
    Ok(summary)
}

fn shown<S: Serialize>(summary: &S, format: Format, text: fn(&S) -> String) -> String {
    match format {
        Format::Text => text(summary),
        Format::Json => format!("{:#}\n", json!(summary)),
    }
}

/// The summary in an answer.
fn read<S: DeserializeOwned>(bytes: &[u8]) -> Result<S, String> {
    let no_profile = |why: serde_json::Error| format!("what the gateway answered is no profile: {why}");
    let mut file: Value = serde_json::from_slice(bytes).map_err(no_profile)?;
    let summary = file.get_mut(SUMMARY).map(Value::take).unwrap_or_default();
    serde_json::from_value(summary).map_err(no_profile)
}

async fn ask(options: &Options) -> Result<Bytes, String> {
    let what = if options.memory { Looked::Memory } else { Looked::Time }.word();
    let target = format!(
        "/plugins/{}/profile?seconds={}&what={what}",
        options.name, options.seconds
    );
    let question = Question {
        method: Method::POST,
        target: &target,
        body: Bytes::new(),
        bytes_max: PROFILE_BYTES_MAX,
    };
    admin::ask(options.admin, question).await
}
