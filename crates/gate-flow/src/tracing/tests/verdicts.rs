//! Whether an exchange is kept, and that there is one verdict for each of them, however it ends.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;

use log_trace::{Faults, Keep, Kept, Settings, Statuses, Table, Tail, Threshold, Verdict, Why, WhyNot};
use testkit::backend::Reply;
use testkit::client::Request;

use super::guest::{Does, guest};
use super::house::{House, parent, tracing};
use crate::traced::Ended;

fn table(otherwise: Keep, tail: Tail) -> Arc<Table> {
    let settings = Settings {
        otherwise,
        tail,
        ..Settings::default()
    };
    Arc::new(Table::new(settings).unwrap())
}

fn kept(ended: &Ended) -> Kept {
    match ended.verdict {
        Verdict::Kept(kept) => kept,
        Verdict::Dropped(_) => panic!("{ended:?}"),
    }
}

#[test]
fn a_table_that_is_swapped_while_it_runs_is_in_force_for_the_next_exchange() {
    let house = House::plain(tracing());
    house.send(Request::get("/plain"));
    assert!(house.one().is_kept());
    let nothing = table(Keep::Nothing, Tail::default());
    house.each(move |flow| flow.sample(Arc::clone(&nothing)));
    house.send(Request::get("/plain"));
    let ended = house.one();
    assert_eq!(ended.verdict, Verdict::Dropped(WhyNot::Rule));
    // Its spans go with it, and whoever was called was told so.
    assert!(ended.kept_spans().is_none());
    let told = house.upstream.take_records()[1]
        .field("traceparent")
        .unwrap()
        .to_owned();
    assert!(told.ends_with("-02"), "{told}");
}

#[test]
fn what_a_caller_decided_is_obeyed_and_a_ratio_says_for_how_many_each_stands() {
    let mut settings = tracing();
    let quarter = Threshold::of_ratio(0.25).unwrap();
    settings.table = table(Keep::Ratio(quarter), Tail::default());
    let house = House::plain(settings);
    house.send(Request::get("/plain").field("traceparent", &parent("01")));
    let by_parent = house.one();
    assert_eq!((kept(&by_parent).why, kept(&by_parent).factor), (Why::Parent, None));
    house.send(Request::get("/plain").field("traceparent", &parent("00")));
    assert_eq!(house.one().verdict, Verdict::Dropped(WhyNot::Parent));
    // 200 that begin here: those that are kept stand for four each.
    for _ in 0..200 {
        house.send(Request::get("/plain"));
    }
    let ended = house.ended(200);
    let kept = ended
        .iter()
        .filter(|ended| ended.is_kept())
        .map(kept)
        .collect::<Vec<_>>();
    assert!((20..=85).contains(&kept.len()), "{}", kept.len());
    assert!(
        kept.iter()
            .all(|kept| kept.factor == Some(4.0) && kept.why == Why::Ratio)
    );
}

#[test]
fn errors_faults_and_slow_ones_are_kept_whatever_was_decided_before() {
    let mut settings = tracing();
    let tail = Tail {
        statuses: Statuses::NONE.with_class(5),
        faults: Faults::Codes(vec!["plugin.trapped".to_owned()]),
        ..Tail::default()
    };
    settings.table = table(Keep::Nothing, tail.clone());
    let house = House::of(settings, 1, Some(guest(&Does::Dies)));
    house.upstream.reply("/plain", Reply::new(500));
    house.send(Request::get("/plain"));
    let error = house.one();
    assert_eq!((kept(&error).why, kept(&error).factor), (Why::Status, Some(1.0)));
    assert!(error.kept_spans().is_some(), "its spans were made before anybody knew");
    house.upstream.reply("/plain", Reply::new(404));
    house.send(Request::get("/plain"));
    assert!(!house.one().is_kept());
    let only_faults = table(
        Keep::Nothing,
        Tail {
            statuses: Statuses::NONE,
            ..tail
        },
    );
    house.each(move |flow| flow.sample(Arc::clone(&only_faults)));
    house.send(Request::get("/led"));
    assert_eq!(kept(&house.one()).why, Why::Fault);
    let mut slow = Tail::default();
    slow.slow.from_ns = Some(0);
    let slow = table(Keep::Nothing, slow);
    house.each(move |flow| flow.sample(Arc::clone(&slow)));
    house.send(Request::get("/own"));
    assert_eq!(kept(&house.one()).why, Why::Slow);
}

/// A client that goes away before it has sent its body.
fn leave(house: &House) {
    let mut stream = TcpStream::connect(house.address).unwrap();
    let text = b"POST /plain HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc";
    stream.write_all(text).unwrap();
}

#[test]
fn every_exchange_has_one_verdict_however_it_ends() {
    let mut settings = tracing();
    settings.table = table(Keep::Ratio(Threshold::of_ratio(0.5).unwrap()), Tail::default());
    for does in [Does::Calls, Does::Answers, Does::Dies, Does::Says] {
        let house = House::of(settings.clone(), 2, Some(guest(&does)));
        house
            .upstream
            .reply("/plain/cut", Reply::of(vec![testkit::backend::Step::Close]));
        let mut dice = 7_u64;
        let mut sent = 0;
        for _ in 0..60 {
            dice = dice
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let path = ["/plain", "/led", "/own", "/gone", "/nowhere", "/set", "/plain/cut"];
            match usize::try_from(dice >> 60).unwrap() {
                pick if pick < path.len() => drop(house.send(Request::get(path[pick]))),
                pick if pick < 12 => drop(house.send(Request::post(path[pick - 7], "body"))),
                _ => leave(&house),
            }
            sent += 1;
        }
        let ended = house.ended(sent);
        let counted = house.each(|flow| flow.tally());
        let counted: u64 = counted
            .iter()
            .flat_map(|(routes, _)| routes.values())
            .flat_map(|tally| tally.classes.values())
            .sum();
        assert_eq!(counted, u64::try_from(sent).unwrap());
        for ended in ended {
            // All spans are closed, and the exchange's own is the first.
            let spans = ended.spans.as_ref().unwrap();
            assert!(spans.all().iter().all(|span| span.status.is_some()), "{ended:?}");
            assert_eq!(ended.ids.unwrap().span, spans.all()[0].id.number());
        }
    }
}

#[test]
fn a_client_that_goes_while_its_upstream_is_silent_leaves_a_whole_trace() {
    let house = House::plain(tracing());
    house.upstream.reply("/plain/hang", Reply::silence());
    let mut stream = TcpStream::connect(house.address).unwrap();
    stream
        .write_all(b"GET /plain/hang HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let seen = house.upstream.until(std::time::Duration::from_secs(20), |records| {
        (!records.is_empty()).then_some(())
    });
    super::house::on_client(seen).unwrap();
    drop(stream);
    let ended = house.one();
    let spans = ended.kept_spans().unwrap().all();
    assert_eq!(spans[0].status, Some(log_trace::Status::Failed));
    let attempt = spans
        .iter()
        .find(|span| span.stage == log_trace::Stage::Upstream)
        .unwrap();
    assert_eq!(attempt.status, Some(log_trace::Status::Cut));
}
