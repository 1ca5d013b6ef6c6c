//! Debug windows: what opens one, what was before it, whose bodies it shows, and who is told.

use std::sync::Arc;
use std::time::Duration;

use log_trace::{Bodies, BurstSettings, Keep, Notice, Rate, Settings, Table, Trigger, Verdict, Why};
use testkit::backend::Reply;
use testkit::client::Request;

use super::house::{House, tracing};
use crate::flow::Flow;
use crate::trace_settings::{DebugSettings, TraceSettings};

const SECOND_NS: u64 = 1_000_000_000;

/// Five server errors, of whatever share, open a window of a minute.
fn settings() -> TraceSettings {
    let trigger = Trigger {
        events_min: 5,
        share_ppm: 1,
        calm_ppm: 0,
    };
    let burst = BurstSettings {
        sight_seconds: 60,
        triggers: [None, Some(trigger), None, None],
        slow_ns: u64::MAX,
        window_seconds: 60,
        windows_per_hour: 4,
        rate: Rate::new(1_000, SECOND_NS, 1_000).unwrap(),
        bytes_max: 1 << 20,
        body_bytes_max: 1 << 20,
    };
    TraceSettings {
        debug: Some(DebugSettings {
            burst,
            before_bytes: 1 << 16,
            before: Duration::from_secs(60),
            // `plain` is the last of the routes.
            bodies: Bodies {
                routes: vec![4],
                bytes_max: 4,
            },
            tells_clients: false,
            windows: Arc::default(),
        }),
        ..tracing()
    }
}

/// Packs what the test calls the exchange, and what came out for the window.
fn show(flow: &Flow, what: &str) -> Vec<(Notice, String)> {
    let mut shown = Vec::new();
    flow.debug(
        |packed| packed.extend(what.as_bytes()),
        |notice, _, front, back| {
            let text = String::from_utf8_lossy(&[front, back].concat()).into_owned();
            shown.push((*notice, text));
        },
    );
    shown
}

fn fail(house: &House, count: usize) {
    house.upstream.reply("/plain", Reply::new(500));
    for _ in 0..count {
        house.send(Request::get("/plain"));
    }
}

#[test]
fn a_burst_shows_what_was_before_it_and_what_comes_after() {
    let house = House::plain(settings());
    let early = house.each(|flow| show(flow, "early"));
    assert!(early[0].is_empty());
    fail(&house, 4);
    assert!(
        house
            .ended(4)
            .iter()
            .all(|ended| ended.window.is_none() && ended.wants_debug)
    );
    fail(&house, 1);
    let opener = house.one();
    let window = opener.window.unwrap();
    // What was kept comes first and once.
    let shown = house.each(|flow| [show(flow, "opener"), show(flow, "later")].concat());
    let texts: Vec<_> = shown[0].iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts, ["early", "opener", "later"]);
    assert!(shown[0].iter().all(|(notice, _)| *notice == window));
}

#[test]
fn while_a_window_is_open_everything_is_shown_and_what_a_rule_dropped_stands_for_nothing() {
    let mut settings = settings();
    let table = Table::new(Settings {
        otherwise: Keep::Nothing,
        ..Settings::default()
    });
    settings.table = Arc::new(table.unwrap());
    let house = House::plain(settings);
    fail(&house, 5);
    let opened = house.ended(5);
    // The last of them opened it, and is in it.
    assert_eq!([0, 4].map(|at: usize| opened[at].is_kept()), [false, true]);
    house.upstream.clear();
    house.send(Request::post("/plain", "question").field("x-debug-trace-id", "forged"));
    let ended = house.one();
    let Verdict::Kept(kept) = ended.verdict else {
        panic!("{ended:?}")
    };
    assert_eq!((kept.why, kept.factor), (Why::Window, Some(0.0)));
    // The upstream is told of the window, and that the trace is kept.
    let id = format!("{:?}", ended.window.unwrap().id);
    let seen = house.upstream.take_records().remove(0);
    assert_eq!(seen.field("x-debug-trace-id"), Some(id.as_str()));
    assert!(seen.field("traceparent").unwrap().ends_with("-03"));
    // Bodies of both directions, as far as they may be kept.
    let [request, response] = &ended.bodies;
    assert_eq!((request.pieces.concat(), request.is_cut), (b"ques".to_vec(), true));
    assert_eq!((response.pieces.concat(), response.is_cut), (b"hell".to_vec(), true));
    // Another route was not chosen.
    house.send(Request::post("/led", "question"));
    assert!(house.one().bodies.iter().all(|body| body.pieces.is_empty()));
}

#[test]
fn clients_are_told_of_a_window_only_where_that_is_set() {
    for tells_clients in [false, true] {
        let mut settings = settings();
        settings.debug.as_mut().unwrap().tells_clients = tells_clients;
        let house = House::plain(settings);
        fail(&house, 5);
        let id = format!("{:?}", house.ended(5)[4].window.unwrap().id);
        let response = house.send(Request::get("/own"));
        let told = testkit::fields::value(&response.fields, "x-debug-trace-id");
        assert_eq!(told, tells_clients.then_some(id.as_str()));
    }
}

#[test]
fn every_worker_joins_a_window_and_shows_what_it_kept() {
    let settings = settings();
    let windows = Arc::clone(&settings.debug.as_ref().unwrap().windows);
    let house = House::of(settings, 3, None);
    assert!(house.each(|flow| show(flow, "early")).iter().all(Vec::is_empty));
    let mut opened = None;
    while opened.is_none() {
        fail(&house, 5);
        opened = windows.last();
    }
    let shown = house.each(|flow| {
        let mut shown = Vec::new();
        flow.look_for_window(|notice, _, front, _| shown.push((notice.id, front.to_vec())));
        shown
    });
    let early = (opened.unwrap().id, b"early".to_vec());
    assert_eq!(shown, [vec![early.clone()], vec![early.clone()], vec![early]]);
}
