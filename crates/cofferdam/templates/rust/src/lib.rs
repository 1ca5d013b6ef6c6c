//! {{name}}: greets the upstream in a header, and signs the response.

use std::rc::Rc;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use serde::Deserialize;

proxy_wasm::main! {{
    // A panic would say nothing but `unreachable` otherwise.
    std::panic::set_hook(Box::new(|panic| {
        hostcalls::log(LogLevel::Critical, &panic.to_string()).ok();
    }));
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root::default()));
}}

/// What stands under `config` of the plugin; `schema.json` says the same.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// What the upstream reads in `x-hello`.
    #[serde(default = "greeting")]
    greeting: String,
}

fn greeting() -> String {
    "hello".to_owned()
}

#[derive(Default)]
struct Root {
    config: Option<Rc<Config>>,
}

impl Context for Root {}

impl RootContext for Root {
    /// False refuses the configuration: the gateway keeps the one before, or does not start.
    fn on_configure(&mut self, _size: usize) -> bool {
        let bytes = self.get_plugin_configuration().unwrap_or_default();
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        match serde_json::from_slice::<Config>(text) {
            Ok(config) => {
                self.config = Some(Rc::new(config));
                true
            }
            Err(why) => {
                hostcalls::log(LogLevel::Error, &format!("wrong configuration: {why}")).ok();
                false
            }
        }
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        let config = self.config.clone()?;
        Some(Box::new(Exchange { config }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// One request with its response.
struct Exchange {
    config: Rc<Config>,
}

impl Context for Exchange {}

impl HttpContext for Exchange {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        // As bytes: what a client sends need not be UTF-8, and the text variants panic on that.
        let name = self.get_http_request_header_bytes("x-name");
        let greeting = match &name {
            Some(name) => [self.config.greeting.as_bytes(), b", ", name].concat(),
            None => self.config.greeting.clone().into_bytes(),
        };
        self.set_http_request_header_bytes("x-hello", Some(&greeting));
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        self.set_http_response_header("x-served-by", Some("{{name}}"));
        Action::Continue
    }
}
