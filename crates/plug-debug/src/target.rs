//! The guest as the protocol's library wants it: an address space, one register, a call stack, breakpoints.
//!
//! LLDB's 64-bit addresses have three parts: two bits for the kind (memory or module), thirty for the number, and the offset.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use gdbstub::arch::lldb::{Encoding, Format, Generic, Register};
use gdbstub::common::{Endianness, Pid, Signal, Tid};
use gdbstub::target::ext::base::BaseOps;
use gdbstub::target::ext::base::single_register_access::{SingleRegisterAccess, SingleRegisterAccessOps};
use gdbstub::target::ext::base::singlethread::{
    SingleThreadBase, SingleThreadResume, SingleThreadResumeOps, SingleThreadSingleStep, SingleThreadSingleStepOps,
};
use gdbstub::target::ext::breakpoints::{Breakpoints, BreakpointsOps, SwBreakpoint, SwBreakpointOps};
use gdbstub::target::ext::host_info::{HostInfo, HostInfoOps, HostInfoResponse};
use gdbstub::target::ext::libraries::{Libraries, LibrariesOps};
use gdbstub::target::ext::lldb_register_info_override::{
    Callback, CallbackToken, LldbRegisterInfoOverride, LldbRegisterInfoOverrideOps,
};
use gdbstub::target::ext::memory_map::{MemoryMap, MemoryMapOps};
use gdbstub::target::ext::process_info::{ProcessInfo, ProcessInfoOps, ProcessInfoResponse};
use gdbstub::target::ext::wasm::{Wasm, WasmOps};
use gdbstub::target::{Target, TargetError, TargetResult};
use gdbstub_arch::wasm::Wasm as WasmArch;
use gdbstub_arch::wasm::addr::{WasmAddr, WasmAddrType};
use gdbstub_arch::wasm::reg::WasmRegisters;
use gdbstub_arch::wasm::reg::id::WasmRegId;
use tokio::sync::mpsc;

use crate::desk::Desk;
use crate::guest::{About, Question};
use crate::image::Image;

/// LIMIT: breakpoints that a client may have.
const BREAKPOINTS_MAX: usize = 4_096;
/// LIMIT: how long a stopped guest may take to answer; its worker serves others meanwhile.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// What LLDB calls the machine.
const TRIPLE: &str = "wasm32-unknown-unknown-wasm";

/// One guest as a client sees it.
pub(crate) struct Debuggee {
    desk: Arc<Desk>,
    image: Image,
    libraries: String,
    memory_map: String,
    /// Frames of the stop in progress, innermost first, as LLDB's addresses.
    frames: Vec<u64>,
    /// Who answers questions; none when nothing is stopped in the midst of its code.
    guest: Option<mpsc::Sender<Question>>,
    step: bool,
    /// The client has let it run.
    runs: bool,
}

impl Debuggee {
    pub(crate) fn new(desk: Arc<Desk>, image: Image) -> Self {
        let base = code_address(0);
        let libraries = format!(
            "<library-list><library name=\"{}\"><section address=\"{base}\"/></library></library-list>",
            escaped(image.name())
        );
        // How much memory there is changes; what is not there is refused when it is read.
        let memory_map = format!(
            "<?xml version=\"1.0\"?><!DOCTYPE memory-map SYSTEM \"memory-map.dtd\"><memory-map>\
             <memory type=\"rom\" start=\"{base:#x}\" length=\"{:#x}\"/>\
             <memory type=\"ram\" start=\"0x0\" length=\"{:#x}\"/></memory-map>",
            image.bytes().len(),
            1_u64 << 32,
        );
        Self {
            desk,
            image,
            libraries,
            memory_map,
            frames: Vec::new(),
            guest: None,
            step: false,
            runs: false,
        }
    }

    /// The guest has stopped at these places; `guest` answers for it.
    pub(crate) fn stopped(&mut self, frames: &[u32], guest: Option<mpsc::Sender<Question>>) {
        let shown = frames.iter().map(|place| code_address(self.image.shown(*place)));
        self.frames = shown.collect();
        self.guest = guest;
        self.runs = false;
    }

    /// Whether the guest was to make one step.
    pub(crate) fn steps(&self) -> bool {
        self.step
    }

    /// Whether the client has let it run, so that it may be told to stop.
    pub(crate) fn runs(&self) -> bool {
        self.runs
    }

    /// The address of the innermost frame; 0 without one.
    pub(crate) fn pc(&self) -> u64 {
        self.frames.first().copied().unwrap_or_default()
    }

    fn ask(&self, about: About) -> Option<Vec<u8>> {
        let (reply, answer) = sync_channel(1);
        let guest = self.guest.as_ref()?;
        guest.try_send(Question { about, reply }).ok()?;
        answer.recv_timeout(ANSWER_MAX).ok()?
    }

