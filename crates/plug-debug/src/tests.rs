//! The stub without an engine: a client that sends packets, and a guest that does as the test says.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::desk::Desk;
use crate::session::serve;
use crate::*;

/// How long anything may take.
const DEADLINE: Duration = Duration::from_secs(20);
/// Where LLDB sees the image.
const CODE: u64 = 1 << 62;

/// A module whose code begins at 8, shown with its code at 10.
fn image() -> Image {
    Image::new("guest <1>.wasm", *b"0123456789abcdef", 8, 10)
}

fn debugger() -> Debugger {
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    Debugger::listen(anywhere, Reach::Loopback, image()).unwrap()
}

/// A client that speaks the protocol.
struct Client(TcpStream);

impl Client {
    fn attach(debugger: &Debugger) -> Self {
        let stream = TcpStream::connect(debugger.address()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        on_worker(debugger.attached());
        Self(stream)
    }

    fn send(&mut self, packet: &str) {
        let sum = packet.bytes().fold(0_u8, u8::wrapping_add);
        write!(self.0, "${packet}#{sum:02x}").unwrap();
    }

    /// The next packet, without its frame.
    fn receive(&mut self) -> String {
        let mut text = String::new();
        let mut byte = [0];
        loop {
            self.0.read_exact(&mut byte).unwrap();
            match byte[0] {
                b'+' if text.is_empty() => {}
                b'#' => {
                    self.0.read_exact(&mut [0; 2]).unwrap();
                    self.0.write_all(b"+").unwrap();
                    return plain(&text);
                }
                b'$' => text.clear(),
                other => text.push(char::from(other)),
            }
        }
    }

    fn ask(&mut self, packet: &str) -> String {
        self.send(packet);
        self.receive()
    }

    /// Whether the other side has hung up.
    fn is_gone(&mut self) -> bool {
        self.0.read(&mut [0]).map_or(true, |length| length == 0)
    }
}

/// Without run-length encoding: `0* ` is four zeros.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter == '*' {
            let more = u32::from(letters.next().unwrap()) - 29;
            let last = plain.chars().last().unwrap();
            plain.extend((0..more).map(|_| last));
        } else {
            plain.push(letter);
        }
    }
    plain
}

/// A guest with one local in its frame 1, and some memory.
struct Fake;

impl Answers for Fake {
    fn local(&mut self, frame: usize, index: usize) -> Option<Vec<u8>> {
        (frame == 1 && index == 3).then(|| 77_u32.to_le_bytes().to_vec())
    }

    fn operand(&mut self, _: usize, index: usize) -> Option<Vec<u8>> {
        (index == 0).then(|| vec![1; 16])
    }

    fn global(&mut self, _: usize, index: usize) -> Option<Vec<u8>> {
        (index == 0).then(|| vec![9; 8])
    }

    fn memory(&mut self, at: u32, length: usize) -> Option<Vec<u8>> {
        let memory: Vec<u8> = (0..64).collect();
        let rest = memory.get(usize::try_from(at).unwrap()..)?;
        Some(rest.get(..length).unwrap_or(rest).to_vec())
    }
}

fn on_worker<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(work)
}

/// Runs a guest beside the test.
fn guest<T: Send + 'static>(
    debugger: &Debugger,
    life: impl FnOnce(Seat, &dyn Fn(&Seat, Why, Vec<u32>) -> bool) -> T + Send + 'static,
) -> std::thread::JoinHandle<T> {
    let seat = debugger.seat().unwrap();
    std::thread::spawn(move || {
        let stand = |seat: &Seat, why: Why, frames: Vec<u32>| {
            let Some(mut stop) = seat.stop(why, frames) else {
                return false;
            };
            on_worker(async {
                while let Some(question) = stop.question().await {
                    question.put_to(&mut Fake);
                }
            });
            true
        };
        life(seat, &stand)
    })
}

