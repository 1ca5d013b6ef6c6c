//! Which spans an exchange has, how they lie in each other, and how they end.

use log_trace::{Attribute, Span, Stage, Status, Value};
use testkit::backend::Reply;
use testkit::client::Request;

use super::guest::{Does, guest};
use super::house::{House, tracing};
use crate::traced::Ended;

/// What a span noted.
fn noted(span: &Span, wanted: Attribute) -> Option<Value> {
    span.attributes()
        .find(|(attribute, _)| *attribute == wanted)
        .map(|(_, value)| value)
}

fn of(ended: &Ended, stage: Stage) -> Vec<&Span> {
    let all = ended.kept_spans().unwrap().all();
    all.iter().filter(|span| span.stage == stage).collect()
}

/// All are closed, none ends after the exchange, and each lies in one that is there.
fn is_whole(ended: &Ended) {
    let spans = ended.kept_spans().unwrap();
    assert_eq!(spans.dropped(), 0);
    let all = spans.all();
    for span in all {
        assert!(span.status.is_some() && span.start_ns <= span.end_ns, "{span:?}");
        assert!(
            all[0].start_ns <= span.start_ns && span.end_ns <= all[0].end_ns,
            "{span:?} of {:?}",
            all[0]
        );
        let above = span
            .parent
            .and_then(|parent| all.iter().find(|other| other.id == parent));
        assert_eq!(above.is_some(), span.stage != Stage::Exchange, "{span:?}");
    }
}

#[test]
fn an_exchange_has_spans_of_its_route_its_plugins_their_callouts_and_its_upstream() {
    let house = House::of(tracing(), 1, Some(guest(&Does::Calls)));
    house.send(Request::get("/led"));
    let ended = house.one();
    is_whole(&ended);
    let [exchange] = of(&ended, Stage::Exchange)[..] else {
        panic!("{ended:?}")
    };
    assert_eq!(
        (exchange.status, noted(exchange, Attribute::Code)),
        (Some(Status::Good), Some(Value::Number(200)))
    );
    assert_eq!(of(&ended, Stage::Route).len(), 1);
    // One on the way of the request, which lasts as long as the callout for which it waited, and one of the response.
    let [request, _response] = of(&ended, Stage::Plugin)[..] else {
        panic!("{ended:?}")
    };
    let [call] = of(&ended, Stage::Callout)[..] else {
        panic!("{ended:?}")
    };
    assert!(request.start_ns <= call.start_ns && call.end_ns <= request.end_ns);
    assert_eq!(noted(request, Attribute::Generation), Some(Value::Number(1)));
    assert_eq!((call.name, noted(call, Attribute::Code)), (1, Some(Value::Number(200))));
    let [attempt] = of(&ended, Stage::Upstream)[..] else {
        panic!("{ended:?}")
    };
    assert!(request.end_ns <= attempt.start_ns);
    assert_eq!(
        (attempt.name, noted(attempt, Attribute::Try)),
        (0, Some(Value::Number(1)))
    );
    assert_eq!(
        noted(attempt, Attribute::Endpoint),
        Some(Value::Address(house.upstream.address))
    );
    let connecting = of(&ended, Stage::Wait)
        .into_iter()
        .find(|wait| wait.parent == Some(attempt.id));
    assert!(connecting.is_some_and(|wait| wait.status == Some(Status::Good)));
}

#[test]
fn a_try_that_is_repeated_has_a_sibling_and_tells_each_upstream_its_own_span() {
    let house = House::plain(tracing());
    house.upstream.reply("/plain", Reply::new(200));
    // The first request leaves a connection in the pool, on which the second one breaks.
    house.send(Request::get("/plain"));
    house.one();
    let _ = house.upstream.take_records();
    house.upstream.queue(Reply::of(vec![testkit::backend::Step::Close]));
    assert_eq!(house.send(Request::get("/plain")).status, 200);
    let ended = house.one();
    is_whole(&ended);
    let [first, second] = of(&ended, Stage::Upstream)[..] else {
        panic!("{ended:?}")
    };
    assert_eq!(
        (first.status, second.status),
        (Some(Status::Failed), Some(Status::Good))
    );
    assert_eq!(noted(second, Attribute::Try), Some(Value::Number(2)));
    assert_eq!(first.parent, second.parent);
    let told: Vec<_> = house
        .upstream
        .take_records()
        .iter()
        .map(|seen| seen.field("traceparent").unwrap()[36..52].to_owned())
        .collect();
    assert_eq!(told, [format!("{:?}", first.id), format!("{:?}", second.id)]);
}

#[test]
fn an_upstream_that_is_not_there_and_a_plugin_that_dies_end_their_spans_with_their_faults() {
    let house = House::of(tracing(), 1, Some(guest(&Does::Dies)));
    assert_eq!(house.send(Request::get("/gone")).status, 503);
    let ended = house.one();
    is_whole(&ended);
    let [attempt] = of(&ended, Stage::Upstream)[..] else {
        panic!("{ended:?}")
    };
    assert_eq!(attempt.status, Some(Status::Failed));
    assert!(matches!(noted(attempt, Attribute::Fault), Some(Value::Word(_))));
    assert_eq!(of(&ended, Stage::Exchange)[0].status, Some(Status::Failed));
    assert_eq!(house.send(Request::get("/led")).status, 503);
    let ended = house.one();
    is_whole(&ended);
    let plugin = of(&ended, Stage::Plugin)[0];
    assert_eq!(plugin.status, Some(Status::Failed));
    assert_eq!(noted(plugin, Attribute::Fault), Some(Value::Word("plugin.trapped")));
}

#[test]
fn a_plugin_that_answers_is_seen_to_have_answered() {
    let house = House::of(tracing(), 1, Some(guest(&Does::Answers)));
    assert_eq!(house.send(Request::get("/led")).status, 403);
    let ended = house.one();
    is_whole(&ended);
    let request = of(&ended, Stage::Plugin)[0];
    assert_eq!(noted(request, Attribute::Verdict), Some(Value::Word("local_response")));
    assert!(of(&ended, Stage::Upstream).is_empty());
    // A path that no route has.
    assert_eq!(house.send(Request::get("/nowhere")).status, 404);
    let ended = house.one();
    assert_eq!(
        noted(of(&ended, Stage::Route)[0], Attribute::Verdict),
        Some(Value::Word("route_not_found"))
    );
}
