//! Wrong configurations: everything that is wrong is said at once, and nothing is half started.

use std::collections::BTreeMap;
use std::net::TcpListener;

use anyhow::Result;
use serde_json::json;

use crate::setting::{command, complete, golden};

/// Name of the golden file and the configuration.
static WRONG: &[(&str, &str)] = &[
    ("empty", ""),
    ("no_yaml", "listeners: [\n"),
    ("tabs", "listeners:\n\t- name: web\n"),
    ("unknown_key", "listners:\n  - { name: web, listen: 127.0.0.1:0 }\n"),
    (
        "unknown_inner_key",
        "listeners:\n  - { name: web, listen: 127.0.0.1:0, protocoll: http }\n",
    ),
    (
        "wrong_kind",
        "listeners:\n  - { name: web, listen: 127.0.0.1:0 }\nworkers: many\nroutes: none\n",
    ),
    (
        "missing_key",
        "listeners:\n  - { name: web }\nupstreams:\n  - { name: up }\n",
    ),
    (
        "two_names",
        "listeners:\n  - { name: web, listen: 127.0.0.1:0 }\n  - { name: web, listen: 127.0.0.1:0 }\n",
    ),
    (
        "unknown_names",
        "listeners:\n  - { name: web, listen: 127.0.0.1:0 }\nupstreams:\n  - { name: api, endpoints: [127.0.0.1:1] }\nroutes:\n  - { name: r, upstream: apj, plugins: [ghost], listeners: [wbe] }\n",
    ),
    (
        "bad_values",
        "listeners:\n  - { name: web, listen: localhost }\ndrain: { grace: 5 parsecs }\nupstreams:\n  - { name: up, endpoints: [nowhere], timeouts: { connect: 0ms } }\n",
    ),
    (
        "bad_regex",
        "listeners:\n  - { name: web, listen: 127.0.0.1:0 }\nroutes:\n  - { name: r, match: { path: { regex: \"/a(\" } }, echo: true }\n",
    ),
    (
        "two_answers",
        "listeners:\n  - { name: web, listen: 127.0.0.1:0 }\nroutes:\n  - { name: r, echo: true, respond: { body: x } }\n  - { name: s }\n",
    ),
    (
        "header_injection",
        "listeners:\n  - { name: web, listen: 127.0.0.1:0 }\nroutes:\n  - { name: r, echo: true, response_headers: { set: { x-a: \"b\\r\\nx-c: d\" } } }\n",
    ),
    (
        "missing_certificate",
        "listeners:\n  - { name: web, listen: 127.0.0.1:0, tls: { certificates: [{ chain: no.pem, key: no.key }] } }\nroutes:\n  - { name: r, echo: true }\n",
    ),
];

fn files(configuration: &str) -> BTreeMap<&'static str, Vec<u8>> {
    BTreeMap::from([("gateway.yaml", configuration.as_bytes().to_vec())])
}

#[tokio::test]
async fn a_wrong_configuration_ends_run_with_1_and_says_why() -> Result<()> {
    let mut differences = Vec::new();
    for (name, configuration) in WRONG {
        let ended = command("run", &[], &files(configuration)).await?;
        if ended.code != Some(1) || !ended.out.is_empty() {
            differences.push(format!("{name}: {ended:?}"));
        }
        differences.extend(
            golden()
                .expect(&format!("wrong_{name}.txt"), &ended.err)
                .err()
                .map(|error| error.to_string()),
        );
    }
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
    Ok(())
}

#[tokio::test]
async fn check_says_the_same_as_run() -> Result<()> {
    for (name, configuration) in WRONG {
        let files = files(configuration);
        let (run, check) = tokio::try_join!(command("run", &[], &files), command("check", &[], &files))?;
        assert_eq!((check.code, &check.err), (Some(1), &run.err), "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn a_missing_file_is_said() -> Result<()> {
    let ended = command("run", &[], &BTreeMap::new()).await?;
    assert_eq!(ended.code, Some(1));
    golden().expect("wrong_no_file.txt", &ended.err)
}

#[tokio::test]
async fn a_taken_port_is_said_and_nothing_is_half_started() -> Result<()> {
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    let web = json!({"name": "web", "listen": "127.0.0.1:0"});
    let configurations = [
        (
            "listener",
            json!({"listeners": [web, {"name": "second", "listen": address}]}),
        ),
        ("admin", json!({"admin": {"listen": address}})),
    ];
    for (name, mut configuration) in configurations {
        configuration["routes"] = json!([{"name": "r", "echo": true}]);
        let ended = command("run", &[], &files(&complete(configuration).to_string())).await?;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(!ended.err.contains("listening name="), "half started: {}", ended.err);
        golden().expect(
            &format!("wrong_taken_{name}.txt"),
            &ended.err.replace(&address, "TAKEN"),
        )?;
    }
    Ok(())
}
