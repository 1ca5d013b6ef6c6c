//! The contexts: what the host calls, and what is asked of it.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use guest_kit::death::say_last_words;
use guest_kit::host::log;
use log_mask::class::{Class, Counts};
use log_mask::masker::{Masker, Syntax};
use log_mask::rules::Rules;
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, BufferType, ContextType, LogLevel, MapType, MetricType};

use crate::configuration::Configuration;
use crate::message::{Head, Verdict};

/// What these say is about a body that nobody gets.
const OF_THE_BODY: &[&str] = &[
    "content-length",
    "content-md5",
    "digest",
    "content-digest",
    "repr-digest",
];

proxy_wasm::main! {{
    say_last_words();
    proxy_wasm::set_root_context(|_| Box::new(Root { settings: Rc::default() }));
}}

/// What holds for all exchanges.
struct Settings {
    configuration: Configuration,
    rules: Arc<Rules>,
    /// A counter for each class.
    metrics: Vec<(Class, u32)>,
}

struct Root {
    settings: Rc<RefCell<Option<Rc<Settings>>>>,
}

struct Exchange {
    settings: Option<Rc<Settings>>,
    request: Lane,
    response: Lane,
}

/// A body on its way.
#[derive(Default)]
struct Lane {
    masker: Option<Masker>,
    seen_bytes: u64,
    is_refused: bool,
}

/// What became of a piece.
enum Passed {
    AsItIs,
    As(Vec<u8>),
    /// It is longer than what is looked at.
    TooLong,
}

fn text(map: MapType, name: &str) -> Option<String> {
    let value = hostcalls::get_map_value_bytes(map, name).ok()??;
    Some(String::from_utf8_lossy(&value).into_owned())
}

fn configured(bytes: &[u8]) -> Result<Settings, String> {
    let configuration = Configuration::read(bytes)?;
    let rules = Arc::new(configuration.rules()?);
    let define = |class: Class| {
        let name = format!("pii_mask.masked.{}", class.name());
        Some((class, hostcalls::define_metric(MetricType::Counter, &name).ok()?))
    };
    Ok(Settings {
        configuration,
        rules,
        metrics: Class::ALL
            .into_iter()
            .filter(|class| *class != Class::Pattern)
            .filter_map(define)
            .collect(),
    })
}

impl Settings {
    fn count(&self, counts: &Counts) {
        for (class, count) in counts.found() {
            let metric = self.metrics.iter().find(|(known, _)| *known == class);
            if let Some((_, metric)) = metric {
                hostcalls::increment_metric(*metric, i64::try_from(count).unwrap_or(i64::MAX)).ok();
            }
        }
    }
}

impl Lane {
    fn begin(&mut self, settings: &Settings, syntax: Syntax) {
        self.masker = Some(Masker::new(Arc::clone(&settings.rules), syntax));
    }

    fn piece(&mut self, settings: &Settings, body: &[u8], is_last: bool) -> Passed {
        let Some(masker) = &mut self.masker else {
            return Passed::AsItIs;
        };
        self.seen_bytes = self
            .seen_bytes
            .saturating_add(u64::try_from(body.len()).unwrap_or(u64::MAX));
        if settings
            .configuration
            .body_bytes_max
            .is_some_and(|most| self.seen_bytes > most)
        {
            return Passed::TooLong;
        }
        let mut out = Vec::with_capacity(body.len());
        masker.push(body, &mut out);
        if is_last {
            masker.finish(&mut out);
            self.end(settings);
        }
        Passed::As(out)
    }

    /// What is still held when trailers come.
    fn rest(&mut self, settings: &Settings) -> Vec<u8> {
        let mut out = Vec::new();
        if let Some(masker) = &mut self.masker {
            masker.finish(&mut out);
        }
        self.end(settings);
        out
    }

    fn end(&mut self, settings: &Settings) {
        if let Some(masker) = self.masker.take() {
            settings.count(masker.counts());
        }
    }
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
            request: Lane::default(),
            response: Lane::default(),
        }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// What a message's head says of its body.
