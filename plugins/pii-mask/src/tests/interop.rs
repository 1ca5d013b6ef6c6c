//! Other implementations: python-stdnum makes and judges numbers, Python's hmac and gmssl make digests.

use std::path::Path;
use std::process::Command;

use guest_kit::json::Json;
use log_mask::masker::Syntax;

use super::masked;

/// Runs the script with the Python that `GUESTS_PYTHON` names, which has the packages; says so when there is none.
#[test]
fn numbers_and_digests_of_other_implementations_are_the_same() {
    let Some(python) = std::env::var_os("GUESTS_PYTHON") else {
        println!(
            "left out: GUESTS_PYTHON names no Python with python-stdnum and gmssl; `cargo xtask test --only plugins` sets it"
        );
        return;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/numbers.py");
    let output = Command::new(python).arg(script).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told = Json::read(&output.stdout).unwrap();
    let list = |name: &str| match told.get(name) {
        Some(Json::List(items)) => items.clone(),
        _ => panic!("no list `{name}`"),
    };
    let numbers = list("numbers");
    assert!(numbers.len() > 3_000, "{}", numbers.len());
    for number in &numbers {
        let text = |name: &str| number.get(name).and_then(Json::text).unwrap();
        let (class, value) = (text("class"), text("value"));
        let is_valid = number.get("valid") == Some(&Json::Bool(true));
        let configuration = format!(r#"{{"classes":[{{"class":"{class}","with":"X"}}]}}"#);
        let expected = if is_valid { "X" } else { value };
        assert_eq!(masked(&configuration, Syntax::Text, value), expected, "{class} {value}");
    }
    for digest in list("digests") {
        let text = |name: &str| digest.get(name).and_then(Json::text).unwrap();
        let configuration = format!(
            r#"{{"classes":[{{"class":"email","action":"hash"}}],"hash":{{"algorithm":"{}","key":"{}"}}}}"#,
            text("algorithm"),
            text("key")
        );
        assert_eq!(masked(&configuration, Syntax::Text, text("value")), text("digest"));
    }
}
