//! `check` and `schema`, and the examples held against both.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use saphyr_parser::{Event, Parser};
use serde_json::{Map, Value, json};
use testkit::place;

use crate::certificates::Authority;
use crate::setting::{command, complete, finish};

fn files(configuration: Value) -> BTreeMap<&'static str, Vec<u8>> {
    BTreeMap::from([("gateway.yaml", configuration.to_string().into_bytes())])
}

fn examples() -> Result<Vec<PathBuf>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let files = fs::read_dir(folder)?.map(|file| Ok(file?.path()));
    let files: Result<Vec<PathBuf>> = files.collect();
    let mut files: Vec<PathBuf> = files?
        .into_iter()
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .collect();
    files.sort();
    ensure!(!files.is_empty(), "no examples");
    Ok(files)
}

#[tokio::test]
async fn check_says_good_wrong_or_misused() -> Result<()> {
    let good = files(complete(json!({"routes": [{"name": "r", "echo": true}]})));
    let ended = command("check", &[], &good).await?;
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    assert_eq!(
        ended.out,
        "FOLDER/gateway.yaml is good: 1 listeners, 1 routes, 0 upstreams, 0 plugins\n"
    );
    let wrong = command("check", &[], &files(json!({"listners": []}))).await?;
    assert_eq!(wrong.code, Some(1));
    assert!(wrong.err.contains("listeners"), "{}", wrong.err);
    for words in [&["--format", "poetry"][..], &["--verbose-please"], &["another.yaml"]] {
        assert_eq!(command("check", words, &good).await?.code, Some(2), "{words:?}");
    }
    let mut alone = Command::new(place::cofferdam().await?);
    assert_eq!(finish(&mut alone, Path::new("/nowhere")).await?.code, Some(2));
    Ok(())
}

#[tokio::test]
async fn check_says_it_to_programs_as_json() -> Result<()> {
    let good = command(
        "check",
        &["--format", "json"],
        &files(complete(json!({"routes": [{"name": "r", "echo": true}]}))),
    )
    .await?;
    let said: Value = serde_json::from_str(&good.out)?;
    assert_eq!(
        (good.code, &said["good"], &said["findings"]),
        (Some(0), &json!(true), &json!([]))
    );
    assert_eq!(said["plan"]["routes"][0]["name"], "r");
    let wrong = command(
        "check",
        &["--format", "json"],
        &files(json!({"listners": [], "workers": "x"})),
    )
    .await?;
    let said: Value = serde_json::from_str(&wrong.out)?;
    assert_eq!((wrong.code, &said["good"]), (Some(1), &json!(false)));
    let findings = said["findings"].as_array().context("no findings")?;
    assert!(findings.len() >= 2, "{said}");
    assert!(
        findings
            .iter()
            .all(|finding| finding["message"].is_string() && finding["severity"] == "error"),
        "{said}"
    );
    Ok(())
}

fn is_of_a_store(example: &Path) -> bool {
    let name = example.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.starts_with("store-"))
}

async fn schema(words: &[&str]) -> Result<Value> {
    let mut command = Command::new(place::cofferdam().await?);
    let ended = finish(command.arg("schema").args(words), Path::new("/nowhere")).await?;
    ensure!(ended.code == Some(0) && ended.err.is_empty(), "{ended:?}");
    Ok(serde_json::from_str(&ended.out)?)
}

#[tokio::test]
async fn the_schema_takes_the_examples_and_no_typo() -> Result<()> {
    let (schema, of_stores) = (schema(&[]).await?, schema(&["store"]).await?);
    for path in examples()? {
        let schema = if is_of_a_store(&path) { &of_stores } else { &schema };
        let tree = tree(&fs::read_to_string(&path)?)?;
        let mut wrong = Vec::new();
        judge(schema, schema, &tree, "", &mut wrong);
        assert!(wrong.is_empty(), "{}: {}", path.display(), wrong.join("\n"));
    }
    let mut wrong = Vec::new();
    let typo = json!({"listeners": [{"name": "web", "listen": "127.0.0.1:0", "protocoll": "http"}], "workers": "x"});
    judge(&schema, &schema, &typo, "", &mut wrong);
    assert_eq!(
        wrong,
        ["/listeners/0: `protocoll` is unknown", "/workers: \"x\" is no integer"]
    );
    Ok(())
}

#[tokio::test]
async fn the_schema_names_only_what_it_defines() -> Result<()> {
    let schema = schema(&[]).await?;
    let mut open = vec![&schema];
    while let Some(next) = open.pop() {
        if let Some(reference) = next["$ref"].as_str() {
            ensure!(
                schema.pointer(reference.trim_start_matches('#')).is_some(),
                "`{reference}` leads nowhere"
            );
        }
        match next {
            Value::Object(fields) => open.extend(fields.values()),
            Value::Array(list) => open.extend(list),
            _ => {}
        }
    }
    Ok(())
}

