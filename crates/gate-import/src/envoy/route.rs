//! One route of a virtual host.

use super::Reader;
use super::any::span;
use super::condition::{Unmapped, conditions};
use super::edit::edits;
use super::table::Around;
use crate::gateway::{Answer, Path, Route};
use crate::ledger::Cursor;
use crate::yaml::Yaml;

/// The longest time span that an upstream may be given for a response.
const TIMEOUT_MAX: &str = "1d";

impl<'d, 'l> Reader<'_, 'd, 'l> {
    /// The route; none, with a note, when it would not do what it does in Envoy.
    pub(super) fn route(&mut self, route: &Cursor<'d, 'l>, around: &Around<'_>) -> Option<Route> {
        let wanted = route
            .text("name")
            .filter(|name| !name.is_empty())
            .unwrap_or(around.host);
        let name = self.gateway.route_name(wanted);
        let mut made = Route::new(route.at, name, Answer::Upstream(String::new()));
        let outcome = match route.map("match") {
            Some(matched) => conditions(&matched, &mut made),
            None => Err(Unmapped("it has no `match`".to_owned())),
        };
        let answered = outcome.and_then(|()| self.answer(route, &mut made));
        if let Err(Unmapped(why)) = answered {
            let hint = "write a route for it, or do without";
            route.leave_out(format!("the route `{}` was left out: {why}", made.name), hint);
            return None;
        }
        if made.hosts.is_empty() {
            made.hosts.clone_from(&around.hosts);
        }
        made.listeners = around.listener.iter().map(|listener| (*listener).to_owned()).collect();
        made.plugins = around.plugins.to_vec();
        made.request_headers = edits(route, "request");
        made.response_headers = edits(route, "response");
        Some(made)
    }

    fn answer(&mut self, route: &Cursor<'d, 'l>, made: &mut Route) -> Result<(), Unmapped> {
        if let Some(action) = route.map("route") {
            return self.forward(&action, made);
        }
        if let Some(redirect) = route.map("redirect") {
            made.answer = Answer::Redirect(self::redirect(&redirect)?);
            return Ok(());
        }
        let Some(response) = route.map("direct_response") else {
            return Err(Unmapped("it has no answer that is known".to_owned()));
        };
        let status = response.integer("status").unwrap_or(200);
        let body = response.map("body");
        let text = body
            .and_then(|body| body.get("inline_string"))
            .and_then(|text| text.as_text());
        if text.is_none() && body.is_some() {
            return Err(Unmapped("its body is in no text".to_owned()));
        }
        made.answer = Answer::Respond(Yaml::map().with("status", status).with_some("body", text));
        Ok(())
    }

    fn forward(&mut self, action: &Cursor<'d, 'l>, made: &mut Route) -> Result<(), Unmapped> {
        let upstream = if let Some(place) = action.get("cluster") {
            let name = place.as_text().unwrap_or_default();
            Some(self.gateway.upstream_wanted(name, place.at))
        } else if let Some(header) = action.text("cluster_header") {
            made.answer = Answer::Header(header.to_ascii_lowercase());
            None
        } else {
            Some(self.heaviest(action)?)
        };
        if let Some(upstream) = upstream {
            self.timeout(action, &upstream);
            made.answer = Answer::Upstream(upstream);
        }
        if let Some(prefix) = action.text("prefix_rewrite") {
            if matches!(made.path, Path::Regex(_)) {
                return Err(Unmapped("it rewrites a path that a regex matched".to_owned()));
            }
            made.rewrite_prefix = Some(if prefix.is_empty() {
                "/".to_owned()
            } else {
                prefix.to_owned()
            });
        }
        if ["regex_rewrite", "path_rewrite_policy", "path_rewrite"]
            .iter()
            .any(|key| action.has(key))
        {
            return Err(Unmapped("its rewrite of the path has no counterpart".to_owned()));
        }
        made.rewrite_host = action
            .text("host_rewrite_literal")
            .or_else(|| action.text("host_rewrite"))
            .map(str::to_owned);
        Ok(())
    }

    /// Of several clusters, the one with the most weight.
    fn heaviest(&mut self, action: &Cursor<'d, 'l>) -> Result<String, Unmapped> {
        let Some(weighted) = action.map("weighted_clusters") else {
            return Err(Unmapped("it names no cluster".to_owned()));
        };
        weighted.without_note("total_weight");
        let clusters = weighted.maps("clusters").into_iter();
        let clusters = clusters.filter_map(|cluster| {
            Some((
                cluster.integer("weight").unwrap_or(0),
                cluster.text("name")?,
                cluster.at,
            ))
        });
        let clusters: Vec<_> = clusters.collect();
        let most = clusters.iter().map(|(weight, ..)| *weight).max();
        let Some((_, name, at)) = clusters.iter().find(|(weight, ..)| Some(*weight) == most) else {
            return Err(Unmapped("it names no cluster".to_owned()));
        };
        weighted.say(
            "a split between clusters has no counterpart",
            format!("all goes to `{name}`, which has the most weight"),
        );
        Ok(self.gateway.upstream_wanted(name, *at))
    }

    /// Envoy gives each route its own, we each upstream.
    fn timeout(&mut self, action: &Cursor<'d, 'l>, upstream: &str) {
        let Some(place) = action.get("timeout") else { return };
        let Some(span) = span(&place) else { return };
        let span = if span == "0s" { TIMEOUT_MAX.to_owned() } else { span };
        let known = self.timeouts.entry(upstream.to_owned()).or_insert_with(|| span.clone());
        if *known != span {
            let message = format!("the `timeout` differs from that of another route to `{upstream}`");
            place.say(
                message,
                format!("`timeouts.request` of the upstream is `{known}` for all of them"),
            );
        }
    }
}

fn redirect(redirect: &Cursor<'_, '_>) -> Result<Yaml, Unmapped> {
    if ["prefix_rewrite", "regex_rewrite"].iter().any(|key| redirect.has(key)) {
        return Err(Unmapped("its redirect rewrites the path".to_owned()));
    }
    let status = match redirect.text("response_code") {
        Some("FOUND") => Some(302),
        Some("SEE_OTHER") => Some(303),
        Some("TEMPORARY_REDIRECT") => Some(307),
        Some("PERMANENT_REDIRECT") => Some(308),
        Some("MOVED_PERMANENTLY") | None => None,
        Some(other) => return Err(Unmapped(format!("its status `{other}` is not known"))),
    };
    let https = redirect.flag("https_redirect").unwrap_or(false).then_some("https");
    let scheme = redirect.text("scheme_redirect").or(https);
    let strip = redirect.flag("strip_query").filter(|strip| *strip);
    Ok(Yaml::map()
        .with_some("status", status.map(i64::from))
        .with_some("scheme", scheme)
        .with_some("host", redirect.text("host_redirect"))
        .with_some("port", redirect.integer("port_redirect"))
        .with_some("path", redirect.text("path_redirect"))
        .with_some("strip_query", strip))
}
