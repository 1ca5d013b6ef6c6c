//! Higress's configuration model: a default and rules, which the plugin gets as one JSON object.

use serde_json::{Map, Value};

use super::Lowering;
use crate::findings::Draft;
use crate::tree::Node;
use crate::wire;

/// What became of a plugin's configuration.
pub(super) enum Configured {
    Bytes(Vec<u8>),
    /// Neither a default nor a rule is left: Higress does not load such a plugin.
    Off,
}

impl Lowering<'_> {
    pub(super) fn configuration(&mut self, written: &mut wire::Plugin, node: &Node) -> Configured {
        let keys = ["default_config", "match_rules", "default_config_disable"];
        let Some(key) = keys.into_iter().find(|key| node.get(key).is_some()) else {
            return Configured::Bytes(written.config.take().map(wire::Payload::into_bytes).unwrap_or_default());
        };
        if written.config.is_some() {
            let draft = Draft::error(node.key_span("config"), format!("`config` cannot stand beside `{key}`"));
            self.error(
                draft
                    .related("which is here", node.key_span(key))
                    .help("put what it holds into `default_config`"),
            );
        }
        self.reserved(node);
        let enabled = written
            .match_rules
            .drain(..)
            .zip(node.list("match_rules"))
            .filter(|(rule, _)| !rule.config_disable);
        let enabled: Vec<_> = enabled.collect();
        let rules: Vec<Value> = enabled.into_iter().map(|(rule, node)| self.rule(rule, node)).collect();
        if rules.is_empty() && (written.default_config_disable || written.default_config.is_none()) {
            return Configured::Off;
        }
        let default = written
            .default_config
            .take()
            .filter(|_| !written.default_config_disable);
        let mut config = default.unwrap_or_default();
        if !rules.is_empty() {
            config.insert("_rules_".to_owned(), Value::Array(rules));
        }
        Configured::Bytes(Value::Object(config).to_string().into_bytes())
    }

    /// The match keys first, then the plugin's own.
    fn rule(&mut self, rule: wire::MatchRule, node: &Node) -> Value {
        let routes = rule.ingress.into_iter().chain(rule.route).collect();
        let keys = [
            ("_match_route_", routes),
            ("_match_route_prefix_", rule.route_prefix),
            ("_match_domain_", rule.domain),
            ("_match_service_", rule.service),
        ];
        let matches = keys.into_iter().filter(|(_, words)| !words.is_empty());
        let matches: Map<String, Value> = matches
            .map(|(key, words)| (key.to_owned(), Value::from(words)))
            .collect();
        if matches.is_empty() {
            let draft = Draft::error(node.span, "the rule matches nothing");
            self.absent(
                node,
                draft.help("give one of `ingress`, `route`, `route_prefix`, `domain` and `service`"),
            );
        }
        Value::Object(matches.into_iter().chain(rule.config).collect())
    }

    /// Keys that this model writes into the plugin's JSON itself.
    fn reserved(&mut self, node: &Node) {
        let default = node.get("default_config").into_iter().flat_map(Node::entries);
        let rules = node
            .list("match_rules")
            .iter()
            .filter_map(|rule| rule.get("config"))
            .flat_map(Node::entries);
        for entry in default
            .chain(rules)
            .filter(|entry| entry.key == "_rules_" || entry.key.starts_with("_match_"))
        {
            let draft = Draft::error(entry.key_span, format!("`{}` is written by the gateway", entry.key));
            self.report
                .add(draft.help("say it with `match_rules`, or give the whole JSON as `config`"));
        }
    }
}
