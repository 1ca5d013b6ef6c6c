//! `cofferdam plugin test`: suites over real modules, each mock and each expectation of them, and how an outcome reads.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testkit::place;

use crate::setting::{Ended, finish, golden};

fn suite(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("suites").join(name)
}

async fn test(folder: &Path, suite: &Path, guest: &str, words: &[&str]) -> Result<Ended> {
    let mut command = Command::new(place::cofferdam().await?);
    command
        .args(["plugin", "test"])
        .arg(suite)
        .args(words)
        .current_dir(folder);
    command.arg("--module").arg(place::guest(guest)?);
    command.env("XDG_CACHE_HOME", std::env::temp_dir().join("cofferdam-e2e"));
    finish(&mut command, folder).await
}

fn json(ended: &Ended) -> Result<Value> {
    serde_json::from_str(&ended.out).with_context(|| format!("no JSON: {ended:?}"))
}

#[tokio::test]
async fn our_own_plugins_pass_their_suites() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins");
    let mut tested = Vec::new();
    for plugin in fs::read_dir(plugins)? {
        let plugin = plugin?.path();
        let suite = plugin.join("tests.yaml");
        if suite.is_file() {
            let name = plugin.file_name().context("no name")?.to_string_lossy().into_owned();
            let ended = test(folder.path(), &suite, &name, &[]).await?;
            ensure!(ended.code == Some(0) && ended.err.is_empty(), "{name}: {ended:?}");
            tested.push(name);
        }
    }
    tested.sort();
    let expected = [
        "geo-headers",
        "hello",
        "jwt-auth",
        "pii-mask",
        "request-debug",
        "sm-crypto",
    ];
    ensure!(tested == expected, "{tested:?}");
    Ok(())
}

#[tokio::test]
async fn a_suite_names_its_module_relative_to_itself() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/hello/tests.yaml");
    let text = fs::read_to_string(&suite)?.replace("../../target/guests/hello.wasm", "sub/hello.wasm");
    fs::write(folder.path().join("tests.yaml"), text)?;
    fs::create_dir(folder.path().join("sub"))?;
    fs::copy(place::guest("hello")?, folder.path().join("sub/hello.wasm"))?;
    let mut command = Command::new(place::cofferdam().await?);
    command.args(["plugin", "test"]).current_dir(folder.path());
    let ended = finish(&mut command, folder.path()).await?;
    ensure!(ended.code == Some(0), "{ended:?}");
    golden().expect("plugin_test.txt", &ended.out)
}

#[tokio::test]
async fn mocks_answer_and_what_came_is_as_expected() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for guest in ["probe-020", "probe-021", "probe-2100"] {
        let ended = test(folder.path(), &suite("probe.yaml"), guest, &["--format", "json"]).await?;
        ensure!(ended.code == Some(0), "{guest}: {ended:?}");
    }
    let redis = test(folder.path(), &suite("redis.yaml"), "probe-2100", &["--format", "json"]).await?;
    ensure!(redis.code == Some(0), "{redis:?}");
    Ok(())
}

#[tokio::test]
async fn every_expectation_can_fail() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let ended = test(folder.path(), &suite("lies.yaml"), "probe-021", &["--format", "json"]).await?;
    ensure!(ended.code == Some(1), "{ended:?}");
    let outcome = json(&ended)?;
    let cases = outcome["cases"].as_array().context("no cases")?;
    let believed: Vec<&Value> = cases
        .iter()
        .filter(|case| case["passed"] == true)
        .map(|case| &case["name"])
        .collect();
    ensure!(
        believed.is_empty() && cases.len() > 45,
        "{believed:?} of {}",
        cases.len()
    );
    let redis = test(
        folder.path(),
        &suite("redis_lies.yaml"),
        "probe-2100",
        &["--format", "json"],
    )
    .await?;
    let failed = json(&redis)?["cases"].as_array().context("no cases")?.clone();
    ensure!(
        failed.len() == 4 && failed.iter().all(|case| case["passed"] == false),
        "{redis:?}"
    );
    let text = test(folder.path(), &suite("lies.yaml"), "probe-021", &[]).await?;
    let normal = text.out.replace(&*suite("lies.yaml").to_string_lossy(), "lies.yaml");
    golden().expect("plugin_test_lies.txt", &normal)
}

