//! What plugins share: instances, data, queues and metrics.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;

use super::house::{House, load, on_worker, settle, spec};
use super::wat::Wat;
use crate::{Plugin, PluginSpec, Process, Reading};

fn shared(name: &str) -> PluginSpec {
    PluginSpec {
        vm_id: "vm-1".to_owned(),
        ..spec(name)
    }
}

#[test]
fn plugins_of_one_vm_id_share_an_instance_and_have_each_a_root_context() {
    on_worker(async {
        let mut wat = Wat::new();
        wat.hears("_initialize", 0, 0);
        let code = "(call $tell (local.get 0)) (call $tell (local.get 1))";
        wat.on("proxy_on_context_create", "(param i32 i32)", code);
        let module = load(&wat.build());
        let first = Plugin::new(shared("guest"), Arc::clone(&module), 1, 1);
        let second = Plugin::new(
            PluginSpec {
                config: Bytes::from_static(b"other"),
                ..shared("second")
            },
            module,
            1,
            1,
        );
        let house = House::new(&[first, second]);
        house.plugins.warm().await.unwrap();
        assert_eq!(house.said(), ["_initialize", "1", "0", "2", "0"]);
        let one = house.stream().await;
        let two = house
            .plugins
            .find("second")
            .unwrap()
            .open(&super::house::exchange())
            .await
            .unwrap();
        one.request_headers(true).await.unwrap();
        two.request_headers(true).await.unwrap();
        assert_eq!(
            house.said(),
            ["3", "1", "4", "2"],
            "each context has its own plugin's root"
        );
        let stats = |name| &house.plugins.find(name).unwrap().plugin().workers[0];
        for name in ["guest", "second"] {
            let counted = (&stats(name).instances, &stats(name).callbacks);
            let counted = (counted.0.load(Ordering::Relaxed), counted.1.load(Ordering::Relaxed));
            assert_eq!(counted, (1, 5), "of `{name}`");
        }
    });
}

#[test]
fn what_an_instance_has_only_once_must_be_the_same_for_all_that_share_it() {
    let module = load(&Wat::new().build());
    let plugin = |spec| Plugin::new(spec, Arc::clone(&module), 1, 1);
    let one = plugin(shared("one"));
    assert!(one.shares_instance_with(&plugin(PluginSpec {
        root_id: "another".to_owned(),
        ..shared("two")
    })));
    for other in [
        spec("no vm_id"),
        PluginSpec {
            vm_id: "vm-2".to_owned(),
            ..spec("another vm_id")
        },
        PluginSpec {
            vm_config: Bytes::from_static(b"another"),
            ..shared("two")
        },
        PluginSpec {
            memory_bytes_max: 1,
            ..shared("two")
        },
        PluginSpec {
            cpu_slice: Duration::from_millis(1),
            ..shared("two")
        },
        PluginSpec {
            environment: Vec::new(),
            ..shared("two")
        },
    ] {
        assert!(!one.shares_instance_with(&plugin(other.clone())), "{}", other.name);
    }
    let mut wat = Wat::new();
    wat.hears("_initialize", 0, 0);
    assert!(!one.shares_instance_with(&Plugin::new(shared("other code"), load(&wat.build()), 1, 1)));
}

/// A guest that writes shared data with several `cas` and tells what came of it.
fn writer() -> Wat {
    let mut wat = Wat::new();
    wat.import("proxy_set_shared_data", "(param i32 i32 i32 i32 i32) (result i32)");
    wat.import("proxy_get_shared_data", "(param i32 i32 i32 i32 i32) (result i32)");
    let (key, value) = (wat.text("key"), wat.text("value"));
    let set = |cas: &str| format!("(call $tell (call $proxy_set_shared_data {key} {value} {cas}))");
    let get = format!("(call $tell (call $proxy_get_shared_data {key} (i32.const 32) (i32.const 36) (i32.const 40)))");
    let cas = "(i32.load (i32.const 40))";
    let code = format!(
        "{get} {} {get} (call $say (i32.load (i32.const 32)) (i32.load (i32.const 36))) {} {} {} (i32.const 0)",
        set("(i32.const 12345)"),
        set(cas),
        set(cas),
        set("(i32.const 0)"),
    );
    wat.on("proxy_on_request_headers", "(param i32 i32 i32) (result i32)", &code);
    wat
}