    /// The value that answers, in `buffer`; 0 bytes for none.
    fn value(&self, about: About, buffer: &mut [u8]) -> usize {
        let value = self.ask(about).unwrap_or_default();
        copy(&value, buffer)
    }

    /// The place of code at an address of LLDB's.
    fn place(&self, address: u64) -> Option<u32> {
        let address = WasmAddr::from_raw(address)?;
        let is_code = address.addr_type() == WasmAddrType::Object && address.module_index() == 0;
        self.image.place(address.offset()).filter(|_| is_code)
    }
}

/// The address of the module's byte `offset`.
fn code_address(offset: u32) -> u64 {
    WasmAddr::new(WasmAddrType::Object, 0, offset).map_or(0, WasmAddr::as_raw)
}

fn escaped(name: &str) -> String {
    let plain = |letter: &char| letter.is_alphanumeric() || "._-+".contains(*letter);
    name.chars()
        .map(|letter| if plain(&letter) { letter } else { '_' })
        .collect()
}

/// As much of `bytes` as fits.
fn copy(bytes: &[u8], buffer: &mut [u8]) -> usize {
    let length = bytes.len().min(buffer.len());
    for (to, from) in buffer.iter_mut().zip(bytes) {
        *to = *from;
    }
    length
}

/// A window of a text.
fn window(text: &str, offset: u64, length: usize, buffer: &mut [u8]) -> usize {
    let from = usize::try_from(offset).unwrap_or(usize::MAX);
    let rest = text.as_bytes().get(from..).unwrap_or_default();
    copy(rest.get(..length).unwrap_or(rest), buffer)
}

impl Target for Debuggee {
    type Arch = WasmArch;
    type Error = Infallible;

    fn base_ops(&mut self) -> BaseOps<'_, Self::Arch, Self::Error> {
        BaseOps::SingleThread(self)
    }

    fn support_wasm(&mut self) -> Option<WasmOps<'_, Self>> {
        Some(self)
    }

    fn use_lldb_register_info(&self) -> bool {
        true
    }

    fn support_lldb_register_info_override(&mut self) -> Option<LldbRegisterInfoOverrideOps<'_, Self>> {
        Some(self)
    }

    fn support_breakpoints(&mut self) -> Option<BreakpointsOps<'_, Self>> {
        Some(self)
    }

    fn support_libraries(&mut self) -> Option<LibrariesOps<'_, Self>> {
        Some(self)
    }

    fn support_memory_map(&mut self) -> Option<MemoryMapOps<'_, Self>> {
        Some(self)
    }

    fn support_process_info(&mut self) -> Option<ProcessInfoOps<'_, Self>> {
        Some(self)
    }

    fn support_host_info(&mut self) -> Option<HostInfoOps<'_, Self>> {
        Some(self)
    }
}

impl SingleThreadBase for Debuggee {
    fn read_registers(&mut self, registers: &mut WasmRegisters) -> TargetResult<(), Self> {
        registers.pc = self.pc();
        Ok(())
    }

    fn write_registers(&mut self, _: &WasmRegisters) -> TargetResult<(), Self> {
        // Where a guest goes on is decided by its code alone.
        Err(TargetError::NonFatal)
    }

    fn read_addrs(&mut self, start: u64, data: &mut [u8]) -> TargetResult<usize, Self> {
        let address = WasmAddr::from_raw(start).ok_or(TargetError::NonFatal)?;
        let read = match (address.addr_type(), address.module_index()) {
            (WasmAddrType::Object, 0) => {
                let from = usize::try_from(address.offset()).unwrap_or(usize::MAX);
                copy(self.image.bytes().get(from..).unwrap_or_default(), data)
            }
            (WasmAddrType::Memory, 0) => self.value(About::Memory(address.offset(), data.len()), data),
            _ => 0,
        };
        if read == 0 {
            Err(TargetError::NonFatal)
        } else {
            Ok(read)
        }
    }

    fn write_addrs(&mut self, _: u64, _: &[u8]) -> TargetResult<(), Self> {
        Err(TargetError::NonFatal)
    }

    fn support_single_register_access(&mut self) -> Option<SingleRegisterAccessOps<'_, (), Self>> {
        Some(self)
    }

    fn support_resume(&mut self) -> Option<SingleThreadResumeOps<'_, Self>> {
        Some(self)
    }
}

impl SingleRegisterAccess<()> for Debuggee {
    fn read_register(&mut self, (): (), register: WasmRegId, buffer: &mut [u8]) -> TargetResult<usize, Self> {
        match register {
            WasmRegId::Pc => Ok(copy(&self.pc().to_le_bytes(), buffer)),
            _ => Err(TargetError::NonFatal),
        }
    }