#[test]
fn a_client_that_comes_first_finds_the_module_and_nothing_that_runs() {
    let debugger = debugger();
    let mut client = Client::attach(&debugger);
    assert!(
        client
            .ask("qSupported:xmlRegisters=i386")
            .contains("qXfer:libraries:read+")
    );
    assert_eq!(client.ask("QStartNoAckMode"), "OK");
    assert!(client.ask("?").contains("05"));
    assert!(client.ask("qHostInfo").contains("ptrsize:4"));
    let library = "<library-list><library name=\"guest__1_.wasm\"><section address=\"4611686018427387904\"/></library></library-list>";
    assert_eq!(client.ask("qXfer:libraries:read::0,fff"), format!("m{library}"));
    // There may be more until there is nothing.
    assert_eq!(client.ask("qXfer:libraries:read::1,4"), "mlibr");
    assert_eq!(client.ask("qXfer:libraries:read::ffff,4"), "l");
    assert!(
        client
            .ask("qXfer:memory-map:read::0,fff")
            .contains("type=\"rom\" start=\"0x4000000000000000\" length=\"0x10\"")
    );
    assert_eq!(client.ask(&format!("m{:x},4", CODE + 1)), "31323334");
    assert_eq!(client.ask(&format!("m{:x},40", CODE + 14)), "6566");
    assert!(client.ask("qRegisterInfo0").contains("name:pc"));
    assert!(client.ask("qWasmCallStack:1").is_empty());
    assert!(client.ask("m0,4").starts_with('E'));
}

#[test]
fn a_guest_stops_at_a_breakpoint_and_answers() {
    let debugger = debugger();
    let mut client = Client::attach(&debugger);
    assert_eq!(client.ask(&format!("Z0,{:x},1", CODE + 12)), "OK");
    let life = guest(&debugger, |seat, stand| {
        let orders = on_worker(seat.may_run());
        assert!(stand(&seat, Why::Breakpoint, vec![10, 13]));
        orders
    });
    // The reply is the stop: with the register, for LLDB does not ask for it.
    let stop = client.ask("c");
    assert!(
        stop.starts_with("T05") && stop.contains("swbreak") && stop.contains("00:0c00000000000040"),
        "{stop}"
    );
    assert_eq!(client.ask("qWasmCallStack:1"), "0c000000000000400f00000000000040");
    assert_eq!(client.ask("qWasmLocal:1;3"), "4d000000");
    assert_eq!(client.ask("qWasmLocal:1;4"), "");
    assert_eq!(client.ask("qWasmStackValue:0;0"), "01".repeat(16));
    assert_eq!(client.ask("qWasmGlobal:0;0"), "09".repeat(8));
    assert_eq!(client.ask("m3e,8"), "3e3f");
    assert!(client.ask("m40,1").starts_with('E'));
    client.send("c");
    let orders = life.join().unwrap();
    assert_eq!(
        orders.breakpoints.into_iter().collect::<Vec<_>>(),
        [10],
        "its own place, not LLDB's"
    );
}

#[test]
fn a_breakpoint_outside_of_the_code_is_refused() {
    let debugger = debugger();
    let mut client = Client::attach(&debugger);
    let elsewhere = [
        0,
        12,
        CODE + 9,
        CODE + 16,
        CODE + (1 << 32) + 12,
        CODE * 3 + 12,
        u64::MAX,
    ];
    for address in elsewhere {
        let answer = client.ask(&format!("Z0,{address:x},1"));
        assert!(answer.starts_with('E'), "{address:x}: {answer}");
    }
    assert!(
        client.ask(&format!("z0,{:x},1", CODE + 12)).starts_with('E'),
        "there was none"
    );
}

#[test]
fn steps_interruptions_and_deaths_have_their_signals() {
    let debugger = debugger();
    let mut client = Client::attach(&debugger);
    let life = guest(&debugger, |seat, stand| {
        assert!(on_worker(seat.may_run()).step);
        stand(&seat, Why::Breakpoint, vec![9]);
        assert!(!seat.orders().step);
        while !seat.is_interrupted() {
            std::thread::yield_now();
        }
        stand(&seat, Why::Interrupted, vec![9]);
        stand(&seat, Why::Death(Death::GivenUp), vec![9]);
        stand(&seat, Why::Death(Death::Memory), vec![9]);
    });
    let stop = client.ask("vCont;s:1");
    assert!(stop.starts_with("T05") && !stop.contains("swbreak"), "{stop}");
    client.send("vCont;c");
    client.0.write_all(b"\x03").unwrap();
    assert!(client.receive().starts_with("T02"));
    assert!(client.ask("vCont;c").starts_with("T06"));
    assert!(client.ask("vCont;C06:1").starts_with("T0b"));
    client.send("c");
    life.join().unwrap();
}

