//! Workers that start, listen, change, drain and end.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::HashSet;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::RecvTimeoutError;

use gate_plan::Protocol;

use super::*;
use crate::fixture::{Client, Event, LIMITS, PATIENCE, Performer, Stage, http_listener, listener, tcp_listener, until};

#[test]
fn connections_spread_over_the_workers_and_have_numbers_of_their_own() {
    let stage = Stage::start(2, &[http_listener()], LIMITS);
    let (mut workers, mut connections) = (HashSet::new(), HashSet::new());
    for _ in 0..60 {
        let mut client = stage.client();
        workers.insert(client.get("/worker").rsplit('\n').next().unwrap().to_owned());
        let shown = client.get("/connection");
        let id = shown
            .split("id: ")
            .nth(1)
            .unwrap()
            .split(',')
            .next()
            .unwrap()
            .to_owned();
        assert!(connections.insert(id), "{shown}");
    }
    assert_eq!(workers, HashSet::from(["0".to_owned(), "1".to_owned()]));
    assert_eq!(stage.workers.count(), 2);
}

#[test]
fn a_factory_that_fails_ends_all_workers() {
    let (gone, seen) = sync_channel::<()>(0);
    let factory = move |worker| {
        let gone = gone.clone();
        async move {
            let _held = gone;
            if worker == 1 {
                Err("no such plugin".into())
            } else {
                std::future::pending::<Made<Performer>>().await
            }
        }
    };
    // Worker 0 never gets ready, so it must be asked last.
    let factory = move |worker: usize| factory(1 - worker.min(1));
    let fault = Workers::start(NonZeroUsize::MIN, factory).err().unwrap();
    assert_eq!(fault.to_string(), "worker 0 has no service: no such plugin");
    assert_eq!(seen.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected));
}

#[test]
fn a_factory_that_panics_is_a_fault() {
    let factory = |_| async { panic!("asked to") as Made<Performer> };
    let fault = Workers::start(NonZeroUsize::MIN, factory).err().unwrap();
    assert_eq!(fault.to_string(), "worker 0 does not answer");
}

#[test]
fn letters_are_read_in_order_and_their_panics_are_contained() {
    let stage = Stage::start(2, &[], LIMITS);
    for (number, mailbox) in stage.workers.mailboxes().enumerate() {
        let (said, heard) = sync_channel(10);
        let again = said.clone();
        mailbox.tell(move |service| said.send(service.worker).unwrap()).unwrap();
        mailbox.tell(|_| panic!("asked to")).unwrap();
        mailbox
            .tell(move |service| again.send(service.worker + 10).unwrap())
            .unwrap();
        assert_eq!(heard.iter().collect::<Vec<_>>(), [number, number + 10]);
        let answer = mailbox.ask(|service| async move { service.worker }).unwrap();
        assert_eq!(answer.wait(PATIENCE), Some(number));
        let answer = mailbox.ask(|_| async { panic!("asked to") }).unwrap();
        assert_eq!(answer.wait(PATIENCE), None::<()>);
    }
    // A panic is counted when it has been unwound, a moment after its answer is gone.
    until(|| stage.workers.panics() == [2, 2]);
    let mailbox = stage.workers.mailboxes().next().unwrap().clone();
    stage.workers.stop(PATIENCE);
    assert_eq!(mailbox.tell(|_| ()), Err(MailboxFault::Gone));
}

#[test]
fn a_full_mailbox_says_so() {
    let stage = Stage::start(1, &[], LIMITS);
    let mailbox = stage.workers.mailboxes().next().unwrap().clone();
    let (release, gate) = sync_channel::<()>(0);
    mailbox.tell(move |_| gate.recv().unwrap_or(())).unwrap();
    let refused = (0..=mailbox::LETTERS_MAX).find_map(|_| mailbox.tell(|_| ()).err());
    assert_eq!(refused, Some(MailboxFault::Full));
    assert_eq!(stage.workers.mailbox_refusals(), [1]);
    drop(release);
}

#[test]
fn what_must_not_be_lost_waits_for_a_full_mailbox() {
    let stage = Stage::start(1, &[], LIMITS);
    let mailbox = stage.workers.mailboxes().next().unwrap().clone();
    let (release, gate) = sync_channel::<()>(0);
    mailbox.tell(move |_| gate.recv().unwrap_or(())).unwrap();
    while mailbox.tell(|_| ()).is_ok() {}
    assert_eq!(mailbox.deliver(|_| (), Duration::ZERO), Err(MailboxFault::Full));
    let (said, heard) = sync_channel(1);
    let waiting = std::thread::spawn(move || mailbox.deliver(move |_| said.send(()).unwrap(), PATIENCE));
    drop(release);
    assert_eq!(heard.recv_timeout(PATIENCE), Ok(()));
    assert_eq!(waiting.join().unwrap(), Ok(()));
}