fn verdict(map: MapType, of: impl Fn(Head<'_>) -> Verdict) -> Verdict {
    let content_type = text(map, "content-type");
    let content_encoding = text(map, "content-encoding");
    of(Head {
        content_type: content_type.as_deref(),
        content_encoding: content_encoding.as_deref(),
    })
}

/// Takes away what a masked body makes untrue. An entity tag becomes a weak one: the same bytes do not follow (RFC 9110 section 8.8.1).
fn change_head(map: MapType) {
    for name in OF_THE_BODY {
        hostcalls::remove_map_value(map, name).ok();
    }
    if let Some(tag) = text(map, "etag").filter(|tag| tag.starts_with('"')) {
        hostcalls::set_map_value(map, "etag", Some(&format!("W/{tag}"))).ok();
    }
}

impl Exchange {
    fn refuse(&self, status: u32, why: &str) -> Action {
        log(LogLevel::Info, &format!("refused with {status}: {why}"));
        let headers = vec![("content-type", "text/plain; charset=utf-8")];
        hostcalls::send_http_response(status, headers, Some(format!("{why}\n").as_bytes())).ok();
        Action::Pause
    }
}

impl Context for Exchange {
    fn on_done(&mut self) -> bool {
        if let Some(settings) = &self.settings {
            self.request.end(settings);
            self.response.end(settings);
        }
        true
    }
}

impl HttpContext for Exchange {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        let Some(settings) = self.settings.clone() else {
            return self.refuse(503, "this is not configured");
        };
        for name in settings.configuration.unwanted() {
            hostcalls::remove_map_value(MapType::HttpRequestHeaders, name).ok();
        }
        if end_of_stream || !settings.configuration.request {
            return Action::Continue;
        }
        match verdict(MapType::HttpRequestHeaders, |head| {
            settings.configuration.of_request(head)
        }) {
            Verdict::Pass => {}
            Verdict::Mask(syntax) => {
                change_head(MapType::HttpRequestHeaders);
                self.request.begin(&settings, syntax);
            }
            Verdict::Refuse(status, why) => {
                self.request.is_refused = true;
                return self.refuse(status, why);
            }
        }
        Action::Continue
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        let Some(settings) = self.settings.clone().filter(|_| !self.request.is_refused) else {
            return Action::Pause;
        };
        if self.request.masker.is_none() {
            return Action::Continue;
        }
        let body = hostcalls::get_buffer(BufferType::HttpRequestBody, 0, size)
            .ok()
            .flatten()
            .unwrap_or_default();
        match self.request.piece(&settings, &body, end_of_stream) {
            Passed::AsItIs => {}
            Passed::As(masked) if masked == body => {}
            Passed::As(masked) => self.set_http_request_body(0, size, &masked),
            Passed::TooLong => {
                self.request.is_refused = true;
                return self.refuse(413, "the body is too long");
            }
        }
        Action::Continue
    }

    /// What is held when trailers come can be added to the body no more.
    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        let Some(settings) = self.settings.clone() else {
            return Action::Continue;
        };
        if !self.request.rest(&settings).is_empty() {
            self.request.is_refused = true;
            return self.refuse(400, "a body that ends in the middle of a word has no trailers");
        }
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        let Some(settings) = self.settings.clone().filter(|_| !self.request.is_refused) else {
            return Action::Continue;
        };
        if end_of_stream || !settings.configuration.response {
            return Action::Continue;
        }
        match verdict(MapType::HttpResponseHeaders, |head| {
            settings.configuration.of_response(head)
        }) {
            Verdict::Pass => {}
            Verdict::Mask(syntax) => {
                change_head(MapType::HttpResponseHeaders);
                hostcalls::remove_map_value(MapType::HttpResponseHeaders, "accept-ranges").ok();
                self.response.begin(&settings, syntax);
            }
            Verdict::Refuse(status, why) => {
                self.request.is_refused = true;
                return self.refuse(status, why);
            }
        }
        Action::Continue
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        let Some(settings) = self.settings.clone() else {
            return Action::Continue;
        };
        if self.response.masker.is_none() {
            return Action::Continue;
        }
        let body = hostcalls::get_buffer(BufferType::HttpResponseBody, 0, size)
            .ok()
            .flatten()
            .unwrap_or_default();
        match self.response.piece(&settings, &body, end_of_stream) {
            Passed::AsItIs => {}
            Passed::As(masked) if masked == body => {}
            Passed::As(masked) => self.set_http_response_body(0, size, &masked),
            Passed::TooLong => {
                log(
                    LogLevel::Error,
                    "a response is longer than `body_bytes_max`, and ends there",
                );
                self.reset_http_response();
                return Action::Pause;
            }
        }
        Action::Continue
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        let Some(settings) = self.settings.clone() else {
            return Action::Continue;
        };
        if !self.response.rest(&settings).is_empty() {
            log(
                LogLevel::Error,
                "a response ends in the middle of a word, and has trailers: its end cannot be written",
            );
            self.reset_http_response();
            return Action::Pause;
        }
        Action::Continue
    }
}
