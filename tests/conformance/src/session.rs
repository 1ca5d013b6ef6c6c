//! A plugin on a worker, the exchanges that pass it, and doubles for all that is outside the host.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use plug_abi::property::PropertyValue;
use plug_abi::{Abi, LogLevel};
use plug_host::{
    CallRefused, Caller, Direction, Exchange, Facts, Fault, GrpcCall, GrpcEvent, GrpcOut, HttpCall, HttpReply, Limits,
    LocalFuture, Module, Outside, Plugin, PluginSpec, PluginStream, Process, Property, RedisClient, RequestHead,
    ResponseHead, RestartPolicy, Saying, Services, WorkerPlugins,
};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::guests::{STACK_BYTES, probe};

/// What is outside the host, as the test sets it and sees it. There is the upstream `known`, which is `alias` too, and for grants `other`.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) lines: RefCell<Vec<(LogLevel, u32, String)>>,
    pub(crate) faults: RefCell<Vec<Fault>>,
    /// Denied calls that were said.
    pub(crate) denied: RefCell<Vec<(&'static str, String)>>,
    /// Answers to HTTP callouts, in order; a callout without one waits for ever.
    pub(crate) http_replies: RefCell<VecDeque<Option<HttpReply>>>,
    pub(crate) http_calls: RefCell<Vec<HttpCall>>,
    /// What gRPC callouts bring, in order of the callouts.
    pub(crate) grpc_events: RefCell<VecDeque<Vec<GrpcEvent>>>,
    pub(crate) grpc_calls: RefCell<Vec<(GrpcCall, mpsc::UnboundedReceiver<GrpcOut>)>>,
    pub(crate) redis_replies: RefCell<VecDeque<Option<Bytes>>>,
    pub(crate) redis_calls: RefCell<Vec<(RedisClient, Bytes)>>,
    pub(crate) properties: RefCell<BTreeMap<String, PropertyValue>>,
    pub(crate) hosts: RefCell<Vec<(String, String)>>,
}

fn known(upstream: &str) -> Result<(), CallRefused> {
    if ["known", "alias", "other"].contains(&upstream) {
        Ok(())
    } else {
        Err(CallRefused::UnknownUpstream)
    }
}

impl Outside for World {
    fn say(&self, saying: Saying<'_>) {
        match saying {
            Saying::Line(line) => self
                .lines
                .borrow_mut()
                .push((line.level, line.context, line.text.to_owned())),
            Saying::Denied { call, about, .. } => self.denied.borrow_mut().push((call, about.to_owned())),
            Saying::Fault(fault) => self.faults.borrow_mut().push(fault.clone()),
            _ => {}
        }
    }

    fn http_call(&self, call: HttpCall) -> Result<LocalFuture<Option<HttpReply>>, CallRefused> {
        known(&call.upstream)?;
        self.http_calls.borrow_mut().push(call);
        let reply = self.http_replies.borrow_mut().pop_front();
        Ok(Box::pin(async move {
            match reply {
                Some(reply) => reply,
                None => std::future::pending().await,
            }
        }))
    }

    fn grpc_call(
        &self,
        call: GrpcCall,
        outgoing: mpsc::UnboundedReceiver<GrpcOut>,
        events: mpsc::Sender<GrpcEvent>,
    ) -> Result<LocalFuture<()>, CallRefused> {
        known(&call.upstream)?;
        self.grpc_calls.borrow_mut().push((call, outgoing));
        let brought = self.grpc_events.borrow_mut().pop_front().unwrap_or_default();
        Ok(Box::pin(async move {
            for event in brought {
                if events.send(event).await.is_err() {
                    return;
                }
            }
            std::future::pending().await
        }))
    }

    fn upstream_name(&self, named: &str) -> Option<String> {
        // `alias` and `other` are there to be told from it, not to be called.
        match named {
            "known" | "alias" => Some("known".to_owned()),
            "other" => Some("other".to_owned()),
            _ => None,
        }
    }

    fn redis_call(
        &self,
        client: &RedisClient,
        query: Bytes,
        _: Caller<'_>,
    ) -> Result<LocalFuture<Option<Bytes>>, CallRefused> {
        known(&client.upstream)?;
        self.redis_calls.borrow_mut().push((client.clone(), query));
        let reply = self.redis_replies.borrow_mut().pop_front().flatten();
        Ok(Box::pin(async move { reply }))
    }
}

struct Known(Rc<World>);

impl Facts for Known {
    fn property(&self, _: &Exchange, path: &[&[u8]]) -> Property {
        let path: Vec<_> = path.iter().map(|part| String::from_utf8_lossy(part)).collect();
        self.0.properties.borrow().get(&path.join(".")).cloned().into()
    }

    fn upstream_hosts(&self, _: &Exchange) -> Vec<(String, String)> {
        self.0.hosts.borrow().clone()
    }
}

/// A plugin on a worker.
pub(crate) struct Session {
    pub(crate) world: Rc<World>,
    pub(crate) plugins: WorkerPlugins,
    pub(crate) process: Arc<Process>,
}

/// Settings of the plugin under test.
pub(crate) fn spec(script: &Value) -> PluginSpec {
    PluginSpec {
        name: "probe".to_owned(),
        config: Bytes::from(script.to_string()),
        vm_config: Bytes::new(),
        vm_id: String::new(),
        isolation: plug_host::Isolation::Worker,
        root_id: "the-root".to_owned(),
        grant: None,
        folders: None,
        environment: Vec::new(),
        memory_bytes_max: 64 * 1024 * 1024,
        cpu_slice: Duration::from_secs(10),
        trusted_after: 1,
        stack_bytes_max: STACK_BYTES,
        limits: Limits::default(),
        allow_on_headers_stop_iteration: None,
        restart: RestartPolicy::default(),
        log_level: LogLevel::Trace,
        burst: None,
        retire_after: Duration::from_secs(3600),
        recording_bytes_max: 256 * 1024,
    }
}