#[test]
fn an_idle_guest_is_stopped_at_once_and_waits_before_its_next_step() {
    let debugger = debugger();
    let mut client = Client::attach(&debugger);
    let seat = debugger.seat().unwrap();
    client.send("c");
    on_worker(seat.may_run());
    seat.left();
    client.0.write_all(b"\x03").unwrap();
    assert!(client.receive().starts_with("T02"));
    assert_eq!(client.ask("qWasmCallStack:1"), "", "it is in no code");
    let mut waiting = std::pin::pin!(seat.may_run());
    let mut task = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(
        waiting.as_mut().poll(&mut task).is_pending(),
        "it does not run while it shall stand"
    );
    client.send("c");
    on_worker(waiting);
}

#[test]
fn one_that_is_told_to_stop_and_returns_first_is_told_of_all_the_same() {
    let debugger = debugger();
    let mut client = Client::attach(&debugger);
    let seat = debugger.seat().unwrap();
    client.send("c");
    on_worker(seat.may_run());
    client.0.write_all(b"\x03").unwrap();
    while !seat.is_interrupted() {
        std::thread::yield_now();
    }
    seat.left();
    assert!(client.receive().starts_with("T02"));
}

#[test]
fn when_the_client_goes_the_guest_goes_on_without_breakpoints() {
    let debugger = debugger();
    let mut client = Client::attach(&debugger);
    assert_eq!(client.ask(&format!("Z0,{:x},1", CODE + 12)), "OK");
    let life = guest(&debugger, |seat, stand| {
        on_worker(seat.may_run());
        stand(&seat, Why::Breakpoint, vec![10]);
        let orders = seat.orders();
        (orders, stand(&seat, Why::Breakpoint, vec![10]))
    });
    assert!(client.ask("c").starts_with("T05"));
    drop(client);
    assert_eq!(life.join().unwrap(), (Orders::default(), false));
}

#[test]
fn the_end_is_told() {
    let debugger = debugger();
    let mut client = Client::attach(&debugger);
    let seat = debugger.seat().unwrap();
    client.send("c");
    on_worker(seat.may_run());
    drop(seat);
    on_worker(debugger.exited(1));
    assert_eq!(client.receive(), "W01");
    assert!(client.is_gone());
}

#[test]
fn one_guest_and_one_client_at_a_time() {
    let debugger = debugger();
    let seat = debugger.seat();
    assert!(seat.is_some() && debugger.seat().is_none());
    drop(seat);
    assert!(debugger.seat().is_some());
    let mut client = Client::attach(&debugger);
    assert!(client.ask("?").contains("05"));
    assert!(Client::attach(&debugger).is_gone());
    assert!(client.ask("?").contains("05"));
}

#[test]
fn another_module_ends_the_session_of_the_one_before() {
    let debugger = debugger();
    let mut client = Client::attach(&debugger);
    assert!(client.ask("?").contains("05"));
    debugger.show(&Image::new("other.wasm", *b"fedcba9876543210", 8, 8));
    assert!(client.is_gone());
    let mut client = Client::attach(&debugger);
    assert_eq!(client.ask(&format!("m{CODE:x},2")), "6665");
}

#[test]
fn nobody_from_elsewhere_attaches_unless_that_is_said() {
    let everywhere = SocketAddr::from(([0, 0, 0, 0], 0));
    let refused = Debugger::listen(everywhere, Reach::Loopback, image());
    assert!(matches!(refused, Err(Fault::NotLoopback(address)) if address == everywhere));
    assert!(Debugger::listen(everywhere, Reach::Anywhere, image()).is_ok());
}

