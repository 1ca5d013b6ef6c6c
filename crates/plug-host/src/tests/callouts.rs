//! Callouts on their way out and back, and how they end before their time.

use std::rc::Rc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::house::{Double, Grpc, House, on_paused_worker, on_worker, settle};
use super::wat::Wat;
use crate::{GrpcEvent, GrpcOut, HttpReply, PluginStream, ResponseHead};

const HEADERS: &str = "(param i32 i32 i32) (result i32)";

/// Header pairs on the wire.
fn pairs(pairs: &[(&str, &str)]) -> String {
    let bytes = plug_abi::pairs::encode(pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
    String::from_utf8(bytes).unwrap()
}

/// A guest that makes an HTTP callout in each request and tells what comes back.
fn caller(upstream: &str) -> Wat {
    let mut wat = Wat::new();
    wat.import(
        "proxy_http_call",
        "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)",
    );
    wat.import("proxy_get_status", "(param i32 i32 i32) (result i32)");
    let upstream = wat.text(upstream);
    let head = wat.text(&pairs(&[
        (":method", "POST"),
        (":path", "/x"),
        (":authority", "there"),
        ("x-a", "1"),
    ]));
    let body = wat.text("body");
    let code = format!(
        "(call $tell (call $proxy_http_call {upstream} {head} {body} (i32.const 0) (i32.const 0) (i32.const 5) (i32.const 40)))
         (i32.const 0)"
    );
    wat.on("proxy_on_request_headers", HEADERS, &code);
    let answered = wat.say("answered");
    let code = format!(
        "{answered} (call $tell (local.get 2)) (call $tell (local.get 3))
         (drop (call $proxy_get_status (i32.const 48) (i32.const 52) (i32.const 56)))
         (call $tell (i32.load (i32.const 48)))"
    );
    wat.on("proxy_on_http_call_response", "(param i32 i32 i32 i32 i32)", &code);
    wat
}

fn reply() -> HttpReply {
    let mut headers = HeaderMap::new();
    headers.insert("x-b", HeaderValue::from_static("2"));
    HttpReply {
        head: ResponseHead {
            status: StatusCode::OK,
            headers,
        },
        body: Bytes::from_static(b"answer"),
        trailers: HeaderMap::new(),
    }
}

#[test]
fn an_answer_comes_back_even_when_the_exchange_has_ended() {
    on_worker(async {
        let house = House::of(&caller("known").build());
        house.warm().await;
        let stream = house.stream().await;
        stream.request_headers(true).await.unwrap();
        stream.end().await;
        drop(stream);
        let (call, answer) = house.outside.http.borrow_mut().pop_front().unwrap();
        assert_eq!((call.head.method.as_str(), call.head.path.as_str()), ("POST", "/x"));
        assert_eq!(call.head.authority.unwrap(), "there");
        assert_eq!(call.head.headers["x-a"], "1");
        assert_eq!(
            (call.body.as_ref(), call.timeout.unwrap().as_millis()),
            (b"body".as_slice(), 5)
        );
        assert_eq!(house.said(), ["0"]);
        answer.send(Some(reply())).ok().unwrap();
        settle().await;
        assert_eq!(house.said(), ["answered", "2", "6", "0"]);
    });
}

#[test]
fn a_callout_without_an_answer_has_no_headers_and_a_status() {
    on_worker(async {
        let house = House::of(&caller("known").build());
        house.warm().await;
        house.stream().await.request_headers(true).await.unwrap();
        let (_, answer) = house.outside.http.borrow_mut().pop_front().unwrap();
        answer.send(None).ok().unwrap();
        settle().await;
        assert_eq!(house.said(), ["0", "answered", "0", "0", "11"]);
    });
}

#[test]
fn an_unknown_upstream_is_a_bad_argument() {
    on_worker(async {
        let house = House::of(&caller("unknown").build());
        house.warm().await;
        house.stream().await.request_headers(true).await.unwrap();
        assert_eq!(house.said(), ["2"]);
    });
}

#[test]
fn callouts_end_with_their_instance() {
    on_worker(async {
        let house = House::of(&caller("known").build());
        house.warm().await;
        house.stream().await.request_headers(true).await.unwrap();
        let outside = Rc::clone(&house.outside);
        let (_, answer) = outside.http.borrow_mut().pop_front().unwrap();
        drop(house);
        settle().await;
        assert!(answer.is_closed(), "nobody waits for it");
    });
}

#[test]
fn callouts_of_a_dead_instance_are_given_up() {
    on_worker(async {
        let mut wat = caller("known");
        wat.on("proxy_on_response_headers", HEADERS, "unreachable");
        let house = House::of(&wat.build());
        house.warm().await;
        let stream = house.stream().await;
        stream.request_headers(true).await.unwrap();
        let (_, answer) = house.outside.http.borrow_mut().pop_front().unwrap();
        stream.response_headers(true).await.unwrap_err();
        settle().await;
        assert!(answer.is_closed());
    });
}

#[test]
fn one_instance_may_have_only_so_many_callouts() {
    on_paused_worker(async {
        let mut wat = Wat::new();
        wat.import("proxy_redis_init", "(param i32 i32 i32 i32 i32 i32 i32) (result i32)");
        wat.import(
            "proxy_http_call",
            "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)",
        );
        let upstream = wat.text("known");
        let head = wat.text(&pairs(&[(":method", "GET"), (":path", "/"), (":authority", "there")]));
        let none = "(i32.const 0) (i32.const 0)";
        let code = format!(
            "(local $made i32) (local $status i32)
             (loop $more
               (local.set $status (call $proxy_http_call {upstream} {head} {none} {none} (i32.const 0) (i32.const 40)))
               (if (i32.eqz (local.get $status))
                 (then (local.set $made (i32.add (local.get $made) (i32.const 1))) (br $more))))
             (call $tell (local.get $made)) (call $tell (local.get $status)) (i32.const 0)"
        );
        wat.on("proxy_on_request_headers", HEADERS, &code);
        let house = House::of(&wat.build());
        house.warm().await;
        house.stream().await.request_headers(true).await.unwrap();
        assert_eq!(house.said(), ["4096", "10"], "then an internal failure");
        house.outside.http.borrow_mut().clear();
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        house.stream().await.request_headers(true).await.unwrap();
        assert_eq!(house.said(), ["4096", "10"], "those that ended make room");
    });
}

#[test]
fn one_instance_may_have_only_so_many_bytes_on_their_way() {
    on_worker(async {
        let mut wat = caller("known");
        let upstream = wat.text("known");
        let head = wat.text(&pairs(&[(":method", "GET"), (":path", "/"), (":authority", "there")]));
        let code = format!(
            "(local $made i32)
             (drop (memory.grow (i32.const 15)))
             (loop $more
               (if (i32.eqz (call $proxy_http_call {upstream} {head} (i32.const 0) (i32.const 1000000)
                     (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 40)))
                 (then (local.set $made (i32.add (local.get $made) (i32.const 1))) (br $more))))
             (call $tell (local.get $made)) (i32.const 0)"
        );
        wat.on("proxy_on_response_headers", HEADERS, &code);
        let spec = crate::PluginSpec {
            cpu_slice: std::time::Duration::from_secs(5),
            ..super::house::spec("guest")
        };
        let house = House::of_spec(&wat.build(), spec);
        house.warm().await;
        let stream = house.stream().await;
        stream.request_headers(true).await.unwrap();
        house.said();
        stream.response_headers(true).await.unwrap();
        assert_eq!(house.said(), ["67"], "64 MiB of a million bytes each");
    });
}

/// A guest with a unary gRPC call and a stream in each request; both ids are kept, the call's at 40 and the stream's at 44.
fn grpc() -> Wat {
    let mut wat = Wat::new();
    wat.import(
        "proxy_grpc_call",
        "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)",
    );
    wat.import(
        "proxy_grpc_stream",
        "(param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)",
    );
    wat.import("proxy_grpc_send", "(param i32 i32 i32 i32) (result i32)");
    wat.import("proxy_grpc_cancel", "(param i32) (result i32)");
    wat.import("proxy_grpc_close", "(param i32) (result i32)");
    let (upstream, service, method) = (wat.text("known"), wat.text("Service"), wat.text("Method"));
    let message = wat.text("question");
    let none = "(i32.const 0) (i32.const 0)";
    let code = format!(
        "(call $tell (call $proxy_grpc_call {upstream} {service} {method} {none} {message} (i32.const 9) (i32.const 40)))
         (call $tell (call $proxy_grpc_stream {upstream} {service} {method} {none} (i32.const 44))) (i32.const 0)"
    );
    wat.on("proxy_on_request_headers", HEADERS, &code);
    wat.hears("proxy_on_grpc_receive_initial_metadata", 3, 0);
    wat.hears("proxy_on_grpc_receive_trailing_metadata", 3, 0);
    wat.hears("proxy_on_grpc_receive", 3, 0);
    let close = wat.say("close");
    wat.on(
        "proxy_on_grpc_close",
        "(param i32 i32 i32)",
        &format!("{close} (call $tell (local.get 2))"),
    );
    wat
}

/// Makes the two callouts: the unary one, and the stream.
async fn begin(house: &House) -> (PluginStream, Grpc, Grpc) {
    house.warm().await;
    let stream = house.stream().await;
    stream.request_headers(true).await.unwrap();
    assert_eq!(house.said(), ["0", "0"]);
    settle().await;
    let take = |outside: &Double| outside.grpc.borrow_mut().pop_front().unwrap();
    (stream, take(&house.outside), take(&house.outside))
}

async fn send(grpc: &Grpc, events: impl IntoIterator<Item = GrpcEvent>) {
    for event in events {
        grpc.events.send(event).await.unwrap();
    }
    settle().await;
}

fn answer(status: u32) -> [GrpcEvent; 4] {
    [
        GrpcEvent::InitialMetadata(reply().head),
        GrpcEvent::Message(Bytes::from_static(b"answer")),
        GrpcEvent::TrailingMetadata(HeaderMap::new()),
        GrpcEvent::Close(status, String::new()),
    ]
}

#[test]
fn a_unary_call_hears_its_message_and_no_more() {
    on_worker(async {
        let house = House::of(&grpc().build());
        let (_exchange, mut unary, _stream) = begin(&house).await;
        assert_eq!(
            (unary.call.service.as_str(), unary.call.method.as_str()),
            ("Service", "Method")
        );
        assert!(matches!(unary.outgoing.recv().await, Some(GrpcOut::Message(message)) if message == "question"));
        assert!(matches!(unary.outgoing.recv().await, Some(GrpcOut::End)));
        send(&unary, answer(0)).await;
        assert_eq!(house.said(), ["proxy_on_grpc_receive"]);
        assert!(unary.driven.upgrade().is_none());
    });
}

#[test]
fn a_unary_call_whose_status_is_an_error_hears_only_that() {
    on_worker(async {
        let house = House::of(&grpc().build());
        let (_exchange, unary, _stream) = begin(&house).await;
        send(&unary, answer(7)).await;
        assert_eq!(house.said(), ["close", "7"]);
    });
}

#[test]
fn a_unary_call_without_a_message_is_an_internal_error_as_in_envoy() {
    on_worker(async {
        let house = House::of(&grpc().build());
        let (_exchange, unary, _stream) = begin(&house).await;
        send(&unary, [GrpcEvent::Close(0, String::new())]).await;
        assert_eq!(house.said(), ["close", "13"]);
    });
}

#[test]
fn a_stream_hears_everything_in_order() {
    on_worker(async {
        let house = House::of(&grpc().build());
        let (_exchange, _unary, stream) = begin(&house).await;
        send(&stream, answer(5)).await;
        let heard = [
            "proxy_on_grpc_receive_initial_metadata",
            "proxy_on_grpc_receive",
            "proxy_on_grpc_receive_trailing_metadata",
            "close",
            "5",
        ];
        assert_eq!(house.said(), heard);
    });
}

#[test]
fn a_stream_that_breaks_off_is_closed_for_the_plugin_too() {
    on_worker(async {
        let house = House::of(&grpc().build());
        let (_exchange, _unary, stream) = begin(&house).await;
        drop(stream.events);
        settle().await;
        assert_eq!(house.said(), ["close", "14"]);
    });
}

#[test]
fn a_cancelled_callout_is_driven_no_more_and_nothing_is_heard_of_it() {
    on_worker(async {
        let mut wat = grpc();
        let cancel = |at: u32| format!("(call $tell (call $proxy_grpc_cancel (i32.load (i32.const {at}))))");
        let code = format!("{} {} {} (i32.const 0)", cancel(40), cancel(44), cancel(44));
        wat.on("proxy_on_response_headers", HEADERS, &code);
        let house = House::of(&wat.build());
        let (exchange, unary, stream) = begin(&house).await;
        exchange.response_headers(true).await.unwrap();
        settle().await;
        assert_eq!(house.said(), ["0", "0", "1"]);
        assert!(unary.driven.upgrade().is_none() && stream.driven.upgrade().is_none());
        assert!(unary.events.is_closed());
    });
}

#[test]
fn a_stream_sends_until_the_plugin_ends_its_half() {
    on_worker(async {
        let mut wat = grpc();
        let message = wat.text("more");
        let send = |at: u32, end: u32| {
            format!("(call $tell (call $proxy_grpc_send (i32.load (i32.const {at})) {message} (i32.const {end})))")
        };
        let close = "(call $tell (call $proxy_grpc_close (i32.load (i32.const 44))))";
        let unknown = format!("(call $tell (call $proxy_grpc_send (i32.const 402) {message} (i32.const 0)))");
        let code = format!(
            "{} {} {close} {close} {} {unknown} (i32.const 0)",
            send(44, 0),
            send(40, 0),
            send(44, 1)
        );
        wat.on("proxy_on_response_headers", HEADERS, &code);
        let house = House::of(&wat.build());
        let (exchange, _unary, mut stream) = begin(&house).await;
        exchange.response_headers(true).await.unwrap();
        // Sent; a unary call cannot send; closed, twice; swallowed after that; no such stream.
        assert_eq!(house.said(), ["0", "2", "0", "0", "0", "1"]);
        assert!(matches!(stream.outgoing.recv().await, Some(GrpcOut::Message(_))));
        assert!(matches!(stream.outgoing.recv().await, Some(GrpcOut::End)));
        assert!(stream.outgoing.try_recv().is_err(), "the end is sent once");
        self::send(&stream, [GrpcEvent::Close(0, String::new())]).await;
        assert_eq!(house.said(), ["close", "0"], "the other half goes on");
    });
}
