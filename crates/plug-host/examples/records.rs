//! Leads records through a log guest, so that what a record costs can be timed: `records MODULE CONFIGURATION [FOLDER]`, the folder as `/geo`.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement, and nothing that is shipped"
)]

use std::sync::Arc;
use std::time::Duration;

use plug_grant::{Folder, Grant};
use plug_host::{Folders, LogEngine, LogGrant, LogGuest, LogGuestSpec, LogModule};
use rustix::time::{ClockId, clock_gettime};

const RECORD: &str = r#"{"timestamp":"2026-10-29T07:08:09.123456Z","request_id":"7f1c2b9a-1111-4222-8333-944445555666","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"00f067aa0ba902b7","cofferdam.listener":"web","cofferdam.route":"api","http.request.method":"POST","url.scheme":"https","http.request.authority":"shop.example:8443","url.path":"/orders/7","url.query":"dry=1&x=2","network.protocol.version":"2","http.response.status_code":503,"cofferdam.response_flags":"UF,URX","cofferdam.response_details":"upstream.connect_timeout","http.request.body.size":1024,"http.response.body.size":91,"cofferdam.duration_ms":5012.345,"cofferdam.upstream":"orders","cofferdam.endpoint":"[2001:db8::1]:9001","cofferdam.upstream_duration_ms":5000.001,"client.address":"@","user_agent.original":"Mozilla/5.0 (X11; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0"}"#;
/// How long each size of batch is run.
const TIME: Duration = Duration::from_secs(3);

/// Of this thread: other work of the machine does not count.
fn cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap()
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let module = std::fs::read(arguments.first().unwrap()).unwrap();
    let module = LogModule::load(None, &LogEngine::new().unwrap(), &module, None).unwrap();
    let folders = arguments.get(2).map(|path| Folder {
        path: path.into(),
        name: "/geo".to_owned(),
        write: false,
    });
    let grant = Grant {
        folders: folders.into_iter().collect(),
        ..Grant::everything()
    };
    let spec = LogGuestSpec {
        name: "measured".to_owned(),
        configuration: arguments.get(1).cloned().unwrap_or_default().into_bytes(),
        grant: LogGrant {
            folders: Folders::open(&grant).unwrap().map(Arc::new),
            ..LogGrant::default()
        },
        ..LogGuestSpec::default()
    };
    let mut guest = LogGuest::start(&module, spec, Arc::new(|_, line| println!("{line}"))).unwrap();
    for batch in [1, 8, 64, 256] {
        let mut address = 0x0100_0001_u32;
        let (mut records, mut taken) = (0_u64, Duration::ZERO);
        while taken < TIME {
            let mut lines: Vec<Vec<u8>> = (0..batch)
                .map(|_| {
                    // Addresses all over, 65,536 of them.
                    address = address.wrapping_add(0x0001_9e37) & 0xdfff_ffff;
                    RECORD
                        .replace('@', &std::net::Ipv4Addr::from(address).to_string())
                        .into_bytes()
                })
                .collect();
            let began = cpu_time();
            let passed = guest.pass(&mut lines);
            taken += cpu_time().saturating_sub(began);
            assert_eq!((passed.marked, passed.fault), (0, None));
            records += batch;
        }
        let each = taken.as_nanos() / u128::from(records);
        println!(
            "batches of {batch:>3}: {each:>6} ns a record, {:>8} records a second",
            1_000_000_000 / each
        );
    }
}
