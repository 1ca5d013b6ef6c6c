//! The draft as a configuration: keys in the order of the reference, and which lines are whose.

use serde_json::{Map, Value};

use super::{Answer, Config, Edits, Gateway, Listener, Path, Plugin, Route, Upstream};
use crate::yaml::{Entry, Yaml, comment};

/// A configuration as text.
pub(crate) struct Written {
    pub(crate) text: String,
    pub(crate) json: Value,
    /// The first line of each part.
    parts: Vec<(usize, Section, usize)>,
}

/// A list of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    Listeners,
    Upstreams,
    Plugins,
    Routes,
    Others,
}

impl Written {
    /// Which part a line belongs to.
    pub(crate) fn part(&self, line: usize) -> Option<(Section, usize)> {
        let after = self.parts.partition_point(|(first, ..)| *first <= line);
        let found = after.checked_sub(1).and_then(|index| self.parts.get(index));
        found.map(|(_, section, index)| (*section, *index))
    }

    fn line(&self) -> usize {
        self.text
            .bytes()
            .filter(|byte| *byte == b'\n')
            .count()
            .saturating_add(1)
    }

    fn section(&mut self, section: (Section, &str), items: Vec<(Vec<String>, Yaml)>) {
        if items.is_empty() {
            return;
        }
        let (section, key) = section;
        let values: Value = items.iter().map(|(_, item)| item.to_json()).collect();
        self.keep(key, values);
        self.text.push_str(&format!("\n{key}:\n"));
        let mut line = self.line();
        for (index, (said, item)) in items.into_iter().enumerate() {
            let mut text = String::new();
            item.write_item(2, &said, &mut text);
            let lines = text.bytes().filter(|byte| *byte == b'\n').count();
            // Items of several lines stand apart.
            if index > 0 && lines > 1 {
                text.insert(0, '\n');
            }
            self.parts.push((line, section, index));
            line = line.saturating_add(text.bytes().filter(|byte| *byte == b'\n').count());
            self.text.push_str(&text);
        }
    }

    fn other(&mut self, key: &str, value: Yaml) {
        self.keep(key, value.to_json());
        self.parts.push((self.line(), Section::Others, 0));
        self.text.push('\n');
        let entry = Entry {
            comments: Vec::new(),
            key: key.to_owned(),
            value,
        };
        Yaml::Map(vec![entry]).write(&mut self.text);
    }

    fn keep(&mut self, key: &str, value: Value) {
        if let Value::Object(pairs) = &mut self.json {
            pairs.insert(key.to_owned(), value);
        }
    }
}

impl Gateway {
    pub(crate) fn write(&self) -> Written {
        let mut written = Written {
            text: String::new(),
            json: Value::Object(Map::new()),
            parts: Vec::new(),
        };
        let said = [
            format!("Imported by `cofferdam import` from {}.", self.kinds.join(", ")),
            "FILL IN marks what the source does not say. What has no counterpart was said on standard error."
                .to_owned(),
        ];
        comment(&said, "", &mut written.text);
        if let Some(admin) = &self.admin {
            written.other("admin", Yaml::map().with("listen", admin.clone()));
        }
        let listeners = self.listeners.iter().map(|item| (item.comments.clone(), item.yaml()));
        written.section((Section::Listeners, "listeners"), listeners.collect());
        let upstreams = self.upstreams.iter().map(|item| (item.comments.clone(), item.yaml()));
        written.section((Section::Upstreams, "upstreams"), upstreams.collect());
        let plugins = self.plugins.iter().map(|item| (item.comments.clone(), item.yaml()));
        written.section((Section::Plugins, "plugins"), plugins.collect());
        let routes = self.routes.iter().map(|item| (item.comments.clone(), item.yaml()));
        written.section((Section::Routes, "routes"), routes.collect());
        let forwarding = Yaml::map().with_some("trusted_hops", self.trusted_hops);
        let forwarding = forwarding.with_some("preserve_request_id", self.preserve_request_id.then_some(true));
        if !forwarding.is_empty() {
            written.other("forwarding", forwarding);
        }
        written
    }
}

impl Listener {
    fn yaml(&self) -> Yaml {
        let yaml = Yaml::map()
            .with("name", self.name.clone())
            .with("listen", self.listen.clone());
        let protocol = self.tcp.as_ref().map(|_| "tcp");
        let yaml = yaml.with_some("protocol", protocol).with_some("tls", self.tls.clone());
        match &self.tcp {
            Some(tcp) => yaml
                .with("upstream", tcp.upstream.clone())
                .with_list("plugins", tcp.plugins.clone()),
            None => yaml,
        }
    }
}

