//! Runs steps: each is a verb of the guest itself or a host call with any arguments at all.

use serde_json::Value;

use crate::argument::{bytes_of, expand, lookup, number, place};
use crate::context::{self, expect_answer};
use crate::host::{HostCall, say, take};
use crate::script::short_form;
use crate::value::{show_as, show_map};

/// What a step can do besides host calls: give the callback's answer, keep a value, write to stdout and stderr, read an
/// environment variable or the clock, run steps many times, take memory, and die in three ways.
pub static VERBS: &[&str] = &[
    "return",
    "set",
    "print",
    "eprint",
    "environment",
    "clock",
    "times",
    "allocate",
    "panic",
    "unreachable",
    "spin",
];

/// Results that hosts number as they like, so that a log line names them only for a step with `"ids": true`.
static IDENTIFIERS: &[&str] = &["token", "metric", "queue", "cas"];

/// Result slots of one host call.
// LIMIT: no host call returns more than three numbers.
const SLOTS: usize = 4;

/// A callback as its steps see it.
pub struct Frame {
    /// Its name.
    pub callback: &'static str,
    /// The context that the host called.
    pub context: u32,
    /// The context that caused it: for an answer the one that made the callout, else the same.
    pub origin: u32,
    /// The token of the callout that is answered. Apart from the arguments: hosts number tokens as they like, so a trace must not show them.
    pub token: Option<u32>,
    /// Its arguments.
    pub arguments: Vec<(&'static str, i64)>,
}

/// Runs steps in order up to a `return` and gives the answer for the host; none when no step returns.
pub fn run(frame: &Frame, steps: &Value) -> Option<i64> {
    for step in steps.as_array()? {
        if !applies(frame, &step["when"]) {
            continue;
        }
        let word = step["op"].as_str().unwrap_or_default();
        match word {
            "return" => return Some(number(frame, "", step, "action")),
            "times" => {
                for _ in 0..number(frame, "", step, "count") {
                    if let Some(answer) = run(frame, &step["steps"]) {
                        return Some(answer);
                    }
                }
            }
            _ if VERBS.contains(&word) => act(frame, word, step),
            _ => call(frame, word, step),
        }
    }
    None
}

/// Whether a step's `when` holds: `end`, `not_end`, `first`, `not_first`, or `{"saved": NAME, "is": TEXT}`.
fn applies(frame: &Frame, when: &Value) -> bool {
    let seen = || {
        context::with(frame.origin, |context| context.seen.get(frame.callback).copied())
            .flatten()
            .unwrap_or(1)
    };
    match when.as_str() {
        Some("end") => lookup(frame, "end").as_deref() == Some(b"1"),
        Some("not_end") => lookup(frame, "end").as_deref() == Some(b"0"),
        Some("first") => seen() == 1,
        Some("not_first") => seen() > 1,
        Some(other) => panic!("no `when` is called `{other}`"),
        None => match when["saved"].as_str() {
            Some(name) => {
                lookup(frame, name).unwrap_or_default() == expand(frame, when["is"].as_str().unwrap_or_default())
            }
            None => true,
        },
    }
}

#[allow(clippy::empty_loop)]
fn act(frame: &Frame, word: &str, step: &Value) {
    let text = || String::from_utf8_lossy(&expand(frame, step["text"].as_str().unwrap_or_default())).into_owned();
    match word {
        "set" => save(
            frame,
            step,
            step["name"].as_str().unwrap_or_default(),
            expand(frame, step["value"].as_str().unwrap_or_default()),
        ),
        "print" => print!("{}", text()),
        "eprint" => eprint!("{}", text()),
        "environment" => {
            let name = step["name"].as_str().unwrap_or_default();
            say(&format!(
                "{}: environment {name} -> {:?}",
                frame.callback,
                std::env::var(name).ok()
            ));
        }
        "clock" => {
            let told = std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .is_ok_and(|age| age.as_secs() > 0);
            say(&format!("{}: clock -> {told}", frame.callback));
        }
        "allocate" => drop(std::hint::black_box(Vec::leak(vec![
            1_u8;
            number(frame, "", step, "bytes")
                as usize
        ]))),
        "panic" => panic!("{}", text()),
        "unreachable" => std::process::abort(),
        _ => loop {},
    }
}

/// Makes the host call that a word names and logs what it answered.
fn call(frame: &Frame, word: &str, step: &Value) {
    let form = short_form(word).filter(|_| context::host_call(word).is_none());
    let Some(target) = context::host_call(form.map_or(word, |form| form.1)) else {
        return say(&format!("{}: {word} is not in this ABI", frame.callback));
    };
    let mut filled = step.clone();
    for (field, number) in form.map(|form| form.2).unwrap_or_default() {
        if filled[*field].is_null() {
            filled[*field] = Value::from(*number);
        }
    }
    let (status, results) = make(frame, target, &filled);
    report(frame, word, step, status, &results);
    let token = results.iter().find(|result| result.field == "token");
    if let (0, Some(Found::Number(token))) = (status, token.map(|result| &result.found)) {
        expect_answer(family(target.name), *token as u32, frame.origin, step);
    }
}

/// Which callbacks belong to the tokens of a host call.
fn family(call: &str) -> &'static str {
    match call {
        "proxy_http_call" => "http_call",
        "proxy_redis_call" => "redis_call",
        _ => "grpc",
    }
}

struct Outcome {
    field: &'static str,
    found: Found,
}

