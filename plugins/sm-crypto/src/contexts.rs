//! The contexts: what the host calls, and what is asked of it.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use guest_kit::death::say_last_words;
use guest_kit::host::{log, now_ms};
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, BufferType, ContextType, LogLevel, MapType};

use crate::configuration::Configuration;
use crate::exchange::{Head, Inbound, Outbound, Refusal, iv_bytes};
use crate::gate::{Answer, Gate, Verdict};

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

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn random_get(at: *mut u8, length: usize) -> u16;
}

/// Random bytes of the host; none when it has none to give.
fn random(count: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; count];
    // SAFETY: the host writes `count` bytes at most, and `bytes` has as many.
    let errno = unsafe { random_get(bytes.as_mut_ptr(), bytes.len()) };
    (errno == 0).then_some(bytes)
}

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
    has_body: bool,
    until_ms: u64,
    inbound: Rc<RefCell<Option<Inbound>>>,
    refused: Rc<RefCell<bool>>,
}

struct Root {
    shared: Rc<RefCell<Shared>>,
}

struct Exchange {
    context: u32,
    shared: Rc<RefCell<Shared>>,
    inbound: Rc<RefCell<Option<Inbound>>>,
    /// An answer of this guest's own is not encrypted: it holds nothing, and the client could not read why.
    refused: Rc<RefCell<bool>>,
    outbound: Option<Outbound>,
}

/// The head of the request whose context is effective.
fn request() -> Head {
    let headers = hostcalls::get_map_bytes(MapType::HttpRequestHeaders).unwrap_or_default();
    Head { headers }
}

fn refuse(refusal: &Refusal) {
    log(
        LogLevel::Info,
        &format!("refused with {}: {}", refusal.status, refusal.text),
    );
    let headers = vec![("content-type", "text/plain; charset=utf-8")];
    let body = format!("{}\n", refusal.text);
    hostcalls::send_http_response(refusal.status, headers, Some(body.as_bytes())).ok();
}

fn unavailable() -> Refusal {
    Refusal {
        status: 503,
        text: String::from("the keys cannot be fetched now"),
    }
}

impl Shared {
    /// Decides about the request whose context is effective, and changes its head when it may go on.
    fn decide(&mut self, has_body: bool) -> Verdict {
        let Some(gate) = &mut self.gate else {
            return Verdict::Refuse(unavailable());
        };
        let verdict = gate.decide(&request(), has_body, now_ms());
        if matches!(verdict, Verdict::Pass(_)) {
            if let Some(plain) = gate.plain_type().filter(|_| has_body) {
                hostcalls::remove_map_value(MapType::HttpRequestHeaders, "content-length").ok();
                hostcalls::set_map_value(MapType::HttpRequestHeaders, "content-type", Some(plain)).ok();
            }
            // Of an encrypted body no part can be asked for.
            for name in ["range", "if-range"].iter().filter(|_| gate.encrypts().is_some()) {
                hostcalls::remove_map_value(MapType::HttpRequestHeaders, name).ok();
            }
        }
        verdict
    }

