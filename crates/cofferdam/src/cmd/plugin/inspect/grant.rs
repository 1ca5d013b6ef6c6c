//! The least grant for a module: from what it imports, narrowed to what recordings show that it does.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use plug_abi::{BufferKind, Family, HostCall, MapKind, call_name, call_number, host_call, property, wasi_call};
use plug_audit::{Import, ModuleFacts, Toolchain};
use plug_grant::{Grant, Shown};
use plug_report::recording::{Input, Recording, Step, Steps};
use serde_json::{Map, Value, json};

/// Lists of a grant, by the way to them; each word with why it is there.
#[derive(Debug, Default)]
pub(super) struct Proposal {
    lists: BTreeMap<Vec<&'static str>, BTreeMap<String, String>>,
    /// What of requests' and responses' bodies, and why.
    bodies: BTreeMap<&'static str, (bool, bool)>,
    source: String,
}

/// What recordings show: how often each call was made, with what it was about.
#[derive(Debug, Default)]
struct Seen {
    recordings: usize,
    calls: BTreeMap<String, u64>,
}

/// Keys of a grant that hold lists, in the order in which they are written.
const ORDER: [&[&str]; 21] = [
    &["calls"],
    &["wasi"],
    &["unneeded"],
    &["upstreams"],
    &["request_headers", "read"],
    &["request_headers", "write"],
    &["response_headers", "read"],
    &["response_headers", "write"],
    &["trailers", "read"],
    &["trailers", "write"],
    &["properties", "read"],
    &["properties", "write"],
    &["shared_data", "read"],
    &["shared_data", "write"],
    &["metrics"],
    &["queues"],
    &["redis", "commands"],
    &["redis", "keys"],
    &["redis", "databases"],
    &["foreign_functions"],
    &["environment"],
];

impl Proposal {
    /// What a module with these facts needs, when its recordings show all that it does.
    ///
    /// # Errors
    /// Why a recording cannot be read, or is of another module.
    pub(super) fn of(facts: &ModuleFacts, recordings: &[Recording]) -> Result<Self, String> {
        let mut proposal = Self::default();
        let imports: BTreeSet<&'static str> = facts.imports.iter().filter_map(|import| name(import)).collect();
        let mut seen = Seen {
            recordings: recordings.len(),
            ..Seen::default()
        };
        for recording in recordings {
            if recording.head.module.code_sha256 != hex(&facts.code_sha256) {
                return Err(format!(
                    "the recording of `{}` is of another module",
                    recording.head.plugin
                ));
            }
            proposal.recorded(recording, &mut seen)?;
        }
        let links_all = matches!(
            facts.toolchain,
            Toolchain::Rust | Toolchain::Cpp | Toolchain::AssemblyScript
        );
        for import in imports {
            proposal.imported(import, &seen, links_all);
        }
        let calls: u64 = seen.calls.values().sum();
        proposal.source = match seen.recordings {
            0 => "from its imports alone: `--recording` narrows it to what it does".to_owned(),
            1 => format!("from its imports and a recording of {calls} calls"),
            count => format!("from its imports and {count} recordings of {calls} calls"),
        };
        Ok(proposal)
    }

