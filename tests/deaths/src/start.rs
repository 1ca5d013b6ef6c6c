//! Deaths while the process starts: a clear text and exit code 1, and nothing is half started.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::callbacks::OF_THE_START;
use crate::setting::{command, dying};
use crate::ways::{End, WAYS, Way};

/// A plugin that does it in this callback of its start.
pub(crate) fn plugin(callback: &str, way: &Way) -> Result<Value> {
    let plan = format!("{callback} {}", way.word);
    let mut plugin = dying(way.word, "", "close")?;
    // A start may take forty of them.
    plugin["limits"]["cpu_slice"] = "5ms".into();
    match callback {
        "configure" => plugin["config"] = plan.into(),
        "vm_start" => plugin["vm_config"] = plan.into(),
        _ => plugin["environment"] = json!({"DIE": plan}),
    }
    Ok(plugin)
}

/// A gateway with one such plugin for each of the ways.
fn configuration(callback: &str, ways: &[&Way]) -> Result<Value> {
    let plugins: Vec<Value> = ways.iter().map(|way| plugin(callback, way)).collect::<Result<_>>()?;
    let upstreams = ["callout", "grpc", "redis"].map(|name| json!({"name": name, "endpoints": ["127.0.0.1:1"]}));
    let names: Vec<&str> = ways.iter().map(|way| way.word).collect();
    Ok(json!({
        "workers": 1,
        "admin": {"listen": "127.0.0.1:0"},
        "listeners": [{"name": "web", "listen": "127.0.0.1:0"}],
        "upstreams": upstreams,
        "plugins": plugins,
        "routes": [{"name": "all", "echo": true, "plugins": names}],
    }))
}

/// The words by which a text says that this plugin died in this callback.
pub(crate) fn words(callback: &str, way: &Way) -> [String; 2] {
    let export = match callback {
        "initialize" => "`_initialize`".to_owned(),
        other => format!("`proxy_on_{other}`"),
    };
    let reason = match way.end {
        End::Dies("plugin.slice_exceeded", _) => "longer than its slice of 200ms",
        End::Dies(_, reason) | End::Survives(reason) => reason,
    };
    [format!("plugin `{}` ", way.word), format!("{export}§{reason}")]
}

/// Whether the text has a line for this death.
pub(crate) fn says(text: &str, callback: &str, way: &Way) -> bool {
    let [plugin, rest] = words(callback, way);
    let words: Vec<&str> = rest.split('§').collect();
    text.lines()
        .any(|line| line.contains(&plugin) && words.iter().all(|word| line.contains(word)))
}

/// The ways that kill in this callback of a start, tried out.
pub(crate) fn deadly(callback: &str) -> Vec<&'static Way> {
    // A start has many slices, and in a trial nobody hears a plugin: on a fast machine a storm of lines blows itself out. And before a
    // plugin has its context, no property needs its allocator.
    let is_deadly = |way: &&Way| {
        let lies = way.word.starts_with("allocator_") && callback == "initialize";
        way.kills() && way.word != "log_storm" && !lies
    };
    WAYS.iter().filter(is_deadly).collect()
}

#[tokio::test]
async fn every_death_of_a_start_ends_check_and_run_with_1_and_is_said() -> Result<()> {
    for callback in OF_THE_START {
        let deadly = deadly(callback);
        let configuration = configuration(callback, &deadly)?;
        for verb in ["check", "run"] {
            let (code, text) = command(verb, &configuration).await?;
            ensure!(code == Some(1), "{verb} {callback}: {code:?}\n{text}");
            ensure!(!text.contains("listening"), "half started: {text}");
            let unsaid: Vec<_> = deadly
                .iter()
                .filter(|way| !says(&text, callback, way))
                .map(|way| way.word)
                .collect();
            ensure!(
                unsaid.is_empty(),
                "{verb} {callback} says nothing of {unsaid:?}:\n{text}"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_storm_or_a_lie_in_a_start_that_is_survived_is_no_mistake() -> Result<()> {
    let survived: Vec<&Way> = WAYS.iter().filter(|way| !way.kills()).collect();
    for callback in OF_THE_START {
        let (code, text) = command("check", &configuration(callback, &survived)?).await?;
        ensure!(code == Some(0), "{callback}: {code:?}\n{text}");
    }
    Ok(())
}
