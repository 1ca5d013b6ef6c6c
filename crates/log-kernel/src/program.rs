//! The program that the kernel runs at each retransmit: it writes an event, or counts that there was no room for one.

use std::ffi::CStr;

use crate::assembler::{Assembler, Helper, Register};
use crate::event::{EVENT_BYTES, at};
use crate::layout::Layout;

/// The kernel lets only programs under a licence compatible with its own read its memory. These instructions may be had under either.
pub(crate) const LICENSE: &CStr = c"Dual MIT/GPL";

/// Bytes of the counters' map: events of our network namespace, and those of them for which the ring had no room.
pub(crate) const COUNTERS_BYTES: usize = 16;
/// Where in the counters the losses stand.
const LOST: i16 = 8;

/// Where the event stands on the stack, and beneath it a word to read into.
const EVENT: i16 = -EVENT_BYTES;
const SCRATCH: i16 = EVENT - 8;

const SOCKET: Register = Register::R6;
const SEGMENT: Register = Register::R7;
const FAILURE: Register = Register::R8;

/// What the program is made for.
pub(crate) struct Wiring<'a> {
    pub(crate) layout: &'a Layout,
    /// Number of our network namespace: others use the same addresses.
    pub(crate) namespace: u32,
    /// Descriptors of the maps.
    pub(crate) ring: i32,
    pub(crate) counters: i32,
}

/// Writes the program.
pub(crate) fn write(wiring: &Wiring<'_>) -> Vec<[u8; 8]> {
    let layout = wiring.layout;
    let mut code = Assembler::default();
    take_arguments(&mut code, layout);
    let stranger = layout.namespace.map(|(pointer, number)| {
        read(&mut code, SCRATCH, 8, SOCKET, pointer);
        code.load(Register::R3, Register::Stack, SCRATCH);
        read_at(&mut code, SCRATCH, 4, number);
        code.load_half(Register::R1, Register::Stack, SCRATCH);
        code.unless_half(Register::R1, wiring.namespace.cast_signed())
    });
    gather(&mut code, layout);
    count(&mut code, wiring, 0);
    code.call(Helper::Moment);
    code.store(Register::Stack, EVENT + at::MOMENT, Register::R0);
    code.map(Register::R1, wiring.ring);
    code.copy(Register::R2, Register::Stack);
    code.add(Register::R2, EVENT.into());
    code.set(Register::R3, EVENT_BYTES.into());
    code.set(Register::R4, 0);
    code.call(Helper::Output);
    let written = code.when(Register::R0, 0);
    count(&mut code, wiring, LOST);
    code.land(&written);
    if let Some(stranger) = &stranger {
        code.land(stranger);
    }
    code.set(Register::R0, 0);
    code.exit();
    code.finish()
}

/// Keeps what the tracepoint hands over where calls leave it alone, and clears the stack.
fn take_arguments(code: &mut Assembler, layout: &Layout) {
    code.load(SOCKET, Register::R1, 0);
    code.load(SEGMENT, Register::R1, 8);
    if layout.tells_failures {
        code.load(FAILURE, Register::R1, 16);
    } else {
        code.set(FAILURE, 0);
    }
    for at in (SCRATCH..0).step_by(8) {
        code.clear(Register::Stack, at);
    }
}

/// Fills the event. Both kinds of addresses are taken; which of them are meant, the family says.
fn gather(code: &mut Assembler, layout: &Layout) {
    read(code, EVENT + at::LOCAL_V4, 4, SOCKET, layout.local_v4);
    read(code, EVENT + at::REMOTE_V4, 4, SOCKET, layout.remote_v4);
    read(code, EVENT + at::LOCAL_PORT, 2, SOCKET, layout.local_port);
    read(code, EVENT + at::REMOTE_PORT, 2, SOCKET, layout.remote_port);
    read(code, EVENT + at::FAMILY, 2, SOCKET, layout.family);
    read(code, EVENT + at::STATE, 1, SOCKET, layout.state);
    read(code, EVENT + at::TOTAL, 4, SOCKET, layout.total);
    read(code, EVENT + at::SEGMENTS, 2, SEGMENT, layout.segments);
    if let Some((local, remote)) = layout.v6 {
        read(code, EVENT + at::LOCAL_V6, 16, SOCKET, local);
        read(code, EVENT + at::REMOTE_V6, 16, SOCKET, remote);
    }
    code.store_half(Register::Stack, EVENT + at::FAILURE, FAILURE);
}

/// Copies so many bytes from beyond `base` to the stack.
fn read(code: &mut Assembler, to: i16, bytes: i32, base: Register, offset: i32) {
    code.copy(Register::R3, base);
    read_at(code, to, bytes, offset);
}

/// Copies so many bytes from beyond the address in `R3` to the stack.
fn read_at(code: &mut Assembler, to: i16, bytes: i32, offset: i32) {
    code.add(Register::R3, offset);
    code.copy(Register::R1, Register::Stack);
    code.add(Register::R1, to.into());
    code.set(Register::R2, bytes);
    code.call(Helper::Read);
}

/// Adds one to a counter.
fn count(code: &mut Assembler, wiring: &Wiring<'_>, at: i16) {
    code.value(Register::R1, wiring.counters);
    code.set(Register::R2, 1);
    code.count(Register::R1, at, Register::R2);
}
