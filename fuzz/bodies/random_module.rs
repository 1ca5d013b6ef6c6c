//! A random module that is a plugin by its imports and exports, led through everything that happens to plugins.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use plug_abi::property::PropertyValue;
use plug_abi::{LogLevel, PeerType};
use plug_host::{
    CallRefused, Caller, Direction, Engine, Engines, Exchange, Facts, Fault, GrpcCall, GrpcEvent, GrpcOut, HttpCall,
    HttpReply, Isolation, Limits, LoadFault, LocalFuture, Module, Outside, Plugin, PluginHandle, PluginSpec,
    PluginStream, Process, Property, RedisClient, RequestHead, ResponseHead, RestartPolicy, Saying, Services,
    WorkerPlugins,
};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

const STACK_BYTES: u64 = 256 * 1024;
const MEMORY_BYTES_MAX: u64 = 2 * 1024 * 1024;
const SLICE: Duration = Duration::from_millis(5);
/// Frames of a module, where they are counted.
const FRAMES_MAX: u32 = 20;

/// On a clock that jumps when everybody waits: whoever waits so long waits for ever.
const EVER: Duration = Duration::from_secs(3_600);

static ENGINE: LazyLock<Arc<Engine>> = LazyLock::new(|| {
    Engines::default()
        .for_stack(STACK_BYTES, None)
        .expect("there is an engine")
});

/// What happened to one module, or to many.
#[derive(Debug, Default)]
pub(crate) struct Played {
    /// Modules that the host took.
    pub(crate) loaded: u64,
    /// Modules that it did not, by code.
    pub(crate) refused: BTreeMap<&'static str, u64>,
    /// Instances that came to life.
    pub(crate) starts: u64,
    /// Callbacks.
    pub(crate) callbacks: u64,
    /// Modules that made a host call.
    pub(crate) calling: u64,
    /// Host calls by name.
    pub(crate) calls: BTreeMap<&'static str, u64>,
    /// Faults by code.
    pub(crate) faults: BTreeMap<&'static str, u64>,
}

impl Played {
    /// Takes in what happened to others.
    pub(crate) fn add(&mut self, other: Self) {
        self.loaded += other.loaded;
        self.starts += other.starts;
        self.callbacks += other.callbacks;
        self.calling += other.calling;
        add(&mut self.refused, other.refused);
        add(&mut self.calls, other.calls);
        add(&mut self.faults, other.faults);
    }

    fn count(&mut self, plugin: &Plugin) {
        let stats = &plugin.workers[0];
        self.starts += stats.starts.load(Ordering::Relaxed);
        self.callbacks += stats.callbacks.load(Ordering::Relaxed);
        add(&mut self.calls, stats.host_calls());
        add(&mut self.faults, stats.faults_by_code());
    }
}

fn add(to: &mut BTreeMap<&'static str, u64>, counts: impl IntoIterator<Item = (&'static str, u64)>) {
    for (name, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
        *to.entry(name).or_default() += count;
    }
}

/// Plays the module on both stacks and with an instance for each exchange, there with its frames counted. Whatever it does, the host lives,
/// nobody waits for ever, and all that the module had is given back.
pub(crate) fn run(bytes: &[u8]) -> Played {
    let mut played = Played::default();
    let module = match Module::load(&ENGINE, bytes, None) {
        Ok(module) => module,
        Err(fault) => {
            add(&mut played.refused, [(refusal(&fault), 1)]);
            return played;
        }
    };
    played.loaded = 1;
    let own = Isolation::Exchange { instances_max: 2 };
    for (isolation, trusted_after) in [(Isolation::Worker, 0), (Isolation::Worker, 1), (own, 0)] {
        let mut spec = spec(isolation, trusted_after);
        let module = if isolation == own {
            spec.limits.call_depth_max = Some(FRAMES_MAX);
            let changed = Module::load_by(None, &ENGINE, (bytes, spec.limits.changes()), None);
            changed.expect("what is loaded as it is can be counted")
        } else {
            Arc::clone(&module)
        };
        let plugin = Plugin::new(spec, module, 1, 1);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("there is a runtime");
        tokio::task::LocalSet::new().block_on(&runtime, async {
            timeout(EVER, play(&plugin)).await.expect("nobody waits for ever");
        });
        played.count(&plugin);
    }
    played.calling = u64::from(!played.calls.is_empty());
    played
}