    fn write_register(&mut self, (): (), _: WasmRegId, _: &[u8]) -> TargetResult<(), Self> {
        Err(TargetError::NonFatal)
    }
}

impl Debuggee {
    fn go_on(&mut self, step: bool) {
        self.step = step;
        self.runs = true;
        self.desk.order(|orders| orders.step = step);
        self.frames.clear();
        // First what it shall do next, then that there are no more questions.
        self.desk.resume();
        self.guest = None;
    }
}

impl SingleThreadResume for Debuggee {
    fn resume(&mut self, _: Option<Signal>) -> Result<(), Self::Error> {
        self.go_on(false);
        Ok(())
    }

    fn support_single_step(&mut self) -> Option<SingleThreadSingleStepOps<'_, Self>> {
        Some(self)
    }
}

impl SingleThreadSingleStep for Debuggee {
    fn step(&mut self, _: Option<Signal>) -> Result<(), Self::Error> {
        self.go_on(true);
        Ok(())
    }
}

impl Breakpoints for Debuggee {
    fn support_sw_breakpoint(&mut self) -> Option<SwBreakpointOps<'_, Self>> {
        Some(self)
    }
}

impl SwBreakpoint for Debuggee {
    fn add_sw_breakpoint(&mut self, address: u64, _: usize) -> TargetResult<bool, Self> {
        let Some(place) = self.place(address) else {
            return Ok(false);
        };
        Ok(self.desk.order(|orders| {
            let room = orders.breakpoints.len() < BREAKPOINTS_MAX;
            if room {
                orders.breakpoints.insert(place);
            }
            room
        }))
    }

    fn remove_sw_breakpoint(&mut self, address: u64, _: usize) -> TargetResult<bool, Self> {
        let Some(place) = self.place(address) else {
            return Ok(false);
        };
        Ok(self.desk.order(|orders| orders.breakpoints.remove(&place)))
    }
}

impl LldbRegisterInfoOverride for Debuggee {
    fn lldb_register_info<'a>(
        &mut self,
        register: usize,
        answer: Callback<'a>,
    ) -> Result<CallbackToken<'a>, Self::Error> {
        if register != 0 {
            return Ok(answer.done());
        }
        Ok(answer.write(Register {
            name: "pc",
            alt_name: Some("pc"),
            bitsize: 64,
            offset: 0,
            encoding: Encoding::Uint,
            format: Format::Hex,
            set: "PC",
            gcc: Some(16),
            dwarf: Some(16),
            generic: Some(Generic::Pc),
            container_regs: None,
            invalidate_regs: None,
        }))
    }
}

impl Libraries for Debuggee {
    fn get_libraries(&self, offset: u64, length: usize, buffer: &mut [u8]) -> TargetResult<usize, Self> {
        Ok(window(&self.libraries, offset, length, buffer))
    }
}

impl MemoryMap for Debuggee {
    fn memory_map_xml(&self, offset: u64, length: usize, buffer: &mut [u8]) -> TargetResult<usize, Self> {
        Ok(window(&self.memory_map, offset, length, buffer))
    }
}

impl Wasm for Debuggee {
    fn wasm_call_stack(&self, _: Tid, next: &mut dyn FnMut(u64)) -> Result<(), Self::Error> {
        self.frames.iter().for_each(|address| next(*address));
        Ok(())
    }

    fn read_wasm_local(&self, _: Tid, frame: usize, local: usize, buffer: &mut [u8]) -> Result<usize, Self::Error> {
        Ok(self.value(About::Local(frame, local), buffer))
    }

    fn read_wasm_stack(&self, _: Tid, frame: usize, index: usize, buffer: &mut [u8]) -> Result<usize, Self::Error> {
        Ok(self.value(About::Operand(frame, index), buffer))
    }

    fn read_wasm_global(&self, _: Tid, frame: usize, global: usize, buffer: &mut [u8]) -> Result<usize, Self::Error> {
        Ok(self.value(About::Global(frame, global), buffer))
    }
}

impl HostInfo for Debuggee {
    fn host_info(&self, write: &mut dyn FnMut(&HostInfoResponse<'_>)) -> Result<(), Self::Error> {
        write(&HostInfoResponse::Triple(TRIPLE));
        write(&HostInfoResponse::Endianness(Endianness::Little));
        write(&HostInfoResponse::PointerSize(4));
        Ok(())
    }
}

impl ProcessInfo for Debuggee {
    fn process_info(&self, write: &mut dyn FnMut(&ProcessInfoResponse<'_>)) -> Result<(), Self::Error> {
        write(&ProcessInfoResponse::Pid(Pid::MIN));
        write(&ProcessInfoResponse::Triple(TRIPLE));
        write(&ProcessInfoResponse::Endianness(Endianness::Little));
        write(&ProcessInfoResponse::PointerSize(4));
        Ok(())
    }
}
