//! The same work in each server's own words: no access log, one worker, connections kept alive on both sides.

use std::path::Path;

use serde_json::{Value, json};

use super::contender::Ground;
use crate::place;

/// What the plugin and Lua put into the request.
pub(super) const GREETING: &str = "hi";

/// What they put into the response.
pub(super) const SIGNATURE: &str = "cofferdam-hello";

/// What nginx needs to run beside another nginx, as any user.
const NGINX_HEAD: &str = "\
daemon off;
master_process off;
worker_processes 1;
pid nginx-ROLE.pid;
error_log stderr crit;
events { worker_connections 4096; }
";

const NGINX_HTTP: &str = "
    access_log off;
    keepalive_timeout 600s;
    keepalive_requests 1000000000;
    client_body_temp_path temp-ROLE;
    proxy_temp_path temp-ROLE;
    fastcgi_temp_path temp-ROLE;
    uwsgi_temp_path temp-ROLE;
    scgi_temp_path temp-ROLE;
";

/// The upstream: a fixed answer that shows the header which the plugin set.
pub(super) fn upstream(ground: &Ground) -> String {
    let server = format!(
        "    server {{\n        listen {};\n        location / {{ add_header x-saw $http_x_hello; return 200 \"hello\\n\"; }}\n    }}\n",
        ground.upstream
    );
    format!("{NGINX_HEAD}http {{{NGINX_HTTP}{server}}}\n").replace("ROLE", "upstream")
}

/// nginx as a reverse proxy; with Lua, it sets the two headers that the plugin sets.
pub(super) fn nginx(lua: Option<&Path>, ground: &Ground) -> String {
    let modules = lua.map_or_else(String::new, |module| {
        let kit = module.with_file_name("ndk_http_module.so");
        format!("load_module {};\nload_module {};\n", kit.display(), module.display())
    });
    let script = lua.map_or_else(String::new, |_| {
        format!(
            "            access_by_lua_block {{ ngx.req.set_header(\"x-hello\", \"{GREETING}\") }}\n            \
             header_filter_by_lua_block {{ ngx.header[\"x-served-by\"] = \"{SIGNATURE}\" }}\n"
        )
    });
    let (server, upstream) = (ground.server, ground.upstream);
    let proxy = format!(
        "    upstream up {{ server {upstream}; keepalive 256; keepalive_requests 1000000000; }}\n    \
         server {{\n        listen {server};\n        location / {{\n            proxy_pass http://up;\n            \
         proxy_http_version 1.1;\n            proxy_set_header Connection \"\";\n{script}        }}\n    }}\n"
    );
    format!("{modules}{NGINX_HEAD}http {{{NGINX_HTTP}{proxy}}}\n").replace("ROLE", "server")
}

/// Cofferdam; the copies share one instance, as they do in Envoy.
pub(super) fn cofferdam(copies: usize, ground: &Ground) -> String {
    let names: Vec<String> = (0..copies).map(|number| format!("hello-{number}")).collect();
    let module = place::guests().join("hello.wasm");
    let plugin = |name: &String| {
        format!(
            "  - {{ name: {name}, source: {{ file: \"{}\" }}, config: {{ greeting: {GREETING} }}, vm_id: bench }}\n",
            module.display()
        )
    };
    let plugins: String = names.iter().map(plugin).collect();
    let plugins = if copies == 0 {
        String::new()
    } else {
        format!("plugins:\n{plugins}")
    };
    let (server, upstream) = (ground.server, ground.upstream);
    format!(
        "workers: 1\naccess_log: off\nlisteners:\n  - {{ name: web, listen: {server}, protocol: http }}\n\
         upstreams:\n  - {{ name: up, endpoints: [\"{upstream}\"] }}\n{plugins}\
         routes:\n  - {{ name: all, match: {{ path: {{ prefix: / }} }}, upstream: up, plugins: [{}] }}\n",
        names.join(", ")
    )
}

const FILTERS: &str = "type.googleapis.com/envoy.extensions.filters";

/// Envoy with its static configuration as JSON; the copies share one VM.
pub(super) fn envoy(copies: usize, ground: &Ground) -> Value {
    let module = place::guests().join("hello.wasm");
    let settings = json!({ "greeting": GREETING }).to_string();
    let plugin = |number| envoy_plugin(&format!("hello-{number}"), "bench", &module, &settings);
    let everything = json!([{ "match": { "prefix": "/" }, "route": { "cluster": "up" } }]);
    envoy_with((0..copies).map(plugin).collect(), &everything, ground)
}

/// Envoy with these filters before the router, and these routes to the cluster `up`.
pub(super) fn envoy_with(mut filters: Vec<Value>, routes: &Value, ground: &Ground) -> Value {
    filters.push(json!({
        "name": "envoy.filters.http.router",
        "typed_config": { "@type": format!("{FILTERS}.http.router.v3.Router") },
    }));
    let connections = json!({
        "@type": format!("{FILTERS}.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "web",
        "route_config": { "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": routes }] },
        "http_filters": filters,
    });
    json!({ "static_resources": {
        "listeners": [{
            "name": "web",
            "address": envoy_address(ground.server),
            "filter_chains": [{ "filters": [{ "name": "http", "typed_config": connections }] }],
        }],
        "clusters": [{
            "name": "up", "type": "STATIC",
            "load_assignment": { "cluster_name": "up", "endpoints": [{ "lb_endpoints": [
                { "endpoint": { "address": envoy_address(ground.upstream) } },
            ] }] },
        }],
    } })
}

/// A plugin as Envoy's filter.
pub(super) fn envoy_plugin(name: &str, vm_id: &str, module: &Path, settings: &str) -> Value {
    let text = |text: &str| json!({ "@type": "type.googleapis.com/google.protobuf.StringValue", "value": text });
    json!({
        "name": name,
        "typed_config": { "@type": format!("{FILTERS}.http.wasm.v3.Wasm"), "config": {
            "name": name,
            "configuration": text(settings),
            "vm_config": {
                "vm_id": vm_id,
                "runtime": "envoy.wasm.runtime.v8",
                "code": { "local": { "filename": module } },
            },
        } },
    })
}

fn envoy_address(address: std::net::SocketAddr) -> Value {
    json!({ "socket_address": { "address": address.ip().to_string(), "port_value": address.port() } })
}
