//! The draft of a configuration: what the readers fill, in the words of the configuration.

mod write;

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::ledger::{At, Ledger};
use crate::module::Module;
use crate::name::Names;
use crate::yaml::Yaml;

pub(crate) use self::write::{Section, Written};

/// LIMIT: hosts and names of plugins in all routes; a configuration with more is larger than one that is read.
const WORDS_MAX: usize = 2_000_000;

/// What was read so far.
#[derive(Default)]
pub(crate) struct Gateway {
    pub(crate) admin: Option<String>,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) upstreams: Vec<Upstream>,
    pub(crate) plugins: Vec<Plugin>,
    pub(crate) routes: Vec<Route>,
    pub(crate) trusted_hops: Option<i64>,
    pub(crate) preserve_request_id: bool,
    /// Plugins whose source says nothing of routes.
    pub(crate) loose: Vec<Loose>,
    /// What was imported, for the first line.
    pub(crate) kinds: Vec<&'static str>,
    /// Upstreams that were referred to, by the name in the source.
    pub(crate) wanted: Vec<(String, At)>,
    pub(crate) listener_names: Names,
    upstream_names: Names,
    upstream_of: HashMap<String, String>,
    upstreams_there: HashSet<String>,
    words: usize,
    plugin_names: Names,
    route_names: Names,
}

/// A socket.
pub(crate) struct Listener {
    pub(crate) at: Option<At>,
    pub(crate) comments: Vec<String>,
    pub(crate) name: String,
    pub(crate) listen: String,
    pub(crate) tls: Option<Yaml>,
    /// Of a listener of bytes.
    pub(crate) tcp: Option<Tcp>,
}

/// Where bytes go.
pub(crate) struct Tcp {
    pub(crate) upstream: String,
    pub(crate) plugins: Vec<String>,
}

/// A destination.
#[derive(Default)]
pub(crate) struct Upstream {
    pub(crate) at: Option<At>,
    pub(crate) comments: Vec<String>,
    pub(crate) name: String,
    pub(crate) aliases: Vec<String>,
    pub(crate) endpoints: Vec<String>,
    pub(crate) least_request: bool,
    pub(crate) http2: bool,
    pub(crate) tls: Option<Yaml>,
    pub(crate) connect: Option<String>,
    pub(crate) request: Option<String>,
    pub(crate) idle: Option<String>,
}

/// A module with its configuration.
pub(crate) struct Plugin {
    pub(crate) at: At,
    pub(crate) comments: Vec<String>,
    pub(crate) name: String,
    pub(crate) module: Module,
    pub(crate) config: Config,
    pub(crate) vm_config: Option<Value>,
    pub(crate) vm_id: String,
    pub(crate) root_id: String,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) open: bool,
    pub(crate) backoff: Option<String>,
    pub(crate) allow_stop: Option<bool>,
    pub(crate) phase: Option<&'static str>,
    pub(crate) priority: Option<i64>,
}

/// What a plugin is configured with.
pub(crate) enum Config {
    Nothing,
    One(Value),
    Higress {
        default: Option<Value>,
        default_disabled: bool,
        rules: Vec<Yaml>,
    },
}

/// A plugin that stands wherever its kind of traffic goes.
pub(crate) struct Loose {
    pub(crate) plugin: String,
    pub(crate) network: bool,
    /// None for every port.
    pub(crate) ports: Vec<u16>,
    /// What decides among equals.
    pub(crate) tie: String,
}

/// Which exchange is answered by what.
#[derive(Clone)]
pub(crate) struct Route {
    pub(crate) at: At,
    pub(crate) comments: Vec<String>,
    pub(crate) name: String,
    pub(crate) hosts: Vec<String>,
    pub(crate) path: Path,
    pub(crate) methods: Vec<String>,
    pub(crate) headers: Vec<Yaml>,
    pub(crate) query: Vec<Yaml>,
    pub(crate) listeners: Vec<String>,
    pub(crate) answer: Answer,
    pub(crate) rewrite_prefix: Option<String>,
    pub(crate) rewrite_host: Option<String>,
    pub(crate) plugins: Vec<String>,
    pub(crate) request_headers: Edits,
    pub(crate) response_headers: Edits,
}

