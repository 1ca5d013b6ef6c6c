//! `import`: what it makes is what `check` takes and `run` runs.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::place;

use crate::setting::{backend, command, gateway, get, golden};

const PLUGIN: &str = "apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata:
  name: hello
spec:
  selector: { matchLabels: { app: edge } }
  url: file://hello.wasm
  phase: AUTHN
  pluginConfig: { greeting: imported }
";

fn source(text: &str) -> BTreeMap<&'static str, Vec<u8>> {
    BTreeMap::from([("gateway.yaml", text.as_bytes().to_vec())])
}

#[tokio::test]
async fn what_is_imported_is_good_when_its_module_is_there() -> Result<()> {
    let imported = command("import", &[], &source(PLUGIN)).await?;
    assert_eq!(imported.code, Some(0), "{}", imported.err);
    golden().expect("import.yaml", &imported.out)?;
    golden().expect("import.txt", &imported.err)?;
    let mut files = source(&imported.out);
    let without = command("check", &[], &files).await?;
    assert_eq!(without.code, Some(1), "no module: {}", without.out);
    files.insert("hello.wasm", fs::read(place::guest("hello")?)?);
    let checked = command("check", &[], &files).await?;
    assert_eq!(checked.code, Some(0), "{}", checked.err);
    assert_eq!(
        checked.out,
        "FOLDER/gateway.yaml is good: 1 listeners, 1 routes, 1 upstreams, 1 plugins\n"
    );
    Ok(())
}

#[tokio::test]
async fn what_is_imported_runs() -> Result<()> {
    let backend = backend()?;
    let text = PLUGIN.replace(
        "file://hello.wasm",
        &format!("file://{}", place::guest("hello")?.display()),
    );
    let imported = command("import", &["--format", "json"], &source(&text)).await?;
    let said: Value = serde_json::from_str(&imported.out)?;
    assert_eq!((imported.code, imported.err.as_str()), (Some(0), ""));
    let notes = said["notes"].as_array().context("no notes")?;
    assert!(
        notes
            .iter()
            .any(|note| note["line"] == 6 && note["column"] == 3 && note["message"] == "`selector` has no counterpart"),
        "{notes:?}"
    );
    let mut configuration = said["configuration"].clone();
    configuration["listeners"][0]["listen"] = json!("127.0.0.1:0");
    configuration["upstreams"][0]["endpoints"] = json!([backend.address.to_string()]);
    let gateway = gateway(configuration).await?;
    let answer = get(&gateway, "/").await?;
    assert_eq!(answer.status, 200);
    let records = format!("{:?}", backend.records());
    assert!(
        records.contains("imported"),
        "the plugin greets the upstream: {records}"
    );
    Ok(())
}

#[tokio::test]
async fn its_exit_code_says_what_is_wrong() -> Result<()> {
    let wrong = command(
        "import",
        &[],
        &source("apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nspec: { url: 5 }\n"),
    )
    .await?;
    assert_eq!((wrong.code, wrong.out.as_str()), (Some(1), ""));
    assert!(
        wrong
            .err
            .starts_with("error: `url` is a number, not text\n --> FOLDER/gateway.yaml:3:9\n"),
        "{}",
        wrong.err
    );
    let nothing = command("import", &[], &source("hello: world\n")).await?;
    assert_eq!((nothing.code, nothing.out.as_str()), (Some(1), ""));
    assert!(nothing.err.contains("nothing could be imported"), "{}", nothing.err);
    for words in [&["--format", "poetry"][..], &["--fetch"]] {
        assert_eq!(
            command("import", words, &source(PLUGIN)).await?.code,
            Some(2),
            "{words:?}"
        );
    }
    let absent = command("import", &["absent.yaml", "--format", "json"], &source(PLUGIN)).await?;
    let said: Value = serde_json::from_str(&absent.out)?;
    assert_eq!((absent.code, &said["configuration"]), (Some(1), &Value::Null));
    Ok(())
}
