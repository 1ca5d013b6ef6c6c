//! A real plugin in Go, built by Go's own compiler, that dies in the ways in which Go ends a program: what it wrote is the report.
//!
//! TinyGo has no package in PyPI, npm or Debian, so that nothing is shown of it here.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::client::{Request, Version, send};
use testkit::gateway::Gateway;
use testkit::place;
use testkit::process::DEADLINE;

use crate::setting::{command, counts, get, golden, lives, plugins_until, tireless};

/// A way to die, and what must be in the report beside its golden file.
struct Way {
    word: &'static str,
    /// The message, as the report has it.
    panic: Option<&'static str>,
    /// A line of the trace that Go wrote.
    trace: Option<&'static str>,
    /// A function in the backtrace.
    frame: &'static str,
}

const RUNNING: Option<&str> = Some("goroutine 1 [running]:");

const fn panics(word: &'static str, panic: &'static str, frame: &'static str) -> Way {
    Way {
        word,
        panic: Some(panic),
        trace: RUNNING,
        frame,
    }
}

const WAYS: &[Way] = &[
    panics(
        "nil_dereference",
        "panic: runtime error: invalid memory address or nil pointer dereference",
        "main.dereferenceNothing (go-dies/main.go:",
    ),
    panics(
        "index_out_of_range",
        "panic: runtime error: index out of range [3] with length 3",
        "main.readOutside (go-dies/main.go:",
    ),
    panics("panic", "panic: told to", "main.panicWithWords (go-dies/main.go:"),
    panics(
        "panic_error",
        "panic: cannot read the key: no such key",
        "main.panicWithError (go-dies/main.go:",
    ),
    panics(
        "panic_again",
        "panic: told to by the deferred one",
        "main.panicWhilePanicking.func1 (go-dies/main.go:",
    ),
    Way {
        trace: Some("created by main.panicElsewhere in goroutine 1"),
        ..panics(
            "panic_goroutine",
            "panic: told to in a goroutine",
            "main.panicElsewhere.func1 (go-dies/main.go:",
        )
    },
    Way {
        trace: Some("goroutine 1 [chan receive]:"),
        ..panics(
            "deadlock",
            "fatal error: all goroutines are asleep - deadlock!",
            "runtime.checkdead",
        )
    },
    panics(
        "unlock",
        "fatal error: sync: unlock of unlocked mutex",
        "main.unlockTheUnlocked (go-dies/main.go:",
    ),
    Way {
        trace: Some("main.takeAllMemory()"),
        ..panics(
            "memory",
            "fatal error: out of memory",
            "main.takeAllMemory (go-dies/main.go:",
        )
    },
    Way {
        word: "exit",
        panic: None,
        trace: Some("leaving"),
        frame: "main.leave",
    },
    // It traps on the host's stack before Go's own is full, so that Go says nothing.
    Way {
        word: "recursion",
        panic: None,
        trace: None,
        frame: "main.recurseForEver",
    },
];

async fn gateway() -> Result<Gateway> {
    let configuration = json!({
        "workers": 1,
        "admin": {"listen": "127.0.0.1:0"},
        "access_log": "off",
        "crash_reports": {"dir": "crashes"},
        "listeners": [{"name": "web", "listen": "127.0.0.1:0"}],
        "plugins": [{
            "name": "go",
            "source": {"file": place::guest("go-dies")?},
            "config": "harmless",
            // So much time that no quick death is taken for a slow one, and as much memory as Go asks for at its start, and some more.
            "limits": {"cpu_slice": "20s", "memory": "16MiB", "log_lines": 1_000_000},
            "restart": tireless(),
        }],
        "routes": [
            {"name": "free", "match": {"path": {"exact": "/free"}}, "respond": {"body": "free"}},
            {"name": "all", "respond": {"body": "served"}, "plugins": ["go"]},
        ],
    });
    Gateway::start(&configuration.to_string()).await
}

/// Dies in this way, and waits until the operator was told and the plugin is back; gives the text of the log and the report's id.
async fn die(gateway: &Gateway, word: &str) -> Result<(String, String)> {
    let before = plugins_until(gateway, |page| counts(page, "go")["state"] == "running").await?;
    let said = gateway.process.line_count();
    let mortal = Request::get("/").field("x-die", word);
    let answer = send(gateway.listener("web")?, Version::Http1, &mortal).await?;
    ensure!(answer.status == 503, "{answer:?}");
    // The last line of the report: what is read before it has come is a part of the report.
    let again = "run it again: cofferdam plugin replay ";
    let last = gateway
        .process
        .wait_for_line(said, DEADLINE, |line| line.text.contains(again))
        .await?;
    let id = last.text.split(again).nth(1).context("no id")?.to_owned();
    let lines = gateway.process.lines_from(said);
    let fault = lines.iter().skip_while(|line| !line.text.starts_with("plugin fault"));
    let text = fault.map(|line| line.text.clone() + "\n").collect();
    ensure!(get(gateway, "/free").await?.text() == "free", "the other route");
    let starts = |page: &Value| counts(page, "go")["starts"].as_u64();
    plugins_until(gateway, |page| {
        counts(page, "go")["state"] == "running" && starts(page) > starts(&before)
    })
    .await?;
    ensure!(get(gateway, "/").await?.text() == "served", "not back");
    lives(gateway, said).await?;
    Ok((text, id))
}

