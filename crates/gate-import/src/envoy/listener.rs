//! Listeners with their first filter chain.

use std::net::IpAddr;

use super::Reader;
use super::any::unwrapped;
use super::tls;
use crate::gateway::{Listener, Tcp};
use crate::ledger::Cursor;

/// What a filter chain is for.
#[derive(Default)]
struct Chain {
    http: bool,
    upstream: Option<String>,
    plugins: Vec<String>,
}

impl<'d, 'l> Reader<'_, 'd, 'l> {
    pub(super) fn listener(&mut self, listener: &Cursor<'d, 'l>) {
        listener.without_note("@type");
        let wanted = listener.text("name").unwrap_or("listener");
        let Some(address) = listener.map("address") else {
            return listener.leave_out("the listener has no `address`", "give it one");
        };
        let Some(listen) = socket_address(&address) else {
            return listener.leave_out(
                format!("the listener `{wanted}` has no address with a port"),
                "only TCP listeners are imported",
            );
        };
        let name = self.gateway.listener_names.unique(wanted, "listener");
        self.listener_filters(listener);
        let mut chains = listener.maps("filter_chains").into_iter();
        let Some(first) = chains.next().or_else(|| listener.map("default_filter_chain")) else {
            return listener.leave_out(
                format!("the listener `{name}` has no filter chain"),
                "there is nothing to be done",
            );
        };
        let chain = self.filter_chain(&first, &name);
        for further in chains {
            let hint =
                "a listener has one chain; write another listener, or further certificates under `tls.certificates`";
            further.leave_out("a further filter chain has no counterpart", hint);
        }
        if let Some(matched) = first.get("filter_chain_match") {
            matched.leave_out(
                "`filter_chain_match` has no counterpart",
                "the listener takes every connection",
            );
        }
        let tls = first.map("transport_socket").and_then(|socket| tls::server(&socket));
        let tcp = (!chain.http).then(|| Tcp {
            upstream: chain
                .upstream
                .unwrap_or_else(|| self.gateway.upstream_wanted("upstream", listener.at)),
            plugins: chain.plugins,
        });
        self.gateway.listeners.push(Listener {
            at: Some(listener.at),
            comments: Vec::new(),
            name,
            listen,
            tls,
            tcp,
        });
    }

    fn listener_filters(&self, listener: &Cursor<'d, 'l>) {
        for filter in listener.maps("listener_filters") {
            let name = filter.text("name").unwrap_or_default();
            if name.ends_with("tls_inspector") {
                filter.skip();
            } else {
                filter.leave_out(
                    format!("the listener filter `{name}` has no counterpart"),
                    "look whether you need it",
                );
            }
        }
    }

    fn filter_chain(&mut self, chain: &Cursor<'d, 'l>, listener: &str) -> Chain {
        let mut found = Chain::default();
        for filter in chain.maps("filters") {
            let kind = filter.peek_in("typed_config", "@type").map(super::any::short);
            match kind {
                Some("HttpConnectionManager") if found.http => {
                    filter.leave_out(
                        "a second HttpConnectionManager has no counterpart",
                        "the first one was taken",
                    );
                }
                Some("HttpConnectionManager") => {
                    filter.without_note("name");
                    found.http = true;
                    if let Some(manager) = filter.map("typed_config") {
                        self.manager(&unwrapped(manager).1, listener);
                    }
                }
                Some("TcpProxy") => {
                    filter.without_note("name");
                    let proxy = filter.map("typed_config").map(|proxy| unwrapped(proxy).1);
                    let cluster = proxy.and_then(|proxy| Some((proxy, proxy.text("cluster")?)));
                    found.upstream = cluster.map(|(proxy, cluster)| self.gateway.upstream_wanted(cluster, proxy.at));
                }
                _ => found.plugins.extend(self.chain(vec![filter])),
            }
        }
        if found.http && !found.plugins.is_empty() {
            chain.say(
                "filters of connections before HTTP have no counterpart",
                "plugins of connections stand on `tcp` listeners",
            );
        }
        found
    }

    /// HTTP on a listener: its plugins, and its routes.
    fn manager(&mut self, manager: &Cursor<'d, 'l>, listener: &str) {
        let plugins = self.chain(manager.maps("http_filters"));
        if let Some(codec) = manager.get("codec_type")
            && codec.as_text().is_some_and(|word| word != "AUTO")
        {
            codec.say(
                "`codec_type` has no counterpart",
                "HTTP/1.1 and HTTP/2 are told apart by themselves",
            );
        }
        self.forwarding(manager);
        if let Some(table) = manager.map("route_config") {
            return self.table(&table, Some(listener), &plugins);
        }
        let Some(rds) = manager.get("rds") else {
            return manager.say("there are no routes", "write them under `routes`");
        };
        let name = rds.text("route_config_name").unwrap_or_default();
        rds.skip();
        let known = self.tables.get_key_value(name).map(|(name, table)| (*name, *table));
        match known {
            Some((name, table)) => {
                self.tables_used.insert(name);
                self.table(&table, Some(listener), &plugins);
            }
            None => rds.say(
                format!("the routes `{name}` come from a control plane"),
                "import them too, as a RouteConfiguration of that name, or write them under `routes`",
            ),
        }
    }

    fn forwarding(&mut self, manager: &Cursor<'d, 'l>) {
        if let Some(hops) = manager.integer("xff_num_trusted_hops").filter(|hops| *hops > 0) {
            self.gateway.trusted_hops = self.gateway.trusted_hops.max(Some(hops));
        }
        self.gateway.preserve_request_id |= manager.flag("preserve_external_request_id").unwrap_or(false);
    }
}

/// `address:port`, as a listener takes it.
pub(super) fn socket_address(address: &Cursor<'_, '_>) -> Option<String> {
    let socket = address.map("socket_address")?;
    if socket.text("protocol").is_some_and(|protocol| protocol != "TCP") {
        return None;
    }
    let port = socket.integer("port_value")?;
    let place = socket.get("address")?;
    let host = place.as_text()?;
    if host.parse::<IpAddr>().is_ok() {
        return Some(authority(host, port));
    }
    place.say(
        format!("`{host}` is no IP address"),
        "a listener takes an IP address; `127.0.0.1` was written",
    );
    Some(authority("127.0.0.1", port))
}

pub(crate) fn authority(host: &str, port: i64) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}
