//! One client's connection, from its first byte to its last.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use gdbstub::common::Signal;
use gdbstub::conn::Connection;
use gdbstub::stub::state_machine::{GdbStubStateMachine, GdbStubStateMachineInner, state};
use gdbstub::stub::{GdbStubBuilder, SingleThreadStopReason};
use gdbstub_arch::wasm::reg::id::WasmRegId;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::desk::{Desk, Event};
use crate::guest::{Death, Why};
use crate::image::Image;
use crate::target::Debuggee;

/// LIMIT: bytes of one packet; a longer one ends the session.
const PACKET_BYTES_MAX: usize = 64 * 1024;

type Machine = GdbStubStateMachine<'static, Debuggee, Outbox>;
type Reason = SingleThreadStopReason<u64>;

/// What is to be sent.
#[derive(Default)]
struct Outbox(Vec<u8>);

impl Connection for Outbox {
    type Error = Infallible;

    fn write(&mut self, byte: u8) -> Result<(), Infallible> {
        self.0.push(byte);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Something that the client's words do not allow.
fn broken<E: std::fmt::Display>(why: E) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_string())
}

/// Serves a client to its end; it has the guest's attention meanwhile.
pub(crate) async fn serve<S>(stream: S, desk: &Arc<Desk>, image: Image) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let events = desk.open();
    let session = Session {
        wire: Wire {
            stream,
            read: Vec::new(),
            at: 0,
        },
        debuggee: Debuggee::new(Arc::clone(desk), image),
        desk: Arc::clone(desk),
        events,
    };
    session.run().await
}

/// The connection, with what has come and not been looked at.
struct Wire<S> {
    stream: S,
    read: Vec<u8>,
    at: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// The next byte; none at the end.
    async fn byte(&mut self) -> io::Result<Option<u8>> {
        if self.at >= self.read.len() {
            let mut buffer = [0; 4096];
            let length = self.stream.read(&mut buffer).await?;
            self.read = buffer.get(..length).unwrap_or_default().to_vec();
            self.at = 0;
        }
        let byte = self.read.get(self.at).copied();
        self.at = self.at.saturating_add(1);
        Ok(byte)
    }

    async fn send(&mut self, outbox: &mut Outbox) -> io::Result<()> {
        if !outbox.0.is_empty() {
            self.stream.write_all(&outbox.0).await?;
            outbox.0.clear();
        }
        Ok(())
    }
}

/// What comes next while the guest runs.
enum Next {
    Byte(Option<u8>),
    Event(Event),
}

struct Session<S> {
    wire: Wire<S>,
    debuggee: Debuggee,
    desk: Arc<Desk>,
    events: mpsc::Receiver<Event>,
}

impl<S> Drop for Session<S> {
    fn drop(&mut self) {
        self.desk.close();
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    async fn run(mut self) -> io::Result<()> {
        let stub = GdbStubBuilder::new(Outbox::default()).packet_buffer_size(PACKET_BYTES_MAX);
        let stub = stub.build().map_err(broken)?;
        let mut machine = stub.run_state_machine(&mut self.debuggee).map_err(broken)?;
        loop {
            machine = match machine {
                GdbStubStateMachine::Idle(mut inner) => {
                    self.wire.send(inner.borrow_conn()).await?;
                    let Some(byte) = self.wire.byte().await? else {
                        return Ok(());
                    };
                    inner.incoming_data(&mut self.debuggee, byte).map_err(broken)?
                }
                GdbStubStateMachine::Running(mut inner) => {
                    self.wire.send(inner.borrow_conn()).await?;
                    match self.next().await? {
                        Next::Byte(None) => return Ok(()),
                        Next::Byte(Some(byte)) => inner.incoming_data(&mut self.debuggee, byte).map_err(broken)?,
                        Next::Event(event) => self.tell(inner, event)?,
                    }
                }
                GdbStubStateMachine::CtrlCInterrupt(inner) => {
                    let at_once = self.debuggee.runs() && self.desk.interrupt();
                    let at_once = at_once.then(|| self.idle());
                    inner.interrupt_handled(&mut self.debuggee, at_once).map_err(broken)?
                }
                GdbStubStateMachine::Disconnected(mut inner) => {
                    return self.wire.send(inner.borrow_conn()).await;
                }
            };
        }
    }

    async fn next(&mut self) -> io::Result<Next> {
        let event = self.events.recv();
        tokio::select! {
            biased;
            byte = self.wire.byte() => byte.map(Next::Byte),
            Some(event) = event => Ok(Next::Event(event)),
        }
    }

    /// A stop outside of any code.
    fn idle(&mut self) -> Reason {
        self.debuggee.stopped(&[], None);
        Reason::SignalWithThread {
            tid: (),
            signal: Signal::SIGINT,
        }
    }

    fn tell(
        &mut self,
        inner: GdbStubStateMachineInner<'static, state::Running, Debuggee, Outbox>,
        event: Event,
    ) -> io::Result<Machine> {
        let reason = match event {
            Event::Stopped(why, frames, guest) => {
                self.debuggee.stopped(&frames, Some(guest));
                reason(why, self.debuggee.steps())
            }
            Event::Idle => self.idle(),
            Event::Exited(code) => Reason::Exited(code),
        };
        let pc = self.debuggee.pc().to_le_bytes();
        // LLDB wants the register with the stop; it does not ask for it.
        let mut registers = std::iter::once((WasmRegId::Pc, pc.as_slice()));
        inner
            .report_stop_with_regs(&mut self.debuggee, reason, &mut registers)
            .map_err(broken)
    }
}

fn reason(why: Why, steps: bool) -> Reason {
    let signal = match why {
        Why::Breakpoint if !steps => return Reason::SwBreak(()),
        Why::Breakpoint => Signal::SIGTRAP,
        Why::Interrupted => Signal::SIGINT,
        Why::Death(Death::GivenUp) => Signal::SIGABRT,
        Why::Death(Death::Arithmetic) => Signal::SIGFPE,
        Why::Death(Death::Memory) => Signal::SIGSEGV,
        Why::Death(Death::Call) => Signal::SIGILL,
        Why::Death(Death::HostCall) => Signal::SIGSYS,
        Why::Death(Death::Time) => Signal::SIGXCPU,
    };
    Reason::SignalWithThread { tid: (), signal }
}
