//! A guest that computes gives way to the other tasks of its worker.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;

use super::house::{House, on_worker, spec};
use super::wat::Wat;
use crate::{FaultKind, Plugin, PluginSpec};

fn looping() -> Vec<u8> {
    let mut wat = Wat::new();
    wat.on(
        "proxy_on_request_headers",
        "(param i32 i32 i32) (result i32)",
        "(loop $ever (br $ever)) (i32.const 0)",
    );
    wat.build()
}

fn slow(slice: Duration) -> House {
    House::of_spec(
        &looping(),
        PluginSpec {
            cpu_slice: slice,
            ..spec("guest")
        },
    )
}

#[test]
fn other_tasks_go_on_while_a_guest_computes_and_none_waits_for_the_whole_slice() {
    on_worker(async {
        let house = slow(Duration::from_millis(100));
        house.warm().await;
        let turns = Rc::new(Cell::new(0));
        let counter = Rc::clone(&turns);
        let neighbour = spawn_local(async move {
            loop {
                counter.set(counter.get() + 1);
                tokio::task::yield_now().await;
            }
        });
        let fault = house.stream().await.request_headers(true).await.unwrap_err();
        assert!(matches!(fault.kind, FaultKind::SliceExceeded { .. }));
        // A turn for each tick would be 100; a busy machine holds up the thread that ticks.
        assert!(turns.get() >= 8, "{} turns in 100 ms", turns.get());
        neighbour.abort();
    });
}

#[test]
fn what_the_network_brings_is_served_while_a_guest_computes() {
    on_worker(async {
        let house = slow(Duration::from_millis(400));
        house.warm().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        // The client has a thread of its own, so that it measures the worker and not itself.
        let computes = Arc::new(AtomicBool::new(true));
        let goes_on = Arc::clone(&computes);
        let client = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let mut waits = Vec::new();
                while goes_on.load(Ordering::Relaxed) {
                    let asked = Instant::now();
                    let mut stream = TcpStream::connect(address).await.unwrap();
                    stream.write_all(b"x").await.unwrap();
                    stream.read_u8().await.unwrap();
                    waits.push(asked.elapsed());
                }
                waits
            })
        });
        let server = spawn_local(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let byte = stream.read_u8().await.unwrap();
                stream.write_u8(byte).await.unwrap();
            }
        });
        let stream = house.stream().await;
        // As on a real worker, the exchange is a task among others.
        let fault = spawn_local(async move { stream.request_headers(true).await.unwrap_err() })
            .await
            .unwrap();
        computes.store(false, Ordering::Relaxed);
        assert!(matches!(fault.kind, FaultKind::SliceExceeded { .. }));
        let waits = tokio::task::spawn_blocking(move || client.join().unwrap())
            .await
            .unwrap();
        // Two or three turns of a millisecond each. With the engine's own way to yield every third client waited for 60 of them or more;
        // a busy machine holds up one now and then.
        let long = waits.iter().filter(|wait| **wait > Duration::from_millis(40)).count();
        assert!(long * 20 <= waits.len(), "{waits:?}");
        server.abort();
    });
}

#[test]
fn other_plugins_of_the_worker_serve_while_one_computes() {
    on_worker(async {
        let quick = super::house::load(&Wat::new().build());
        let house = House::new(&[
            Plugin::new(
                PluginSpec {
                    cpu_slice: Duration::from_millis(100),
                    ..spec("guest")
                },
                super::house::load(&looping()),
                1,
                1,
            ),
            Plugin::new(spec("quick"), quick, 1, 1),
        ]);
        house.warm().await;
        let stream = house.stream().await;
        let computing = spawn_local(async move { stream.request_headers(true).await.unwrap_err() });
        let mut served = 0;
        while !computing.is_finished() {
            let stream = house
                .plugins
                .find("quick")
                .unwrap()
                .open(&super::house::exchange())
                .await
                .unwrap();
            stream.request_headers(true).await.unwrap();
            stream.end().await;
            served += 1;
            tokio::task::yield_now().await;
        }
        assert!(served >= 8, "{served} exchanges in 100 ms");
    });
}

#[test]
fn two_loops_on_one_worker_each_get_their_own_slice_of_computing() {
    on_worker(async {
        let module = super::house::load(&looping());
        let spec = |name| PluginSpec {
            cpu_slice: Duration::from_millis(60),
            ..spec(name)
        };
        let house = House::new(&[
            Plugin::new(spec("guest"), module.clone(), 1, 1),
            Plugin::new(spec("other"), module, 1, 1),
        ]);
        house.warm().await;
        let began = Instant::now();
        let one = house.stream().await;
        let other = house
            .plugins
            .find("other")
            .unwrap()
            .open(&super::house::exchange())
            .await
            .unwrap();
        let (one, other) = tokio::join!(one.request_headers(true), other.request_headers(true));
        assert!(one.is_err() && other.is_err());
        assert!(
            began.elapsed() >= Duration::from_millis(110),
            "time given away is not counted: {:?}",
            began.elapsed()
        );
    });
}