/// Runs `work` with the scripted guest of one version on a worker whose clock jumps whenever everybody waits for it.
pub(crate) fn play<R>(abi: Abi, script: &Value, work: impl AsyncFnOnce(&Session) -> R) -> R {
    play_module(probe(abi), spec(script), work)
}

/// Runs `work` with any module.
pub(crate) fn play_module<R>(module: Arc<Module>, spec: PluginSpec, work: impl AsyncFnOnce(&Session) -> R) -> R {
    play_plugins(&[Plugin::new(spec, module, 1, 1)], work)
}

/// Runs `work` with several plugins.
pub(crate) fn play_plugins<R>(plugins: &[Arc<Plugin>], work: impl AsyncFnOnce(&Session) -> R) -> R {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let world = Rc::new(World::default());
        let process = Arc::new(Process::default());
        let services = Services {
            process: Arc::clone(&process),
            outside: Rc::clone(&world) as Rc<dyn Outside>,
            worker: 0,
            trial: None,
        };
        let session = Session {
            world,
            plugins: WorkerPlugins::arrange(plugins, &services, None),
            process,
        };
        work(&session).await
    })
}

impl Session {
    /// Starts the plugin, which succeeds.
    pub(crate) async fn start(&self) {
        if let Err(faults) = self.plugins.warm().await {
            panic!("{}\n{:?}", faults[0].report(), self.said());
        }
    }

    /// Takes what plugins have logged.
    pub(crate) fn said(&self) -> Vec<String> {
        self.world.lines.take().into_iter().map(|(_, _, text)| text).collect()
    }

    /// A context in an exchange of its own.
    pub(crate) async fn open(&self) -> PluginStream {
        let exchange = Exchange::new(request(), Rc::new(Known(Rc::clone(&self.world))), 1024 * 1024);
        self.plugins.find("probe").unwrap().open(&exchange).await.unwrap()
    }

    /// Leads an exchange with bodies and trailers in both directions past the plugin, whatever it answers.
    pub(crate) async fn exchange(&self) -> PluginStream {
        let stream = self.open().await;
        let context = Rc::clone(stream.context());
        let exchange = &context.exchange;
        stream.request_headers(false).await.unwrap();
        self.settle().await;
        context.request.body.borrow_mut().push(Bytes::from_static(b"question"));
        stream.body(Direction::Request, false).await.unwrap();
        *exchange.request_trailers.borrow_mut() = Some(headers(&[("x-request-trailer", "t")]));
        stream.trailers(Direction::Request).await.unwrap();
        *exchange.response.borrow_mut() = Some(ResponseHead {
            status: StatusCode::OK,
            headers: headers(&[("x-response", "r")]),
        });
        stream.response_headers(false).await.unwrap();
        context.response.body.borrow_mut().push(Bytes::from_static(b"answer"));
        stream.body(Direction::Response, false).await.unwrap();
        *exchange.response_trailers.borrow_mut() = Some(headers(&[("x-response-trailer", "u")]));
        stream.trailers(Direction::Response).await.unwrap();
        stream.end().await;
        self.settle().await;
        stream
    }

    /// Lets everything happen that waits for nothing but its turn.
    pub(crate) async fn settle(&self) {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }
}

/// A request whose header `x-two` is there twice.
pub(crate) fn request() -> RequestHead {
    RequestHead {
        method: Method::POST,
        scheme: HeaderValue::from_static("https"),
        authority: Some(HeaderValue::from_static("example.org")),
        path: PathAndQuery::from_static("/path?query=1"),
        headers: headers(&[("x-one", "1"), ("x-two", "2"), ("x-two", "3"), ("x-empty", "")]),
    }
}

pub(crate) fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, HeaderValue::from_static(value));
    }
    headers
}

pub(crate) fn reply(status: u16, pairs: &[(&'static str, &'static str)], body: &'static str) -> HttpReply {
    HttpReply {
        head: ResponseHead {
            status: StatusCode::from_u16(status).unwrap(),
            headers: headers(pairs),
        },
        body: Bytes::from_static(body.as_bytes()),
        trailers: headers(&[("x-call-trailer", "c")]),
    }
}

/// Everything that a script says while one exchange passes it.
pub(crate) fn said(abi: Abi, script: &Value) -> Vec<String> {
    play(abi, script, async |session| {
        session.start().await;
        session.exchange().await;
        session.said()
    })
}

/// What steps in `proxy_on_request_headers` say, without the name of the callback.
pub(crate) fn answers(abi: Abi, steps: Value) -> Vec<String> {
    said_in("request_headers", &said(abi, &json!({ "request_headers": steps })))
}

/// The lines of one callback, without its name.
pub(crate) fn said_in(callback: &str, lines: &[String]) -> Vec<String> {
    let prefix = format!("{callback}: ");
    lines
        .iter()
        .filter_map(|line| line.strip_prefix(&prefix))
        .map(str::to_owned)
        .collect()
}

/// The versions from 0.2.0 on.
pub(crate) const SINCE_0_2_0: [Abi; 3] = [Abi::V0_2_0, Abi::V0_2_1, Abi::V0_2_100];
/// The versions from 0.2.1 on.
pub(crate) const SINCE_0_2_1: [Abi; 2] = [Abi::V0_2_1, Abi::V0_2_100];

/// The bytes behind hexadecimal digits.
pub(crate) fn unhex(digits: &str) -> Vec<u8> {
    (0..digits.len() / 2)
        .map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap())
        .collect()
}
