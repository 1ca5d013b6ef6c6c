//! The console over real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use log_record::exposition::Form;
use serde_json::{Value, json};

use super::*;
use crate::house::{Led, Looked, NoProfile, Ordered, Profiling, RolloutOrder};

const PATIENCE: Duration = Duration::from_secs(20);

struct Look;

impl Profiling for Look {
    fn end(self: Box<Self>) -> Value {
        json!({ "cofferdam": { "plugin": "hello" } })
    }
}

#[derive(Default)]
struct Cottage {
    ready: AtomicBool,
    /// What was ordered.
    heard: tokio::sync::Mutex<Vec<String>>,
    /// When there, `/plugins` says that it was asked and waits to be let go on.
    slow: Option<(SyncSender<()>, tokio::sync::Mutex<Receiver<()>>)>,
}

impl House for Cottage {
    fn ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    fn metrics(&self, form: Form) -> Vec<u8> {
        match form {
            Form::Text => b"cofferdam_workers 2\n".to_vec(),
            other => format!("{other:?}").into_bytes(),
        }
    }

    fn config(&self) -> Value {
        panic!("asked to")
    }

    fn plugins(&self) -> Value {
        if let Some((asked, go_on)) = &self.slow {
            asked.send(()).unwrap();
            let _ = go_on.blocking_lock().recv();
        }
        json!([{ "plugin": "auth", "worker": 0 }])
    }

    fn crashes(&self) -> Value {
        json!([{ "id": "0123abcd" }])
    }

    fn crash(&self, signature: &str) -> Option<(Value, String)> {
        let report = (json!({ "signature": "0123abcd" }), "crash 0123abcd\n".to_owned());
        "0123abcd".starts_with(signature).then_some(report)
    }

    fn profile(&self, plugin: &str, what: Looked) -> Result<Box<dyn Profiling>, NoProfile> {
        match plugin {
            "hello" if what == Looked::Memory => Err(NoProfile::Refused("it has no allocator".to_owned())),
            "hello" => Ok(Box::new(Look)),
            "busy" => Err(NoProfile::Busy),
            _ => Err(NoProfile::Unknown),
        }
    }

    fn rollout(&self, plugin: &str) -> Option<Value> {
        (plugin == "hello").then(|| json!({ "state": "promoted" }))
    }

    fn lead_rollout(&self, plugin: &str, order: RolloutOrder) -> Option<Led> {
        (plugin == "hello").then(|| match order {
            RolloutOrder::Pause => Led::Done,
            RolloutOrder::Resume => Led::Already,
            _ => Led::Refused("the rollout is over".to_owned()),
        })
    }

    fn begin_rollout(&self, plugin: &str, order: &[u8]) -> Result<String, String> {
        match plugin {
            "hello" => Ok(format!("begun, {} bytes", order.len())),
            _ => Err("it is not configured".to_owned()),
        }
    }

    fn set_level(&self, plugin: &str, query: &str) -> Option<Result<String, String>> {
        (plugin == "auth").then(|| match query {
            "level=debug" => Ok(String::from("louder")),
            _ => Err(format!("{query} is wrong")),
        })
    }

    fn lift(&self, plugin: &str) -> bool {
        plugin == "auth"
    }

    fn ordered(&self, ordered: &Ordered<'_>) {
        let why_not = ordered.why_not.unwrap_or("done");
        let line = format!("{} {} {}: {why_not}", ordered.from, ordered.order, ordered.plugin);
        self.heard.blocking_lock().push(line);
    }
}

fn open(cottage: Arc<Cottage>) -> Console {
    BoundConsole::bind("127.0.0.1:0".parse().unwrap())
        .unwrap()
        .open(cottage)
        .unwrap()
}

fn talk(console: &Console, request: &str) -> String {
    let mut stream = TcpStream::connect(console.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn ask(console: &Console, method: &str, path: &str) -> String {
    talk(
        console,
        &format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
    )
}

#[test]
fn health_and_readiness_differ() {
    let cottage = Arc::new(Cottage::default());
    let console = open(Arc::clone(&cottage));
    assert!(ask(&console, "GET", "/healthz").starts_with("HTTP/1.1 200 "));
    let answer = ask(&console, "GET", "/readyz");
    assert!(
        answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("\r\n\r\nnot ready\n"),
        "{answer}"
    );
    cottage.ready.store(true, Ordering::Relaxed);
    let answer = ask(&console, "GET", "/readyz?verbose=1");
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\nready\n"),
        "{answer}"
    );
}

#[test]
fn pages_have_their_content_types() {
    let console = open(Arc::default());
    let answer = ask(&console, "GET", "/metrics");
    assert!(
        answer.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"),
        "{answer}"
    );
    assert!(answer.ends_with("\r\n\r\ncofferdam_workers 2\n"), "{answer}");
    let answer = ask(&console, "GET", "/plugins");
    assert!(answer.contains("content-type: application/json\r\n") && answer.contains("cache-control: no-store\r\n"));
    let body = answer.split("\r\n\r\n").nth(1).unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(body).unwrap(),
        json!([{ "plugin": "auth", "worker": 0 }])
    );
}

