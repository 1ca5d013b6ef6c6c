//! A guest that logs a line of each level, calls an upstream and waits for it, and does what the request's path says.

use std::fmt::Write;

/// What the guest does with a request.
pub(super) enum Does {
    /// It calls the upstream `c` and lets the request go on when that has answered.
    Calls,
    /// It writes a `traceparent` of its own.
    Writes,
    /// It takes ours out.
    Removes,
    /// It answers with 403.
    Answers,
    /// It dies.
    Dies,
    /// It says a line of level debug and one of level warn.
    Says,
}

/// What a plugin writes into `traceparent` itself.
pub(super) const OWN: &str = "00-11111111111111111111111111111111-2222222222222222-01";

/// Its code.
pub(super) fn guest(does: &Does) -> Vec<u8> {
    let mut data = String::new();
    let mut at = 1_024;
    let mut text = |bytes: &[u8]| {
        let escaped: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
        let _ = writeln!(data, r#"(data (i32.const {at}) "{escaped}")"#);
        let place = format!("(i32.const {at}) (i32.const {})", bytes.len());
        at += bytes.len();
        place
    };
    let name = text(b"traceparent");
    let code = match does {
        Does::Calls => {
            let head = [(":method", "GET"), (":path", "/call"), (":authority", "there")];
            let head = plug_abi::pairs::encode(head.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
            let (upstream, head) = (text(b"c"), text(&head));
            format!(
                "(drop (call $call {upstream} {head} (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
                    (i32.const 5000) (i32.const 40))) (i32.const 1)"
            )
        }
        Does::Writes => {
            let own = text(OWN.as_bytes());
            format!("(drop (call $replace (i32.const 0) {name} {own})) (i32.const 0)")
        }
        Does::Removes => format!("(drop (call $remove (i32.const 0) {name})) (i32.const 0)"),
        Does::Answers => "(drop (call $answer (i32.const 403) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
            (i32.const 0) (i32.const 0) (i32.const -1))) (i32.const 1)"
            .to_owned(),
        Does::Dies => "unreachable".to_owned(),
        Does::Says => {
            let (low, high) = (text(b"low"), text(b"high"));
            format!("(drop (call $log (i32.const 1) {low})) (drop (call $log (i32.const 3) {high})) (i32.const 0)")
        }
    };
    let module = format!(
        r#"(module
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (import "env" "proxy_http_call" (func $call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
  (import "env" "proxy_set_effective_context" (func $effective (param i32) (result i32)))
  (import "env" "proxy_replace_header_map_value" (func $replace (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_remove_header_map_value" (func $remove (param i32 i32 i32) (result i32)))
  (import "env" "proxy_send_local_response" (func $answer (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (global $context (mut i32) (i32.const 0))
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 32768))
  (func (export "proxy_on_request_headers") (param $context i32) (param i32 i32) (result i32)
    (global.set $context (local.get $context))
    {code})
  (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32)
    (drop (call $effective (global.get $context)))
    (drop (call $continue (i32.const 0))))
  {data})"#
    );
    wat::parse_str(&module).unwrap_or_else(|why| panic!("{why}\n{module}"))
}
