//! The contexts: what the host calls, and what is asked of it.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use guest_kit::death::say_last_words;
use guest_kit::headers::is_same;
use guest_kit::host::{log, now_ms};
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel, MapType};

use crate::atlas::{Answer, Atlas};
use crate::client::client;
use crate::configuration::Configuration;
use crate::database::Place;

/// Milliseconds until a first fetch, and between two looks at what is due at most.
const SOON_MS: u64 = 20;
const LATER_MS: u64 = 60_000;

proxy_wasm::main! {{
    say_last_words();
    proxy_wasm::set_root_context(|_| Box::new(Root { atlas: Rc::default(), tick_ms: 0 }));
}}

struct Root {
    atlas: Rc<RefCell<Option<Atlas>>>,
    tick_ms: u64,
}

struct Exchange {
    atlas: Rc<RefCell<Option<Atlas>>>,
}

impl Root {
    /// Arms the one timer for what comes next.
    fn arm(&mut self) {
        let due = self.atlas.borrow().as_ref().and_then(Atlas::due_at);
        let next = due.map_or(0, |due| due.saturating_sub(now_ms()).clamp(SOON_MS, LATER_MS));
        if next != self.tick_ms {
            self.tick_ms = next;
            hostcalls::set_tick_period(Duration::from_millis(next)).ok();
        }
    }

    fn fetch(&self) {
        let now = now_ms();
        let mut atlas = self.atlas.borrow_mut();
        let Some(atlas) = atlas.as_mut() else { return };
        let mut begun = Vec::new();
        for (place, fetch) in atlas.due(now) {
            let headers = vec![
                (":method", "GET"),
                (":scheme", fetch.scheme.as_str()),
                (":path", fetch.path.as_str()),
                (":authority", fetch.authority.as_str()),
            ];
            let timeout = Duration::from_millis(fetch.timeout_ms);
            let callout = self
                .dispatch_http_call(&fetch.upstream, headers, None, vec![], timeout)
                .ok();
            if callout.is_none() {
                log(
                    LogLevel::Error,
                    &format!("a database cannot be asked for: upstream `{}`", fetch.upstream),
                );
            }
            begun.push((place, callout));
        }
        for (place, callout) in begun {
            atlas.began(place, callout, now);
        }
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, callout: u32, headers: usize, size: usize, _trailers: usize) {
        let status = self.get_http_call_response_header_bytes(":status").unwrap_or_default();
        let age = self
            .get_http_call_response_header_bytes("cache-control")
            .unwrap_or_default();
        let answer = Answer {
            status: std::str::from_utf8(&status).ok().filter(|_| headers > 0),
            cache_control: std::str::from_utf8(&age).ok(),
            body: self.get_http_call_response_body(0, size).unwrap_or_default(),
        };
        if let Some(atlas) = self.atlas.borrow_mut().as_mut() {
            match atlas.answered(callout, answer, now_ms()) {
                Ok(said) => log(LogLevel::Info, &said),
                Err(why) => log(LogLevel::Error, &why),
            }
        }
        self.arm();
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        let bytes = self.get_plugin_configuration().unwrap_or_default();
        match Configuration::read(&bytes).and_then(Atlas::new) {
            Ok((atlas, said)) => {
                said.iter().for_each(|line| log(LogLevel::Info, line));
                self.atlas.replace(Some(atlas));
                self.arm();
                true
            }
            Err(why) => {
                log(LogLevel::Error, &why);
                false
            }
        }
    }

    fn on_tick(&mut self) {
        self.fetch();
        self.arm();
    }

    fn create_http_context(&self, _context: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Exchange {
            atlas: Rc::clone(&self.atlas),
        }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// What the exchange's client is known to be.
fn place(atlas: &mut Atlas, headers: &[(String, Vec<u8>)]) -> Place {
    let source = hostcalls::get_property(vec!["source", "address"])
        .ok()
        .flatten()
        .unwrap_or_default();
    let forwarded = headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("x-forwarded-for"));
    let forwarded: Vec<String> = forwarded
        .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
        .collect();
    client(
        &String::from_utf8_lossy(&source),
        &forwarded,
        atlas.configuration.trusted_hops,
    )
    .map(|address| atlas.look(address, now_ms()))
    .unwrap_or_default()
}

impl Context for Exchange {}

impl HttpContext for Exchange {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let mut atlas = self.atlas.borrow_mut();
        let Some(atlas) = atlas.as_mut() else {
            return Action::Continue;
        };
        if atlas.refuses(now_ms()) {
            log(LogLevel::Info, "refused with 503: a database is not there yet");
            let headers = vec![("content-type", "text/plain; charset=utf-8"), ("retry-after", "1")];
            hostcalls::send_http_response(503, headers, Some(b"not ready yet\n")).ok();
            return Action::Pause;
        }
        let headers = hostcalls::get_map_bytes(MapType::HttpRequestHeaders).unwrap_or_default();
        // Also with `_` for `-`, which some servers take for the same.
        for (name, _) in &headers {
            if atlas.configuration.headers.names().any(|ours| is_same(ours, name)) {
                hostcalls::remove_map_value(MapType::HttpRequestHeaders, name).ok();
            }
        }
        let place = place(atlas, &headers);
        let names = &atlas.configuration.headers;
        let values = [
            (&names.country, place.country),
            (&names.asn, place.asn.map(|asn| asn.to_string())),
            (&names.as_name, place.as_name),
        ];
        for (name, value) in values.into_iter().filter(|(name, _)| !name.is_empty()) {
            if let Some(value) = value.or_else(|| atlas.configuration.unknown.clone()) {
                hostcalls::set_map_value_bytes(MapType::HttpRequestHeaders, name, Some(value.as_bytes())).ok();
            }
        }
        Action::Continue
    }
}
