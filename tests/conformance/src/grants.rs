//! Grants as a plugin meets them: what a denied call answers, and ways round a grant, of which none leads anywhere.

mod answers;
mod names;
mod maps;
mod narrow;
mod reach;
mod doors;
mod files;

use std::sync::Arc;

use plug_abi::Abi;
use plug_grant::{CallSet, Grant};
use serde_json::Value;

use crate::guests::probe;
use crate::session::{Session, play_module, said_in, spec};

/// A grant of these calls, and of nothing that they could be about.
pub(crate) fn calls(words: &[&str]) -> Grant {
    let mut calls = CallSet::NONE;
    for word in words.iter().chain(&["proxy_log"]) {
        calls
            .add_host(word)
            .unwrap_or_else(|| panic!("there is no call `{word}`"));
    }
    for word in ["random", "clock", "log"] {
        calls.add_wasi(word).unwrap();
    }
    Grant {
        calls,
        ..Grant::default()
    }
}

/// Runs a script with a grant.
fn play_granted<R>(abi: Abi, grant: Grant, script: &Value, work: impl AsyncFnOnce(&Session) -> R) -> R {
    let spec = plug_host::PluginSpec {
        grant: Some(Arc::new(grant)),
        environment: vec![("KEY".to_owned(), "value".to_owned())],
        ..spec(script)
    };
    play_module(probe(abi), spec, work)
}

/// What the steps of `proxy_on_request_headers` say under a grant.
fn answers(abi: Abi, grant: Grant, steps: Value) -> Vec<String> {
    let script = serde_json::json!({ "request_headers": steps });
    play_granted(abi, grant, &script, async |session| {
        session.start().await;
        session.exchange().await;
        assert!(
            session.world.faults.borrow().is_empty(),
            "{:?}",
            session.world.faults.borrow()
        );
        said_in("request_headers", &session.said())
    })
}