#[test]
fn a_stop_lets_exchanges_end_and_closes_idle_connections() {
    let stage = Stage::start(1, &[http_listener()], LIMITS);
    let address = stage.address();
    let mut idle = stage.client();
    idle.get("/");
    let mut busy = stage.client();
    busy.send("GET /hang HTTP/1.1\r\nHost: x\r\n\r\n");
    stage.wait_for(&Event::Began("/hang".into()));
    let mailboxes: Vec<_> = stage.workers.mailboxes().cloned().collect();
    let stopping = std::thread::spawn(move || (stage.workers.stop(PATIENCE), stage.events));
    assert_eq!(idle.rest(), "");
    for mailbox in mailboxes {
        let _ = mailbox.tell(|service| service.release.notify_one());
    }
    let answer = busy.rest();
    assert!(
        answer.contains("\r\nconnection: close\r\n") && answer.ends_with("released"),
        "{answer}"
    );
    let (stopped, events) = stopping.join().unwrap();
    assert_eq!(stopped, Stopped::default());
    assert_eq!(events.iter().filter(|event| *event == Event::Stopped).count(), 1);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn what_outlasts_the_wait_is_aborted_and_counted() {
    let stage = Stage::start(1, &[http_listener(), tcp_listener()], LIMITS);
    let mut busy = stage.client();
    busy.send("GET /hang HTTP/1.1\r\nHost: x\r\n\r\n");
    stage.wait_for(&Event::Began("/hang".into()));
    let mut raw = Client::connect(stage.workers.listeners()[1].address);
    raw.send("a");
    stage.wait_for(&Event::Began("tcp".into()));
    assert_eq!(
        stage.workers.stop(Duration::from_millis(50)),
        Stopped {
            aborted: 2,
            lost: vec![]
        }
    );
    let events: Vec<_> = stage.events.iter().collect();
    assert_eq!(events.last(), Some(&Event::Stopped), "{events:?}");
    for ended in ["/hang", "tcp"] {
        assert!(events.contains(&Event::Ended(ended.into())), "{events:?}");
    }
    assert_eq!(busy.rest(), "");
}

#[test]
fn a_client_that_the_kernel_let_in_before_the_stop_is_served() {
    let stage = Stage::web();
    let mailbox = stage.workers.mailboxes().next().unwrap().clone();
    let (release, gate) = sync_channel::<()>(0);
    mailbox.tell(move |_| gate.recv().unwrap_or(())).unwrap();
    let mut client = stage.client();
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    let stopping = std::thread::spawn(move || stage.workers.stop(PATIENCE));
    // The stop's letter is in the mailbox before the worker goes on, or comes while it serves: both must end well.
    drop(release);
    let answer = client.rest();
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("ok"),
        "{answer}"
    );
    assert_eq!(stopping.join().unwrap(), Stopped::default());
}

#[test]
fn a_client_that_says_nothing_does_not_hold_up_a_stop() {
    let stage = Stage::web();
    let _silent = stage.client();
    let mut second = stage.client();
    second.get("/");
    let since = Instant::now();
    stage.workers.stop(Duration::from_secs(60));
    assert!(since.elapsed() < Duration::from_secs(10));
}

#[test]
fn http2_clients_are_told_to_go_away() {
    let stage = Stage::web();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let address = stage.address();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let (io, executor) = (
            hyper_util::rt::TokioIo::new(stream),
            hyper_util::rt::TokioExecutor::new(),
        );
        let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
        let driven = tokio::spawn(connection);
        let request = |path| {
            http::Request::get(format!("http://x{path}"))
                .body(http_body_util::Empty::<bytes::Bytes>::new())
                .unwrap()
        };
        let hanging = tokio::spawn(sender.send_request(request("/hang")));
        sender.send_request(request("/")).await.unwrap();
        stage.wait_for(&Event::Began("/hang".into()));
        let mailbox = stage.workers.mailboxes().next().unwrap().clone();
        let stopping = std::thread::spawn(move || stage.workers.stop(PATIENCE));
        while sender.send_request(request("/")).await.is_ok() {}
        let _ = mailbox.tell(|service| service.release.notify_one());
        assert_eq!(hanging.await.unwrap().unwrap().status(), 200);
        driven.await.unwrap().unwrap();
        assert_eq!(stopping.join().unwrap(), Stopped::default());
    });
}