async fn cofferdam(gateway: &Gateway, words: &[&str]) -> Result<String> {
    let mut command = Command::new(place::cofferdam().await?);
    command.args(words).arg("--dir").arg(gateway.folder().join("crashes"));
    let ended = command.output()?;
    let text = String::from_utf8(ended.stdout)?;
    ensure!(
        ended.status.success(),
        "{words:?}: {text}{}",
        String::from_utf8_lossy(&ended.stderr)
    );
    Ok(text)
}

#[tokio::test]
async fn what_go_writes_when_it_dies_is_the_report() -> Result<()> {
    let gateway = gateway().await?;
    let mut wrong = Vec::new();
    for way in WAYS {
        let (log, id) = die(&gateway, way.word).await.context(way.word)?;
        let shown = cofferdam(&gateway, &["crash", "show", &id]).await?;
        let report: Value =
            serde_json::from_str(&cofferdam(&gateway, &["crash", "show", &id, "--format", "json"]).await?)?;
        wrong.extend(
            judge(way, &shown, &report)
                .err()
                .map(|why| format!("{}: {why}\n{shown}", way.word)),
        );
        let text = format!("{}\n{}", normal(&log, &id), normal(&shown, &id));
        wrong.extend(
            golden()
                .expect(&format!("go/{}.txt", way.word), &text)
                .err()
                .map(|why| why.to_string()),
        );
        let replay = cofferdam(&gateway, &["plugin", "replay", &id, "--format", "json"]).await;
        let outcome: Value = serde_json::from_str(&replay.with_context(|| way.word)?)?;
        if outcome["crash"]["panic"] != report["panic"] {
            wrong.push(format!(
                "{}: it ran again and said {}",
                way.word, outcome["crash"]["panic"]
            ));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    Ok(())
}

fn judge(way: &Way, shown: &str, report: &Value) -> Result<()> {
    ensure!(shown.contains(way.frame), "no `{}`", way.frame);
    let panic = report["panic"].as_str();
    let is_it = match way.panic {
        Some(wanted) => panic.is_some_and(|panic| panic.contains(wanted)) && shown.contains(wanted),
        None => panic.is_none(),
    };
    ensure!(is_it, "{panic:?} instead of {:?}", way.panic);
    if let Some(trace) = way.trace {
        let words = report["scene"]["last_words"].as_array().context("no words")?;
        ensure!(words.iter().any(|line| line == trace), "no `{trace}` in {words:#?}");
        ensure!(shown.contains(trace), "no `{trace}`");
    }
    Ok(())
}

#[tokio::test]
async fn a_panic_that_was_recovered_from_is_not_the_reason_of_a_later_death() -> Result<()> {
    let gateway = gateway().await?;
    let recovered = Request::get("/").field("x-die", "recover");
    ensure!(send(gateway.listener("web")?, Version::Http1, &recovered).await?.status == 200);
    for (word, panic) in [("recursion", None), ("index_out_of_range", Some("index out of range"))] {
        ensure!(send(gateway.listener("web")?, Version::Http1, &recovered).await?.status == 200);
        let (log, _) = die(&gateway, word).await?;
        let says = log.lines().find(|line| line.trim_start().starts_with("panic: "));
        let is_it = match panic {
            Some(panic) => says.is_some_and(|line| line.contains(panic)),
            None => says.is_none(),
        };
        ensure!(is_it, "{log}");
    }
    Ok(())
}

#[tokio::test]
async fn a_panic_in_the_start_is_told_before_anything_is_served() -> Result<()> {
    let configuration = json!({
        "listeners": [{"name": "web", "listen": "127.0.0.1:0"}],
        "plugins": [{"name": "go", "source": {"file": place::guest("go-dies")?}, "config": "panic_error"}],
        "routes": [{"name": "all", "respond": {"body": "served"}, "plugins": ["go"]}],
    });
    let (code, said) = command("run", &configuration).await?;
    ensure!(code != Some(0), "{said}");
    for part in [
        "panic: cannot read the key: no such key",
        "main.panicWithError (go-dies/main.go:",
    ] {
        ensure!(said.contains(part), "no `{part}` in {said}");
    }
    Ok(())
}

/// Ids, times, figures and places in Go's own library differ between machines and compilers; what is the guest's own stays.
fn normal(text: &str, id: &str) -> String {
    let lines = text.lines().filter(|line| {
        let line = line.trim_start();
        !["seen: ", "module: ", "exchange: ", "figures: "]
            .iter()
            .any(|name| line.starts_with(name))
    });
    let mut told: Vec<String> = Vec::new();
    let mut is_left_out = false;
    for line in lines {
        // Goroutines of the runtime, each at its own work, and host calls with places in the guest's memory.
        is_left_out = (is_left_out || line.contains(" m=nil ") || line.starts_with("last host calls"))
            && !line.starts_with("what to do");
        if is_left_out || line.contains("runtime: out of memory") {
            continue;
        }
        let line = without_numbers(&line.replace(id, "ID"));
        if told.last() != Some(&line) {
            told.push(line);
        }
    }
    told.iter().map(|line| line.clone() + "\n").collect()
}

/// The line without addresses, and without lines of Go's library.
fn without_numbers(line: &str) -> String {
    let is_own = line.contains("go-dies/");
    let mut shown = String::new();
    for (at, part) in line.split("0x").enumerate() {
        if at == 0 {
            shown.push_str(part);
        } else {
            shown.push_str("0x_");
            shown.push_str(part.trim_start_matches(|letter: char| letter.is_ascii_hexdigit()));
        }
    }
    match shown.split_once(".go:").filter(|_| !is_own) {
        Some((file, rest)) => format!(
            "{file}.go:_{}",
            rest.trim_start_matches(|letter: char| letter.is_ascii_digit())
        ),
        None => shown,
    }
}
