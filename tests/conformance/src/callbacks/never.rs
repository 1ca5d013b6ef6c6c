//! Callbacks that guests may export and that nothing here calls: a guest with them serves like any other.

use plug_abi::Abi;
use serde_json::json;

use crate::guests::load_text;
use crate::session::{play_module, said, spec};

/// No exchange makes the scripted guests hear this callback, which all of them export.
fn is_never_heard(callback: &str) {
    for abi in Abi::ALL {
        let lines = said(abi, &json!({"trace": true}));
        assert!(
            lines.len() > 5 && lines.iter().all(|line| !line.starts_with(callback)),
            "{lines:?}"
        );
    }
}

mod proxy_on_request_metadata {
    #[test]
    fn frames_of_http_2_metadata_are_no_part_of_http_and_are_not_passed_on() {
        super::is_never_heard("request_metadata");
    }
}

mod proxy_on_response_metadata {
    #[test]
    fn frames_of_http_2_metadata_are_no_part_of_http_and_are_not_passed_on() {
        super::is_never_heard("response_metadata");
    }
}

mod proxy_on_foreign_function {
    #[test]
    fn no_function_here_answers_later() {
        super::is_never_heard("foreign_function");
    }
}

mod proxy_validate_configuration {
    use super::*;

    #[test]
    fn a_configuration_is_checked_by_configuring_an_instance() {
        let text = r#"(module
          (memory (export "memory") 1)
          (func (export "proxy_abi_version_0_2_1"))
          (func (export "malloc") (param i32) (result i32) (i32.const 4096))
          (func (export "proxy_validate_configuration") (param i32 i32) (result i32) unreachable))"#;
        play_module(load_text(text), spec(&json!({})), async |session| {
            session.start().await;
            session.exchange().await;
            assert!(session.world.faults.borrow().is_empty());
        });
    }
}
