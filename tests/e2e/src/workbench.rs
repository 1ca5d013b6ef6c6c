//! From an empty folder to a request: `plugin new`, `build`, `check`, `test`, `push`, and a gateway that pulls and runs what came of it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testkit::client::Request;
use testkit::place;
use testkit::process::{Line, Process, Source};
use testkit::registry::registry;

use crate::setting::{Ended, ask, echoed, finish, gateway};

/// `cofferdam plugin WORDS` in a folder; the tools of languages find what the machine has.
async fn command(folder: &Path, words: &[&str]) -> Result<Command> {
    let mut command = Command::new(place::cofferdam().await?);
    command.arg("plugin").args(words).current_dir(folder);
    command.env("XDG_CACHE_HOME", std::env::temp_dir().join("cofferdam-e2e"));
    // Of whoever runs this test, and meant for the gateway.
    for name in [
        "CARGO_TARGET_DIR",
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_BUILD_TARGET",
        "GOFLAGS",
    ] {
        command.env_remove(name);
    }
    command
        .env("GOTOOLCHAIN", "local")
        .env("GOCACHE", folder.join(".go-cache"));
    if let Ok(go) = place::peer("go") {
        let with_go = [go.parent().map(Path::to_owned).unwrap_or_default()];
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.env(
            "PATH",
            std::env::join_paths(with_go.into_iter().chain(std::env::split_paths(&path)))?,
        );
    }
    Ok(command)
}

/// Runs `cofferdam plugin WORDS` to its end.
pub(crate) async fn plugin(folder: &Path, words: &[&str]) -> Result<Ended> {
    let mut command = command(folder, words).await?;
    // A compiler may take longer than anything else that a test waits for.
    let ended = tokio::task::spawn_blocking(move || command.output()).await??;
    Ok(Ended {
        code: ended.status.code(),
        out: String::from_utf8(ended.stdout)?,
        err: String::from_utf8(ended.stderr)?,
    })
}

/// What every language promises: it builds, is good, passes its own tests, and serves.
async fn from_nothing(lang: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let made = plugin(folder.path(), &["new", "--lang", lang, "demo"]).await?;
    ensure!(made.code == Some(0) && made.out.contains("cd demo"), "{made:?}");
    let project = folder.path().join("demo");
    for file in [
        "README.md",
        "tests.yaml",
        "schema.json",
        "gateway.yaml",
        ".github/workflows/plugin.yaml",
        ".gitignore",
    ] {
        let text = fs::read_to_string(project.join(file)).with_context(|| file.to_owned())?;
        ensure!(
            !text.contains("{{name}}") && !text.contains("{{needs}}") && !text.contains("{{setup}}"),
            "{file}: {text}"
        );
    }
    let built = plugin(&project, &["build"]).await?;
    ensure!(built.code == Some(0), "{built:?}");
    ensure!(built.out.starts_with("dist/demo.wasm: "), "{built:?}");
    let checked = plugin(&project, &["check", "dist/demo.wasm"]).await?;
    ensure!(
        checked.code == Some(0) && checked.out.contains("it starts"),
        "{checked:?}"
    );
    let tested = plugin(&project, &["test"]).await?;
    ensure!(
        tested.code == Some(0) && tested.out.contains("4 passed, 0 failed"),
        "{tested:?}"
    );

    let registry = registry(None).await?;
    let name = registry.name("team/demo:1");
    let pushed = plugin(&project, &["push", "dist/demo.wasm", &name]).await?;
    ensure!(pushed.code == Some(0), "{pushed:?}");
    let served = gateway(serde_json::json!({
        "cache_dir": folder.path().join("cache"),
        "plugins": [{"name": "demo", "source": {"oci": name}, "config": {"greeting": "good day"}}],
        "routes": [{"name": "echo", "echo": true, "plugins": ["demo"]}],
    }))
    .await?;
    let answer = ask(&served, &Request::get("/").field("x-name", "Ada")).await?;
    ensure!(answer.field("x-served-by") == Some("demo"), "{answer:?}");
    let seen = echoed(&answer)?.to_string();
    ensure!(seen.contains("good day, Ada"), "{seen}");
    let checked = finish(
        Command::new(place::cofferdam().await?)
            .arg("check")
            .arg(project.join("gateway.yaml")),
        &project,
    )
    .await?;
    ensure!(checked.code == Some(0), "{checked:?}");
    Ok(())
}

#[tokio::test]
async fn a_plugin_in_rust_from_nothing_to_a_request() -> Result<()> {
    from_nothing("rust").await
}

#[tokio::test]
async fn a_plugin_in_go_from_nothing_to_a_request() -> Result<()> {
    from_nothing("go").await
}

#[tokio::test]
async fn a_plugin_in_assemblyscript_from_nothing_to_a_request() -> Result<()> {
    from_nothing("assemblyscript").await
}