    /// Lets every request that waits be decided anew. The effective context is another one afterwards.
    fn decide_waiting(&mut self) {
        for waiting in std::mem::take(&mut self.waiting) {
            if hostcalls::set_effective_context(waiting.context).is_err() {
                continue;
            }
            match self.decide(waiting.has_body) {
                Verdict::Pass(inbound) => {
                    waiting.inbound.replace(Some(inbound));
                    hostcalls::resume_http_request().ok();
                }
                Verdict::Refuse(refusal) => {
                    waiting.refused.replace(true);
                    refuse(&refusal);
                }
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
                waiting.refused.replace(true);
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
    /// Begins a fetch that is due. Only from here, as the SDK gives a callout's answer to the context that made it. Says whether it could not begin.
    fn fetch(&self) -> bool {
        let mut shared = self.shared.borrow_mut();
        let now = now_ms();
        let Some(gate) = &mut shared.gate else { return false };
        let Some(remote) = gate.due(now) else { return false };
        let headers = vec![
            (":method", "GET"),
            (":scheme", remote.scheme.as_str()),
            (":path", remote.path.as_str()),
            (":authority", remote.authority.as_str()),
            ("accept", "application/json"),
        ];
        let timeout = Duration::from_millis(remote.timeout_ms);
        let callout = self
            .dispatch_http_call(&remote.upstream, headers, None, vec![], timeout)
            .ok();
        if callout.is_none() {
            log(
                LogLevel::Error,
                &format!("keys cannot be asked for: upstream `{}`", remote.upstream),
            );
        }
        gate.began(callout, now);
        callout.is_none()
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
                Ok(count) => log(LogLevel::Info, &format!("fetched {count} keys")),
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
            Ok(gate) => {
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
            inbound: Rc::default(),
            refused: Rc::default(),
            outbound: None,
        }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Exchange {
    fn refuse(&self, refusal: &Refusal) -> Action {
        self.refused.replace(true);
        refuse(refusal);
        Action::Pause
    }

    /// Changes a response's head for a body that is encrypted from here on.
    fn begin_response(&mut self) -> Result<(), &'static str> {
        let shared = self.shared.borrow();
        let Some((gate, encrypt)) = shared.gate.as_ref().and_then(|gate| Some((gate, gate.encrypts()?))) else {
            return Ok(());
        };
        let iv = random(iv_bytes(encrypt.mode)).ok_or("the host gave no random bytes")?;
        let (outbound, header) = gate
            .begin_response(&iv, now_ms())
            .ok_or("there is no key for the response")?;
        for (name, kept_as) in [
            ("content-type", "x-plain-content-type"),
            ("content-encoding", "x-plain-content-encoding"),
        ] {
            self.remove_http_response_header(kept_as);
            if let Some(value) = self.get_http_response_header_bytes(name) {
                self.set_http_response_header_bytes(kept_as, Some(&value));
            }
        }
        // What these say is about a body that nobody gets.
        for name in [
            "content-length",
            "content-encoding",
            "content-md5",
            "digest",
            "etag",
            "accept-ranges",
        ] {
            self.remove_http_response_header(name);
        }
        self.set_http_response_header("content-type", Some(&encrypt.content_type));
        if let Some(value) = header {
            self.set_http_response_header(&encrypt.iv_header, Some(&value));
        }
        drop(iv);
        self.outbound = Some(outbound);
        Ok(())
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
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        let shared = Rc::clone(&self.shared);
        let mut shared = shared.borrow_mut();
        match shared.decide(!end_of_stream) {
            Verdict::Pass(inbound) => {
                self.inbound.replace(Some(inbound));
                Action::Continue
            }
            Verdict::Wait if shared.waiting.len() < WAITING_MAX => {
                shared.waiting.push(Waiting {
                    context: self.context,
                    has_body: !end_of_stream,
                    until_ms: now_ms().saturating_add(WAIT_MS_MAX),
                    inbound: Rc::clone(&self.inbound),
                    refused: Rc::clone(&self.refused),
                });
                shared.arm();
                Action::Pause
            }
            Verdict::Wait => self.refuse(&unavailable()),
            Verdict::Refuse(refusal) => self.refuse(&refusal),
        }
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        if *self.refused.borrow() {
            return Action::Pause;
        }
        let inbound = Rc::clone(&self.inbound);
        let mut inbound = inbound.borrow_mut();
        let Some(inbound) = inbound.as_mut() else {
            // Without a verdict nothing of a body goes on.
            return Action::Pause;
        };
        if inbound.is_idle() {
            return Action::Continue;
        }
        // LIMIT: held bytes are those of `limits.body`, at which the gateway answers 413.
        if inbound.is_held() && !end_of_stream {
            return Action::Pause;
        }
        let body = hostcalls::get_buffer(BufferType::HttpRequestBody, 0, size)
            .ok()
            .flatten()
            .unwrap_or_default();
        let plain = if inbound.is_held() {
            inbound.whole(&body)
        } else {
            inbound.piece(&body, end_of_stream)
        };
        match plain {
            Ok(plain) => {
                self.set_http_request_body(0, size, &plain);
                Action::Continue
            }
            Err(refusal) => self.refuse(&refusal),
        }
    }

    /// With trailers, the body ended without its last piece being known for it: what stands at its end could not be checked.
    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        let is_idle = self.inbound.borrow().as_ref().is_some_and(Inbound::is_idle);
        if is_idle || *self.refused.borrow() {
            return Action::Continue;
        }
        self.refuse(&Refusal {
            status: 400,
            text: String::from("a signed or encrypted request has no trailers"),
        })
    }

    fn on_http_response_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        if *self.refused.borrow() || end_of_stream {
            return Action::Continue;
        }
        if let Err(why) = self.begin_response() {
            log(LogLevel::Error, &format!("a response cannot be encrypted: {why}"));
            return self.refuse(&Refusal {
                status: 500,
                text: String::from("the response cannot be encrypted"),
            });
        }
        Action::Continue
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        let Some(outbound) = self.outbound.as_mut() else {
            return Action::Continue;
        };
        let body = hostcalls::get_buffer(BufferType::HttpResponseBody, 0, size)
            .ok()
            .flatten()
            .unwrap_or_default();
        match outbound.piece(&body, end_of_stream) {
            Some(encrypted) => {
                self.set_http_response_body(0, size, &encrypted);
                Action::Continue
            }
            None => {
                log(LogLevel::Error, "a response is too long for one initial vector");
                self.reset_http_response();
                Action::Pause
            }
        }
    }

    /// The end of an encrypted body cannot be written any more.
    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        if self.outbound.as_ref().is_some_and(Outbound::is_open) {
            log(LogLevel::Error, "a response with trailers cannot be encrypted");
            self.reset_http_response();
            return Action::Pause;
        }
        Action::Continue
    }
}