#[test]
fn workers_that_are_dropped_end_at_once() {
    let stage = Stage::web();
    let mut busy = stage.client();
    busy.send("GET /hang HTTP/1.1\r\nHost: x\r\n\r\n");
    stage.wait_for(&Event::Began("/hang".into()));
    drop(stage.workers);
    assert_eq!(busy.rest(), "");
    assert_eq!(stage.events.iter().last(), Some(Event::Stopped));
}

#[test]
fn bytes_of_a_tcp_listener_go_to_the_service() {
    let stage = Stage::start(1, &[tcp_listener()], LIMITS);
    let mut client = stage.client();
    client.send("hello");
    client.0.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.rest(), "hello");
}

#[test]
fn listeners_come_stay_and_go_while_others_serve() {
    let old = Arc::new(Listener {
        listen: "127.86.52.7:0".parse().unwrap(),
        ..(*listener("old", Protocol::Http, None)).clone()
    });
    let mut stage = Stage::start(2, &[http_listener(), old], LIMITS);
    let reports = stage.workers.listeners();
    let (mut stays, mut goes, mut idle) = (
        stage.client(),
        Client::connect(reports[1].address),
        Client::connect(reports[1].address),
    );
    stays.get("/");
    idle.get("/");
    goes.send("GET /hang HTTP/1.1\r\nHost: x\r\n\r\n");
    stage.wait_for(&Event::Began("/hang".into()));
    let limits = Limits {
        header_count_max: 3,
        ..LIMITS
    };
    let done = stage
        .workers
        .relisten(&[http_listener(), tcp_listener()], limits, PATIENCE)
        .unwrap();
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        done,
        Relistened {
            opened: names(&["raw"]),
            kept: names(&["web"]),
            closed: names(&["old"])
        }
    );
    assert_eq!(idle.rest(), "");
    stage.release();
    assert!(goes.rest().ends_with("released"));
    // On an address of its own: elsewhere another test may listen on that port by now.
    assert!(TcpStream::connect(reports[1].address).is_err());
    let many = "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\nA: b\r\nA: b\r\n\r\n";
    stays.send(many);
    assert!(
        stays.response().starts_with("HTTP/1.1 200 "),
        "an old connection got new limits"
    );
    let mut new = stage.client();
    new.send(many);
    assert!(new.rest().starts_with("HTTP/1.1 431 "));
    let mut raw = Client::connect(stage.workers.listeners()[1].address);
    raw.send("x");
    raw.0.shutdown(Shutdown::Write).unwrap();
    assert_eq!(raw.rest(), "x");
}

#[test]
fn a_listener_is_renamed_in_place() {
    let mut stage = Stage::web();
    let address = stage.address();
    let fixed = |name: &str| {
        Arc::new(Listener {
            listen: address,
            ..Listener::clone(&listener(name, Protocol::Http, None))
        })
    };
    // Port 0 stands for the name; a chosen port stands for itself, so the first change moves the listener to a new socket.
    let taken = stage.workers.relisten(&[fixed("web")], LIMITS, PATIENCE);
    assert!(matches!(taken, Err(WorkerFault::Bind(BindFault::Taken { .. }))));
    stage.workers.stop(PATIENCE);
    let mut stage = Stage::start(1, &[fixed("one")], LIMITS);
    let done = stage.workers.relisten(&[fixed("two")], LIMITS, PATIENCE).unwrap();
    assert_eq!((done.kept, done.closed), (vec!["two".to_owned()], vec![]));
    assert!(stage.client().get("/connection").contains("name: \"two\""));
}

#[test]
fn a_new_listener_that_does_not_open_changes_nothing() {
    let mut stage = Stage::web();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let wrong = Listener {
        listen: taken.local_addr().unwrap(),
        ..Listener::clone(&tcp_listener())
    };
    let limits = Limits {
        header_count_max: 1,
        ..LIMITS
    };
    let fault = stage
        .workers
        .relisten(&[http_listener(), Arc::new(wrong)], limits, PATIENCE)
        .unwrap_err();
    assert!(
        fault.to_string().starts_with("listener `raw`: address 127.0.0.1:"),
        "{fault}"
    );
    assert!(stage.client().get("/").starts_with("HTTP/1.1 200 "));
    let mut client = stage.client();
    client.send("GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n");
    assert!(client.response().starts_with("HTTP/1.1 200 "));
}
