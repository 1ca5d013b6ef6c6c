//! Routes: one answer each, and no two with the same match.

use std::collections::HashMap;
use std::sync::Arc;

use http::StatusCode;

use super::Lowering;
use super::chain::Chains;
use crate::findings::Draft;
use crate::nearest::enumerated;
use crate::place::Span;
use crate::plan::{Action, FixedResponse, Redirect, Route, Target};
use crate::route::{Conditions, HostPattern, PathPattern, RouteTable, Rule};
use crate::tree::Node;
use crate::wire;

/// The keys that answer.
const ANSWERS: [&str; 5] = ["upstream", "upstream_header", "redirect", "respond", "echo"];

/// The routes seen so far, by what they match.
type Seen = HashMap<String, Vec<(Vec<String>, String, Span)>>;

impl Lowering<'_> {
    pub(super) fn routes(&mut self, written: Vec<wire::Route>, chains: &Chains) -> RouteTable {
        let tree = self.tree;
        let mut seen = Seen::new();
        let pairs = written.into_iter().zip(tree.list("routes"));
        let rules = pairs.map(|(written, node)| {
            let rule = self.rule_of(written, node, chains);
            self.unique(&rule, node, &mut seen);
            rule
        });
        RouteTable::build(rules.collect())
    }

    fn rule_of(&mut self, mut written: wire::Route, node: &Node, chains: &Chains) -> Rule {
        let mut matches = std::mem::take(&mut written.matches);
        let hosts = self.hosts(matches.hosts.take(), node.at("match"));
        let (path, conditions) = self.conditions(matches, node.at("match"));
        self.rewrite(&written, node, &path);
        let name = written.name.text().to_owned();
        let request_headers = std::mem::take(&mut written.request_headers);
        let response_headers = std::mem::take(&mut written.response_headers);
        let plugins = chains.sorted(std::mem::take(&mut written.plugins));
        let listeners = std::mem::take(&mut written.listeners);
        let route = Route {
            action: self.action(written, node),
            name,
            plugins,
            request_headers: self.edits(request_headers, node.at("request_headers")),
            response_headers: self.edits(response_headers, node.at("response_headers")),
            listeners,
        };
        Rule {
            hosts,
            path,
            conditions,
            route: Arc::new(route),
        }
    }

    fn action(&mut self, written: wire::Route, node: &Node) -> Action {
        let given = |key: &&str| node.get(key).is_some() && (*key != "echo" || written.echo.0);
        let mut given = ANSWERS.into_iter().filter(given);
        let (first, second) = (given.next(), given.next());
        if let (Some(first), Some(second)) = (first, second) {
            let draft = Draft::error(
                node.key_span(second),
                format!("the route has two answers: `{first}` and `{second}`"),
            );
            self.error(
                draft
                    .related("the other is here", node.key_span(first))
                    .help("keep one of them"),
            );
        }
        let (prefix_rewrite, host_rewrite) = written.rewrite.map_or((None, None), |rewrite| {
            (
                rewrite.prefix.map(|path| path.word.0),
                rewrite.host.map(|host| host.word.0),
            )
        });
        let forward = |target| Action::Forward {
            target,
            prefix_rewrite,
            host_rewrite,
        };
        if let Some(upstream) = written.upstream {
            forward(Target::Upstream(upstream))
        } else if let Some(header) = written.upstream_header {
            forward(Target::Header(header.word))
        } else if let Some(redirect) = written.redirect {
            self.redirect(redirect, node.at("redirect"))
        } else if let Some(respond) = written.respond {
            self.respond(respond, node.at("respond"))
        } else {
            if first.is_none() {
                let draft = Draft::error(
                    node.at("name").span,
                    format!("the route `{}` has no answer", written.name.text()),
                );
                self.absent(
                    node,
                    draft.help(format!("give one of {}", enumerated(ANSWERS.into_iter(), "and"))),
                );
            }
            Action::Echo
        }
    }

    fn rewrite(&mut self, written: &wire::Route, node: &Node, path: &PathPattern) {
        let Some(rewrite) = &written.rewrite else { return };
        let at = node.at("rewrite");
        if rewrite.prefix.is_none() && rewrite.host.is_none() {
            self.absent(
                at,
                Draft::error(at.span, "the rewrite changes nothing").help("give `prefix` or `host`"),
            );
        }
        if written.upstream.is_none() && written.upstream_header.is_none() {
            let draft = Draft::error(
                node.key_span("rewrite"),
                "`rewrite` needs an upstream: nothing else gets the changed request",
            );
            self.absent(node, draft.help("remove it, or give `upstream`"));
        }
        if rewrite.prefix.is_some() && matches!(path, PathPattern::Regex(_)) {
            let draft = Draft::error(
                at.key_span("prefix"),
                "`prefix` cannot rewrite a path that a regex matched",
            );
            let draft = draft.related("the regex is here", node.at("match").at("path").span);
            self.error(draft.help("match with `prefix` or `exact`"));
        }
    }

    fn redirect(&mut self, written: wire::Redirect, node: &Node) -> Action {
        let changes = [
            written.scheme.is_some(),
            written.host.is_some(),
            written.port.is_some(),
            written.path.is_some(),
        ];
        if !changes.contains(&true) {
            let draft = Draft::error(node.span, "the redirect leads back to the same place");
            self.absent(node, draft.help("give `scheme`, `host`, `port` or `path`"));
        }
        if ![301, 302, 303, 307, 308].contains(&written.status) {
            let draft = Draft::error(
                node.at("status").span,
                format!("`{}` is not the status of a redirect", written.status),
            );
            self.error(draft.help("it is 301, 302, 303, 307 or 308 (RFC 9110 section 15.4)"));
        }
        Action::Redirect(Redirect {
            status: StatusCode::from_u16(written.status).unwrap_or(StatusCode::MOVED_PERMANENTLY),
            scheme: written.scheme.map(|scheme| match scheme {
                wire::Scheme::Http => "http".to_owned(),
                wire::Scheme::Https => "https".to_owned(),
            }),
            host: written.host.map(|host| host.word.0),
            port: written.port,
            path: written.path.map(|path| path.word.0),
            strip_query: written.strip_query,
        })
    }

    fn respond(&mut self, written: wire::Respond, node: &Node) -> Action {
        // RFC 9110 sections 15.3.5, 15.3.6 and 15.4.5.
        if [204, 205, 304].contains(&written.status) && !written.body.is_empty() {
            let draft = Draft::error(
                node.key_span("body"),
                format!("an answer with status {} has no body", written.status),
            );
            self.error(draft.help("remove the body, or answer with 200"));
        }
        Action::Respond(FixedResponse {
            status: StatusCode::from_u16(written.status).unwrap_or(StatusCode::OK),
            body: written.body,
            headers: self.headers(written.headers, node.get("headers")),
        })
    }

    /// Of two routes with the same match, the second would never be reached.
    fn unique(&mut self, rule: &Rule, node: &Node, seen: &mut Seen) {
        let matches = node.get("match");
        // A wrong condition was left out, so what remains is not what was meant.
        if matches.is_some_and(|matches| self.report.touches(matches.span)) {
            return;
        }
        let span = matches.map_or(node.at("name").span, |_| node.key_span("match"));
        let listeners = &rule.route.listeners;
        for host in &rule.hosts {
            let same = seen.entry(key(host, &rule.path, &rule.conditions)).or_default();
            let clash = same.iter().find(|(others, ..)| {
                (others.is_empty() && listeners.is_empty()) || others.iter().any(|name| listeners.contains(name))
            });
            if let Some((_, other, first)) = clash {
                let message = format!("the route `{}` matches what `{other}` matches", rule.route.name);
                let draft = Draft::error(span, message).related(format!("`{other}` is here"), *first);
                self.report
                    .add(draft.help("it would never be reached: change its `match`, or remove it"));
                return;
            }
            same.push((listeners.clone(), rule.route.name.clone(), span));
        }
    }
}

/// Equal for routes that match the same, whatever the order in which their conditions are given.
fn key(host: &HostPattern, path: &PathPattern, conditions: &Conditions) -> String {
    let mut methods: Vec<&str> = conditions.methods.iter().map(http::Method::as_str).collect();
    methods.sort_unstable();
    methods.dedup();
    let headers = conditions
        .headers
        .iter()
        .map(|condition| (condition.name.as_str(), &condition.test, condition.invert));
    let query = conditions
        .query
        .iter()
        .map(|condition| (condition.name.as_str(), &condition.test, condition.invert));
    let mut headers: Vec<String> = headers.map(|parts| format!("{parts:?}")).collect();
    let mut query: Vec<String> = query.map(|parts| format!("{parts:?}")).collect();
    headers.sort_unstable();
    query.sort_unstable();
    format!("{host} {path} {methods:?} {headers:?} {query:?}")
}