#[test]
fn metrics_come_in_the_form_that_is_asked_for() {
    let console = open(Arc::default());
    let forms = [
        ("*/*", Form::Text),
        (
            "application/openmetrics-text; version=1.0.0, */*;q=0.1",
            Form::OpenMetrics,
        ),
        (
            "text/plain;q=0.5\r\naccept: application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
            Form::Protobuf,
        ),
    ];
    for (accept, form) in forms {
        let request = format!("GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\naccept: {accept}\r\n\r\n");
        let answer = talk(&console, &request);
        assert!(
            answer.contains(&format!("content-type: {}\r\n", form.content_type())),
            "{accept}: {answer}"
        );
    }
}

#[test]
fn an_unknown_path_lists_what_there_is() {
    let console = open(Arc::default());
    let index = ask(&console, "GET", "/");
    let answer = ask(&console, "GET", "/stats");
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    for page in ["/healthz", "/readyz", "/metrics", "/config", "/plugins"] {
        assert!(answer.contains(page) && index.contains(page), "{answer}\n{index}");
    }
}

#[test]
fn only_get_and_head_are_allowed() {
    let console = open(Arc::default());
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let answer = ask(&console, method, "/healthz");
        assert!(
            answer.starts_with("HTTP/1.1 405 ") && answer.contains("allow: GET, HEAD\r\n"),
            "{answer}"
        );
    }
    assert!(ask(&console, "POST", "/nowhere").starts_with("HTTP/1.1 404 "));
    let answer = ask(&console, "HEAD", "/metrics");
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.contains("content-length: 20\r\n"),
        "{answer}"
    );
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
}

#[test]
fn a_rollout_is_shown_and_led() {
    let console = open(Arc::default());
    let answer = ask(&console, "GET", "/plugins/hello/rollout");
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.contains("promoted"),
        "{answer}"
    );
    for (path, status) in [
        ("/plugins/hello/rollout/pause", "200"),
        ("/plugins/hello/rollout/resume", "200"),
        ("/plugins/hello/rollout/abort", "409"),
        ("/plugins/hello/rollout/abort/everywhere", "409"),
        ("/plugins/hello/rollout/pause/everywhere", "404"),
        ("/plugins/none/rollout/abort", "404"),
        ("/plugins/hello/rollout", "405"),
        ("/plugins/hello/rollout/whatever", "404"),
    ] {
        let answer = ask(&console, "POST", path);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
    }
    assert!(ask(&console, "GET", "/plugins/hello/rollout/abort").starts_with("HTTP/1.1 405 "));
}

#[test]
fn each_order_is_heard_with_where_it_came_from_and_what_came_of_it() {
    let cottage = Arc::new(Cottage::default());
    let console = open(Arc::<Cottage>::clone(&cottage));
    for path in [
        "/plugins/auth/lift",
        "/plugins/nobody/lift",
        "/plugins/hello/rollout/pause",
        "/plugins/hello/rollout/abort",
        "/plugins/nobody/rollout/abort",
        "/plugins/busy/profile?seconds=1",
    ] {
        ask(&console, "POST", path);
    }
    // Looking is no order.
    ask(&console, "GET", "/plugins/hello/rollout");
    let heard = cottage.heard.blocking_lock();
    assert_eq!(
        *heard,
        [
            "127.0.0.1 lift auth: done",
            "127.0.0.1 lift nobody: no plugin has that name",
            "127.0.0.1 pause hello: done",
            "127.0.0.1 abort hello: the rollout is over",
            "127.0.0.1 abort nobody: it has no rollout",
            "127.0.0.1 profile busy: somebody looks at it already",
        ]
    );
}