#[tokio::test]
async fn a_golden_body_is_written_on_request_and_held_against_afterwards() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let text =
        "cases:\n  - name: a\n    request: {method: POST, body: BODY}\n    expect: {request: {golden: body.txt}}\n";
    let written = folder.path().join("s.yaml");
    fs::write(&written, text)?;
    ensure!(
        test(folder.path(), &written, "hello", &[]).await?.code == Some(1),
        "there is no such file yet"
    );
    ensure!(test(folder.path(), &written, "hello", &["--update"]).await?.code == Some(0));
    ensure!(fs::read_to_string(folder.path().join("body.txt"))? == "BODY");
    ensure!(test(folder.path(), &written, "hello", &[]).await?.code == Some(0));
    fs::write(&written, text.replace("BODY", "other"))?;
    let ended = test(folder.path(), &written, "hello", &[]).await?;
    ensure!(ended.code == Some(1) && ended.out.contains("`other`"), "{ended:?}");
    Ok(())
}

#[tokio::test]
async fn a_wrong_suite_says_where() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let table = [
        ("misspelt", "cases:\n  - name: a\n    request: {haeders: {}}\n"),
        (
            "mistaken",
            "cases:\n  - name: a\n    request: {path: no path}\n  - name: a\n    request: {}\n    steps: [{advance: 5s}]\n  - name: c\n",
        ),
        (
            "no_number",
            "cases:\n  - name: a\n    each: [{status: many}]\n    response: {status: \"{{status}}\"}\n    request: {}\n",
        ),
        (
            "mocks",
            "mocks:\n  time: yesterday\n  http: [{headers: {x a: b}}]\ncases:\n  - name: a\n    mocks: {http: [{status: 1000}]}\n    request: {}\n",
        ),
        (
            "bytes",
            "mocks:\n  shared_data: {seed: {hex: abc}}\ncases:\n  - name: a\n    request: {body: [a, {base64: \"!\"}]}\n    expect: {request: {body: {file: gone.bin}}}\n  - name: b\n    config_bytes: {hex: xy}\n    steps: [{connection: [{client: {hex: \"0\"}}]}]\n",
        ),
        ("number", "cases:\n  - name: a\n    request: {body: {hex: 0011}}\n"),
        (
            "two_ways",
            "cases:\n  - name: a\n    request: {}\n    connection: [{client: a}]\n",
        ),
        ("event", "cases:\n  - name: a\n    connection: [{ends: server}]\n"),
        ("empty", "# nothing\n"),
    ];
    for (name, text) in table {
        fs::write(folder.path().join("s.yaml"), text)?;
        let ended = test(folder.path(), Path::new("s.yaml"), "hello", &[]).await?;
        ensure!(ended.code == Some(2) && ended.out.is_empty(), "{name}: {ended:?}");
        golden().expect(&format!("plugin_test_{name}.txt"), &ended.err)?;
    }
    let gone = test(folder.path(), Path::new("gone.yaml"), "hello", &[]).await?;
    ensure!(gone.code == Some(2) && gone.err.contains("cannot be read"), "{gone:?}");
    let none = test(
        folder.path(),
        &suite("lies.yaml"),
        "probe-021",
        &["--only", "no such case"],
    )
    .await?;
    ensure!(none.code == Some(2) && none.err.contains("no such case"), "{none:?}");
    Ok(())
}