enum Found {
    Number(u64),
    Bytes(Vec<u8>),
    Map(Vec<u8>),
}

/// Lays out the arguments as the call's shape says, calls, and collects the results of a call that went well.
fn make(frame: &Frame, target: &HostCall, step: &Value) -> (i32, Vec<Outcome>) {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    let mut slots = Box::new([0_u64; SLOTS]);
    let base = slots.as_mut_ptr() as i64;
    let mut used = 0;
    let mut outs = Vec::new();
    let mut arguments = Vec::new();
    for part in target.shape.split(' ').filter(|part| !part.is_empty()) {
        let (field, kind) = split_shape(part);
        match kind {
            '$' | '%' => arguments.extend(place(bytes_of(frame, &step[field]), &mut kept)),
            '>' | '*' => {
                let own = (base + used * 8, base + used * 8 + 8);
                let given = &step[field];
                arguments.extend([
                    given["ptr"].as_i64().unwrap_or(own.0),
                    given["len"].as_i64().unwrap_or(own.1),
                ]);
                outs.push((field, kind, used as usize, given.is_null()));
                used += 2;
            }
            '#' | '@' => {
                let place = step[field].as_i64().or(step[field]["ptr"].as_i64());
                arguments.push(place.unwrap_or(base + used * 8));
                outs.push((field, kind, used as usize, step[field].is_null()));
                used += 1;
            }
            _ => arguments.push(number(frame, target.name, step, field)),
        }
    }
    let status = (target.make)(&arguments);
    // The host wrote behind the compiler's back.
    let slots = std::hint::black_box(slots);
    let collected = outs
        .into_iter()
        .filter(|out| status == 0 && out.3)
        .map(|(field, kind, at, _)| Outcome {
            field,
            found: collect(kind, &slots[at..]),
        });
    (status, collected.collect())
}

fn split_shape(part: &'static str) -> (&'static str, char) {
    match part.chars().last() {
        Some(kind) if !kind.is_ascii_alphanumeric() => (&part[..part.len() - 1], kind),
        _ => (part, ' '),
    }
}

fn collect(kind: char, slots: &[u64]) -> Found {
    match kind {
        '>' => Found::Bytes(take(slots[0] as u32, slots[1] as u32)),
        '*' => Found::Map(take(slots[0] as u32, slots[1] as u32)),
        '#' => Found::Number(u64::from(slots[0] as u32)),
        _ => Found::Number(slots[0]),
    }
}

/// Logs one line, then keeps results and puts them into a header as the step says.
fn report(frame: &Frame, word: &str, step: &Value, status: i32, results: &[Outcome]) {
    let shown_as = step["as"].as_str();
    let texts: Vec<String> = results
        .iter()
        .map(|result| match &result.found {
            Found::Number(_) if IDENTIFIERS.contains(&result.field) && step["ids"] != true => String::new(),
            Found::Number(number) => format!(" {}={number}", result.field),
            Found::Bytes(bytes) => format!(" {}={}", result.field, show_as(shown_as, bytes)),
            Found::Map(bytes) => format!(" {}={}", result.field, show_map(bytes)),
        })
        .collect();
    let silent = step["quiet"] == true || (word == "log" && status == 0);
    if !silent {
        let shown: String = if step["show"] == false {
            String::new()
        } else {
            texts.concat()
        };
        let named = step["named"]
            .as_str()
            .map(|name| format!(" {name}"))
            .unwrap_or_default();
        say(&format!("{}: {word}{named} -> {status}{shown}", frame.callback));
    }
    for (index, result) in results.iter().enumerate() {
        let name = step["save"]
            .as_str()
            .filter(|_| index == 0)
            .or(step["save"][result.field].as_str());
        if let Some(name) = name {
            save(frame, step, name, plain(&result.found));
        }
    }
    if let Some(header) = step["into_header"].as_str() {
        let value = match results.first().map(|result| &result.found) {
            None => format!("status {status}").into_bytes(),
            Some(Found::Bytes(bytes))
                if shown_as.is_some() || !bytes.iter().all(|byte| (b' '..=b'~').contains(byte)) =>
            {
                show_as(shown_as.or(Some("hex")), bytes).into_bytes()
            }
            Some(found) => plain(found),
        };
        put_header(frame, header, &value);
    }
}

fn plain(found: &Found) -> Vec<u8> {
    match found {
        Found::Number(number) => number.to_string().into_bytes(),
        Found::Bytes(bytes) => bytes.clone(),
        Found::Map(bytes) => show_map(bytes).into_bytes(),
    }
}

/// Sets a header of the message whose callback this is.
fn put_header(frame: &Frame, name: &str, value: &[u8]) {
    let map = if frame.callback.starts_with("response") { 2 } else { 0 };
    let pointers = [
        map,
        name.as_ptr() as i64,
        name.len() as i64,
        value.as_ptr() as i64,
        value.len() as i64,
    ];
    let status = context::host_call("replace_header_map_value").map_or(-1, |call| (call.make)(&pointers));
    if status != 0 {
        say(&format!("{}: into_header {name} -> {status}", frame.callback));
    }
}

fn save(frame: &Frame, step: &Value, name: &str, value: Vec<u8>) {
    let alive = context::with(frame.origin, |_| ()).is_some();
    let scope = if step["scope"] == "root" || !alive {
        context::root_of(frame.context)
    } else {
        frame.origin
    };
    context::with(scope, |context| context.saved.insert(name.to_owned(), value));
}