#[test]
fn what_is_to_be_rolled_out_may_stand_in_the_order() {
    let console = open(Arc::default());
    let start = |plugin: &str, body: &str| {
        let head = format!(
            "POST /plugins/{plugin}/rollout/start HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        talk(&console, &head)
    };
    let answer = start("hello", &"x".repeat(100_000));
    assert!(answer.ends_with("rollout of hello: begun, 100000 bytes\n"), "{answer}");
    assert!(start("none", "{}").starts_with("HTTP/1.1 409 "));
    // Without a word, what went back is tried again.
    assert!(start("hello", "").ends_with("the rollout is over\n"));
}

#[test]
fn a_small_body_is_ignored_and_a_large_one_refused() {
    let console = open(Arc::default());
    let with = |body: &str, length: usize| {
        let head =
            format!("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
        talk(&console, &head)
    };
    assert!(with("abc", 3).starts_with("HTTP/1.1 200 "));
    assert!(with("", 1_000_000).starts_with("HTTP/1.1 413 "));
    let order =
        "POST /plugins/hello/rollout/start HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2000000\r\n\r\n";
    assert!(talk(&console, order).starts_with("HTTP/1.1 413 "));
}

#[test]
fn a_page_that_panics_is_a_500_and_harms_no_other() {
    let console = open(Arc::default());
    assert!(ask(&console, "GET", "/config").starts_with("HTTP/1.1 500 "));
    assert!(ask(&console, "GET", "/healthz").starts_with("HTTP/1.1 200 "));
}

#[test]
fn health_is_answered_while_a_page_waits_and_the_end_does_not_wait_for_it() {
    let ((asked, was_asked), (go_on, may_go_on)) = (sync_channel(1), sync_channel(0));
    let cottage = Cottage {
        slow: Some((asked, may_go_on.into())),
        ..Cottage::default()
    };
    let console = open(Arc::new(cottage));
    let mut slow = TcpStream::connect(console.address()).unwrap();
    slow.write_all(b"GET /plugins HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    was_asked.recv_timeout(PATIENCE).unwrap();
    assert!(ask(&console, "GET", "/healthz").starts_with("HTTP/1.1 200 "));
    drop(console);
    drop(go_on);
}

#[test]
fn a_profile_is_shown_when_its_time_is_over() {
    let console = open(Arc::default());
    let ask = |path: &str| ask(&console, "POST", path);
    let answer = ask("/plugins/hello/profile?seconds=1");
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"plugin\": \"hello\""),
        "{answer}"
    );
    let busy = ask("/plugins/busy/profile");
    assert!(
        busy.starts_with("HTTP/1.1 409 ") && busy.contains("is being profiled already"),
        "{busy}"
    );
    let unknown = ask("/plugins/hallo/profile");
    assert!(
        unknown.starts_with("HTTP/1.1 404 ") && unknown.contains("no plugin is named hallo"),
        "{unknown}"
    );
    let refused = ask("/plugins/hello/profile?what=memory&seconds=1");
    let said = "plugin hello cannot be looked at: it has no allocator";
    assert!(
        refused.starts_with("HTTP/1.1 422 ") && refused.contains(said),
        "{refused}"
    );
    for wrong in ["what=cpu", "seconds=0", "seconds=301", "seconds=x", "minutes=1"] {
        let answer = ask(&format!("/plugins/hello/profile?{wrong}"));
        assert!(answer.starts_with("HTTP/1.1 400 "), "{wrong}: {answer}");
    }
}

#[test]
fn connections_are_kept_and_those_beyond_the_limit_closed() {
    let console = open(Arc::default());
    let mut crowd: Vec<_> = (0..CONNECTIONS_MAX)
        .map(|_| TcpStream::connect(console.address()).unwrap())
        .collect();
    let mut buffer = [0; 1024];
    for stream in &mut crowd {
        for _ in 0..2 {
            stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
            assert!(stream.read(&mut buffer).unwrap() > 0);
        }
    }
    let mut last = TcpStream::connect(console.address()).unwrap();
    last.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(last.read(&mut buffer).unwrap(), 0);
}

#[test]
fn a_taken_address_is_named() {
    let first = BoundConsole::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let fault = BoundConsole::bind(first.address()).unwrap_err();
    let wanted = format!(
        "admin address {} is taken\nhint: another process listens there; `ss -ltnp` shows which",
        first.address()
    );
    assert_eq!(fault.to_string(), wanted);
}

#[test]
fn a_level_for_a_time_is_asked_for_with_a_query() {
    let console = open(Arc::default());
    let louder = ask(&console, "POST", "/plugins/auth/level?level=debug");
    assert!(
        louder.starts_with("HTTP/1.1 200 ") && louder.ends_with("louder\n"),
        "{louder}"
    );
    let wrong = ask(&console, "POST", "/plugins/auth/level");
    assert!(wrong.starts_with("HTTP/1.1 400 "), "{wrong}");
    let unknown = ask(&console, "POST", "/plugins/nobody/level?level=debug");
    assert!(unknown.starts_with("HTTP/1.1 404 "), "{unknown}");
    assert!(ask(&console, "GET", "/plugins/auth/level?level=debug").starts_with("HTTP/1.1 405 "));
}
