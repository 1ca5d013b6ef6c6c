//! A gateway with one plugin, one route or one listener for each callback, and neighbours in every chain.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testkit::backend::{Backend, Reply, Speaks};
use testkit::gateway::Gateway;
use testkit::place;

use crate::callbacks::CALLBACKS;
use crate::setting::{change, dying};

/// What does not change while a gateway runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Policy {
    pub(crate) on_fault: &'static str,
    /// Quick callbacks after which a plugin runs on the worker's stack; 0 for never.
    pub(crate) trusted_after: u32,
}

/// Bounds of the plugins that die.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) cpu_slice: &'static str,
    pub(crate) memory: &'static str,
    /// Frames that may stand on the stack.
    pub(crate) call_depth: Option<u32>,
}

/// So much time that no quick death is taken for a slow one, however busy the machine is.
pub(crate) const PATIENT: Bounds = Bounds {
    cpu_slice: "20s",
    memory: "4MiB",
    call_depth: None,
};

/// Not many frames.
pub(crate) const SHALLOW: Bounds = Bounds {
    call_depth: Some(100),
    ..PATIENT
};

/// Little time, for what never ends.
pub(crate) const HASTY: Bounds = Bounds {
    cpu_slice: "20ms",
    memory: "4MiB",
    call_depth: None,
};

/// Enough to try every other limit of the host.
pub(crate) const WIDE: Bounds = Bounds {
    cpu_slice: "20s",
    memory: "32MiB",
    call_depth: None,
};

/// The gateway with everything that it speaks to.
pub(crate) struct House {
    pub(crate) gateway: Gateway,
    pub(crate) policy: Policy,
    upstreams: Value,
    generation: usize,
    _backends: Vec<Backend>,
}

impl House {
    pub(crate) async fn open(policy: Policy) -> Result<Self> {
        let (backends, upstreams) = upstreams()?;
        let gateway = Gateway::start(&configuration(policy, &upstreams, PATIENT, 1)?.to_string()).await?;
        Ok(Self {
            gateway,
            policy,
            upstreams,
            generation: 1,
            _backends: backends,
        })
    }

    /// Goes over to fresh plugins, with these bounds, that nobody distrusts yet.
    pub(crate) async fn renew(&mut self, bounds: Bounds) -> Result<()> {
        self.generation += 1;
        let next = configuration(self.policy, &self.upstreams, bounds, self.generation)?;
        let outcome = change(&self.gateway, &next).await?;
        ensure!(outcome.contains("applied"), "{outcome}");
        Ok(())
    }
}

fn upstreams() -> Result<(Vec<Backend>, Value)> {
    let up = Backend::start("up", Speaks::Http1)?;
    let grpc = Backend::start("grpc", Speaks::Http2)?;
    // What it sends back of a call is an answer of Redis.
    let bytes = Backend::start("bytes", Speaks::Bytes)?;
    grpc.reply("/die.Die/Die", Reply::grpc(0, &[b"hi"]));
    for callback in CALLBACKS {
        let reply = Reply::new(200).field("trailer", "x-down").piece("hello from up");
        up.reply(&format!("/{}", callback.name), reply.trailer("x-down", "1"));
    }
    let all = json!([
        {"name": "up", "endpoints": [up.address.to_string()]},
        {"name": "bytes", "endpoints": [bytes.address.to_string()]},
        {"name": "redis", "endpoints": [bytes.address.to_string()]},
        {"name": "grpc", "endpoints": [grpc.address.to_string()], "protocol": "http2"},
        // Nobody listens there: thousands of calls at once cost no connection, and each is answered all the same.
        {"name": "callout", "endpoints": ["127.0.0.1:1"]},
    ]);
    Ok((vec![up, grpc, bytes], all))
}

fn configuration(policy: Policy, upstreams: &Value, bounds: Bounds, generation: usize) -> Result<Value> {
    let seen = json!({"response_headers": [{"op": "add_response_header", "key": "x-probe", "value": "seen"}]});
    let mut plugins = vec![
        json!({"name": "hello", "source": {"file": place::guest("hello")?}, "config": {}}),
        json!({"name": "probe", "source": {"file": place::guest("probe-021")?}, "config": seen}),
    ];
    let mut routes = vec![json!({"name": "free", "match": {"path": {"exact": "/free"}}, "upstream": "up"})];
    let mut listeners = vec![json!({"name": "web", "listen": "127.0.0.1:0"})];
    for callback in CALLBACKS {
        let name = callback.name;
        let mut plugin = dying(name, &generation.to_string(), policy.on_fault)?;
        plugin["limits"] = json!({
            "cpu_slice": bounds.cpu_slice,
            "memory": bounds.memory,
            "trusted_after": policy.trusted_after,
            "log_lines": 1_000_000,
        });
        if let Some(frames) = bounds.call_depth {
            plugin["limits"]["call_depth"] = frames.into();
        }
        plugins.push(plugin);
        if callback.is_tcp() {
            listeners.push(json!({
                "name": name, "listen": "127.0.0.1:0", "protocol": "tcp", "upstream": "bytes", "plugins": [name, "probe"],
            }));
        } else {
            routes.push(json!({
                "name": name, "match": {"path": {"exact": format!("/{name}")}}, "upstream": "up", "plugins": ["hello", name, "probe"],
            }));
        }
    }
    Ok(json!({
        "workers": 1,
        "admin": {"listen": "127.0.0.1:0"},
        "access_log": "off",
        "listeners": listeners,
        "upstreams": upstreams,
        "plugins": plugins,
        "routes": routes,
    }))
}