    fn add(&mut self, way: &[&'static str], word: impl Into<String>, why: impl Into<String>) {
        self.lists
            .entry(way.to_vec())
            .or_default()
            .entry(word.into())
            .or_insert_with(|| why.into());
    }

    fn recorded(&mut self, recording: &Recording, seen: &mut Seen) -> Result<(), String> {
        let mut steps = Steps::of(&recording.steps);
        while let Some(step) = steps.next().map_err(|why| why.to_string())? {
            if let Step::Call {
                name,
                arguments,
                inputs,
            } = step
            {
                let name = String::from_utf8_lossy(name).into_owned();
                self.called(&name, &arguments, &inputs);
                let count = seen.calls.entry(name).or_default();
                *count = count.saturating_add(1);
            }
        }
        Ok(())
    }

    /// What a recorded call was about.
    fn called(&mut self, name: &str, arguments: &[u64], inputs: &[Input<'_>]) {
        const WHY: &str = "as recorded";
        let text = |at: usize| {
            inputs
                .get(at)
                .map(|input| String::from_utf8_lossy(input.kept).into_owned())
        };
        let number = |at: usize| arguments.get(at).and_then(|number| u32::try_from(*number).ok());
        let starred = |text: Option<String>| text.filter(|text| !text.is_empty());
        match name {
            "proxy_get_header_map_value" => self.header(number(0), starred(text(0)), "read"),
            "proxy_add_header_map_value" | "proxy_replace_header_map_value" | "proxy_remove_header_map_value" => {
                self.header(number(0), starred(text(0)), "write");
            }
            "proxy_get_header_map_pairs" | "proxy_get_header_map_size" => {
                self.header(number(0), Some("*".to_owned()), "read");
            }
            "proxy_set_header_map_pairs" => self.header(number(0), Some("*".to_owned()), "write"),
            "proxy_get_buffer_bytes" | "proxy_get_buffer_status" => self.body(number(0), false),
            "proxy_set_buffer_bytes" => self.body(number(0), true),
            "proxy_inject_encoded_data_to_filter_chain" => self.body(Some(BufferKind::HttpResponseBody.raw()), true),
            "proxy_get_property" => self.property(inputs.first(), "read"),
            "proxy_set_property" => self.property(inputs.first(), "write"),
            "proxy_http_call" | "proxy_grpc_call" | "proxy_grpc_stream" | "proxy_redis_init" => {
                let named = text(0);
                let option = |named: &String| named.split_once('?').map(|(_, options)| options.to_owned());
                let options = named.as_ref().and_then(option).unwrap_or_default();
                let database = options.split('&').find_map(|option| option.strip_prefix("db="));
                let database = database.filter(|number| *number != "0" && number.parse::<u32>().is_ok());
                self.about(&["redis", "databases"], database.map(str::to_owned), WHY);
                let upstream = named.map(|named| named.split('?').next().unwrap_or_default().to_owned());
                self.about(&["upstreams"], starred(upstream), WHY);
            }
            "proxy_redis_call" => self.redis(inputs.get(1)),
            "proxy_get_shared_data" => self.about(&["shared_data", "read"], starred(text(0)), WHY),
            "proxy_set_shared_data" => self.about(&["shared_data", "write"], starred(text(0)), WHY),
            "proxy_define_metric" => self.about(&["metrics"], starred(text(0)), WHY),
            "proxy_register_shared_queue" => self.about(&["queues"], starred(text(0)), WHY),
            "proxy_resolve_shared_queue" => self.about(&["queues"], starred(text(1)), WHY),
            "proxy_call_foreign_function" => {
                let known = text(0).filter(|name| plug_abi::FOREIGN_FUNCTIONS.contains(&name.as_str()));
                self.about(&["foreign_functions"], known, WHY);
            }
            _ => {}
        }
    }

    fn about(&mut self, way: &[&'static str], word: Option<String>, why: &str) {
        if let Some(word) = word.filter(|word| !word.trim_end_matches('*').contains('*')) {
            self.add(way, word, why);
        }
    }

    fn header(&mut self, map: Option<u32>, name: Option<String>, way: &'static str) {
        let key = match map.and_then(MapKind::from_raw) {
            Some(MapKind::HttpRequestHeaders) => "request_headers",
            Some(MapKind::HttpResponseHeaders) => "response_headers",
            Some(MapKind::HttpRequestTrailers | MapKind::HttpResponseTrailers) => "trailers",
            _ => return,
        };
        let why = if name.as_deref() == Some("*") {
            "the whole map is used at once; narrow it to what the plugin needs of it"
        } else {
            "as recorded"
        };
        self.about(&[key, way], name.map(|name| name.to_ascii_lowercase()), why);
    }

    fn body(&mut self, kind: Option<u32>, writes: bool) {
        let side = match kind.and_then(BufferKind::from_raw) {
            Some(BufferKind::HttpRequestBody | BufferKind::DownstreamData) => "request",
            Some(BufferKind::HttpResponseBody | BufferKind::UpstreamData) => "response",
            _ => return,
        };
        let (read, write) = self.bodies.entry(side).or_default();
        *read |= !writes;
        *write |= writes;
    }

    /// A property, and the header that it shows.
    fn property(&mut self, path: Option<&Input<'_>>, way: &'static str) {
        let Some(path) = path else { return };
        let names: Vec<&[u8]> = property::segments(property::name(path.kept)).collect();
        if Grant::default().reads_own(&names) {
            return;
        }
        let name = String::from_utf8_lossy(&names.join(&b'.')).into_owned();
        self.about(&["properties", way], Some(name.clone()), "as recorded");
        let shown = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
        let headers = match Grant::default().shown(&names) {
            Shown::Header(map, header) => vec![(map, shown(header))],
            Shown::Several(headers) => headers.iter().map(|(map, header)| (*map, shown(header))).collect(),
            Shown::Map(map) => vec![(map, "*".to_owned())],
            Shown::Nothing => return,
        };
        for (map, header) in headers.into_iter().filter(|_| way == "read") {
            self.header(Some(map.raw()), Some(header), "read");
        }
    }

    /// The command, and its first key where it has one.
    fn redis(&mut self, query: Option<&Input<'_>>) {
        let Some(query) = query else { return };
        let text = String::from_utf8_lossy(query.kept).into_owned();
        let mut words = text.split("\r\n").filter(|word| !word.starts_with(['*', '$']));
        let command = words.next().unwrap_or_default().to_ascii_uppercase();
        if !plug_grant::knows_command(&command) {
            return;
        }
        self.add(&["redis", "commands"], command, "as recorded");
        let key = words.next().unwrap_or_default();
        // Most keys end in what differs from client to client.
        let prefix = key.rfind([':', '.', '/', '_', '-']).map(|at| at.saturating_add(1));
        let prefix = prefix.and_then(|end| key.get(..end)).unwrap_or_default();
        self.add(
            &["redis", "keys"],
            format!("{prefix}*"),
            "from keys as recorded; look whether it is what you mean",
        );
    }

    /// An import, as far as recordings do not speak against it.
    fn imported(&mut self, import: &'static str, seen: &Seen, links_all: bool) {
        if Grant::default().free().has(call_number(import)) {
            return;
        }
        let times = seen.calls.get(import).copied();
        let why = match times {
            Some(1) => "called once".to_owned(),
            Some(times) => format!("called {times} times"),
            None if seen.recordings == 0 => "imported".to_owned(),
            None => "imported, and not called while it was recorded".to_owned(),
        };
        if wasi_call(import).is_some() {
            // What runtimes need at their start, or may need once: what is written to standard error is why one ended.
            let is_needed = ["clock_time_get", "clock_res_get", "random_get", "fd_write"].contains(&import);
            if is_needed || times.is_some() {
                self.add(&["wasi"], import, why);
            }
            return;
        }
        let Some(call) = host_call(import) else { return };
        if times.is_none() && seen.recordings > 0 {
            if !links_all {
                self.add(&["unneeded"], import, why);
            }
            return;
        }
        self.add(&["calls"], import, why);
        if times.is_none() {
            self.all_of(call);
        }
    }

    /// What a call could be about of which nothing is known.
    fn all_of(&mut self, call: &HostCall) {
        const WHY: &str = "nothing is known of which; a recording would tell";
        let writes = call.name.contains("_set_") || call.name.contains("_add_") || call.name.contains("_replace_");
        let way = if writes || call.name.contains("_remove_") {
            "write"
        } else {
            "read"
        };
        let lists: &[&[&'static str]] = match call.family {
            Family::Map => &[&["request_headers"], &["response_headers"], &["trailers"]],
            Family::Property => &[
                &["properties"],
                &["request_headers"],
                &["response_headers"],
                &["trailers"],
            ],
            Family::SharedData => &[&["shared_data"]],
            Family::HttpCall | Family::GrpcCall => &[],
            _ => &[],
        };
        for list in lists {
            self.add(&[list[..].first().copied().unwrap_or("calls"), way], "*", WHY);
        }
        match call.family {
            Family::Buffer => ["request", "response"].iter().for_each(|side| {
                let (read, write) = self.bodies.entry(side).or_default();
                *read |= way == "read";
                *write |= way == "write";
            }),
            Family::Inject => self.bodies.entry("response").or_default().1 = true,
            Family::HttpCall | Family::GrpcCall => self.add(&["upstreams"], "*", WHY),
            Family::Redis => {
                self.add(&["upstreams"], "*", WHY);
                self.add(&["redis", "commands"], "*", WHY);
                self.add(&["redis", "keys"], "*", WHY);
            }
            Family::Metric => self.add(&["metrics"], "*", WHY),
            Family::SharedQueue => self.add(&["queues"], "*", WHY),
            Family::Foreign => self.add(&["foreign_functions"], "*", WHY),
            _ => {}
        }
    }

    fn reach(&self, side: &str) -> Option<&'static str> {
        match self.bodies.get(side) {
            Some((true, true)) => Some("read_write"),
            Some((true, false)) => Some("read"),
            Some((false, true)) => Some("write"),
            _ => None,
        }
    }

    /// As a file of grants, with the reason of each line.
    pub(super) fn yaml(&self, file: &Path) -> String {
        let name = file.file_stem().map_or("plugin".into(), |stem| stem.to_string_lossy());
        let name: String = name
            .chars()
            .map(|letter| {
                if letter.is_whitespace() || letter.is_control() {
                    '-'
                } else {
                    letter
                }
            })
            .collect();
        let mut text = format!(
            "# The least grant for `{}`, {}.\n# Read it before it is used: what a plugin did not do while it was recorded is not in it.\ngrants:\n  {}:\n",
            printable(&file.display().to_string()),
            self.source,
            quoted(&name)
        );
        let mut last = None;
        let mut bodies = Some(self.bodies.keys());
        for way in ORDER {
            if way == ["shared_data", "read"] && bodies.take().is_some() && !self.bodies.is_empty() {
                text.push_str("    bodies:\n");
                for side in ["request", "response"] {
                    if let Some(reach) = self.reach(side) {
                        // A text that is written cannot fail to be.
                        let _ = writeln!(text, "      {side}: {reach}");
                    }
                }
            }
            let Some(words) = self.lists.get(way) else { continue };
            let (key, inner) = (way.first().copied().unwrap_or_default(), way.get(1));
            if last != Some(key) {
                let _ = writeln!(text, "    {key}:");
            }
            last = Some(key);
            let indent = if let Some(inner) = inner {
                let _ = writeln!(text, "      {inner}:");
                "        "
            } else {
                "      "
            };
            for (word, why) in words {
                // Numbers are written as such.
                let is_number = way == ["redis", "databases"];
                let word = if is_number { word.to_string() } else { quoted(word) };
                let _ = writeln!(text, "{indent}- {word} # {why}");
            }
        }
        if self.lists.is_empty() && self.bodies.is_empty() {
            text.push_str("    {}\n");
        }
        text
    }

    /// The same for programs: the grant, and why.
    pub(super) fn json(&self) -> Value {
        let mut grant = Map::new();
        let mut why = Map::new();
        for (way, words) in &self.lists {
            let list: Vec<&String> = words.keys().collect();
            match (way.first(), way.get(1)) {
                (Some(key), Some(inner)) => put(&mut grant, key, inner, json!(list)),
                (Some(key), None) => drop(grant.insert((*key).to_owned(), json!(list))),
                _ => {}
            }
            why.insert(way.join("."), json!(words));
        }
        for side in ["request", "response"] {
            if let Some(reach) = self.reach(side) {
                put(&mut grant, "bodies", side, json!(reach));
            }
        }
        json!({"grant": grant, "why": why, "source": self.source})
    }
}

/// Sets a key within a key.
fn put(map: &mut Map<String, Value>, key: &str, inner: &str, value: Value) {
    if let Value::Object(within) = map.entry(key).or_insert_with(|| Value::Object(Map::new())) {
        within.insert(inner.to_owned(), value);
    }
}

fn name(import: &Import) -> Option<&'static str> {
    call_name(call_number(import.name()))
}

fn hex(bytes: &[u8]) -> String {
    super::hex(bytes)
}

fn printable(text: &str) -> String {
    super::printable(text)
}

/// A text as YAML reads it, whatever is in it: JSON's are YAML's.
fn quoted(text: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    let is_word = text.starts_with(|letter: char| letter.is_ascii_alphabetic()) && text.chars().all(plain);
    match is_word && !["true", "false", "null", "yes", "no", "on", "off"].contains(&text) {
        true => text.to_owned(),
        false => Value::from(text).to_string(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use plug_report::recording::steps::Writer;
    use plug_report::recording::{Given, Head};

    use super::*;

    const MODULE: &str = r#"(module
        (import "env" "proxy_get_header_map_value" (func (param i32 i32 i32 i32 i32) (result i32)))
        (import "env" "proxy_get_property" (func (param i32 i32 i32 i32) (result i32)))
        (import "env" "proxy_http_call" (func (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
        (import "env" "proxy_log" (func (param i32 i32 i32) (result i32)))
        (import "env" "proxy_set_shared_data" (func (param i32 i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "malloc") (param i32) (result i32) i32.const 0))"#;

    fn facts() -> ModuleFacts {
        plug_audit::audit(&wat::parse_str(MODULE).unwrap()).unwrap()
    }

    fn recording() -> Recording {
        let mut steps = Writer::default();
        let name = |bytes: &'static [u8]| Input::of(Given::Name, bytes);
        steps.call("proxy_get_header_map_value", &[0, 0, 0], [name(b"X-User")].into_iter());
        steps.call("proxy_get_header_map_value", &[0, 0, 0], [name(b"x-user")].into_iter());
        steps.call("proxy_get_property", &[0, 0], [name(b"request\0path")].into_iter());
        steps.call("proxy_get_property", &[0, 0], [name(b"plugin_root_id")].into_iter());
        steps.call("proxy_http_call", &[0; 10], [name(b"auth")].into_iter());
        steps.call("proxy_log", &[2, 0, 0], [Input::of(Given::Bytes, b"hello")].into_iter());
        let mut head = Head::default();
        head.module.code_sha256 = hex(&facts().code_sha256);
        Recording { head, steps: steps.0 }
    }

    /// What is proposed is a grant of the configuration.
    fn read_back(yaml: &str) -> Grant {
        let (grants, findings) =
            gate_plan::check_grants(yaml, "proposed.yaml").unwrap_or_else(|why| panic!("{why}\n{yaml}"));
        assert!(findings.is_empty(), "{findings}\n{yaml}");
        Grant::clone(grants.values().next().unwrap())
    }

    #[test]
    fn without_a_recording_all_that_is_imported_is_proposed() {
        let yaml = Proposal::of(&facts(), &[]).unwrap().yaml(Path::new("some plugin.wasm"));
        let grant = read_back(&yaml);
        for import in ["proxy_http_call", "proxy_set_shared_data", "fd_write", "proxy_log"] {
            assert!(grant.has_call(call_number(import)), "{import}: {yaml}");
        }
        assert!(grant.upstreams.is_all() && grant.shared_data.write.is_all() && grant.shared_data.read.is_empty());
    }

    #[test]
    fn a_recording_narrows_it_to_what_was_done() {
        let proposal = Proposal::of(&facts(), &[recording()]).unwrap();
        let yaml = proposal.yaml(Path::new("plugin.wasm"));
        let expected = r#"# The least grant for `plugin.wasm`, from its imports and a recording of 6 calls.
# Read it before it is used: what a plugin did not do while it was recorded is not in it.
grants:
  plugin:
    calls:
      - proxy_get_header_map_value # called 2 times
      - proxy_get_property # called 2 times
      - proxy_http_call # called once
      - proxy_log # called once
    wasi:
      - fd_write # imported, and not called while it was recorded
    unneeded:
      - proxy_set_shared_data # imported, and not called while it was recorded
    upstreams:
      - auth # as recorded
    request_headers:
      read:
        - ":path" # as recorded
        - x-user # as recorded
    properties:
      read:
        - "request.path" # as recorded
"#;
        assert_eq!(yaml, expected);
        let grant = read_back(&yaml);
        assert!(grant.reaches("auth") && !grant.reaches("other"));
        assert!(crate::granting::suffices(Some(&grant), &facts()).is_ok());
        let found = proposal.json();
        assert_eq!(found["grant"]["properties"]["read"], json!(["request.path"]));
        assert_eq!(found["why"]["calls"]["proxy_log"], "called once");
    }

    #[test]
    fn a_recording_of_another_module_says_nothing_of_this_one() {
        let mut other = recording();
        other.head.module.code_sha256 = "00".to_owned();
        assert!(Proposal::of(&facts(), &[other]).is_err());
    }
}
