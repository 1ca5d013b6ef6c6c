//! Lines of plugins: the ids that they carry by themselves, and levels that plugins have for a time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use log_trace::{Floors, Keep, Level, Levels, Rule, Settings, Table, Threshold};
use testkit::client::Request;

use super::guest::{Does, guest};
use super::house::{House, Line, parent, tracing};
use crate::clock::now_ns;
use crate::trace_settings::TraceSettings;

fn texts(house: &House) -> Vec<String> {
    let lines: Vec<Line> = std::mem::take(&mut house.lines.lock());
    lines
        .into_iter()
        .map(|(level, text, _)| format!("{level} {text}"))
        .collect()
}

#[test]
fn a_line_carries_the_ids_of_its_exchange() {
    let house = House::of(tracing(), 1, Some(guest(&Does::Says)));
    house.send(Request::get("/led"));
    house.send(Request::get("/led").field("traceparent", &parent("01")));
    let ended = house.ended(2);
    let lines: Vec<Line> = std::mem::take(&mut house.lines.lock());
    let ids: Vec<_> = lines.iter().map(|(.., ids)| *ids).collect();
    assert_eq!(ids, [ended[0].ids, ended[1].ids]);
    assert!(ids[0].is_some() && ids[0] != ids[1]);
    // Also where the gateway takes no part, and none where nobody told of a trace.
    let house = House::of(TraceSettings::default(), 1, Some(guest(&Does::Says)));
    house.send(Request::get("/led"));
    house.send(Request::get("/led").field("traceparent", &parent("01")));
    let ended = house.ended(2);
    let lines: Vec<Line> = std::mem::take(&mut house.lines.lock());
    assert_eq!((lines[0].2, lines[1].2), (None, ended[1].ids));
}

#[test]
fn a_plugin_has_another_level_for_a_time_and_then_its_own() {
    let house = House::of(tracing(), 1, Some(guest(&Does::Says)));
    house.send(Request::get("/led"));
    assert_eq!(texts(&house), ["warn high"]);
    let floors = Floors::default().with(0, Level::Debug, 60, now_ns()).unwrap();
    house.each(move |flow| flow.floors(&floors));
    house.send(Request::get("/led"));
    assert_eq!(texts(&house), ["debug low", "warn high"]);
    // One that ends by itself.
    let floors = Floors::default().with(0, Level::Debug, 1, now_ns()).unwrap();
    house.each(move |flow| flow.floors(&floors));
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        house.send(Request::get("/led"));
        if texts(&house) == ["warn high"] {
            break;
        }
        assert!(Instant::now() < deadline, "it never ends");
        // A plugin may say only so much in a second.
        std::thread::sleep(Duration::from_millis(20));
    }
    // One that is higher than its own, and one that is taken back.
    let quiet = Floors::default().with(0, Level::Error, 60, now_ns()).unwrap();
    house.each(move |flow| flow.floors(&quiet));
    house.send(Request::get("/led"));
    assert_eq!(texts(&house), Vec::<String>::new());
    house.each(|flow| flow.floors(&Floors::default()));
    house.send(Request::get("/led"));
    assert_eq!(texts(&house), ["warn high"]);
}

#[test]
fn lines_are_kept_by_the_rule_for_their_plugin_and_level() {
    let mut settings = tracing();
    let rule = Rule {
        levels: Levels::only(Level::Warn),
        route: None,
        tenant: None,
        plugin: Some(0),
        keep: Keep::Nothing,
        limit: None,
    };
    let table = Table::new(Settings {
        rules: vec![rule],
        otherwise: Keep::Ratio(Threshold::NONE_DROPPED),
        ..Settings::default()
    });
    settings.table = Arc::new(table.unwrap());
    let house = House::of(settings, 1, Some(guest(&Does::Says)));
    house.send(Request::get("/led"));
    assert_eq!(texts(&house), Vec::<String>::new());
    // Its exchange is of another level, and kept.
    assert!(house.one().is_kept());
    house.each(|flow| flow.sample(Arc::default()));
    house.send(Request::get("/led"));
    assert_eq!(texts(&house), ["warn high"]);
}
