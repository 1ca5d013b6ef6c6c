//! The sample plugin: greets the upstream in a request header, by name when the client gave one, and signs the response.
//!
//! It is also the plugin that the benchmark copies: two callbacks and three host calls for each exchange.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use serde_json::Value;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root { greeting: Rc::from("hello") }));
}}

struct Root {
    greeting: Rc<str>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        let bytes = self.get_plugin_configuration().unwrap_or_default();
        match greeting(&bytes) {
            Ok(Some(text)) => self.greeting = Rc::from(text),
            Ok(None) => {}
            Err(reason) => {
                proxy_wasm::hostcalls::log(LogLevel::Error, &reason).ok();
                return false;
            }
        }
        true
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Hello {
            greeting: Rc::clone(&self.greeting),
        }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// The `greeting` of a configuration: none when there is no configuration, an error when it cannot go into a header.
fn greeting(configuration: &[u8]) -> Result<Option<String>, String> {
    if configuration.is_empty() {
        return Ok(None);
    }
    let value: Value =
        serde_json::from_slice(configuration).map_err(|error| format!("configuration is not JSON: {error}"))?;
    match value.get("greeting") {
        None => Ok(None),
        Some(Value::String(text)) if text.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte)) => {
            Ok(Some(text.clone()))
        }
        Some(other) => Err(format!("`greeting` must be printable ASCII text, not `{other}`")),
    }
}

struct Hello {
    greeting: Rc<str>,
}

impl Context for Hello {}

impl HttpContext for Hello {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        // As bytes: the SDK's text variants panic on a value that is not UTF-8, and this one comes from a client.
        match self.get_http_request_header_bytes("x-name") {
            Some(name) => {
                let greeting = [self.greeting.as_bytes(), b", ", &name].concat();
                self.set_http_request_header_bytes("x-hello", Some(&greeting));
            }
            None => self.set_http_request_header("x-hello", Some(&self.greeting)),
        }
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        self.set_http_response_header("x-served-by", Some("cofferdam-hello"));
        Action::Continue
    }
}
