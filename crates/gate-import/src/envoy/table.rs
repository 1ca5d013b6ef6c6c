//! Tables of routes: virtual hosts with their routes in order.

use std::collections::HashSet;

use super::Reader;
use super::order::{Asked, compare};
use crate::ledger::Cursor;

/// What the routes of one virtual host have in common.
pub(super) struct Around<'a> {
    pub(super) host: &'a str,
    pub(super) hosts: Vec<String>,
    pub(super) listener: Option<&'a str>,
    pub(super) plugins: &'a [String],
}

impl<'d, 'l> Reader<'_, 'd, 'l> {
    pub(super) fn table(&mut self, table: &Cursor<'d, 'l>, listener: Option<&str>, plugins: &[String]) {
        table.without_note("@type");
        table.without_note("name");
        for host in table.maps("virtual_hosts") {
            let around = Around {
                host: host.text("name").unwrap_or("route"),
                hosts: domains(&host),
                listener,
                plugins,
            };
            let mut asked: Vec<Asked> = Vec::new();
            for route in host.maps("routes") {
                if let Some(made) = self.route(&route, &around) {
                    asked.push(Asked::of(&made));
                    self.gateway.add_route(made, host.ledger());
                }
            }
            compare(&asked, host.ledger());
        }
    }
}

/// Hosts without their ports: ours are compared without them.
fn domains(host: &Cursor<'_, '_>) -> Vec<String> {
    let mut hosts: Vec<String> = Vec::new();
    let mut known = HashSet::new();
    for (place, domain) in host.texts("domains") {
        let bare = match domain.rsplit_once(':') {
            Some((name, port))
                if !port.is_empty()
                    && port.bytes().all(|byte| byte.is_ascii_digit() || byte == b'*')
                    && !name.contains(':') =>
            {
                place.say(
                    format!("`{domain}` has a port"),
                    "hosts are compared without their port",
                );
                name
            }
            _ => domain,
        };
        if known.insert(bare) {
            hosts.push(bare.to_owned());
        }
    }
    if hosts == ["*"] { Vec::new() } else { hosts }
}
