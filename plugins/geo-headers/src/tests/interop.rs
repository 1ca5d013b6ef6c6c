//! Databases that mmdb-writer made, beside MaxMind's own reader.

use std::path::Path;
use std::process::Command;

use guest_kit::json::Json;

use super::*;

/// Runs the script with the Python that `GUESTS_PYTHON` names, which has the packages; says so when there is none.
#[test]
fn places_are_what_another_reader_finds() {
    let Some(python) = std::env::var_os("GUESTS_PYTHON") else {
        println!(
            "left out: GUESTS_PYTHON names no Python with mmdb-writer and maxminddb; `cargo xtask test --only plugins` sets it"
        );
        return;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/databases.py");
    let output = Command::new(python).arg(script).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let Json::List(databases) = Json::read(&output.stdout).unwrap() else {
        panic!("no list")
    };
    let mut known = 0;
    for database in &databases {
        let text = |json: &Json, name: &str| json.get(name).and_then(Json::text).unwrap().to_owned();
        let mut atlas = atlas(&format!(
            r#"{{"databases":[{{"value":"{}"}}]}}"#,
            text(database, "value")
        ));
        let Some(Json::List(looked)) = database.get("looked") else {
            panic!("no list `looked`")
        };
        for look in looked {
            let expected = ["country", "asn", "name"].map(|name| text(look, name)).join("|");
            let address = text(look, "address");
            assert_eq!(
                told(&atlas.look(ip(&address), 0)),
                expected,
                "{} {address}",
                text(database, "kind")
            );
            known += usize::from(expected != "||");
        }
    }
    assert!(databases.len() == 3 && known > 1_000, "{known}");
}