#[tokio::test]
async fn a_plugin_in_cpp_from_nothing_to_a_request() -> Result<()> {
    from_nothing("cpp").await
}

/// How long a step of `watch` may take: it has a compiler in it.
const STEP_MAX: Duration = Duration::from_secs(300);

/// The line of `watch` that tells of this step, for the first time since `from`; and where the lines go on.
async fn step(watch: &Process, from: usize, step: &str) -> Result<(usize, String)> {
    let is_step = |line: &Line| line.source == Source::Stdout && line.text.starts_with(step);
    let found = |lines: &[Line]| {
        let place = lines.iter().position(is_step)?;
        Some((from + place + 1, lines.get(place)?.text.clone()))
    };
    watch.wait_for(from, STEP_MAX, found).await
}

#[tokio::test]
async fn what_is_saved_is_built_checked_tested_and_swapped() -> Result<()> {
    let folder = tempfile::tempdir()?;
    ensure!(plugin(folder.path(), &["new", "--lang", "cpp", "demo"]).await?.code == Some(0));
    let project = folder.path().join("demo");
    let built = plugin(&project, &["build"]).await?;
    ensure!(built.code == Some(0), "{built:?}");
    let served = gateway(serde_json::json!({
        "plugins": [{"name": "demo", "source": {"file": project.join("dist/demo.wasm")}}],
        "routes": [{"name": "echo", "echo": true, "plugins": ["demo"]}],
    }))
    .await?;
    let first = ask(&served, &Request::get("/")).await?;
    ensure!(first.field("x-served-by") == Some("demo"), "{first:?}");

    let mut command = command(&project, &["watch", "--admin", &served.admin.to_string()]).await?;
    let watch = Process::start("watch", &mut command)?;
    let (seen, _) = step(&watch, 0, "swap").await?;
    let second = plugin(&project, &["watch"]).await?;
    ensure!(second.code == Some(2) && second.err.contains("another"), "{second:?}");

    // What does not compile, what has findings and what fails its tests stay away from the gateway.
    let source = fs::read_to_string(project.join("plugin.cc"))?;
    let save = |text: &str| fs::write(project.join("plugin.cc"), text);
    save("no C++")?;
    let (seen, line) = step(&watch, seen, "build").await?;
    ensure!(line.contains("failed"), "{line}");
    save(&source.replace("x-served-by", "x-signed-by"))?;
    let (seen, line) = step(&watch, seen, "test").await?;
    ensure!(line.contains("failed: 1 of 4 failed"), "{line}");
    let meanwhile = ask(&served, &Request::get("/")).await?;
    ensure!(meanwhile.field("x-served-by") == Some("demo"), "{meanwhile:?}");

    save(&source.replace("\"demo\"", "\"demo \" \"two\""))?;
    let suite = fs::read_to_string(project.join("tests.yaml"))?;
    fs::write(
        project.join("tests.yaml"),
        suite.replace("x-served-by: \"demo\"", "x-served-by: \"demo two\""),
    )?;
    let (_, line) = step(&watch, seen, "swap").await?;
    ensure!(line.contains("runs it"), "{line}");
    let second = ask(&served, &Request::get("/")).await?;
    ensure!(second.field("x-served-by") == Some("demo two"), "{second:?}");
    Ok(())
}

#[tokio::test]
async fn what_is_no_project_and_no_name_is_said() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let nothing = plugin(folder.path(), &["build"]).await?;
    ensure!(
        nothing.code == Some(2) && nothing.err.contains("plugin new"),
        "{nothing:?}"
    );
    for name in ["Demo", "1st", "a b", "-x", "../up", ""] {
        let refused = plugin(folder.path(), &["new", "--lang", "rust", "--", name]).await?;
        ensure!(refused.code == Some(2), "{name}: {refused:?}");
    }
    fs::create_dir(folder.path().join("there"))?;
    let there = plugin(folder.path(), &["new", "--lang", "rust", "there"]).await?;
    ensure!(
        there.code == Some(1) && there.err.contains("is there already"),
        "{there:?}"
    );
    ensure!(fs::read_dir(folder.path())?.count() == 1, "something was made");
    Ok(())
}

#[tokio::test]
async fn a_compile_error_is_the_compilers_own_and_leaves_no_module() -> Result<()> {
    let folder = tempfile::tempdir()?;
    ensure!(plugin(folder.path(), &["new", "--lang", "rust", "demo"]).await?.code == Some(0));
    let project = folder.path().join("demo");
    fs::write(project.join("src/lib.rs"), "fn broken( {}")?;
    let failed = plugin(&project, &["build"]).await?;
    ensure!(
        failed.code == Some(1) && failed.err.contains("src/lib.rs"),
        "{failed:?}"
    );
    ensure!(!project.join("dist/demo.wasm").exists());
    Ok(())
}
