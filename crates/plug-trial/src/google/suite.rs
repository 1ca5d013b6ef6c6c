//! What a suite of Google's says, field by field as `runner.proto` has them.

use std::time::Duration;

use super::expectation::{Expectation, contents, expectation, headers};
use super::http1::{self, Head};
use super::message::{Message, Said};
use super::text::{Field, Place};
use crate::piece::ReadFile;
use plug_abi::LogLevel;

/// LIMIT: pieces into which a body is cut.
const CHUNKS_MAX: u64 = 100_000;

/// A suite, its files read.
#[derive(Debug)]
pub struct GoogleSuite {
    /// `env.wasm_path`: the module, relative to the suite.
    pub module: Option<String>,
    pub(crate) config: Option<Vec<u8>>,
    pub(crate) log_level: LogLevel,
    pub(crate) began: Duration,
    pub(crate) tests: Vec<Test>,
    /// What is not carried over, each in one line.
    pub notes: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct Test {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) is_benchmark: bool,
    pub(crate) properties: Vec<(String, Vec<u8>)>,
    pub(crate) plugin_init: Option<Expectation>,
    pub(crate) stream_init: Option<Expectation>,
    pub(crate) request: Messages,
    pub(crate) response: Messages,
    pub(crate) stream_destroy: Option<Expectation>,
}

/// One direction.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    pub(crate) headers: Option<(Head, Expectation)>,
    pub(crate) bodies: Vec<(Vec<Vec<u8>>, Expectation)>,
}

/// How bodies are cut into pieces.
enum Plan {
    Whole,
    Count(u64),
    Size(u64),
}

/// Reads the suite that these fields are.
pub(crate) fn suite(fields: Vec<Field>, said: &mut Said, read: &ReadFile<'_>) -> GoogleSuite {
    let mut whole = Message::new("TestSuite", Place { line: 1, column: 1 }, fields);
    let mut suite = GoogleSuite {
        module: None,
        config: None,
        log_level: LogLevel::Info,
        began: Duration::ZERO,
        tests: Vec::new(),
        notes: Vec::new(),
    };
    if let Some(env) = whole.message(("env", "Env"), said) {
        environment(env, &mut suite, said, read);
    }
    for test in whole.messages(("test", "Test"), said) {
        let place = test.place;
        let test = one(test, said, read);
        if suite.tests.iter().any(|other| other.name == test.name) {
            said.wrong(place, format!("there is another test `{}`", test.name));
        }
        suite.tests.push(test);
    }
    whole.finish(said);
    if suite.tests.is_empty() && said.wrong.is_empty() {
        said.wrong(Place { line: 1, column: 1 }, "there is no `test`");
    }
    suite
}

fn environment(mut env: Message, suite: &mut GoogleSuite, said: &mut Said, read: &ReadFile<'_>) {
    suite.module = env.text("wasm_path", said).map(|(_, path)| path);
    if let Some((place, path)) = env.text("config_path", said) {
        match read(&path) {
            Ok(config) => suite.config = Some(config),
            Err(why) => said.wrong(place, format!("`{path}` cannot be read: {why}")),
        }
    }
    if let Some((place, word)) = env.word("log_level", said) {
        match level(&word) {
            Some(level) => suite.log_level = level,
            None => said.wrong(place, format!("`log_level` cannot be `{word}`")),
        }
    }
    if let Some((_, seconds)) = env.number("time_secs", said) {
        suite.began = Duration::from_secs(seconds);
    }
    let kept = [
        ("test_path", "the suite is what the command line says"),
        ("log_path", "`--format json` and `junit` have what the plugin logged"),
    ];
    for (name, why) in kept {
        if let Some((place, _)) = env.text(name, said) {
            said.note(place, format!("`{name}` is not carried over: {why}"));
        }
    }
    for name in ["num_additional_streams", "additional_stream_advance_rate"] {
        if let Some((place, _)) = env.number(name, said) {
            let message = format!("`{name}` is not carried over: a bench has one stream at a time");
            said.note(place, message);
        }
    }
    env.finish(said);
}

fn level(word: &str) -> Option<LogLevel> {
    Some(match word {
        "TRACE" | "1" => LogLevel::Trace,
        "DEBUG" | "2" => LogLevel::Debug,
        "UNDEFINED" | "0" | "INFO" | "3" => LogLevel::Info,
        "WARN" | "4" => LogLevel::Warn,
        "ERROR" | "5" => LogLevel::Error,
        "CRITICAL" | "6" => LogLevel::Critical,
        _ => return None,
    })
}

fn one(mut test: Message, said: &mut Said, read: &ReadFile<'_>) -> Test {
    let place = test.place;
    let name = test.text("name", said).map(|(_, name)| name).unwrap_or_default();
    if name.is_empty() {
        said.wrong(place, "this test has no `name`");
    }
    let is_benchmark = test.truth("benchmark", said);
    let plan = plan(&mut test, said);
    let mut properties = Vec::new();
    for mut property in test.messages(("properties", "Property"), said) {
        let path = property.text("path", said).map(|(_, path)| path);
        let value = property.bytes("value", said).map(|(_, value)| value);
        properties.push((path.unwrap_or_default(), value.unwrap_or_default()));
        property.finish(said);
    }
    let request = messages(&mut test, (true, &plan), said, read);
    let response = messages(&mut test, (false, &plan), said, read);
    let mut life = |name| {
        let message = test.message((name, "Expectation"), said)?;
        let expectation = expectation(message, said, read);
        if !expectation.is_only_log() {
            said.note(
                place,
                format!(
                    "`{name}` is held against what was logged, as it is by Google's runner: the rest is not looked at"
                ),
            );
        }
        Some(expectation)
    };
    let (plugin_init, stream_init) = (life("plugin_init"), life("stream_init"));
    let stream_destroy = life("stream_destroy");
    test.finish(said);
    let test = Test {
        name,
        line: place.line,
        is_benchmark,
        properties,
        plugin_init,
        stream_init,
        request,
        response,
        stream_destroy,
    };
    if test.request.headers.is_none() && test.has_stream() {
        let message = format!(
            "test `{}` has no `request_headers`: the plugin sees a GET of / first, as nothing else comes first in a gateway",
            test.name
        );
        said.note(place, message);
    }
    test
}