/// Notes what a schema has against a value: the part of JSON Schema that says which keys and kinds there are.
fn judge(root: &Value, schema: &Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
    if let Some(target) = schema["$ref"]
        .as_str()
        .and_then(|reference| root.pointer(reference.trim_start_matches('#')))
    {
        judge(root, target, value, at, wrong);
    }
    for word in ["anyOf", "oneOf"] {
        if let Some(choices) = schema[word].as_array() {
            let fits = |choice: &Value| {
                let mut against = Vec::new();
                judge(root, choice, value, at, &mut against);
                against.is_empty()
            };
            if !choices.iter().any(fits) {
                wrong.push(format!("{at}: {value} fits none of {word}"));
            }
        }
    }
    if let Some(kinds) = schema.get("type") {
        let kinds: Vec<&str> = kinds.as_array().map_or_else(
            || kinds.as_str().into_iter().collect(),
            |kinds| kinds.iter().filter_map(Value::as_str).collect(),
        );
        if !kinds.iter().any(|kind| is(value, kind)) {
            wrong.push(format!("{at}: {value} is no {}", kinds.join(" or ")));
        }
    }
    if schema["enum"].as_array().is_some_and(|words| !words.contains(value))
        || schema.get("const").is_some_and(|word| word != value)
    {
        wrong.push(format!("{at}: {value} is not one of the words"));
    }
    for (key, inner) in value.as_object().into_iter().flatten() {
        let place = format!("{at}/{key}");
        match (schema["properties"].get(key), schema.get("additionalProperties")) {
            (Some(known), _) => judge(root, known, inner, &place, wrong),
            (None, Some(Value::Bool(false))) => wrong.push(format!("{at}: `{key}` is unknown")),
            (None, Some(others)) => judge(root, others, inner, &place, wrong),
            (None, None) => {}
        }
    }
    for key in schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        if value.is_object() && value.get(key).is_none() {
            wrong.push(format!("{at}: `{key}` is missing"));
        }
    }
    if let Some(items) = schema.get("items") {
        for (place, item) in value.as_array().into_iter().flatten().enumerate() {
            judge(root, items, item, &format!("{at}/{place}"), wrong);
        }
    }
}

fn is(value: &Value, kind: &str) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        _ => false,
    }
}

/// YAML without tags and aliases as JSON.
fn tree(text: &str) -> Result<Value> {
    let mut open: Vec<(Value, Option<String>)> = vec![(json!([]), None)];
    for event in Parser::new_from_str(text) {
        let value = match event?.0 {
            Event::MappingStart(..) => {
                open.push((Value::Object(Map::new()), None));
                continue;
            }
            Event::SequenceStart(..) => {
                open.push((json!([]), None));
                continue;
            }
            Event::MappingEnd | Event::SequenceEnd => open.pop().context("nothing is open")?.0,
            Event::Scalar(text, style, ..) => {
                let (parent, key) = open.last().context("nothing is open")?;
                let plain = style == saphyr_parser::ScalarStyle::Plain && (parent.is_array() || key.is_some());
                let read = plain.then(|| serde_json::from_str(&text).ok()).flatten();
                read.unwrap_or_else(|| Value::String(text.into_owned()))
            }
            _ => continue,
        };
        let (parent, key) = open.last_mut().context("nothing is open")?;
        match (parent, key.take()) {
            (Value::Object(fields), Some(key)) => drop(fields.insert(key, value)),
            (Value::Object(_), None) => *key = Some(value.as_str().context("a key is text")?.to_owned()),
            (Value::Array(list), _) => list.push(value),
            _ => unreachable!("only maps and lists are open"),
        }
    }
    let (mut documents, _) = open.pop().context("no document")?;
    Ok(documents[0].take())
}

#[tokio::test]
async fn every_example_is_good_when_its_files_are_there() -> Result<()> {
    // Those of stores are tried where stores run.
    for path in examples()?.into_iter().filter(|path| !is_of_a_store(path)) {
        let folder = tempfile::tempdir()?;
        let text = fs::read_to_string(&path)?;
        let mut written = text.clone();
        put_files(folder.path(), &tree(&text)?)?;
        // The digest in an example is of no file that anyone has.
        for line in text.lines().filter(|line| line.trim_start().starts_with("sha256:")) {
            written = written.replace(line, "");
        }
        let file = folder.path().join("gateway.yaml");
        fs::write(&file, written)?;
        let mut command = Command::new(place::cofferdam().await?);
        let ended = finish(command.arg("check").arg(&file), folder.path()).await?;
        assert_eq!(ended.code, Some(0), "{}: {}", path.display(), ended.err);
    }
    Ok(())
}

/// Puts a module or a certificate wherever an example names one.
fn put_files(folder: &Path, tree: &Value) -> Result<()> {
    let authority = Authority::new()?;
    let mut open = vec![tree];
    while let Some(next) = open.pop() {
        if let Some(module) = next["source"]["file"].as_str() {
            let place = folder.join(module);
            fs::create_dir_all(place.parent().context("no folder")?)?;
            // It takes any configuration.
            fs::copy(place::guest("die")?, place)?;
        }
        if let (Some(chain), Some(key)) = (next["chain"].as_str(), next["key"].as_str()) {
            let words = authority.certificate("any", "any.test")?;
            fs::create_dir_all(folder.join(chain).parent().context("no folder")?)?;
            fs::copy(words["chain"].as_str().context("no chain")?, folder.join(chain))?;
            fs::copy(words["key"].as_str().context("no key")?, folder.join(key))?;
        }
        if let Some(authorities) = next["authorities"].as_str() {
            fs::create_dir_all(folder.join(authorities).parent().context("no folder")?)?;
            fs::copy(authority.file(), folder.join(authorities))?;
        }
        match next {
            Value::Object(fields) => open.extend(fields.values()),
            Value::Array(list) => open.extend(list),
            _ => {}
        }
    }
    Ok(())
}
