//! A case as data: plugins, routes, what the upstream answers, and what the client does.

use serde_json::{Value, json};
use testkit::backend::Reply;
use testkit::client::{Request, Version};
use testkit::fields::value;

/// The upstream of a case that names no route.
pub(crate) const API: &str = "api";
/// A second HTTP/1.1 upstream, for callouts and for changed routes.
pub(crate) const AUX: &str = "aux";
/// The same as [`API`], given 300 ms to answer.
pub(crate) const BRIEF: &str = "brief";
/// An HTTP/2 upstream.
pub(crate) const GRPC: &str = "grpc";
/// An upstream that sends back what it gets, without HTTP.
pub(crate) const RAW: &str = "raw";
/// [`API`] over TLS, to which gateways show a certificate.
pub(crate) const SAFE: &str = "safe";
/// The same without a certificate of the gateway's.
pub(crate) const NAMELESS: &str = "nameless";
/// An upstream whose port nobody listens on.
pub(crate) const DEAD: &str = "dead";

/// Every trailer that a case sends or a plugin of a case makes.
const TRAILERS: &str = "x-t, x-u, x-gone, x-new, x-only, x-made, grpc-status, grpc-message";

/// One case: a listener of its own on both gateways.
pub(crate) struct Case {
    /// Name, unique; the listener has it, and the first route.
    pub(crate) name: &'static str,
    /// The chain. Plugin number 0 is called `NAME.a`, the next `NAME.b`.
    pub(crate) plugins: Vec<Plugin>,
    /// Routes, most specific first.
    pub(crate) routes: Vec<Route>,
    /// What upstreams answer, by path; `hello from UPSTREAM` otherwise.
    pub(crate) replies: Vec<(&'static str, &'static str, Reply)>,
    /// What the client does.
    pub(crate) play: Vec<Act>,
    /// What the client speaks.
    pub(crate) version: Version,
    /// What the listener speaks below HTTP.
    pub(crate) transport: Transport,
    /// Body bytes that may be held, when not the default of 1 MiB.
    pub(crate) body_kib_max: Option<u32>,
    /// Whether every stream that begins is also deleted; not so where a plugin dies.
    pub(crate) settles: bool,
    /// Whether trailers are named in `trailer` and wanted by `te`.
    pub(crate) announces: bool,
}

/// What a listener speaks below HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// HTTP in the clear.
    Plain,
    /// HTTP over TLS.
    Tls,
    /// HTTP over TLS, and clients show a certificate.
    MutualTls,
    /// Bytes, to the upstream of the first route.
    Bytes,
}