fn plan(test: &mut Message, said: &mut Said) -> Plan {
    let count = test.number("num_chunks", said);
    let size = test.number("chunk_size", said);
    match (count, size) {
        (None, None) => Plan::Whole,
        (Some((place, _)), Some(_)) => {
            said.wrong(place, "`num_chunks` and `chunk_size` are both given");
            Plan::Whole
        }
        (Some((place, number)), None) | (None, Some((place, number))) if number == 0 => {
            said.wrong(place, "a body cannot be cut by 0");
            Plan::Whole
        }
        (Some((_, number)), None) => Plan::Count(number),
        (None, Some((_, number))) => Plan::Size(number),
    }
}

fn messages(test: &mut Message, (is_request, plan): (bool, &Plan), said: &mut Said, read: &ReadFile<'_>) -> Messages {
    let (headers, bodies) = match is_request {
        true => ("request_headers", "request_body"),
        false => ("response_headers", "response_body"),
    };
    let mut all = Messages::default();
    if let Some(invocation) = test.message((headers, "Invocation"), said) {
        let place = invocation.place;
        let (input, expectation) = invoked(invocation, said, read);
        match http1::head(input, is_request) {
            Ok(head) => all.headers = Some((head, expectation)),
            Err(why) => said.wrong(place, format!("the input of `{headers}` cannot be sent: {why}")),
        }
    }
    let invocations = test.messages((bodies, "Invocation"), said);
    let is_one = invocations.len() < 2 || matches!(plan, Plan::Whole);
    for invocation in invocations {
        let place = invocation.place;
        if !is_one {
            said.wrong(
                place,
                format!("there are several `{bodies}`, and they are to be cut into pieces"),
            );
        }
        let (input, expectation) = invoked(invocation, said, read);
        if !input.headers.is_empty() {
            said.wrong(
                place,
                format!("the input of `{bodies}` is a `content` or a `file`, without headers"),
            );
        }
        match chunks(&input.content.unwrap_or_default(), plan) {
            Ok(chunks) => all.bodies.push((chunks, expectation)),
            Err(why) => said.wrong(place, why),
        }
    }
    all
}

/// As Google's runner cuts it: so many pieces, of which the last is longer; or pieces of so many bytes, of which the last is shorter.
fn chunks(body: &[u8], plan: &Plan) -> Result<Vec<Vec<u8>>, String> {
    let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
    let (size, count) = match plan {
        Plan::Whole => return Ok(vec![body.to_vec()]),
        Plan::Count(count) if *count > length => {
            return Err(format!("{length} bytes cannot be cut into {count} pieces"));
        }
        Plan::Count(count) => (length / count, *count),
        Plan::Size(size) => (*size, length.div_ceil(*size).max(1)),
    };
    if count > CHUNKS_MAX {
        return Err(format!("the body has {count} pieces, more than {CHUNKS_MAX}"));
    }
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let mut rest = body;
    let mut pieces = Vec::new();
    for _ in 1..count {
        let (piece, behind) = rest.split_at_checked(size).unwrap_or((rest, &[]));
        pieces.push(piece.to_vec());
        rest = behind;
    }
    pieces.push(rest.to_vec());
    Ok(pieces)
}

fn invoked(mut invocation: Message, said: &mut Said, read: &ReadFile<'_>) -> (http1::Input, Expectation) {
    let input = invocation.message(("input", "Input"), said);
    let input = input.map(|input| self::input(input, said, read)).unwrap_or_default();
    let result = invocation.message(("result", "Expectation"), said);
    let result = result.map(|result| expectation(result, said, read)).unwrap_or_default();
    invocation.finish(said);
    (input, result)
}

fn input(mut input: Message, said: &mut Said, read: &ReadFile<'_>) -> http1::Input {
    let headers = headers(&mut input, "header", said);
    let content = input.bytes("content", said);
    let file = input.text("file", said);
    let given = [!headers.is_empty(), content.is_some(), file.is_some()];
    if given.iter().filter(|given| **given).count() > 1 {
        said.wrong(input.place, "an `input` has one of `header`, `content` and `file`");
    }
    let content = match (content, file) {
        (Some((_, content)), _) => Some(content),
        (None, Some((place, file))) => contents(&file, place, (said, read)),
        (None, None) => None,
    };
    input.finish(said);
    http1::Input { headers, content }
}

impl Test {
    /// Whether anything is expected beyond the start of the plugin.
    pub(crate) fn has_stream(&self) -> bool {
        let has_life = self.stream_init.is_some() || self.stream_destroy.is_some();
        has_life || !self.request.is_absent() || !self.response.is_absent()
    }
}

impl Messages {
    /// Whether the test says nothing of this direction.
    pub(crate) fn is_absent(&self) -> bool {
        self.headers.is_none() && self.bodies.is_empty()
    }
}
