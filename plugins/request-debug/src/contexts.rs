//! The contexts: what the host calls, and what is asked of it.

use std::cell::RefCell;
use std::rc::Rc;

use guest_kit::death::say_last_words;
use guest_kit::headers::is_same;
use guest_kit::host::{log, now_ns};
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel, MapType};

use crate::configuration::Configuration;
use crate::discretion::Discretion;
use crate::echo::echo;
use crate::trace::{Lines, Trace, value};

/// What the host may know of an exchange.
const KNOWN: &[(&str, &[&str])] = &[
    ("request id", &["request", "id"]),
    ("protocol", &["request", "protocol"]),
    ("source", &["source", "address"]),
    ("tls", &["connection", "tls_version"]),
    ("route", &["xds", "route_name"]),
    ("cluster", &["xds", "cluster_name"]),
    ("upstream", &["upstream", "address"]),
    ("plugin", &["plugin_name"]),
    ("details", &["response", "code_details"]),
];

proxy_wasm::main! {{
    say_last_words();
    proxy_wasm::set_root_context(|_| Box::new(Root { settings: Rc::default() }));
}}

struct Settings {
    configuration: Configuration,
    discretion: Discretion,
}

struct Root {
    settings: Rc<RefCell<Option<Rc<Settings>>>>,
}

struct Exchange {
    settings: Option<Rc<Settings>>,
    /// There is one for a request that came with the key.
    trace: Option<Trace>,
}

fn head(map: MapType) -> Vec<(String, Vec<u8>)> {
    hostcalls::get_map_bytes(map).unwrap_or_default()
}

fn known() -> Vec<(&'static str, String)> {
    let read = |(name, path): &(&'static str, &[&str])| {
        let value = hostcalls::get_property(path.to_vec())
            .ok()
            .flatten()
            .unwrap_or_default();
        (*name, String::from_utf8_lossy(&value).into_owned())
    };
    KNOWN.iter().map(read).collect()
}

fn configured(bytes: &[u8]) -> Result<Settings, String> {
    let configuration = Configuration::read(bytes)?;
    let mut hidden = configuration.secret_headers.clone();
    hidden.push(configuration.key_header.clone());
    Ok(Settings {
        discretion: Discretion::new(&hidden)?,
        configuration,
    })
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        let bytes = self.get_plugin_configuration().unwrap_or_default();
        match configured(&bytes) {
            Ok(settings) => {
                self.settings.replace(Some(Rc::new(settings)));
                true
            }
            Err(why) => {
                log(LogLevel::Error, &why);
                false
            }
        }
    }

    fn create_http_context(&self, _context: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Exchange {
            settings: self.settings.borrow().clone(),
            trace: None,
        }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Settings {
    fn say(&self, line: &str) {
        if self.configuration.log {
            log(LogLevel::Info, line);
        }
    }

    /// Takes the key out of the request, whatever it is, and says whether it is the right one.
    fn takes_key(&self, head: &mut Vec<(String, Vec<u8>)>) -> bool {
        let name = &self.configuration.key_header;
        let (keys, rest): (Vec<_>, Vec<_>) = std::mem::take(head)
            .into_iter()
            .partition(|(known, _)| is_same(known, name));
        *head = rest;
        for (known, _) in &keys {
            hostcalls::remove_map_value(MapType::HttpRequestHeaders, known).ok();
        }
        match keys.as_slice() {
            [] => false,
            [(_, key)] if self.configuration.opens(key) => true,
            _ => {
                log(LogLevel::Warn, "a request came with a wrong key");
                false
            }
        }
    }

    /// Answers with what was seen. The body is not waited for: that would need the head to go upstream first.
    fn echo(&self, head: &Lines) -> Action {
        let text = echo(head, &known(), &self.discretion);
        let headers = vec![("content-type", "application/json"), ("cache-control", "no-store")];
        hostcalls::send_http_response(200, headers, Some(text.as_bytes())).ok();
        Action::Pause
    }
}

impl Context for Exchange {}

impl HttpContext for Exchange {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let Some(settings) = self.settings.clone() else {
            return Action::Continue;
        };
        let mut head = head(MapType::HttpRequestHeaders);
        if !settings.takes_key(&mut head) {
            return Action::Continue;
        }
        let mut trace = Trace::default();
        settings.say(&trace.begin(&head, &settings.discretion, now_ns()));
        self.trace = Some(trace);
        let path = value(&head, ":path").unwrap_or_default();
        if settings.configuration.is_echo(&String::from_utf8_lossy(path)) {
            return settings.echo(&head);
        }
        Action::Continue
    }

    fn on_http_request_body(&mut self, size: usize, _end_of_stream: bool) -> Action {
        if let Some(trace) = &mut self.trace {
            trace.request_piece(size, now_ns());
        }
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        if let (Some(trace), Some(settings)) = (&mut self.trace, &self.settings) {
            let head = head(MapType::HttpResponseHeaders);
            settings.say(&trace.answer(&head, &settings.discretion, now_ns()));
            if settings.configuration.server_timing {
                let timing = trace.server_timing();
                hostcalls::add_map_value(MapType::HttpResponseHeaders, "server-timing", &timing).ok();
            }
        }
        Action::Continue
    }

    fn on_http_response_body(&mut self, size: usize, _end_of_stream: bool) -> Action {
        if let Some(trace) = &mut self.trace {
            trace.response_piece(size);
        }
        Action::Continue
    }

    fn on_log(&mut self) {
        if let (Some(trace), Some(settings)) = (&self.trace, &self.settings) {
            settings.say(&trace.end(&known(), now_ns()));
        }
    }
}