#[test]
fn a_place_that_is_given_up_is_free_again() {
    let debugger = debugger();
    let address = debugger.address();
    let mut client = Client::attach(&debugger);
    assert!(client.ask("?").contains("05"));
    drop(debugger);
    assert!(client.is_gone());
    drop(client);
    // The thread closes its socket as soon as it has noticed.
    let until = std::time::Instant::now() + DEADLINE;
    while TcpStream::connect(address).is_ok() {
        assert!(std::time::Instant::now() < until, "it still listens");
    }
}

/// Packets that no debugger sends.
const HOSTILE: &[&[u8]] = &[
    b"$#00",
    b"$?#zz",
    b"$m#6d",
    b"}}}}$$$$####",
    b"$mffffffffffffffff,ffffffffffffffff#00",
    b"$Z0,ffffffffffffffffffffffffffffffff,1#00",
    b"$qXfer:libraries:read::ffffffffffffffff,ffffffffffffffff#00",
    b"$qWasmLocal:99999999999999999999;99999999999999999999#00",
    b"$qWasmLocal:18446744073709551615;18446744073709551615#00",
    b"$qWasmCallStack:0#00",
    b"$qWasmCallStack:-1#00",
    b"$vCont;s:ffffffffffffffff#00",
    b"$Hg-1#00",
    b"$X0,ffffffff:}#00",
    b"$Pffff=00#00",
    b"$G00#00",
    b"\x03\x03\x03\x03$c#63\x03\x03",
];

/// The beginnings of packets that have something behind them.
const VERBS: &[&str] = &[
    "m",
    "Z0,",
    "z0,",
    "qXfer:libraries:read::",
    "qXfer:memory-map:read::",
    "qWasmLocal:",
    "qWasmCallStack:",
    "vCont;",
    "H",
    "p",
    "P",
    "X",
    "M",
    "G",
    "qRegisterInfo",
    "qSupported:",
    "x",
    "",
];

/// The packet with its right checksum instead of the one that it has.
fn well_framed(packet: &[u8]) -> Vec<u8> {
    let body: Vec<u8> = packet.iter().copied().filter(|byte| !b"$#".contains(byte)).collect();
    let sum = body.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    [b"$", body.as_slice(), format!("#{sum:02x}").as_bytes()].concat()
}

/// What the session answers; a panic would be the test's.
fn survives(bytes: &[u8]) -> Vec<u8> {
    on_worker(async {
        let desk = Desk::new();
        let (mut client, server) = tokio::io::duplex(1 << 16);
        let session = serve(server, &desk, image());
        let hostile = async {
            // It may hang up in the middle.
            let _ = client.write_all(bytes).await;
            let _ = client.shutdown().await;
            let mut answers = Vec::new();
            let _ = client.read_to_end(&mut answers).await;
            answers
        };
        tokio::join!(session, hostile).1
    })
}

#[test]
fn hostile_packets_end_a_session_at_most() {
    for packet in HOSTILE {
        survives(packet);
        survives(&well_framed(packet));
    }
    // Longer than any packet may be.
    survives(&[b"$m".as_slice(), &vec![b'1'; 1 << 20], b"#00"].concat());
    // The way itself: what is right is answered.
    assert!(String::from_utf8(survives(b"$?#3f")).unwrap().contains("05"));
}

#[test]
fn a_session_that_went_wrong_makes_room_for_the_next() {
    let debugger = debugger();
    let mut client = Client::attach(&debugger);
    client.0.write_all(b"$m#6d$?#00").unwrap();
    client.0.shutdown(std::net::Shutdown::Write).unwrap();
    while !client.is_gone() {}
    assert!(Client::attach(&debugger).ask("?").contains("05"));
}

proptest! {
    #[test]
    fn no_bytes_at_all_panic_the_stub(
        verb in prop::sample::select(VERBS),
        rest in prop::collection::vec(any::<u8>(), 0..40),
        raw in any::<bool>(),
    ) {
        let packet = [verb.as_bytes(), &rest].concat();
        survives(&if raw { packet } else { well_framed(&packet) });
    }
}