#[test]
fn shared_data_is_written_unless_somebody_else_has_since() {
    on_worker(async {
        let house = House::of(&writer().build());
        house.warm().await;
        house.stream().await.request_headers(true).await.unwrap();
        // Not there; a new key ignores the number; there; written by the number read; not by an old one; unconditionally.
        assert_eq!(house.said(), ["1", "0", "0", "value", "0", "8", "0"]);
    });
}

#[test]
fn shared_data_belongs_to_a_vm_id_and_outlives_instances() {
    let process = Arc::new(Process::default());
    let plugins = [
        Plugin::new(
            PluginSpec {
                vm_id: "a".to_owned(),
                ..spec("guest")
            },
            load(&writer().build()),
            1,
            1,
        ),
        Plugin::new(
            PluginSpec {
                vm_id: "b".to_owned(),
                ..spec("other")
            },
            load(&writer().build()),
            1,
            1,
        ),
    ];
    for (round, first) in ["1", "0"].into_iter().enumerate() {
        on_worker(async {
            let house = House::in_process(Arc::clone(&process), 0, &plugins);
            house.plugins.warm().await.unwrap();
            house.stream().await.request_headers(true).await.unwrap();
            assert_eq!(house.said()[0], first, "round {round}");
        });
    }
    on_worker(async {
        let house = House::in_process(process, 0, &plugins);
        let stream = house
            .plugins
            .find("other")
            .unwrap()
            .open(&super::house::exchange())
            .await
            .unwrap();
        stream.request_headers(true).await.unwrap();
        assert_eq!(house.said()[0], "1", "another `vm_id` does not see it");
    });
}

/// A guest that registers a queue; requests put something in, and the listener takes everything out.
fn queueing(registers: bool) -> Wat {
    let mut wat = Wat::new();
    wat.import("proxy_register_shared_queue", "(param i32 i32 i32) (result i32)");
    wat.import("proxy_resolve_shared_queue", "(param i32 i32 i32 i32 i32) (result i32)");
    wat.import("proxy_enqueue_shared_queue", "(param i32 i32 i32) (result i32)");
    wat.import("proxy_dequeue_shared_queue", "(param i32 i32 i32) (result i32)");
    let (name, entry) = (wat.text("queue"), wat.text("entry"));
    if registers {
        let code = format!("(call $tell (call $proxy_register_shared_queue {name} (i32.const 40))) (i32.const 1)");
        wat.on("proxy_on_configure", "(param i32 i32) (result i32)", &code);
    }
    let code = format!(
        "(call $tell (call $proxy_resolve_shared_queue (i32.const 0) (i32.const 0) {name} (i32.const 44)))
         (call $tell (call $proxy_enqueue_shared_queue (i32.load (i32.const 44)) {entry}))
         (call $tell (call $proxy_enqueue_shared_queue (i32.const 999) {entry})) (i32.const 0)"
    );
    wat.on("proxy_on_request_headers", "(param i32 i32 i32) (result i32)", &code);
    let code = "(local $status i32)
      (loop $more
        (call $tell (local.tee $status (call $proxy_dequeue_shared_queue (local.get 1) (i32.const 32) (i32.const 36))))
        (if (i32.eqz (local.get $status))
          (then (call $say (i32.load (i32.const 32)) (i32.load (i32.const 36))) (br $more))))";
    wat.on("proxy_on_queue_ready", "(param i32 i32)", code);
    wat
}

