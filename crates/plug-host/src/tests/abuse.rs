//! Hostile arguments of every host call: an answer, never a panic, never an error of the engine.

use std::sync::{Arc, LazyLock};

use plug_abi::{HOST_CALLS, HOST_MODULE, Signature, Status, ValueType, WASI_CALLS, WasiModule};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::house::{House, load, on_worker, patient, settle, spec};
use super::linking::params;
use super::wat::Wat;
use crate::{Direction, Module, Plugin};

/// One function with one type, and a guest that calls it with whatever lies at 2048, in every phase of an exchange.
struct Subject {
    name: String,
    params: Vec<ValueType>,
    answers: bool,
    module: Arc<Module>,
}

impl Subject {
    fn new(module: &str, name: &str, params: &[ValueType], results: &[ValueType]) -> Self {
        let mut wat = Wat::new();
        let types: Vec<String> = params.iter().map(ValueType::to_string).collect();
        let signature = format!(
            "(param {}) {}",
            types.join(" "),
            if results.is_empty() { "" } else { "(result i32)" }
        );
        if name == "proxy_log" {
            wat.with("(func $proxy_log (param i32 i32 i32) (result i32) (call $log (local.get 0) (local.get 1) (local.get 2)))");
        } else {
            wat.import_from(module, name, &signature);
        }
        let argument = |index: usize, kind: &ValueType| format!("({kind}.load (i32.const {}))", 2_048 + 8 * index);
        let arguments: String = params
            .iter()
            .enumerate()
            .map(|(index, kind)| argument(index, kind))
            .collect();
        let call = format!("(call ${name} {arguments})");
        let code = match results {
            [] => format!("{call} (i32.const 0)"),
            _ => format!("{call} (call $answered)"),
        };
        wat.with("(func $answered (param i32) (result i32) (call $tell (local.get 0)) (i32.const 0))");
        for (callback, arity) in [
            ("proxy_on_request_headers", 3),
            ("proxy_on_request_body", 3),
            ("proxy_on_request_trailers", 2),
            ("proxy_on_response_headers", 3),
            ("proxy_on_done", 1),
        ] {
            let signature = format!("(param {}) (result i32)", "i32 ".repeat(arity));
            wat.on(callback, &signature, &code);
        }
        // What is written over the arguments must not make the next callback's arguments tamer or wilder than they were.
        Self {
            name: name.to_owned(),
            params: params.to_vec(),
            answers: !results.is_empty(),
            module: load(&wat.build()),
        }
    }

    /// Calls it with these arguments in several phases; every answer must be a status of the ABI, or an error number of WASI.
    fn call(&self, arguments: &[u64]) {
        on_worker(async {
            let house = House::new(&[Plugin::new(patient("guest"), Arc::clone(&self.module), 1, 1)]);
            house.warm().await;
            let stream = house.stream().await;
            let memory: Vec<u8> = arguments.iter().flat_map(|argument| argument.to_le_bytes()).collect();
            let put = || async {
                house.plugins.instance("guest").put(2_048, &memory).await;
                house
                    .plugins
                    .instance("guest")
                    .put(
                        3_000,
                        &plug_abi::pairs::encode([(b"a".as_slice(), b"b".as_slice())].into_iter()),
                    )
                    .await;
            };
            put().await;
            stream
                .request_headers(false)
                .await
                .unwrap_or_else(|fault| panic!("{}: {}", self.name, fault.report()));
            put().await;
            stream
                .context()
                .request
                .body
                .borrow_mut()
                .push(bytes::Bytes::from_static(b"a body"));
            stream.body(Direction::Request, true).await.unwrap();
            put().await;
            stream.trailers(Direction::Request).await.unwrap();
            put().await;
            stream.response_headers(false).await.unwrap();
            put().await;
            stream.end().await;
            settle().await;
            assert_eq!(house.outside.faults.borrow().len(), 0, "{}", self.name);
            self.check_answers(&house.said());
        });
    }

    fn check_answers(&self, said: &[String]) {
        if !self.answers || self.name == "proxy_log" || self.name.starts_with("fd_write") {
            return;
        }
        let numbers: Vec<u32> = said.iter().filter_map(|text| text.parse().ok()).collect();
        assert!(numbers.len() >= 5, "{}: {said:?}", self.name);
        if self.name.starts_with("proxy_") {
            assert!(
                numbers.iter().all(|number| Status::from_raw(*number).is_some()),
                "{}: {said:?}",
                self.name
            );
        }
    }
}