/// A plugin of a case.
pub(crate) struct Plugin {
    /// Name of the guest.
    pub(crate) guest: &'static str,
    /// Configuration, as JSON.
    pub(crate) configuration: Value,
    /// VM configuration; none when null.
    pub(crate) vm_configuration: Value,
    /// Root id.
    pub(crate) root_id: &'static str,
    /// VM id; the plugin's name when empty, so that no two share an instance by chance.
    pub(crate) vm_id: &'static str,
    /// Environment variables.
    pub(crate) environment: Vec<(&'static str, String)>,
    /// Whether exchanges go on without it once it has died.
    pub(crate) open: bool,
    /// Envoy's `allow_on_headers_stop_iteration`.
    pub(crate) stop_iteration: Option<bool>,
}

/// A route of a case: one that has a header comes before one that has none.
pub(crate) struct Route {
    /// Name, behind the case's; the case's alone when empty.
    pub(crate) name: &'static str,
    /// A request header and the value that it must have.
    pub(crate) header: Option<(&'static str, &'static str)>,
    /// Prefix of the path.
    pub(crate) prefix: &'static str,
    /// The upstream.
    pub(crate) upstream: &'static str,
}

/// What the client does, one after the other.
pub(crate) enum Act {
    /// A whole exchange on a connection of its own.
    Send(Request),
    /// An exchange step by step on a connection of its own.
    Talk(Request, Vec<Say>),
    /// A connection without HTTP, step by step.
    Bytes(Vec<Say>),
    /// Waits for a line of a plugin that contains this.
    Log(&'static str),
    /// Lets the reply of an upstream pass its gate.
    Release(&'static str, &'static str),
}

/// A step of an exchange.
pub(crate) enum Say {
    /// Sends a piece of body.
    Data(&'static str),
    /// Ends the request.
    Finish,
    /// Waits for the response's head.
    Head,
    /// Waits for a piece of the response's body.
    Piece,
    /// Waits for a line of a plugin that contains this.
    Log(&'static str),
    /// Waits until the request that an upstream got last has this body so far.
    Arrived(&'static str, &'static str),
    /// Waits until the request that an upstream got last has ended.
    Ended(&'static str),
    /// Lets the reply of an upstream pass its gate.
    Release(&'static str, &'static str),
    /// Closes the connection. Without it the whole response is awaited at the end.
    Leave,
}

impl Case {
    /// A case with one plugin: the probe of ABI 0.2.1 with this script, every callback logged.
    pub(crate) fn new(name: &'static str, script: Value) -> Self {
        Self::with(name, vec![Plugin::probe(script)])
    }

    /// A case with a chain of plugins.
    pub(crate) fn with(name: &'static str, plugins: Vec<Plugin>) -> Self {
        Self {
            name,
            plugins,
            routes: Vec::new(),
            replies: Vec::new(),
            play: Vec::new(),
            version: Version::Http1,
            transport: Transport::Plain,
            body_kib_max: None,
            settles: true,
            announces: true,
        }
    }

    /// Routes to this upstream.
    pub(crate) fn to(self, upstream: &'static str) -> Self {
        self.route(Route {
            name: "",
            header: None,
            prefix: "/",
            upstream,
        })
    }

    /// With a further route.
    pub(crate) fn route(mut self, route: Route) -> Self {
        self.routes.push(route);
        self
    }

    /// The upstream of the default route answers every request to `/` in this way.
    pub(crate) fn reply(self, reply: Reply) -> Self {
        self.reply_at(API, "/", reply)
    }

    /// An upstream answers requests for a path in this way.
    pub(crate) fn reply_at(mut self, upstream: &'static str, path: &'static str, reply: Reply) -> Self {
        self.replies.push((upstream, path, reply));
        self
    }

    /// The client makes a whole exchange. A case that does nothing sends `GET /`.
    pub(crate) fn send(mut self, request: Request) -> Self {
        self.play.push(Act::Send(request));
        self
    }

    /// The client makes an exchange step by step.
    pub(crate) fn talk(mut self, request: Request, says: Vec<Say>) -> Self {
        self.play.push(Act::Talk(request.streamed(), says));
        self
    }

    /// The client speaks over TLS.
    pub(crate) fn over(mut self, transport: Transport) -> Self {
        self.transport = transport;
        self
    }

    /// The client and the upstream exchange bytes.
    pub(crate) fn bytes(mut self, says: Vec<Say>) -> Self {
        self.play.push(Act::Bytes(says));
        if self.routes.is_empty() {
            self.over(Transport::Bytes).to(RAW)
        } else {
            self.over(Transport::Bytes)
        }
    }

    /// Waits for a line of a plugin that contains this.
    pub(crate) fn log(mut self, text: &'static str) -> Self {
        self.play.push(Act::Log(text));
        self
    }

    /// Lets the reply of an upstream pass its gate.
    pub(crate) fn release(mut self, upstream: &'static str, gate: &'static str) -> Self {
        self.play.push(Act::Release(upstream, gate));
        self
    }

    /// The client speaks HTTP/2.
    pub(crate) fn http2(mut self) -> Self {
        self.version = Version::Http2;
        self
    }

    /// At most this many KiB of body may be held.
    pub(crate) fn body_kib_max(mut self, kib: u32) -> Self {
        self.body_kib_max = Some(kib);
        self
    }

    /// A plugin dies: nobody waits for its streams to be deleted.
    pub(crate) fn dies(mut self) -> Self {
        self.settles = false;
        self
    }

    /// Another guest for the last plugin.
    pub(crate) fn guest(mut self, guest: &'static str) -> Self {
        if let Some(plugin) = self.plugins.last_mut() {
            plugin.guest = guest;
        }
        self
    }

    /// Trailers come unannounced.
    pub(crate) fn unannounced(mut self) -> Self {
        self.announces = false;
        self
    }

    /// Every trailer of the case is named in `trailer`, and clients want them: over HTTP/1.1 nothing else passes Cofferdam.
    pub(crate) fn announced(mut self) -> Self {
        if self.play.is_empty() {
            self.play.push(Act::Send(Request::get("/")));
        }
        if !self.announces {
            return self;
        }
        let mut answers = false;
        for (_, _, reply) in &mut self.replies {
            if reply.has_trailers() {
                answers = true;
                *reply = reply.clone().field("trailer", TRAILERS);
            }
        }
        for act in &mut self.play {
            if let Act::Send(request) | Act::Talk(request, _) = act {
                if !request.trailers.is_empty() {
                    *request = request.clone().field("trailer", TRAILERS);
                }
                if answers && value(&request.fields, "te").is_none() {
                    *request = request.clone().field("te", "trailers");
                }
            }
        }
        self
    }

    /// Name of plugin number `index`.
    pub(crate) fn plugin_name(&self, index: usize) -> String {
        let letter = ('a'..='z').nth(index).unwrap_or('?');
        format!("{}.{letter}", self.name)
    }
}

impl Route {
    /// Name among the routes of all cases.
    pub(crate) fn full_name(&self, case: &Case) -> String {
        if self.name.is_empty() {
            case.name.to_owned()
        } else {
            format!("{}.{}", case.name, self.name)
        }
    }
}

impl Plugin {
    /// The probe of ABI 0.2.1 with this script, every callback logged.
    pub(crate) fn probe(mut script: Value) -> Self {
        script["trace"] = json!(true);
        Self::guest("probe-021", script)
    }

    /// Any guest.
    pub(crate) fn guest(guest: &'static str, configuration: Value) -> Self {
        Self {
            guest,
            configuration,
            vm_configuration: Value::Null,
            root_id: "",
            vm_id: "",
            environment: Vec::new(),
            open: false,
            stop_iteration: None,
        }
    }

    /// With a root id.
    pub(crate) fn root_id(mut self, root_id: &'static str) -> Self {
        self.root_id = root_id;
        self
    }

    /// With a VM id, shared by the plugins that have the same.
    pub(crate) fn vm_id(mut self, vm_id: &'static str) -> Self {
        self.vm_id = vm_id;
        self
    }

    /// With a VM configuration.
    pub(crate) fn vm_configuration(mut self, configuration: Value) -> Self {
        self.vm_configuration = configuration;
        self
    }

    /// With an environment variable.
    pub(crate) fn environment(mut self, name: &'static str, value: &str) -> Self {
        self.environment.push((name, value.to_owned()));
        self
    }

    /// Exchanges go on without it once it has died.
    pub(crate) fn open(mut self) -> Self {
        self.open = true;
        self
    }

    /// Its header callbacks' `StopIteration` is honoured as such.
    pub(crate) fn stop_iteration(mut self) -> Self {
        self.stop_iteration = Some(true);
        self
    }
}