#[test]
fn a_queue_calls_its_listener_after_the_callback_that_filled_it() {
    on_worker(async {
        let house = House::of(&queueing(true).build());
        house.warm().await;
        house.stream().await.request_headers(true).await.unwrap();
        assert_eq!(house.said(), ["0", "0", "1"], "found, put, no such queue");
        settle().await;
        assert_eq!(house.said(), ["0", "entry", "7"], "taken, then empty");
    });
}

#[test]
fn a_queue_crosses_from_one_worker_to_another() {
    let process = Arc::new(Process::default());
    let plugin = |registers| {
        let spec = PluginSpec {
            vm_id: "queues".to_owned(),
            ..spec("guest")
        };
        Plugin::new(spec, load(&queueing(registers).build()), 1, 2)
    };
    let (listener, sender) = (plugin(true), plugin(false));
    let (ready, wait) = std::sync::mpsc::sync_channel(1);
    let elsewhere = Arc::clone(&process);
    let other = std::thread::spawn(move || {
        on_worker(async {
            let house = House::in_process(elsewhere, 1, &[listener]);
            house.warm().await;
            ready.send(()).unwrap();
            for _ in 0..2_000 {
                let said = house.said();
                if !said.is_empty() {
                    return said;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Vec::new()
        })
    });
    wait.recv().unwrap();
    on_worker(async {
        let house = House::in_process(process, 0, &[sender]);
        house.warm().await;
        house.stream().await.request_headers(true).await.unwrap();
        assert_eq!(house.said(), ["0", "0", "1"]);
    });
    assert_eq!(other.join().unwrap(), ["0", "entry", "7"]);
}

#[test]
fn metrics_of_one_name_are_one_metric_and_can_be_read_outside() {
    let process = Arc::new(Process::default());
    let mut wat = Wat::new();
    wat.import("proxy_define_metric", "(param i32 i32 i32 i32) (result i32)");
    wat.import("proxy_increment_metric", "(param i32 i64) (result i32)");
    wat.import("proxy_record_metric", "(param i32 i64) (result i32)");
    let (counter, gauge, histogram) = (wat.text("counter"), wat.text("gauge"), wat.text("histogram"));
    let define =
        |kind, name: &str| format!("(call $tell (call $proxy_define_metric (i32.const {kind}) {name} (i32.const 40)))");
    let id = "(i32.load (i32.const 40))";
    let code = format!(
        "{} (drop (call $proxy_increment_metric {id} (i64.const 2)))
         {} (drop (call $proxy_increment_metric {id} (i64.const -3)))
         {} (drop (call $proxy_record_metric {id} (i64.const 5))) {} (i32.const 0)",
        define(0, &counter),
        define(1, &gauge),
        define(2, &histogram),
        define(1, &counter),
    );
    wat.on("proxy_on_request_headers", "(param i32 i32 i32) (result i32)", &code);
    let plugin = Plugin::new(spec("guest"), load(&wat.build()), 1, 2);
    for worker in 0..2 {
        on_worker(async {
            let house = House::in_process(Arc::clone(&process), worker, &[Arc::clone(&plugin)]);
            house.warm().await;
            house.stream().await.request_headers(true).await.unwrap();
            assert_eq!(
                house.said(),
                ["0", "0", "0", "2"],
                "another kind of the same name is refused"
            );
        });
    }
    let read = process.metrics.read();
    let names: Vec<_> = read
        .iter()
        .map(|(plugin, name, _)| (plugin.as_str(), name.as_str()))
        .collect();
    assert_eq!(
        names,
        [("guest", "counter"), ("guest", "gauge"), ("guest", "histogram")]
    );
    assert_eq!(read[0].2, Reading::Counter(4));
    assert_eq!(read[1].2, Reading::Gauge(-6));
    let Reading::Histogram(histogram) = &read[2].2 else {
        panic!()
    };
    assert_eq!((histogram.sum, histogram.count), (10, 2));
    assert_eq!(histogram.buckets, [(7, 2)], "five lies between four and seven");
}
