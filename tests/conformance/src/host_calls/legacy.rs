//! Calls of 0.1.0 that later versions replaced, in both types that binaries import them with.

use bytes::Bytes;
use plug_abi::Abi;
use serde_json::json;

use crate::guests::{load_text, probe};
use crate::session::{play_module, said_in, spec};

const V0_1_0: Abi = Abi::V0_1_0;

/// A guest that imports the call without a result, as the specification has it.
fn without_result(name: &str) -> String {
    format!(
        r#"(module
          (import "env" "{name}" (func $call))
          (memory (export "memory") 1)
          (func (export "proxy_abi_version_0_1_0"))
          (func (export "malloc") (param i32) (result i32) (i32.const 4096))
          (func (export "proxy_on_request_headers") (param i32 i32) (result i32) (call $call) (i32.const 0)))"#
    )
}

/// Makes the call in both types in `proxy_on_request_headers`, and gives the context each time.
fn made(name: &str, check: impl Fn(&plug_host::StreamContext)) {
    let script = json!({"request_headers": [{"op": name.strip_prefix("proxy_").unwrap()}]});
    for module in [probe(V0_1_0), load_text(&without_result(name))] {
        play_module(module, spec(&script), async |session| {
            session.start().await;
            let stream = session.open().await;
            stream.request_headers(true).await.unwrap();
            check(stream.context());
            assert!(session.said().iter().all(|line| line.ends_with(" -> 0")));
        });
    }
}

mod proxy_get_configuration {
    use super::*;

    #[test]
    fn it_is_the_plugins_while_it_is_configured_and_the_vms_at_other_times() {
        let script = json!({"configure": [{"op": "get_configuration", "as": "length"}], "request_headers": [{"op": "get_configuration"}]});
        let mut spec = spec(&script);
        spec.vm_config = Bytes::from_static(b"the vm");
        play_module(probe(V0_1_0), spec, async |session| {
            session.start().await;
            let length = script.to_string().len();
            assert_eq!(
                said_in("configure", &session.said()),
                [format!("get_configuration -> 0 value=[{length} bytes]")]
            );
            session.exchange().await;
            assert_eq!(
                said_in("request_headers", &session.said()),
                [r#"get_configuration -> 0 value="the vm""#]
            );
        });
    }
}

mod proxy_continue_request {
    #[test]
    fn the_request_is_resumed() {
        super::made("proxy_continue_request", |context| {
            assert!(context.request.resume.get() && !context.response.resume.get());
        });
    }
}

mod proxy_continue_response {
    #[test]
    fn the_response_is_resumed() {
        super::made("proxy_continue_response", |context| {
            assert!(!context.request.resume.get() && context.response.resume.get());
        });
    }
}

mod proxy_clear_route_cache {
    #[test]
    fn the_route_is_chosen_again() {
        super::made("proxy_clear_route_cache", |context| {
            assert!(context.exchange.route_stale.get())
        });
    }
}