/// Every host call in every type, and every function of WASI but the one that ends the guest.
static SUBJECTS: LazyLock<Vec<Subject>> = LazyLock::new(|| {
    let mut subjects = Vec::new();
    for call in HOST_CALLS {
        subjects.push(Subject::new(HOST_MODULE, call.name, &params(call), call.results));
        for Signature { params, results } in call.shapes {
            subjects.push(Subject::new(HOST_MODULE, call.name, params, results));
        }
    }
    for call in WASI_CALLS.iter().filter(|call| call.name != "proc_exit") {
        subjects.push(Subject::new(
            WasiModule::Preview1.name(),
            call.name,
            call.params,
            call.results,
        ));
    }
    subjects
});

#[test]
fn pointers_and_lengths_outside_memory_are_answered() {
    let edges = [
        0,
        1,
        7,
        65_535,
        65_536,
        65_537,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_ffff,
        u64::MAX,
    ];
    for subject in SUBJECTS.iter() {
        for edge in edges {
            subject.call(&vec![edge; subject.params.len()]);
        }
        // A good pointer with each length, and each pointer with a good length.
        for edge in edges {
            let alternating = |pair: [u64; 2]| pair.into_iter().cycle().take(subject.params.len()).collect::<Vec<_>>();
            subject.call(&alternating([3_000, edge]));
            subject.call(&alternating([edge, 8]));
        }
    }
}

/// Numbers that are likely to get somewhere: small ones, places with a map in them, edges, and any.
fn argument() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0_u64..16,
        3 => Just(3_000_u64),
        2 => 0_u64..70_000,
        1 => prop_oneof![Just(65_535_u64), Just(65_536), Just(0xffff_ffff), Just(0x8000_0000)],
        1 => any::<u64>(),
    ]
}

#[test]
fn any_arguments_are_answered() {
    let cases = 24;
    let mut runner = TestRunner::new(Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    });
    for subject in SUBJECTS.iter() {
        let arguments = proptest::collection::vec(argument(), subject.params.len());
        runner
            .run(&arguments, |arguments| {
                subject.call(&arguments);
                Ok(())
            })
            .unwrap();
    }
}

#[test]
fn a_map_that_lies_about_its_sizes_changes_nothing() {
    let mut wat = Wat::new();
    wat.import("proxy_set_header_map_pairs", "(param i32 i32 i32) (result i32)");
    let mut code = String::new();
    let hostile: [&[u8]; 6] = [
        &[0xff, 0xff, 0xff, 0xff],
        &[1, 0, 0, 0],
        &[1, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f, 1, 0, 0, 0, b'a', 0, b'b', 0],
        &[1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, b'a', 9, b'b', 0],
        &[1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, b'a', 0, b'b', 0, 7],
        &[0, 0, 1, 0],
    ];
    for bytes in hostile {
        let at = wat.bytes(bytes);
        code.push_str(&format!(
            "(call $tell (call $proxy_set_header_map_pairs (i32.const 0) {at}))"
        ));
    }
    wat.on(
        "proxy_on_request_headers",
        "(param i32 i32 i32) (result i32)",
        &format!("{code} (i32.const 0)"),
    );
    on_worker(async {
        let house = House::of(&wat.build());
        house.warm().await;
        let stream = house.stream().await;
        stream.request_headers(true).await.unwrap();
        assert_eq!(house.said(), ["2"; 6]);
        assert_eq!(stream.context().exchange.request.borrow().headers["x-name"], "value");
    });
}

#[test]
fn what_a_guest_logs_is_cut() {
    let mut wat = Wat::new();
    let code = "(drop (memory.grow (i32.const 15)))
      (drop (call $log (i32.const 4) (i32.const 0) (i32.const 1000000))) (i32.const 0)";
    wat.on("proxy_on_request_headers", "(param i32 i32 i32) (result i32)", code);
    on_worker(async {
        let house = House::of(&wat.build());
        house.warm().await;
        house.stream().await.request_headers(true).await.unwrap();
        assert!(house.said()[0].len() <= 64 * 1024);
    });
}

