//! The contexts: what the host calls, and what is asked of it.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use guest_kit::death::say_last_words;
use guest_kit::host::{log, now_ms};
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel, MapType};

use crate::configuration::Configuration;
use crate::gate::{Answer, Gate, Verdict};
use crate::refusal::Refusal;
use crate::request::{Edit, Request};

/// LIMIT: requests that wait for keys at a time; more are refused.
const WAITING_MAX: usize = 1_000;

/// LIMIT: milliseconds that a request waits, should a callout's answer not come within its own bound.
const WAIT_MS_MAX: u64 = 65_000;

/// Milliseconds until keys are fetched that somebody waits for, and between two looks at who waits too long.
const SOON_MS: u64 = 20;
const LOOK_MS: u64 = 1_000;
const LATER_MS: u64 = 60_000;

proxy_wasm::main! {{
    say_last_words();
    proxy_wasm::set_root_context(|_| Box::new(Root { shared: Rc::default() }));
}}

/// What the contexts of an instance share.
#[derive(Default)]
struct Shared {
    gate: Option<Gate>,
    waiting: Vec<Waiting>,
    tick_ms: u64,
}

/// A request that waits for keys.
struct Waiting {
    context: u32,
    until_ms: u64,
}

struct Root {
    shared: Rc<RefCell<Shared>>,
}

struct Exchange {
    context: u32,
    shared: Rc<RefCell<Shared>>,
}

/// The head of the request whose context is effective.
fn request() -> Request {
    let headers = hostcalls::get_map_bytes(MapType::HttpRequestHeaders).unwrap_or_default();
    Request { headers }
}

/// Makes the changes; a name or value that the host cannot take it leaves out and says so.
fn edit(edits: Vec<Edit>) {
    for edit in edits {
        let done = match edit {
            Edit::Remove(name) => hostcalls::remove_map_value(MapType::HttpRequestHeaders, &name),
            Edit::Set(name, value) => hostcalls::set_map_value_bytes(MapType::HttpRequestHeaders, &name, Some(&value)),
            Edit::Add(name, value) => hostcalls::add_map_value_bytes(MapType::HttpRequestHeaders, &name, &value),
        };
        done.ok();
    }
}

fn refuse(refusal: &Refusal) {
    log(LogLevel::Info, &refusal.reason);
    let mut headers = vec![("content-type", "text/plain; charset=utf-8")];
    if let Some(challenge) = &refusal.challenge {
        headers.push(("www-authenticate", challenge));
    }
    if refusal.status == 503 {
        headers.push(("retry-after", "1"));
    }
    let body = format!("{}\n", refusal.text);
    hostcalls::send_http_response(refusal.status, headers, Some(body.as_bytes())).ok();
}

fn unavailable() -> Refusal {
    Refusal {
        status: 503,
        challenge: None,
        text: String::from("the keys cannot be fetched now"),
        reason: String::from("refused with 503: too many requests wait for keys, or this one for too long"),
    }
}

impl Shared {
    fn decide(&mut self, request: &Request) -> Verdict {
        match &mut self.gate {
            Some(gate) => gate.decide(request, now_ms()),
            None => Verdict::Refuse(unavailable()),
        }
    }

    /// Lets every request that waits be decided anew. The effective context is another one afterwards.
    fn decide_waiting(&mut self) {
        for waiting in std::mem::take(&mut self.waiting) {
            if hostcalls::set_effective_context(waiting.context).is_err() {
                continue;
            }
            match self.decide(&request()) {
                Verdict::Pass(edits) => {
                    edit(edits);
                    hostcalls::resume_http_request().ok();
                }
                Verdict::Refuse(refusal) => refuse(&refusal),
                Verdict::Wait => self.waiting.push(waiting),
            }
        }
    }

    fn refuse_late(&mut self) {
        let now = now_ms();
        let (late, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|waiting| waiting.until_ms <= now);
        self.waiting = waiting;
        for waiting in late {
            if hostcalls::set_effective_context(waiting.context).is_ok() {
                refuse(&unavailable());
            }
        }
    }