/// Which paths.
#[derive(Clone, PartialEq)]
pub(crate) enum Path {
    Any,
    Exact(String),
    Prefix(String),
    Regex(String),
}

/// Who answers.
#[derive(Clone)]
pub(crate) enum Answer {
    Upstream(String),
    Header(String),
    Redirect(Yaml),
    Respond(Yaml),
}

/// Changes to headers.
#[derive(Clone, Default)]
pub(crate) struct Edits {
    pub(crate) remove: Vec<String>,
    pub(crate) set: Vec<(String, String)>,
    pub(crate) add: Vec<(String, String)>,
}

impl Plugin {
    pub(crate) fn new(at: At, name: String, module: Module) -> Self {
        Self {
            at,
            comments: Vec::new(),
            name,
            module,
            config: Config::Nothing,
            vm_config: None,
            vm_id: String::new(),
            root_id: String::new(),
            environment: Vec::new(),
            open: false,
            backoff: None,
            allow_stop: None,
            phase: None,
            priority: None,
        }
    }
}

impl Route {
    pub(crate) fn new(at: At, name: String, answer: Answer) -> Self {
        Self {
            at,
            comments: Vec::new(),
            name,
            hosts: Vec::new(),
            path: Path::Any,
            methods: Vec::new(),
            headers: Vec::new(),
            query: Vec::new(),
            listeners: Vec::new(),
            answer,
            rewrite_prefix: None,
            rewrite_host: None,
            plugins: Vec::new(),
            request_headers: Edits::default(),
            response_headers: Edits::default(),
        }
    }
}

impl Gateway {
    pub(crate) fn imported(&mut self, kind: &'static str) {
        if !self.kinds.contains(&kind) {
            self.kinds.push(kind);
        }
    }

    /// Takes a route; a file whose routes repeat too much is wrong.
    pub(crate) fn add_route(&mut self, route: Route, ledger: &Ledger<'_>) {
        let words = route.hosts.len().saturating_add(route.plugins.len()).saturating_add(1);
        if self.affords(words) {
            self.routes.push(route);
        } else {
            ledger.too_much(route.at);
        }
    }

    /// Whether so many more hosts and names of plugins may be written out.
    pub(crate) fn affords(&mut self, words: usize) -> bool {
        self.words = self.words.saturating_add(words);
        self.words <= WORDS_MAX
    }

    /// A name for a plugin.
    pub(crate) fn plugin_name(&mut self, wanted: &str) -> String {
        self.plugin_names.unique(wanted, "plugin")
    }

    /// A name for a route.
    pub(crate) fn route_name(&mut self, wanted: &str) -> String {
        self.route_names.unique(wanted, "route")
    }

    /// Our name of an upstream that the source calls `name`.
    pub(crate) fn upstream_named(&mut self, name: &str) -> String {
        if let Some(known) = self.upstream_of.get(name) {
            return known.clone();
        }
        let own = self.upstream_names.unique(name, "upstream");
        self.upstream_of.insert(name.to_owned(), own.clone());
        own
    }

    /// The same, for somebody who sends traffic there.
    pub(crate) fn upstream_wanted(&mut self, name: &str, at: At) -> String {
        let own = self.upstream_named(name);
        self.wanted.push((own.clone(), at));
        own
    }

    /// Takes a destination; a second one of the same name is said to be one.
    pub(crate) fn add_upstream(&mut self, upstream: Upstream) -> bool {
        let fresh = self.upstreams_there.insert(upstream.name.clone());
        if fresh {
            self.upstreams.push(upstream);
        }
        fresh
    }
}

/// What a plugin takes as configuration: a text, a list or a map; anything else as its JSON.
pub(crate) fn payload(value: Value) -> Value {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => Value::String(value.to_string()),
        other => other,
    }
}
