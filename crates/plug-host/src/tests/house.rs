//! A worker with doubles: what plugins say is kept, what they ask of the outside is answered by the test.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::rc::Rc;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method};
use plug_abi::LogLevel;
use plug_abi::property::PropertyValue;
use plug_report::recording::Recording;
use tokio::sync::{mpsc, oneshot};

use crate::*;

static ENGINES: LazyLock<Engines> = LazyLock::new(Engines::default);

/// Stack of the guests in these tests.
pub(crate) const STACK_BYTES: u64 = 256 * 1024;

/// Runs `work` on a worker of its own, in real time.
pub(crate) fn on_worker<F: Future>(work: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, work)
}

/// Runs `work` on a worker whose clock jumps whenever everybody waits for it.
pub(crate) fn on_paused_worker<F: Future>(work: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, work)
}

pub(crate) fn load(bytes: &[u8]) -> Arc<Module> {
    Module::load(&ENGINES.for_stack(STACK_BYTES, None).unwrap(), bytes, None).unwrap_or_else(|why| panic!("{why}"))
}

/// The module as its limits want it.
pub(crate) fn load_for(bytes: &[u8], limits: &Limits) -> Arc<Module> {
    Module::load_by(None, &engine(), (bytes, limits.changes()), None).unwrap_or_else(|why| panic!("{why}"))
}

pub(crate) fn engine() -> Arc<Engine> {
    ENGINES.for_stack(STACK_BYTES, None).unwrap()
}

pub(crate) fn spec(name: &str) -> PluginSpec {
    PluginSpec {
        name: name.to_owned(),
        config: Bytes::from_static(b"config"),
        vm_config: Bytes::from_static(b"vm"),
        vm_id: String::new(),
        isolation: Isolation::Worker,
        root_id: "root".to_owned(),
        grant: None,
        folders: None,
        environment: vec![("KEY".to_owned(), "value".to_owned())],
        memory_bytes_max: 4 * 1024 * 1024,
        cpu_slice: Duration::from_millis(20),
        trusted_after: 0,
        stack_bytes_max: STACK_BYTES,
        limits: Limits::default(),
        allow_on_headers_stop_iteration: None,
        restart: RestartPolicy {
            quarantine_after: 0,
            ..RestartPolicy::default()
        },
        log_level: LogLevel::Trace,
        burst: None,
        retire_after: Duration::from_secs(3600),
        recording_bytes_max: 256 * 1024,
    }
}

/// A plugin whose slice a machine with other work to do does not use up.
pub(crate) fn patient(name: &str) -> PluginSpec {
    PluginSpec {
        cpu_slice: Duration::from_secs(20),
        ..spec(name)
    }
}

/// What plugins reach, and what the test sees of it.
#[derive(Default)]
pub(crate) struct Double {
    pub(crate) lines: RefCell<Vec<(LogLevel, u32, String)>>,
    pub(crate) faults: RefCell<Vec<Fault>>,
    /// Numbers of lines that were left out.
    pub(crate) left_out: RefCell<Vec<u64>>,
    /// Calls that were denied: what they were about, how many, and whether they were.
    pub(crate) denied: RefCell<Vec<(&'static str, String, u64, bool)>>,
    pub(crate) bursts: RefCell<Vec<Trouble>>,
    pub(crate) recorded: RefCell<Vec<Arc<Recording>>>,
    /// Bytes and exchanges of instances whose growth was said.
    pub(crate) growth: RefCell<Vec<(u64, u32)>>,
    /// Plugins that were set aside, after so many faults.
    pub(crate) set_aside: RefCell<Vec<(String, u32)>>,
    pub(crate) http: RefCell<VecDeque<(HttpCall, oneshot::Sender<Option<HttpReply>>)>>,
    pub(crate) grpc: RefCell<VecDeque<Grpc>>,
}

/// A gRPC callout as the outside sees it.
pub(crate) struct Grpc {
    pub(crate) call: GrpcCall,
    pub(crate) outgoing: mpsc::UnboundedReceiver<GrpcOut>,
    pub(crate) events: mpsc::Sender<GrpcEvent>,
    /// Dropped when nobody drives the callout any more.
    pub(crate) driven: std::rc::Weak<()>,
}

impl Outside for Double {
    fn say(&self, saying: Saying<'_>) {
        match saying {
            Saying::Line(line) => {
                self.lines
                    .borrow_mut()
                    .push((line.level, line.context, line.text.to_owned()));
            }
            Saying::LeftOut { lines, .. } => self.left_out.borrow_mut().push(lines),
            Saying::Denied {
                call,
                about,
                times,
                enforced,
                ..
            } => {
                self.denied.borrow_mut().push((call, about.to_owned(), times, enforced));
            }
            Saying::Burst { of, .. } => self.bursts.borrow_mut().push(of),
            Saying::Recorded(recording) => self.recorded.borrow_mut().push(Arc::clone(recording)),
            Saying::Growth { bytes, exchanges, .. } => self.growth.borrow_mut().push((bytes, exchanges)),
            Saying::Fault(fault) => self.faults.borrow_mut().push(fault.clone()),
            Saying::Debug { .. } | Saying::Retired { .. } => {}
            Saying::Quarantine { plugin, faults, .. } => self.set_aside.borrow_mut().push((plugin.to_owned(), faults)),
        }
    }

