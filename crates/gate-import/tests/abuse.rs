//! The body of the fuzz target `import`, over samples in which every value was replaced, over damaged ones, and over texts made to hurt.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../../../fuzz/bodies/damage.rs"]
mod damage;
#[path = "../../../fuzz/bodies/import.rs"]
mod import;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use damage::damaged;
use gate_import::File;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

fn sources() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sources");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(paths.len() >= 9);
    let name = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    paths
        .iter()
        .map(|path| (name(path), std::fs::read(path).unwrap()))
        .collect()
}

fn texts() -> Vec<Vec<u8>> {
    sources().into_iter().map(|(_, text)| text).collect()
}

/// The documents of a sample.
fn documents(text: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(text).unwrap();
    let read = gate_plan::documents::read(text, "t.yaml").unwrap();
    read.roots().map(gate_plan::documents::Node::to_json).collect()
}

fn stream(documents: &[Value]) -> String {
    let documents: Vec<String> = documents.iter().map(ToString::to_string).collect();
    documents.join("\n---\n")
}

/// JSON pointers of all values.
fn pointers(value: &Value, here: &str, found: &mut Vec<String>) {
    found.push(here.to_owned());
    match value {
        Value::Object(pairs) => pairs.iter().for_each(|(key, value)| {
            let key = key.replace('~', "~0").replace('/', "~1");
            pointers(value, &format!("{here}/{key}"), found);
        }),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(index, value)| pointers(value, &format!("{here}/{index}"), found)),
        _ => {}
    }
}

/// Calls with each sample in which one value is `value`.
fn each_with(value: &Value, mut visit: impl FnMut(&str, &str, &str)) {
    for (name, text) in sources() {
        let documents = documents(&text);
        for index in 0..documents.len() {
            let mut places = Vec::new();
            pointers(&documents[index], "", &mut places);
            for place in places {
                let mut changed = documents.clone();
                *changed[index].pointer_mut(&place).unwrap() = value.clone();
                visit(&name, &format!("{index}{place}"), &stream(&changed));
            }
        }
    }
}

#[test]
fn every_value_may_be_something_else() {
    let odd = [
        json!(null),
        json!(5),
        json!(-1),
        json!(1e300),
        json!(true),
        json!("x"),
        json!(""),
        json!("a b\n: #\u{0}\u{1b}é"),
        json!([]),
        json!({}),
        json!([[{"name": {}}]]),
        json!({"name": 1, "@type": "x"}),
        json!("0.5s"),
        json!(65_536),
        json!("%"),
    ];
    for value in odd {
        each_with(&value, |_, _, text| import::run(text.as_bytes()));
    }
}

/// A key that nobody knows is put into every map. Where it is neither passed on nor noted, the map itself is left out with a note of its
/// own, or has nothing but bookkeeping; the golden file has all of those places.
#[test]
fn an_unknown_key_is_heard_of_wherever_it_stands() {
    let mut silent = BTreeSet::new();
    let mut heard = 0_usize;
    for (name, text) in sources() {
        let documents = documents(&text);
        for index in 0..documents.len() {
            let mut places = Vec::new();
            pointers(&documents[index], "", &mut places);
            for place in places {
                let mut changed = documents.clone();
                let Some(map) = changed[index].pointer_mut(&place).and_then(Value::as_object_mut) else {
                    continue;
                };
                map.insert("zz_unheard_of".to_owned(), json!("zz"));
                let text = stream(&changed);
                let said = match gate_import::import(&[File {
                    origin: &name,
                    text: &text,
                }]) {
                    Ok(imported) => format!("{}{:?}", imported.text, imported.notes),
                    Err(fault) => fault.to_string(),
                };
                if said.contains("zz_unheard_of") {
                    heard += 1;
                } else {
                    silent.insert(format!("{name} {index}{place}\n"));
                }
            }
        }
    }
    assert!(heard > 150, "{heard}");
    let found: String = silent.into_iter().collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/silent.txt");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &found).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(&path).unwrap_or_default(),
        found,
        "UPDATE=1 writes it"
    );
}

#[test]
fn texts_made_to_hurt_end_soon() {
    let plugin = "{apiVersion: extensions.istio.io/v1alpha1, kind: WasmPlugin, metadata: {name: a}, spec: {url: 'file:///a.wasm'}}";
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(5_000), close.repeat(5_000));
    let route = "{uri: /a, plugins: {wasm: {}}, hosts: [a.example]},";
    let wasm = "{name: x, typed_config: {'@type': a.v3.Wasm, config: {vm_config: {code: {local: {filename: a}}}}}},";
    let hosts: String = (0..20_000).map(|number| format!("h{number}.example,")).collect();
    let routes = "{match: {prefix: /}, route: {cluster: a}},".repeat(20_000);
    let texts = [
        deep("[", "]"),
        deep("{a: ", "}"),
        format!(
            "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b]\nd: [{}]",
            "*c,".repeat(3_000)
        ),
        format!("{plugin}\n---\n").repeat(900),
        format!("{plugin}\n---\n").repeat(1_100),
        format!(
            "{{apiVersion: v1, kind: List, items: [{}]}}",
            format!("{plugin},").repeat(20_000)
        ),
        format!("{{routes: [{}]}}", route.repeat(4_000)),
        format!("{{http_filters: [{}]}}", wasm.repeat(20_000)),
        format!("{{virtual_hosts: [{{domains: [{hosts}], routes: [{routes}]}}]}}"),
        format!(
            "{{{}}}",
            (0..50_000).map(|number| format!("k{number}: 1,")).collect::<String>()
        ),
        "x".repeat(9 * 1024 * 1024),
        format!("\u{FEFF}{plugin}"),
        format!("{plugin}\n---\n{{a: 1, a: 2}}"),
    ];
    for text in texts {
        let began = Instant::now();
        import::run(text.as_bytes());
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "{:?}: {}",
            began.elapsed(),
            &text[..100]
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn damaged_samples(bytes in damaged(texts())) {
        import::run(&bytes);
    }

    #[test]
    fn any_text(text in any::<String>(), bytes in vec(any::<u8>(), 0..300)) {
        import::run(text.as_bytes());
        import::run(&bytes);
    }
}