#[tokio::test]
async fn an_outcome_is_there_for_machines_with_figures_on_request() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let words = ["--only", "status", "--format", "junit"];
    let junit = test(folder.path(), &suite("lies.yaml"), "probe-021", &words).await?;
    ensure!(
        junit.code == Some(1) && junit.out.contains("<failure message=\"the status is 200, not 201\">"),
        "{junit:?}"
    );
    let words = ["--only", "bytes in shared data", "--format", "junit"];
    let dumped = test(folder.path(), &suite("lies.yaml"), "probe-021", &words).await?;
    ensure!(
        dumped.out.contains("\nnot   00000000  00 fe   "),
        "a dump in JUnit: {dumped:?}"
    );
    let words = ["--only", "bodies", "--format", "json", "--bench", "50"];
    let bench = json(&test(folder.path(), &suite("probe.yaml"), "probe-021", &words).await?)?;
    let headers = bench["bench"]
        .as_array()
        .context("no bench")?
        .iter()
        .find(|row| row["callback"] == "proxy_on_request_headers");
    let headers = headers.with_context(|| format!("{bench:#}"))?;
    ensure!(
        headers["count"] == 50 && headers["median_us"].as_f64() > Some(0.0),
        "{headers}"
    );
    ensure!(bench["memory_bytes"].as_u64() > Some(65_536), "{bench:#}");
    Ok(())
}

#[tokio::test]
async fn suites_of_google_run_phase_by_phase() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for guest in ["probe-020", "probe-021", "probe-2100"] {
        let ended = test(folder.path(), &suite("google.textpb"), guest, &[]).await?;
        ensure!(ended.code == Some(0), "{guest}: {ended:?}");
        let notes: Vec<&str> = ended.err.lines().collect();
        let said = |number: usize, text: &str| notes.get(number).is_some_and(|note| note.contains(text));
        ensure!(
            notes.len() == 2 && said(0, "`log_path` is not carried over") && said(1, "has no `request_headers`"),
            "{guest}: {ended:?}"
        );
    }
    let words = ["--bench", "5", "--format", "json", "--only", "clock"];
    let bench = json(&test(folder.path(), &suite("google.textpb"), "probe-021", &words).await?)?;
    let rows = bench["bench"].as_array().context("no bench")?;
    let is_counted = |row: &Value| row["callback"] == "proxy_on_request_headers" && row["count"] == 5;
    ensure!(rows.iter().any(is_counted), "{bench:#}");
    Ok(())
}

#[tokio::test]
async fn every_expectation_of_google_can_fail() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let lies = suite("google_lies.textpb");
    let ended = test(folder.path(), &lies, "probe-021", &["--format", "json"]).await?;
    let outcome = json(&ended)?;
    let cases = outcome["cases"].as_array().context("no cases")?;
    let believed: Vec<&Value> = cases
        .iter()
        .filter(|case| case["passed"] == true)
        .map(|case| &case["name"])
        .collect();
    ensure!(
        ended.code == Some(1) && believed.is_empty() && cases.len() == 18,
        "{believed:?} of {}",
        cases.len()
    );
    let text = test(folder.path(), &lies, "probe-021", &[]).await?;
    let normal = text.out.replace(&*lies.to_string_lossy(), "google_lies.textpb");
    golden().expect("plugin_test_google_lies.txt", &normal)
}

#[tokio::test]
async fn a_wrong_suite_of_google_says_where() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let text = "test {\n  name: 'a'\n\trequest_header {}\n  benchmark: maybe\n}\n";
    fs::write(folder.path().join("s.textpb"), text)?;
    let ended = test(folder.path(), Path::new("s.textpb"), "hello", &[]).await?;
    ensure!(ended.code == Some(2) && ended.out.is_empty(), "{ended:?}");
    golden().expect("plugin_test_google_wrong.txt", &ended.err)?;
    // By its first line, whatever it is called.
    fs::write(folder.path().join("tests.yaml"), format!("# proto-file: x\n{text}"))?;
    let ended = test(folder.path(), Path::new("tests.yaml"), "hello", &[]).await?;
    ensure!(
        ended.code == Some(2) && ended.err.contains("tests.yaml:4:"),
        "{ended:?}"
    );
    Ok(())
}

#[tokio::test]
async fn schemas_of_files_are_those_of_the_code() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for (kind, file) in [
        (None, "cofferdam.schema.json"),
        (Some("suite"), "suite.schema.json"),
        (Some("policy"), "policy.schema.json"),
    ] {
        let mut command = Command::new(place::cofferdam().await?);
        command.arg("schema").args(kind);
        let ended = finish(&mut command, folder.path()).await?;
        ensure!(ended.code == Some(0), "{ended:?}");
        golden().expect(&format!("../../../schema/{file}"), &ended.out)?;
    }
    Ok(())
}