    /// Arms the one timer for what comes next.
    fn arm(&mut self) {
        let now = now_ms();
        let fetch = self
            .gate
            .as_ref()
            .and_then(Gate::due_at)
            .map(|due| due.saturating_sub(now).max(SOON_MS));
        let look = (!self.waiting.is_empty()).then_some(LOOK_MS);
        let next = fetch.into_iter().chain(look).min().map_or(0, |next| next.min(LATER_MS));
        if next != self.tick_ms {
            self.tick_ms = next;
            hostcalls::set_tick_period(Duration::from_millis(next)).ok();
        }
    }
}

impl Root {
    /// Begins what is due. Only from here, as the SDK gives a callout's answer to the context that made it, and a request's may be gone by then.
    /// Says whether something could not begin.
    fn fetch(&self) -> bool {
        let mut shared = self.shared.borrow_mut();
        let now = now_ms();
        let Some(gate) = &mut shared.gate else { return false };
        let mut begun = Vec::new();
        for (place, remote) in gate.due(now) {
            let headers = vec![
                (":method", "GET"),
                (":scheme", remote.scheme.as_str()),
                (":path", remote.path.as_str()),
                (":authority", remote.authority.as_str()),
                ("accept", "application/jwk-set+json, application/json"),
            ];
            let timeout = Duration::from_millis(remote.timeout_ms);
            let callout = self.dispatch_http_call(&remote.upstream, headers, None, vec![], timeout);
            if callout.is_err() {
                log(
                    LogLevel::Error,
                    &format!("keys cannot be asked for: upstream `{}`", remote.upstream),
                );
            }
            begun.push((place, callout));
        }
        let failed = begun.iter().any(|(_, callout)| callout.is_err());
        for (place, callout) in begun {
            match callout {
                Ok(callout) => gate.began(place, callout, now),
                Err(_) => gate.failed(place, now),
            }
        }
        failed
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, callout: u32, headers: usize, size: usize, _trailers: usize) {
        let status = self.get_http_call_response_header_bytes(":status").unwrap_or_default();
        let age = self
            .get_http_call_response_header_bytes("cache-control")
            .unwrap_or_default();
        let body = self.get_http_call_response_body(0, size).unwrap_or_default();
        let answer = Answer {
            status: std::str::from_utf8(&status).ok().filter(|_| headers > 0),
            cache_control: std::str::from_utf8(&age).ok(),
            body: &body,
        };
        let mut shared = self.shared.borrow_mut();
        if let Some(gate) = &mut shared.gate {
            match gate.answered(callout, &answer, now_ms()) {
                Ok(said) => said.iter().for_each(|line| log(LogLevel::Info, line)),
                Err(why) => log(LogLevel::Error, &why),
            }
        }
        shared.arm();
        shared.decide_waiting();
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        let bytes = self.get_plugin_configuration().unwrap_or_default();
        match Configuration::read(&bytes).and_then(Gate::new) {
            Ok((gate, said)) => {
                said.iter().for_each(|line| log(LogLevel::Warn, line));
                let mut shared = self.shared.borrow_mut();
                shared.gate = Some(gate);
                shared.arm();
                true
            }
            Err(why) => {
                log(LogLevel::Error, &why);
                false
            }
        }
    }

    fn on_tick(&mut self) {
        let failed = self.fetch();
        let mut shared = self.shared.borrow_mut();
        shared.arm();
        if failed {
            shared.decide_waiting();
        }
        shared.refuse_late();
    }

    fn create_http_context(&self, context: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Exchange {
            context,
            shared: Rc::clone(&self.shared),
        }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Context for Exchange {
    fn on_done(&mut self) -> bool {
        let mut shared = self.shared.borrow_mut();
        shared.waiting.retain(|waiting| waiting.context != self.context);
        true
    }
}

impl HttpContext for Exchange {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let mut shared = self.shared.borrow_mut();
        match shared.decide(&request()) {
            Verdict::Pass(edits) => {
                edit(edits);
                Action::Continue
            }
            Verdict::Wait if shared.waiting.len() < WAITING_MAX => {
                shared.waiting.push(Waiting {
                    context: self.context,
                    until_ms: now_ms().saturating_add(WAIT_MS_MAX),
                });
                shared.arm();
                Action::Pause
            }
            Verdict::Wait => {
                refuse(&unavailable());
                Action::Pause
            }
            Verdict::Refuse(refusal) => {
                refuse(&refusal);
                Action::Pause
            }
        }
    }
}