fn refusal(fault: &LoadFault) -> &'static str {
    assert!(!fault.to_string().is_empty());
    match fault {
        LoadFault::Audit(fault) => fault.code(),
        LoadFault::Instrument(_) => "instrument",
        LoadFault::Compile(_) | LoadFault::Compiling(_) => "compile",
        LoadFault::Engine(_) => "engine",
        LoadFault::LogGuest(_) => "log_guest",
    }
}

async fn play(plugin: &Arc<Plugin>) {
    let services = Services {
        process: Arc::new(Process::default()),
        outside: Rc::new(World::default()),
        worker: 0,
        trial: None,
    };
    let plugins = WorkerPlugins::arrange(&[Arc::clone(plugin)], &services, None);
    if let Err(faults) = plugins.warm().await {
        named(&faults);
    }
    let handle = plugins.find("random").expect("the plugin is there");
    if let Err(fault) = handle.open(&exchange()).await {
        assert_ne!(
            fault.code(),
            "plugin.no_instance",
            "those before have given their places back"
        );
    }
    for round in 0..3 {
        if is_tiresome(plugin) {
            break;
        }
        request(handle, round).await;
        connection(handle).await;
        // Timers fire, what was called outside is answered, and what died comes back.
        sleep(Duration::from_millis(200)).await;
    }
    if !is_tiresome(plugin) {
        tokio::join!(request(handle, 0), request(handle, 1), connection(handle));
        abandoned(handle).await;
    }
    plugins.close().await;
    drop(plugins);
    let stats = &plugin.workers[0];
    while stats.instances.load(Ordering::Relaxed) > 0 {
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(stats.memory_bytes.load(Ordering::Relaxed), 0, "memory is given back");
}

/// Whether it computes without end wherever it is entered: a start alone may take a hundred times as long as another callback.
fn is_tiresome(plugin: &Plugin) -> bool {
    let mut faults = plugin.workers[0].faults_by_code();
    faults.any(|(code, count)| code == "plugin.slice_exceeded" && count > 1)
}

fn named(faults: &[Fault]) {
    assert!(faults.iter().all(|fault| !fault.code().is_empty()));
}

/// One exchange from its head to its end. A fault ends the instance; what follows must then be answered without it.
async fn request(handle: &PluginHandle, round: usize) {
    let exchange = exchange();
    let stream = match handle.open(&exchange).await {
        Ok(stream) => stream,
        Err(fault) => return named(&[fault]),
    };
    let body = || Bytes::from_static(b"some bytes of a body");
    let _ = stream.request_headers(false).await;
    for last in [false, true] {
        stream.context().request.body.borrow_mut().push(body());
        let _ = stream.body(Direction::Request, last).await;
    }
    let _ = stream.trailers(Direction::Request).await;
    if round == 1 {
        sleep(Duration::from_millis(20)).await;
    }
    *exchange.response.borrow_mut() = Some(ResponseHead {
        status: StatusCode::OK,
        headers: headers(),
    });
    let _ = stream.response_headers(false).await;
    for last in [false, true] {
        stream.context().response.body.borrow_mut().push(body());
        let _ = stream.body(Direction::Response, last).await;
    }
    let _ = stream.trailers(Direction::Response).await;
    stream.end().await;
}

/// One TCP connection.
async fn connection(handle: &PluginHandle) {
    let exchange = exchange();
    let Ok(stream) = handle.open(&exchange).await else {
        return;
    };
    let _ = stream.new_connection().await;
    for (direction, last) in [(Direction::Request, false), (Direction::Response, true)] {
        let side = stream.context().side(direction);
        side.body.borrow_mut().push(Bytes::from_static(b"bytes"));
        let _ = stream.data(direction, last).await;
    }
    let _ = stream.closed(Direction::Request, PeerType::Remote).await;
    let _ = stream.closed(Direction::Response, PeerType::Local).await;
    stream.end_tcp().await;
}

/// Exchanges of which nobody says that they ended.
async fn abandoned(handle: &PluginHandle) {
    let exchange = exchange();
    let mut streams: Vec<PluginStream> = Vec::new();
    for _ in 0..2 {
        if let Ok(stream) = handle.open(&exchange).await {
            let _ = stream.request_headers(true).await;
            streams.push(stream);
        }
    }
}

fn spec(isolation: Isolation, trusted_after: u32) -> PluginSpec {
    PluginSpec {
        name: "random".to_owned(),
        config: Bytes::from_static(b"{\"key\":\"value\"}"),
        vm_config: Bytes::from_static(b"vm"),
        vm_id: String::new(),
        isolation,
        root_id: "root".to_owned(),
        grant: None,
        folders: None,
        environment: vec![("KEY".to_owned(), "value".to_owned())],
        memory_bytes_max: MEMORY_BYTES_MAX,
        cpu_slice: SLICE,
        trusted_after,
        stack_bytes_max: STACK_BYTES,
        limits: Limits {
            table_entries_max: 20_000,
            callouts_max: 8,
            shared_data_bytes_max: 64 * 1024,
            shared_keys_max: 100,
            queue_length_max: 100,
            timer_min: Duration::from_millis(10),
            ..Limits::default()
        },
        allow_on_headers_stop_iteration: None,
        restart: RestartPolicy {
            backoff: Duration::from_millis(1),
            backoff_max: Duration::from_millis(10),
            quarantine_after: 0,
            ..RestartPolicy::default()
        },
        log_level: LogLevel::Trace,
        burst: None,
        retire_after: Duration::from_secs(3600),
        recording_bytes_max: 64 * 1024,
    }
}

fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("x-name", HeaderValue::from_static("value"));
    headers.append("x-name", HeaderValue::from_static("another"));
    headers
}