    fn http_call(&self, call: HttpCall) -> Result<LocalFuture<Option<HttpReply>>, CallRefused> {
        if call.upstream != "known" {
            return Err(CallRefused::UnknownUpstream);
        }
        let (answer, answered) = oneshot::channel();
        self.http.borrow_mut().push_back((call, answer));
        Ok(Box::pin(async move { answered.await.ok().flatten() }))
    }

    fn grpc_call(
        &self,
        call: GrpcCall,
        outgoing: mpsc::UnboundedReceiver<GrpcOut>,
        events: mpsc::Sender<GrpcEvent>,
    ) -> Result<LocalFuture<()>, CallRefused> {
        if call.upstream != "known" {
            return Err(CallRefused::UnknownUpstream);
        }
        let drives = Rc::new(());
        let driven = Rc::downgrade(&drives);
        self.grpc.borrow_mut().push_back(Grpc {
            call,
            outgoing,
            events,
            driven,
        });
        Ok(Box::pin(async move {
            std::future::pending::<()>().await;
            drop(drives);
        }))
    }

    fn upstream_name(&self, named: &str) -> Option<String> {
        matches!(named, "known" | "alias").then(|| "known".to_owned())
    }

    fn redis_call(
        &self,
        _: &RedisClient,
        query: Bytes,
        _: Caller<'_>,
    ) -> Result<LocalFuture<Option<Bytes>>, CallRefused> {
        Ok(Box::pin(async move { Some(query) }))
    }
}

impl Double {
    /// Takes the texts that plugins logged since they were last taken.
    pub(crate) fn said(&self) -> Vec<String> {
        self.lines.take().into_iter().map(|(_, _, text)| text).collect()
    }

    /// Takes what was said, apart by context: first what the context said that spoke first.
    pub(crate) fn said_in_two_contexts(&self) -> (Vec<String>, Vec<String>) {
        let lines = self.lines.take();
        let first = lines.first().map(|(_, context, _)| *context);
        let (first, other): (Vec<_>, Vec<_>) = lines.into_iter().partition(|(_, context, _)| Some(*context) == first);
        let text = |(_, _, text)| text;
        (
            first.into_iter().map(text).collect(),
            other.into_iter().map(text).collect(),
        )
    }
}

struct NoFacts;

impl Facts for NoFacts {
    fn property(&self, _: &Exchange, path: &[&[u8]]) -> Property {
        let known = path == [b"request".as_slice(), b"path"];
        known.then(|| PropertyValue::fixed("/from-facts")).into()
    }

    fn upstream_hosts(&self, _: &Exchange) -> Vec<(String, String)> {
        Vec::new()
    }
}

pub(crate) fn exchange() -> Rc<Exchange> {
    let mut headers = HeaderMap::new();
    headers.insert("x-name", HeaderValue::from_static("value"));
    let request = RequestHead {
        method: Method::GET,
        scheme: HeaderValue::from_static("http"),
        authority: Some(HeaderValue::from_static("example.org")),
        path: PathAndQuery::from_static("/path"),
        headers,
    };
    Exchange::new(request, Rc::new(NoFacts), 1024 * 1024)
}

/// A worker and its plugins.
pub(crate) struct House {
    pub(crate) outside: Rc<Double>,
    pub(crate) services: Services,
    pub(crate) plugins: WorkerPlugins,
}

impl House {
    pub(crate) fn new(plugins: &[Arc<Plugin>]) -> Self {
        Self::in_process(Arc::default(), 0, plugins)
    }

    pub(crate) fn in_process(process: Arc<Process>, worker: usize, plugins: &[Arc<Plugin>]) -> Self {
        let outside = Rc::new(Double::default());
        let services = Services {
            process,
            outside: Rc::clone(&outside) as Rc<dyn Outside>,
            worker,
            trial: None,
        };
        let plugins = WorkerPlugins::arrange(plugins, &services, None);
        Self {
            outside,
            services,
            plugins,
        }
    }

    /// A house with one plugin named `guest`.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self::of_spec(bytes, spec("guest"))
    }

    pub(crate) fn of_spec(bytes: &[u8], spec: PluginSpec) -> Self {
        let module = load_for(bytes, &spec.limits);
        Self::new(&[Plugin::new(spec, module, 1, 1)])
    }

    pub(crate) fn stats(&self) -> &PluginStats {
        &self.plugins.find("guest").unwrap().plugin().workers[0]
    }

    /// Starts the plugin, which succeeds, and forgets what it said.
    pub(crate) async fn warm(&self) {
        self.plugins.warm().await.unwrap();
        self.outside.said();
    }

    /// Starts the plugin, which fails.
    pub(crate) async fn fail(&self) -> Fault {
        self.plugins.warm().await.unwrap_err().remove(0)
    }

    pub(crate) async fn open(&self) -> Result<PluginStream, Fault> {
        self.plugins.find("guest").unwrap().open(&exchange()).await
    }

    /// Opens a context in an exchange of its own, which succeeds.
    pub(crate) async fn stream(&self) -> PluginStream {
        self.open().await.unwrap()
    }

    pub(crate) fn said(&self) -> Vec<String> {
        self.outside.said()
    }
}

/// Lets every other task of the worker run until it waits.
pub(crate) async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}
