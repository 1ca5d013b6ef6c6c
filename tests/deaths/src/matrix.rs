//! Every way in every callback, on both stacks and under both policies.

use std::io::Write;
use std::time::Instant;

use anyhow::{Result, ensure};
use testkit::client::Version;

use crate::callbacks::CALLBACKS;
use crate::cell::{panics, play, whole};
use crate::house::{HASTY, House, Policy, SHALLOW, WIDE};
use crate::replayed::replay_all;
use crate::setting::golden;
use crate::ways::{DEEP, WAYS, Way};

/// Where the operator's texts come from.
const OF_THE_GOLDEN_FILES: &str = "request-headers";

/// Plays ways in all callbacks; gives the number of deaths and what went wrong.
async fn play_all(house: &House, ways: &[Way], texts: &mut Vec<(String, String)>) -> (usize, Vec<String>) {
    let (mut deaths, mut wrong) = (0, Vec::new());
    for (number, way) in ways.iter().enumerate() {
        for (place, callback) in CALLBACKS.iter().enumerate() {
            let version = if (number + place) % 2 == 0 {
                Version::Http1
            } else {
                Version::Http2
            };
            let said = house.gateway.process.line_count();
            match play(house, callback, way, version).await {
                Ok(Some(first)) => {
                    deaths += 1;
                    if callback.name == OF_THE_GOLDEN_FILES
                        && let Ok(text) = whole(house, said, &first).await
                    {
                        texts.push((format!("{}.txt", way.word), text));
                    }
                }
                Ok(None) => {}
                Err(why) => wrong.push(format!("{why:#}")),
            }
        }
    }
    (deaths, wrong)
}

/// The whole matrix through one gateway.
async fn play_matrix(policy: Policy, ways: &[Way]) -> Result<(House, Vec<(String, String)>)> {
    let began = Instant::now();
    let mut house = House::open(policy).await?;
    let of = |wanted: fn(&Way) -> bool| ways.iter().filter(|way| wanted(way)).copied().collect::<Vec<_>>();
    let mut texts = Vec::new();
    let (mut deaths, mut wrong) = play_all(&house, &of(|way| way.kills() && !way.is_slow), &mut texts).await;
    for slow in of(|way| way.is_slow) {
        // A plugin that was slow once is not trusted again for minutes.
        house.renew(HASTY).await?;
        let (more, also_wrong) = play_all(&house, &[slow], &mut texts).await;
        deaths += more;
        wrong.extend(also_wrong);
    }
    house.renew(SHALLOW).await?;
    let mut deep_texts = Vec::new();
    let (more, also_wrong) = play_all(&house, DEEP, &mut deep_texts).await;
    deaths += more;
    wrong.extend(also_wrong);
    let named = |(name, text)| (format!("call_depth_{name}"), text);
    texts.extend(deep_texts.into_iter().map(named));
    let panics = panics(&house).await?;
    ensure!(
        panics.lines().all(|row| row.ends_with(" 0")) && !panics.is_empty(),
        "{panics}"
    );
    house.renew(WIDE).await?;
    let (more, also_wrong) = play_all(&house, &of(|way| !way.kills()), &mut texts).await;
    ensure!(more == 0, "{more} deaths of ways that do not kill");
    wrong.extend(also_wrong);
    let _ = writeln!(
        std::io::stderr(),
        "{deaths} deaths died in {:.0?}, {policy:?}, {} ways in {} callbacks",
        began.elapsed(),
        ways.len(),
        CALLBACKS.len()
    );
    ensure!(wrong.is_empty(), "{} cells:\n{}", wrong.len(), wrong.join("\n\n"));
    Ok((house, texts))
}

#[tokio::test]
async fn every_death_on_a_stack_of_its_own_harms_nobody_and_is_said() -> Result<()> {
    let policy = Policy {
        on_fault: "close",
        trusted_after: 0,
    };
    let (house, texts) = play_matrix(policy, WAYS).await?;
    let mut differences = Vec::new();
    for (name, text) in texts {
        differences.extend(golden().expect(&name, &normal(&text)).err().map(|why| why.to_string()));
    }
    ensure!(differences.is_empty(), "{}", differences.join("\n\n"));
    let began = Instant::now();
    let recordings = replay_all(&house).await?;
    let _ = writeln!(
        std::io::stderr(),
        "{recordings} recordings of deaths died again as they were in {:.0?}",
        began.elapsed()
    );
    ensure!(recordings > 200, "{recordings}");
    Ok(())
}

#[tokio::test]
async fn every_death_on_the_workers_stack_harms_nobody() -> Result<()> {
    let policy = Policy {
        on_fault: "close",
        trusted_after: 1,
    };
    play_matrix(policy, WAYS).await.map(drop)
}

#[tokio::test]
async fn where_the_policy_is_open_no_exchange_feels_a_death() -> Result<()> {
    let policy = Policy {
        on_fault: "open",
        trusted_after: 1,
    };
    let some = |way: &&Way| ["panic", "exit", "recursion", "loop"].contains(&way.word);
    play_matrix(policy, &WAYS.iter().filter(some).copied().collect::<Vec<_>>())
        .await
        .map(drop)
}

/// Compilers and folders differ: reports have other ids, frames of another library, and other numbers of them. What is the guest's own
/// stays, with its file and line.
fn normal(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines().filter_map(normal_line) {
        // A recursion has as many frames as its compiler likes.
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines.iter().map(|line| line.clone() + "\n").collect()
}

fn normal_line(line: &str) -> Option<String> {
    // Whether a storm of values had filled its store depends on the machine.
    if line.contains("shared data is full") || line.contains("RUST_BACKTRACE") {
        return None;
    }
    let content = line.trim_start();
    if content.starts_with('(') || content.starts_with("and ") {
        return None;
    }
    if content.starts_with("at ") {
        let (function, place) = line.split_once(" (")?;
        let (_, file) = place.split_once("plugins/die/")?;
        let file = file.split_once(')').map_or(file, |(file, _)| file);
        let function = function.rsplit("::").next().unwrap_or(function);
        return Some(format!("    at {} ({file})", function.trim_start_matches("    at ")));
    }
    let line = line.replace("' (1) panicked", "' panicked");
    let line = without_id(&line, "crash=");
    let line = without_id(&line, "crash show ");
    Some(without_id(&line, "plugin replay "))
}

/// The text with `ID` in place of the word behind `mark`.
fn without_id(line: &str, mark: &str) -> String {
    match line.split_once(mark) {
        Some((before, rest)) => {
            let behind = rest.trim_start_matches(|letter: char| letter.is_ascii_hexdigit());
            format!("{before}{mark}ID{behind}")
        }
        None => line.to_owned(),
    }
}
