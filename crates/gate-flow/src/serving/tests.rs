//! Plans on their way into force: sockets that are not this plan's, and changes that come too late.

use std::cell::Cell;
use std::future::Future;
use std::time::Duration;

use gate_plan::Plan;
use log_book::Pen;
use plug_host::{Engines, Isolation, Limits, Module, Plugin, PluginSpec, Process, RestartPolicy};
use std::cell::RefCell;

use super::*;
use crate::callouts::Callouts;
use crate::flow::{Flow, FlowParts};

fn change(text: &str) -> Change {
    let plan = gate_plan::check(text, "t.yaml").unwrap_or_else(|findings| panic!("{findings}"));
    let upstreams = Upstreams::prepare(&plan.upstreams).unwrap();
    Change {
        plan: Arc::new(plan),
        plugins: Vec::new(),
        trials: Vec::new(),
        upstreams_of_both: upstreams.clone(),
        upstreams,
        tracing: Arc::default(),
    }
}

fn on_worker<R>(work: impl Future<Output = R>) -> R {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, work)
}

fn tcp(port: u16, plugins: &str) -> String {
    format!(
        "listeners: [{{ name: t, listen: '127.0.0.1:{port}', protocol: tcp, upstream: u, plugins: [{plugins}] }}]\n\
         upstreams: [{{ name: u, endpoints: ['127.0.0.1:1'] }}]\nplugins: [{{ name: guard, source: {{ file: g.wasm }} }}]\n"
    )
}

fn listener(plan: &Plan) -> &Listener {
    plan.listeners.first().unwrap()
}

#[test]
fn a_connection_of_tcp_meets_the_chain_of_its_socket_or_none_at_all() {
    on_worker(async {
        let upstreams = Upstreams::new();
        let callouts = Callouts::new(
            Rc::clone(&upstreams),
            Rc::new(|_| {}),
            Rc::new(RefCell::new(Pen::dry())),
        );
        let services = Services {
            process: Arc::new(Process::default()),
            outside: Rc::clone(&callouts) as Rc<_>,
            worker: 0,
            trial: None,
        };
        let guarded = change(&tcp(2, "guard"));
        let serving = Serving::arrange(&guarded, (upstreams, &callouts), &services, None);
        // Its own socket, also as an older plan has it: with the chain of the plan in force.
        for same in [&guarded, &change(&tcp(2, ""))] {
            let (links, upstream) = serving.tcp_chain(listener(&same.plan)).unwrap();
            assert_eq!((links.links.len(), upstream), (1, "u"));
            assert_eq!(&*links.links[0].name, "guard");
        }
        // The socket of another plan: of the same name elsewhere, of another name, and one that was for HTTP.
        let http = "listeners: [{ name: t, listen: '127.0.0.1:3' }]\n";
        let renamed = tcp(2, "guard").replace("name: t,", "name: s,");
        for other in [tcp(3, "guard"), renamed, http.to_owned()] {
            let other = change(&other);
            assert!(serving.tcp_chain(listener(&other.plan)).is_none());
        }
        // And a socket for TCP whose place the plan has for HTTP: nothing is let through without a chain.
        let http = change("listeners: [{ name: t, listen: '127.0.0.1:2' }]\n");
        let serving = Serving::arrange(&http, (Upstreams::new(), &callouts), &services, None);
        assert!(serving.tcp_chain(listener(&guarded.plan)).is_none());
    });
}

fn parts() -> FlowParts {
    FlowParts {
        worker: 0,
        process: Arc::new(Process::default()),
        voice: Rc::new(|_| {}),
        pen: Rc::new(RefCell::new(Pen::dry())),
    }
}

/// The port of the listener in force.
fn port(flow: &Flow) -> u16 {
    listener(&flow.serving().plan).listen.port()
}

#[test]
fn a_change_comes_into_force_by_its_own_number_alone() {
    on_worker(async {
        let [first, second, third] = [1, 2, 3].map(|port| change(&tcp(port, "")));
        let flow = Flow::start(parts(), first).await.unwrap();
        flow.stage(second.clone(), 7).await.unwrap();
        // Nobody asked for this number.
        flow.commit(6);
        assert_eq!(port(&flow), 1);
        flow.discard();
        // It is given up: neither its own number nor that of a later one puts it in force.
        flow.stage(second.clone(), 8).await.unwrap();
        flow.discard();
        flow.commit(8);
        flow.commit(9);
        assert_eq!(port(&flow), 1);
        // Of two that were prepared, the number of the first is nobody's any more.
        flow.stage(second, 10).await.unwrap();
        flow.stage(third.clone(), 11).await.unwrap();
        flow.commit(10);
        assert_eq!(port(&flow), 1);
        flow.stage(third, 12).await.unwrap();
        flow.commit(12);
        assert_eq!(port(&flow), 3);
    });
}

/// A plugin that takes its time to be configured, and gives way meanwhile.
fn slow() -> Arc<Plugin> {
    let text = r#"(module
        (memory (export "memory") 1)
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "malloc") (param i32) (result i32) (i32.const 64))
        (func (export "proxy_on_configure") (param i32 i32) (result i32) (local $left i32)
          (local.set $left (i32.const 100000000))
          (loop $again
            (local.set $left (i32.sub (local.get $left) (i32.const 1)))
            (br_if $again (local.get $left)))
          (i32.const 1)))"#;
    let stack_bytes_max = 512 * 1024;
    let engine = Engines::default().for_stack(stack_bytes_max, None).unwrap();
    let module = Module::load(&engine, &wat::parse_str(text).unwrap(), None).unwrap();
    let spec = PluginSpec {
        name: "slow".to_owned(),
        config: Default::default(),
        vm_config: Default::default(),
        vm_id: String::new(),
        isolation: Isolation::Worker,
        root_id: String::new(),
        environment: Vec::new(),
        grant: None,
        folders: None,
        memory_bytes_max: 1 << 20,
        cpu_slice: Duration::from_secs(60),
        stack_bytes_max,
        trusted_after: 0,
        limits: Limits::default(),
        allow_on_headers_stop_iteration: None,
        restart: RestartPolicy::default(),
        retire_after: Duration::from_secs(60),
        log_level: plug_abi::LogLevel::Info,
        burst: None,
        recording_bytes_max: 0,
    };
    Plugin::new(spec, module, 1, 1)
}

#[test]
fn a_change_that_is_prepared_too_late_is_not_taken_for_the_one_after_it() {
    on_worker(async {
        let [first, second, third] = [1, 2, 3].map(|port| change(&tcp(port, "")));
        let late = Change {
            plugins: vec![slow()],
            ..second
        };
        let flow = Flow::start(parts(), first).await.unwrap();
        let staged = Rc::new(Cell::new(false));
        let (stages, is_staged) = (Rc::clone(&flow), Rc::clone(&staged));
        let late = tokio::task::spawn_local(async move {
            stages.stage(late, 1).await.unwrap();
            is_staged.set(true);
        });
        tokio::task::yield_now().await;
        assert!(!staged.get(), "its plugin starts at once: nothing is tried here");
        // Nobody waits for it any more, and the next one is prepared meanwhile.
        flow.discard();
        flow.stage(third, 2).await.unwrap();
        assert!(!staged.get(), "its plugin starts at once: nothing is tried here");
        late.await.unwrap();
        flow.commit(2);
        assert_eq!(port(&flow), 3);
    });
}