fn exchange() -> Rc<Exchange> {
    let request = RequestHead {
        method: Method::POST,
        scheme: HeaderValue::from_static("http"),
        authority: Some(HeaderValue::from_static("example.org")),
        path: PathAndQuery::from_static("/path?query"),
        headers: headers(),
    };
    let exchange = Exchange::new(request, Rc::new(World::default()), 64 * 1024);
    *exchange.request_trailers.borrow_mut() = Some(headers());
    *exchange.response_trailers.borrow_mut() = Some(headers());
    exchange
}

/// What is outside: it answers now so, now otherwise.
#[derive(Default)]
struct World {
    asked: Cell<usize>,
}

impl World {
    /// A number that goes round.
    fn turn(&self, kinds: usize) -> usize {
        let asked = self.asked.get();
        self.asked.set(asked + 1);
        asked % kinds
    }
}

fn reply() -> HttpReply {
    HttpReply {
        head: ResponseHead {
            status: StatusCode::OK,
            headers: headers(),
        },
        body: Bytes::from_static(b"an answer"),
        trailers: headers(),
    }
}

/// What is answered: later, never, and in between.
fn answered<T: 'static>(turn: usize, answer: T) -> LocalFuture<Option<T>> {
    Box::pin(async move {
        match turn {
            0 => {
                sleep(Duration::from_millis(7)).await;
                Some(answer)
            }
            1 => Some(answer),
            2 => None,
            _ => std::future::pending().await,
        }
    })
}

impl Outside for World {
    fn say(&self, saying: Saying<'_>) {
        if let Saying::Fault(fault) = saying {
            assert!(!fault.report().is_empty());
        }
    }

    fn http_call(&self, _: HttpCall) -> Result<LocalFuture<Option<HttpReply>>, CallRefused> {
        match self.turn(5) {
            4 => Err(CallRefused::UnknownUpstream),
            turn => Ok(answered(turn, reply())),
        }
    }

    fn grpc_call(
        &self,
        _: GrpcCall,
        mut outgoing: mpsc::UnboundedReceiver<GrpcOut>,
        events: mpsc::Sender<GrpcEvent>,
    ) -> Result<LocalFuture<()>, CallRefused> {
        if self.turn(3) == 2 {
            return Err(CallRefused::TooMany);
        }
        Ok(Box::pin(async move {
            let _ = timeout(Duration::from_millis(5), outgoing.recv()).await;
            let message = Bytes::from_static(b"a message");
            for event in [
                GrpcEvent::InitialMetadata(reply().head),
                GrpcEvent::Message(message),
                GrpcEvent::TrailingMetadata(headers()),
                GrpcEvent::Close(0, "over".to_owned()),
            ] {
                let _ = events.send(event).await;
            }
        }))
    }

    fn upstream_name(&self, named: &str) -> Option<String> {
        Some(named.to_owned())
    }

    fn redis_call(&self, _: &RedisClient, _: Bytes, _: Caller<'_>) -> Result<LocalFuture<Option<Bytes>>, CallRefused> {
        Ok(answered(self.turn(4), Bytes::from_static(b"+OK\r\n")))
    }
}

impl Facts for World {
    fn property(&self, _: &Exchange, path: &[&[u8]]) -> Property {
        match (path.len() + self.turn(3)) % 3 {
            0 => Property::Absent,
            1 => Property::Value(PropertyValue::text("a value")),
            _ => Property::Parts,
        }
    }

    fn upstream_hosts(&self, _: &Exchange) -> Vec<(String, String)> {
        vec![("127.0.0.1:80".to_owned(), "{}".to_owned())]
    }
}