impl Upstream {
    fn yaml(&self) -> Yaml {
        let timeouts = Yaml::map()
            .with_some("connect", self.connect.clone())
            .with_some("request", self.request.clone())
            .with_some("idle", self.idle.clone());
        Yaml::map()
            .with("name", self.name.clone())
            .with_list("aliases", self.aliases.clone())
            .with_list("endpoints", self.endpoints.clone())
            .with_some("balance", self.least_request.then_some("least_request"))
            .with_some("protocol", self.http2.then_some("http2"))
            .with_some("tls", self.tls.clone())
            .with_some("timeouts", Some(timeouts).filter(|timeouts| !timeouts.is_empty()))
    }
}

impl Plugin {
    fn yaml(&self) -> Yaml {
        let (source, said) = self.module.source(&self.name);
        let yaml = Yaml::map()
            .with("name", self.name.clone())
            .with_said("source", source, said);
        let text = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let environment = self.environment.iter();
        let environment = environment.fold(Yaml::map(), |map, (name, value)| map.with(name, value.clone()));
        let backoff = self.backoff.clone().map(|backoff| Yaml::map().with("backoff", backoff));
        self.config
            .onto(yaml)
            .with_some("vm_config", self.vm_config.clone())
            .with_some("vm_id", text(&self.vm_id))
            .with_some("root_id", text(&self.root_id))
            .with_some("environment", Some(environment).filter(|map| !map.is_empty()))
            .with("on_fault", if self.open { "open" } else { "close" })
            .with_some("restart", backoff)
            .with_some("allow_on_headers_stop_iteration", self.allow_stop)
            .with_some("phase", self.phase)
            .with_some("priority", self.priority)
    }
}

impl Config {
    fn onto(&self, yaml: Yaml) -> Yaml {
        match self {
            Self::Nothing => yaml,
            Self::One(value) => yaml.with("config", value.clone()),
            Self::Higress {
                default,
                default_disabled,
                rules,
            } => yaml
                .with_some("default_config", default.clone())
                .with_some("default_config_disable", default_disabled.then_some(true))
                .with_list("match_rules", rules.clone()),
        }
    }
}

impl Route {
    fn yaml(&self) -> Yaml {
        let path = match &self.path {
            Path::Any => None,
            Path::Exact(path) => Some(("exact", path)),
            Path::Prefix(path) => Some(("prefix", path)),
            Path::Regex(path) => Some(("regex", path)),
        };
        let matches = Yaml::map()
            .with_list("hosts", self.hosts.clone())
            .with_some("path", path.map(|(key, path)| Yaml::map().with(key, path.clone())))
            .with_list("methods", self.methods.clone())
            .with_list("headers", self.headers.clone())
            .with_list("query", self.query.clone());
        let yaml = Yaml::map()
            .with("name", self.name.clone())
            .with_some("match", Some(matches).filter(|matches| !matches.is_empty()))
            .with_list("listeners", self.listeners.clone());
        let yaml = match &self.answer {
            Answer::Upstream(name) => yaml.with("upstream", name.clone()),
            Answer::Header(name) => yaml.with("upstream_header", name.clone()),
            Answer::Redirect(redirect) => yaml.with("redirect", redirect.clone()),
            Answer::Respond(respond) => yaml.with("respond", respond.clone()),
        };
        let rewrite = Yaml::map()
            .with_some("prefix", self.rewrite_prefix.clone())
            .with_some("host", self.rewrite_host.clone());
        yaml.with_some("rewrite", Some(rewrite).filter(|rewrite| !rewrite.is_empty()))
            .with_list("plugins", self.plugins.clone())
            .with_some("request_headers", self.request_headers.yaml())
            .with_some("response_headers", self.response_headers.yaml())
    }
}

impl Edits {
    fn yaml(&self) -> Option<Yaml> {
        let map = |pairs: &[(String, String)]| {
            let map = pairs
                .iter()
                .fold(Yaml::map(), |map, (name, value)| map.with(name, value.clone()));
            Some(map).filter(|map| !map.is_empty())
        };
        let edits = Yaml::map()
            .with_list("remove", self.remove.clone())
            .with_some("set", map(&self.set))
            .with_some("add", map(&self.add));
        Some(edits).filter(|edits| !edits.is_empty())
    }
}