#[test]
fn properties_of_an_exchange_are_bounded() {
    let mut wat = Wat::new();
    wat.import("proxy_set_property", "(param i32 i32 i32 i32) (result i32)");
    let code = "(local $made i32)
      (drop (memory.grow (i32.const 31)))
      (loop $more
        (i32.store (i32.const 2048) (local.get $made))
        (if (i32.eqz (call $proxy_set_property (i32.const 2048) (i32.const 4) (i32.const 0) (i32.const 1000000)))
          (then (local.set $made (i32.add (local.get $made) (i32.const 1))) (br $more))))
      (call $tell (local.get $made))
      (local.set $made (i32.const 0))
      (loop $small
        (i32.store (i32.const 2048) (i32.add (local.get $made) (i32.const 100)))
        (if (i32.eqz (call $proxy_set_property (i32.const 2048) (i32.const 4) (i32.const 0) (i32.const 1)))
          (then (local.set $made (i32.add (local.get $made) (i32.const 1))) (br $small))))
      (call $tell (local.get $made))
      (i32.const 0)";
    wat.on("proxy_on_request_headers", "(param i32 i32 i32) (result i32)", code);
    on_worker(async {
        let house = House::of(&wat.build());
        house.warm().await;
        let stream = house.stream().await;
        stream.request_headers(true).await.unwrap();
        assert_eq!(house.said(), ["4", "252"], "four million bytes, and 256 names");
    });
}

#[test]
fn a_body_can_be_made_only_so_large() {
    let mut wat = Wat::new();
    wat.import("proxy_set_buffer_bytes", "(param i32 i32 i32 i32 i32) (result i32)");
    let code = "(local $made i32)
      (drop (memory.grow (i32.const 31)))
      (loop $more
        (if (i32.eqz (call $proxy_set_buffer_bytes (i32.const 0) (i32.const -1) (i32.const 0) (i32.const 0) (i32.const 2000000)))
          (then (local.set $made (i32.add (local.get $made) (i32.const 1))) (br $more))))
      (call $tell (local.get $made)) (i32.const 0)";
    wat.on("proxy_on_request_body", "(param i32 i32 i32) (result i32)", code);
    on_worker(async {
        let spec = crate::PluginSpec {
            cpu_slice: std::time::Duration::from_secs(20),
            ..spec("guest")
        };
        let house = House::of_spec(&wat.build(), spec);
        house.warm().await;
        let stream = house.stream().await;
        stream.request_headers(false).await.unwrap();
        stream.body(Direction::Request, true).await.unwrap();
        assert_eq!(house.said(), ["33"], "64 MiB");
    });
}

#[test]
fn a_local_response_is_survived_whatever_is_in_it() {
    let mut wat = Wat::new();
    wat.import(
        "proxy_send_local_response",
        "(param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)",
    );
    let none = "(i32.const 0) (i32.const 0)";
    let malformed = wat.bytes(&[1, 0, 0, 0, 9]);
    let hostile = plug_abi::pairs::encode([(b"x-a".as_slice(), b"1\r\nx-b: 2".as_slice()), (b"x-c", b"3")].into_iter());
    let hostile = wat.bytes(&hostile);
    let reply = |status: u32, headers: &str| {
        format!(
            "(call $tell (call $proxy_send_local_response (i32.const {status}) {none} {none} {headers} (i32.const 17)))"
        )
    };
    let answers = |code: String| format!("{code} (i32.const 0)");
    wat.on(
        "proxy_on_request_headers",
        "(param i32 i32 i32) (result i32)",
        &answers(reply(403, &hostile) + &reply(404, none)),
    );
    wat.on(
        "proxy_on_request_body",
        "(param i32 i32 i32) (result i32)",
        &answers(reply(101, &malformed)),
    );
    on_worker(async {
        let house = House::of(&wat.build());
        house.warm().await;
        let stream = house.stream().await;
        let exchange = &stream.context().exchange;
        stream.request_headers(true).await.unwrap();
        let left_out = "header `x-a` of a local response left out: not allowed in a message";
        assert_eq!(house.said(), [left_out, "0", "0"]);
        let reply = exchange.local_reply.take().unwrap();
        assert_eq!(
            (reply.status.as_u16(), reply.grpc_status),
            (403, None),
            "the first counts, and 17 is no status of gRPC"
        );
        assert_eq!(reply.headers.len(), 1);
        stream.body(Direction::Request, true).await.unwrap();
        assert_eq!(exchange.local_reply.take().unwrap().status.as_u16(), 500);
        assert_eq!(house.said().len(), 3, "two warnings");
    });
}
